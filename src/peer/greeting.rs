//! What this peer itself sends on a new connection: the question what the daemon is (`info`), the login (`login`),
//! and, if the program gave them, its name and encoding in one `config`.
//!
//! The `config` follows what the program has sent so far, and the connection is announced as ready when it is
//! answered: programs expect the answers to their first requests before `on_connect` then.

use std::time::{Duration, Instant};

use crate::json::Raw;
use crate::wire::encoding::Encoding;
use crate::wire::frame;

use super::engine::{Engine, Phase};
use super::event::Event;
use super::messages::{member, write_request};
use super::outgoing::RequestOptions;
use super::requests::Purpose;
use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::compat::simple_fetch::Shared;

/// How long a daemon may take for the whole greeting. All known ones answer, if only with an error;
/// one that does not is used like an unknown one rather than never.
pub const INFO_PATIENCE: Duration = Duration::from_secs(2);

impl Engine {
    /// The connection is there: asks the daemon what it is.
    pub fn connected(&mut self, now: Instant) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Greeting(now + INFO_PATIENCE);
        self.greet(Purpose::Info, "info", |_| {});
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called. The time that requests
    /// may take begins with the first call after they were made.
    pub fn next_timeout(&mut self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::Greeting(deadline) | Phase::LoggingIn(deadline) => Some(deadline),
            Phase::Ready | Phase::Switching => {
                let due = [self.introducing, self.requests.next_due(now), self.routes.next_due(now)];
                due.into_iter().flatten().min()
            }
            _ => None,
        }
    }

    /// Does what is due: tells the log what came up while messages were written, goes on without the daemon's answer to the greeting, ends requests that
    /// the daemon would leave open.
    pub fn handle_timeout(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        events.extend(self.unsaid.drain(..).map(|text| Event::Note(text.into())));
        match self.phase {
            Phase::Greeting(deadline) if deadline <= now => {
                events.push(unanswered());
                if !self.log_in(events) {
                    self.become_ready(events);
                }
            }
            Phase::LoggingIn(deadline) if deadline <= now => self.login_unanswered(events),
            Phase::Ready | Phase::Switching => {
                if self.introducing.is_some_and(|deadline| deadline <= now) {
                    events.push(unanswered());
                    self.announce(events);
                }
                self.end_overdue(now, events);
                self.retry_routes(now, events);
            }
            _ => {}
        }
    }

    /// The daemon said what it is, or that it does not know the question.
    pub(super) fn learn(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        self.info = outcome.ok().map(|info| info.text().to_owned());
        if self.phase != Phase::Ready {
            // What was sent to an unknown daemon has to go on as it began.
            self.dialect = Dialect::recognise(outcome);
            let fetch = outcome.ok().and_then(|info| info.get("features")?.get("fetch")?.as_str());
            let is_simple = fetch.as_deref() == Some("simple");
            self.shared = is_simple.then(Shared::default);
        }
        match self.phase {
            // The program's messages are on their way as JSON already.
            Phase::Ready => self.introduce(Encoding::Json, events),
            // It was not waited for.
            Phase::LoggingIn(_) => {}
            _ => {
                if !self.log_in(events) {
                    self.introduce_in_its_encoding(events);
                }
            }
        }
    }

    /// Tells the name of this peer in a message that changes the encoding if that is wanted.
    pub(super) fn introduce_in_its_encoding(&mut self, events: &mut Vec<Event<'_>>) {
        let encoding = match self.wants_msgpack(events) {
            true => Encoding::Msgpack,
            false => Encoding::Json,
        };
        self.introduce(encoding, events);
    }

    /// Sends what the program has sent so far, then the name of this peer, and the encoding if it is not the one
    /// there is.
    pub(super) fn introduce(&mut self, encoding: Encoding, events: &mut Vec<Event<'_>>) {
        let name = self.options.name.clone();
        let purpose = match encoding {
            Encoding::Json if name.is_none() => return self.become_ready(events),
            Encoding::Json => Purpose::Name,
            Encoding::Msgpack => Purpose::Encoding,
        };
        if let Phase::Greeting(deadline) = self.phase {
            // A change of the encoding has no deadline: what followed it could not be read.
            self.introducing = (encoding == Encoding::Json).then_some(deadline);
        }
        self.phase = Phase::Ready;
        self.send_early(events);
        let service = self.dialect.config_service();
        let written = self.greet(purpose, service, |out| {
            if let Some(name) = name {
                member(out, "name", &name);
            }
            if encoding == Encoding::Msgpack {
                member(out, "encoding", "\"msgpack\"");
            }
        });
        match encoding {
            _ if !written => self.announce(events),
            Encoding::Json => {}
            Encoding::Msgpack => self.phase = Phase::Switching,
        }
    }

    /// The daemon took the name, or not: it is for people only, so a refusal is just noted.
    pub(super) fn named(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        if let Err(error) = outcome {
            let note = format!("the daemon did not take the name of this peer: {}", error.text());
            events.push(Event::Note(note));
        }
        self.announce(events);
    }

    /// Tells the program that the peer is ready, once.
    fn announce(&mut self, events: &mut Vec<Event<'_>>) {
        self.introducing = None;
        if !std::mem::replace(&mut self.announced, true) {
            events.push(Event::Ready);
        }
    }

    /// Announces the peer as ready and lets the program's messages go.
    pub(super) fn become_ready(&mut self, events: &mut Vec<Event<'_>>) {
        if !matches!(self.phase, Phase::Greeting(_) | Phase::Switching) {
            return;
        }
        self.phase = Phase::Ready;
        self.announce(events);
        self.send_early(events);
    }

    /// Writes a request of the greeting; false if it is longer than messages may be.
    pub(super) fn greet(
        &mut self,
        purpose: Purpose,
        service: &str,
        params: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let id = self.requests.begin(purpose);
        let mark = frame::begin(&mut self.out);
        let options = RequestOptions { respond: true, ..RequestOptions::default() };
        write_request(&mut self.out, Some(id), service, options, params);
        let max_message = self.max_outgoing();
        let written = frame::end(&mut self.out, mark, max_message).is_ok();
        if !written {
            self.requests.end(id);
        }
        written
    }
}

fn unanswered() -> Event<'static> {
    Event::Note("the daemon does not answer the greeting, going on without".into())
}
