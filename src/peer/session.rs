//! [`Session`]: how far a connection has come, from dialling over the greeting to its end.
//!
//! The greeting is `info`, then the login, then one `config` with the name and the encoding, each
//! only if there is something to send. The `config` follows the deferred requests, and the peer is
//! ready when it is answered: programs expect the responses to their first requests before
//! `on_connect` then.
//!
//! A session sends nothing itself. Its methods return the next [`Step`], which the engine takes.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::json::{Kind, Raw};
use crate::util::password::Password;
use crate::wire::encoding::Encoding;
use crate::wire::error::RESPONSE_TIMEOUT;

use super::compat::daemon_kind::DaemonKind;
use super::event::Event;
use super::response;

/// Time for the whole greeting. All known daemons answer, if only with an error. A daemon that does
/// not answer is used as an unknown one.
pub const INFO_PATIENCE: Duration = Duration::from_secs(2);

/// Time for a login, beyond that of the greeting. Passwords are costly to verify, other logins may
/// come first, and our own daemon delays logins after failed ones by up to three seconds.
pub const LOGIN_PATIENCE: Duration = Duration::from_secs(10);

/// The user that logs in on connect.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name of the user.
    pub user: String,
    /// The password. It is dropped when its message is written and never shown.
    pub password: Password,
}

impl Login {
    /// Returns the params of the login.
    pub fn params(&self) -> impl Serialize {
        Credentials { user: &self.user, password: self.password.text() }
    }
}

#[derive(Serialize)]
struct Credentials<'a> {
    user: &'a str,
    password: &'a str,
}

/// The result of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// The daemon accepted it.
    Accepted {
        /// The groups of the user, as the JSON object that the daemon sent, or `None` if it sent
        /// none.
        groups: Option<String>,
    },
    /// The daemon has no users, so there was no login.
    NotOffered,
}

impl Authentication {
    /// Returns the word that programs see.
    pub fn name(&self) -> &'static str {
        match self {
            Authentication::Accepted { .. } => "accepted",
            Authentication::NotOffered => "not offered",
        }
    }
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not connected yet. Requests are deferred.
    Dialling,
    /// Connected, `info` is not answered yet. The instant is the end of the wait.
    Greeting(Instant),
    /// The login is not answered yet. Without a response the connection ends at the instant.
    LoggingIn(Instant),
    /// The daemon was asked to change the encoding. Nothing can be sent before it answers: all
    /// messages, also responses, are deferred.
    Switching,
    /// Messages are written at once.
    Ready,
    /// The connection is over.
    Closed,
}

/// What the engine has to do next.
#[derive(Debug)]
pub enum Step {
    /// Nothing: a response is to come.
    Wait,
    /// Send this login.
    LogIn(Login),
    /// Send the deferred requests, then this `config`.
    Introduce(Introduction),
    /// Send the deferred requests: the peer is ready.
    Start,
    /// Close the connection: the login failed.
    Fail {
        /// The reason, for people.
        reason: String,
        /// The error object, as JSON text.
        error: String,
    },
}

/// The params of the `config` that ends the greeting.
#[derive(Debug, Serialize)]
pub struct Introduction {
    /// The name of this peer, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_raw")]
    name: Option<String>,
    #[serde(skip_serializing_if = "is_json", serialize_with = "as_name")]
    encoding: Encoding,
}

impl Introduction {
    /// Returns the encoding that the connection has after the daemon has accepted it.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }
}

fn as_raw<S: serde::Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(Raw::trusted).serialize(serializer)
}

fn is_json(encoding: &Encoding) -> bool {
    *encoding == Encoding::Json
}

fn as_name<S: serde::Serializer>(encoding: &Encoding, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(encoding.name())
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    name: Option<String>,
    /// The encoding that the program asked for.
    encoding: Encoding,
    login: Option<Login>,
    user: Option<String>,
    authentication: Option<Authentication>,
    /// The response to `info`, as JSON text.
    info: Option<String>,
    /// Whether `info` was sent and is not answered.
    is_info_open: bool,
    /// The end of the wait for the response to `config`.
    config_deadline: Option<Instant>,
    /// Whether the program knows that the peer is ready.
    is_announced: bool,
}

impl Session {
    /// Creates a session that is not connected. `name` is JSON text.
    pub fn new(name: Option<String>, login: Option<Login>, encoding: Encoding) -> Session {
        Session {
            phase: Phase::Dialling,
            name,
            encoding,
            user: login.as_ref().map(|login| login.user.clone()),
            login,
            authentication: None,
            info: None,
            is_info_open: false,
            config_deadline: None,
            is_announced: false,
        }
    }

    /// Notes that the connection is established. Returns whether `info` has to be sent.
    pub fn connect(&mut self, now: Instant) -> bool {
        if self.phase == Phase::Closed {
            return false;
        }
        self.phase = Phase::Greeting(now + INFO_PATIENCE);
        self.is_info_open = true;
        true
    }

    /// Ends the session for good and drops the password.
    pub fn close(&mut self) {
        self.phase = Phase::Closed;
        self.login = None;
    }

    /// Returns whether messages are written at once.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Returns whether the daemon is known, even if nothing can be sent just now.
    pub fn knows_daemon(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Switching)
    }

    /// Returns whether the connection changes its encoding just now.
    pub fn is_switching(&self) -> bool {
        self.phase == Phase::Switching
    }

    /// Returns whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Returns the response to `info`, as JSON text.
    pub fn info(&self) -> Option<&str> {
        self.info.as_deref()
    }

    /// Returns the user that the program wants to be and the result of the login, if there is one.
    pub fn authentication(&self) -> Option<(&str, Option<&Authentication>)> {
        Some((self.user.as_deref()?, self.authentication.as_ref()))
    }

    /// Returns whether the program asked for msgpack.
    pub fn wants_msgpack(&self) -> bool {
        self.encoding == Encoding::Msgpack
    }

    /// Returns whether the daemon has no users. It gets no password then.
    pub fn lacks_users(&self, daemon: DaemonKind) -> bool {
        daemon.lacks_users(self.info.as_deref().map(Raw::trusted))
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Greeting(deadline) | Phase::LoggingIn(deadline) => Some(deadline),
            Phase::Ready | Phase::Switching => self.config_deadline,
            Phase::Dialling | Phase::Closed => None,
        }
    }

    /// Goes on without the response of a daemon that takes too long. `daemon` is what is known of it.
    pub fn handle_timeout(&mut self, now: Instant, daemon: DaemonKind, events: &mut Vec<Event<'_>>) -> Step {
        if self.next_timeout().is_none_or(|deadline| deadline > now) {
            return Step::Wait;
        }
        if matches!(self.phase, Phase::LoggingIn(_)) {
            return self.login_failure("no answer", response::plain(RESPONSE_TIMEOUT));
        }
        events.push(Event::Note("the daemon does not answer the greeting, going on without".into()));
        self.config_deadline = None;
        match self.phase {
            Phase::Greeting(_) => self.log_in(daemon, events).unwrap_or_else(|| self.start()),
            _ => Step::Start,
        }
    }

    /// Takes the response to `info`: its result, or `None` for an error. Returns whether it is of use: a
    /// peer that has become ready goes on as it began.
    pub fn learn(&mut self, info: Option<Raw>) -> bool {
        self.info = info.map(|info| info.text().to_owned());
        self.is_info_open = false;
        self.phase != Phase::Ready
    }

    /// Returns the step that follows the response to `info`.
    pub fn greet(&mut self, daemon: DaemonKind, events: &mut Vec<Event<'_>>) -> Step {
        match self.phase {
            // The program's messages are sent as JSON already.
            Phase::Ready => self.introduce(Encoding::Json),
            // The login did not wait for this response.
            Phase::LoggingIn(_) => Step::Wait,
            _ => match self.log_in(daemon, events) {
                Some(step) => step,
                None => self.introduce_with_encoding(daemon, events),
            },
        }
    }

    /// Logs in, unless there is no login or the daemon has no users.
    fn log_in(&mut self, daemon: DaemonKind, events: &mut Vec<Event<'_>>) -> Option<Step> {
        let Phase::Greeting(until) = self.phase else {
            return None;
        };
        let login = self.login.take()?;
        if self.lacks_users(daemon) {
            self.login_not_offered(daemon, events);
            return None;
        }
        self.phase = Phase::LoggingIn(until + LOGIN_PATIENCE);
        Some(Step::LogIn(login))
    }

    /// Notes that the login could not be written.
    pub fn login_too_long(&mut self) -> Step {
        self.login_failure("it is longer than a message may be", response::not_sent("too long"))
    }

    /// Returns whether the login is not answered yet.
    pub fn is_logging_in(&self) -> bool {
        matches!(self.phase, Phase::LoggingIn(_))
    }

    /// Takes the result of the login, or `None` if the daemon has no such service.
    pub fn login_accepted(
        &mut self,
        result: Option<Raw>,
        daemon: DaemonKind,
        events: &mut Vec<Event<'_>>,
    ) -> Step {
        match result {
            Some(result) if result != Raw::TRUE || !daemon.answers_logins_with_groups() => {
                self.logged_in(result, daemon, events);
            }
            _ => self.login_not_offered(daemon, events),
        }
        if let Phase::LoggingIn(until) = self.phase {
            self.phase = Phase::Greeting(until);
        }
        match self.is_info_open {
            true => self.start(),
            false => self.introduce_with_encoding(daemon, events),
        }
    }

    fn logged_in(&mut self, result: Raw, daemon: DaemonKind, events: &mut Vec<Event<'_>>) {
        let has_groups = result.kind() == Kind::Object && !response::is_empty_object(result);
        let groups = has_groups.then(|| result.text().to_owned());
        if groups.is_none() && daemon == DaemonKind::NodeJet {
            let user = self.user.as_deref().unwrap_or_default();
            let note = format!(
                "the daemon gives '{user}' no groups: elements with an access are closed to this peer"
            );
            events.push(Event::Note(note));
        }
        self.authentication = Some(Authentication::Accepted { groups });
    }

    fn login_not_offered(&mut self, daemon: DaemonKind, events: &mut Vec<Event<'_>>) {
        self.authentication = Some(Authentication::NotOffered);
        let user = self.user.as_deref().unwrap_or_default();
        let note = format!("the daemon ({}) has no users: not logged in as '{user}'", daemon.name());
        events.push(Event::Note(note));
    }

    /// Takes the error with which the daemon refused the login. `hint` explains it where the daemon
    /// does not.
    ///
    /// Without the rights it wants a program cannot do its work, so the connection ends.
    pub fn login_refused(&mut self, error: Raw, hint: Option<&str>) -> Step {
        let has = |key| error.get("data").is_some_and(|data| data.get(key).is_some_and(Raw::is_truthy));
        let reason = match hint {
            _ if has("invalidUser") => "unknown user",
            Some(hint) if has("invalidPassword") => {
                return self.login_failure(hint, response::with_reason(error, hint));
            }
            // Daemons with errors of their own do not tell which it is.
            _ if has("invalidPassword") && has("original") => "unknown user or wrong password",
            _ if has("invalidPassword") => "wrong password",
            // The data of an unknown error may repeat the password, so none is reported.
            _ => {
                let message = error.get("message").and_then(Raw::as_str).unwrap_or_default();
                return self.login_failure(&message, response::without_data(error));
            }
        };
        self.login_failure(reason, error.text().to_owned())
    }

    fn login_failure(&mut self, why: &str, error: String) -> Step {
        let user = self.user.as_deref().unwrap_or_default();
        Step::Fail { reason: format!("login as '{user}' failed: {why}"), error }
    }

    /// Introduces the peer, with the encoding if the program wants it and the daemon has it.
    fn introduce_with_encoding(&mut self, daemon: DaemonKind, events: &mut Vec<Event<'_>>) -> Step {
        if self.wants_msgpack() && !daemon.has_msgpack() {
            events.push(stays_json(&format!("({}) does not know it", daemon.name())));
        }
        match self.wants_msgpack() && daemon.has_msgpack() {
            true => self.introduce(Encoding::Msgpack),
            false => self.introduce(Encoding::Json),
        }
    }

    fn introduce(&mut self, encoding: Encoding) -> Step {
        let name = self.name.clone();
        if name.is_none() && encoding == Encoding::Json {
            return self.start();
        }
        if let Phase::Greeting(deadline) = self.phase {
            // There is no end of the wait for a change of the encoding: without the response the
            // daemon could not read what follows.
            self.config_deadline = (encoding == Encoding::Json).then_some(deadline);
        }
        self.phase = Phase::Ready;
        Step::Introduce(Introduction { name, encoding })
    }

    /// Notes that the introduction was sent. With another encoding, everything waits for its answer.
    pub fn introduced(&mut self, encoding: Encoding) {
        if encoding == Encoding::Msgpack {
            self.phase = Phase::Switching;
        }
    }

    /// Takes the response to the introduction. The name is for people only, and without msgpack
    /// everything works in more bytes, so a refusal is only logged.
    pub fn introduction_answered(
        &mut self,
        encoding: Encoding,
        outcome: Result<Raw, Raw>,
        events: &mut Vec<Event<'_>>,
    ) -> Step {
        match (encoding, outcome) {
            (Encoding::Json, Ok(_)) => Step::Start,
            (Encoding::Json, Err(error)) => {
                let note = format!("the daemon did not take the name of this peer: {}", error.text());
                events.push(Event::Note(note));
                Step::Start
            }
            (Encoding::Msgpack, Ok(_)) => self.start(),
            (Encoding::Msgpack, Err(error)) => {
                events.push(stays_json(&format!("refuses it: {}", error.text())));
                // The name, which was part of the same request, was refused with it.
                self.introduce(Encoding::Json)
            }
        }
    }

    /// Makes a connected peer ready.
    fn start(&mut self) -> Step {
        if !matches!(self.phase, Phase::Greeting(_) | Phase::Switching) {
            return Step::Wait;
        }
        self.phase = Phase::Ready;
        Step::Start
    }

    /// Returns whether the program has to be notified that the peer is ready: once.
    pub fn announce(&mut self) -> bool {
        self.config_deadline = None;
        !std::mem::replace(&mut self.is_announced, true)
    }
}

fn stays_json(why: &str) -> Event<'static> {
    Event::Note(format!("no msgpack, the connection stays with JSON: the daemon {why}"))
}
