//! Logging in on connect: behind the question what the daemon is, before all else.
//!
//! The daemon hears the password if it may have users, once, and nobody else does: it is gone from
//! here as soon as its message is written, and what a daemon says of it goes on only where that is
//! known to repeat nothing.

use std::time::Duration;

use crate::json::{Kind, Raw, write};
use crate::util::password::Password;
use crate::wire::error::{METHOD_NOT_FOUND, RESPONSE_TIMEOUT};

use super::engine::{Engine, Phase};
use super::event::Event;
use super::requests::Purpose;
use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::compat::errors;

/// How long a daemon may take for a login, beyond the greeting. Passwords are costly to verify, others
/// may be in front, and our own daemon makes up to three seconds wait who has failed before.
pub const LOGIN_PATIENCE: Duration = Duration::from_secs(10);

/// Who logs in on connect.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name of the user.
    pub user: String,
    /// Shown nowhere.
    pub password: Password,
}

/// What became of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// The daemon took it.
    Accepted {
        /// What the user may do, as the daemon says it: a JSON object; none if it does not say.
        groups: Option<String>,
    },
    /// The daemon has no users. Nobody is logged in.
    NotOffered,
}

impl Authentication {
    /// The word that programs see.
    pub fn name(&self) -> &'static str {
        match self {
            Authentication::Accepted { .. } => "accepted",
            Authentication::NotOffered => "not offered",
        }
    }
}

impl Engine {
    /// Who the program wants to be, and what became of that if it has come so far.
    pub fn authentication(&self) -> Option<(&str, Option<&Authentication>)> {
        Some((self.user.as_deref()?, self.authentication.as_ref()))
    }

    /// Asks the daemon to log in whoever the program wants to be. False if there is nothing to wait for.
    pub(super) fn log_in(&mut self, events: &mut Vec<Event<'_>>) -> bool {
        let (Phase::Greeting(until), Some(login)) = (self.phase, self.options.login.take()) else {
            return false;
        };
        if self.has_no_users() {
            self.nobody_logs_in(events);
            return false;
        }
        self.phase = Phase::LoggingIn(until + LOGIN_PATIENCE);
        let written = self.greet(Purpose::Login, "authenticate", |out| {
            out.extend_from_slice(b"\"user\":");
            write::string(out, &login.user);
            out.extend_from_slice(b",\"password\":");
            write::string(out, login.password.text());
        });
        if !written {
            self.login_fails("it is longer than a message may be", &errors::refused("too long"), events);
        }
        true
    }

    /// Whether the daemon says, or is known, to have no users. It is told no password then.
    pub(super) fn has_no_users(&self) -> bool {
        let features = self.info.as_deref().and_then(|info| Raw::trusted(info).get("features"));
        let denies = |name| features.and_then(|features| features.get(name)?.as_bool()) == Some(false);
        self.dialect == Dialect::Lua || denies("authenticate") || denies("authentication")
    }

    fn nobody_logs_in(&mut self, events: &mut Vec<Event<'_>>) {
        self.authentication = Some(Authentication::NotOffered);
        let user = self.user.as_deref().unwrap_or_default();
        let note = format!("the daemon ({}) has no users: not logged in as '{user}'", self.dialect.name());
        events.push(Event::Note(note));
    }

    /// The daemon has answered the login.
    pub(super) fn login_answered(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        let Phase::LoggingIn(until) = self.phase else {
            return;
        };
        match outcome {
            Ok(result) => self.logged_in(result, events),
            Err(error) if errors::has_code(error, METHOD_NOT_FOUND) => self.nobody_logs_in(events),
            Err(error) => {
                let (reason, error) = errors::login_error(self.dialect, error);
                return self.login_fails(&reason, &error, events);
            }
        }
        self.phase = Phase::Greeting(until);
        match self.requests.is_open_for(Purpose::Info) {
            true => self.become_ready(events),
            false => self.introduce_in_its_encoding(events),
        }
    }

    fn logged_in(&mut self, result: Raw, events: &mut Vec<Event<'_>>) {
        // To all others `true`, or `{}`, is a login of which there is no more to say.
        if result == Raw::TRUE && matches!(self.dialect, Dialect::Own | Dialect::Unknown) {
            return self.nobody_logs_in(events);
        }
        let is_told = result.kind() == Kind::Object && result.members().next().is_some();
        let groups = is_told.then(|| result.text().to_owned());
        if groups.is_none() && self.dialect == Dialect::NodeJet {
            let user = self.user.as_deref().unwrap_or_default();
            let note = format!("the daemon gives '{user}' no groups: what has an access is closed to it");
            events.push(Event::Note(note));
        }
        self.authentication = Some(Authentication::Accepted { groups });
    }

    /// The daemon said nothing for too long.
    pub(super) fn login_unanswered(&mut self, events: &mut Vec<Event<'_>>) {
        let error = errors::plain(RESPONSE_TIMEOUT);
        self.login_fails("no answer", &error, events);
    }

    /// Without the rights it wants a program cannot do its work: the connection ends.
    fn login_fails(&mut self, why: &str, error: &str, events: &mut Vec<Event<'_>>) {
        let user = self.user.as_deref().unwrap_or_default();
        let reason = format!("login as '{user}' failed: {why}");
        self.closed();
        events.push(Event::LoginFailed { reason, error: error.to_owned() });
    }
}
