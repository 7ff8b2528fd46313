//! What is said on a new connection before the program's first message: the question what the
//! daemon is (`info`), and the name of this peer if it has one.

use std::time::{Duration, Instant};

use crate::json::Raw;
use crate::protocol::framing;

use super::dialect::Dialect;
use super::engine::{Engine, Phase};
use super::event::Event;
use super::outgoing::{write_request, RequestOptions};
use super::requests::Purpose;

/// How long a daemon may take to say what it is. All known ones answer, if only with an error;
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

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Greeting(deadline) => Some(deadline),
            _ => None,
        }
    }

    /// Goes on without the daemon's answer if that is due.
    pub fn handle_timeout(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        if self.next_timeout().is_some_and(|deadline| deadline <= now) {
            events.push(Event::Note("the daemon does not answer 'info', going on without".into()));
            self.become_ready(events);
        }
    }

    /// The daemon said what it is, or that it does not know the question.
    pub(super) fn learn(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        self.dialect = Dialect::recognise(outcome);
        self.info = outcome.ok().map(|info| info.text().to_owned());
        if self.phase == Phase::Ready {
            // The answer came late; what was sent so far suits every daemon.
            return;
        }
        match self.options.name.clone() {
            Some(name) => {
                let service = self.dialect.config_service();
                self.greet(Purpose::Name, service, |out| {
                    out.extend_from_slice(b"\"name\":");
                    out.extend_from_slice(name.as_bytes());
                });
            }
            None => self.become_ready(events),
        }
    }

    /// The daemon took the name, or not: it is for people only, so a refusal is just noted.
    pub(super) fn named(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        if let Err(error) = outcome {
            let note = format!("the daemon did not take the name of this peer: {}", error.text());
            events.push(Event::Note(note));
        }
        self.become_ready(events);
    }

    /// Lets the program's messages go.
    fn become_ready(&mut self, events: &mut Vec<Event<'_>>) {
        if !matches!(self.phase, Phase::Greeting(_)) {
            return;
        }
        self.phase = Phase::Ready;
        let early = std::mem::take(&mut self.early);
        let mut from = 0;
        for waiting in self.fetchers.take_early() {
            self.out.extend_from_slice(&early[from..waiting.position]);
            from = waiting.position;
            if let Err(error) = self.write_fetch(waiting.number, waiting.id, waiting.options) {
                events.push(self.failed_fetch(waiting.number, waiting.id, &error));
            }
        }
        self.out.extend_from_slice(&early[from..]);
        events.push(Event::Ready);
    }

    /// Writes a request of the greeting; too short to meet a limit.
    fn greet(&mut self, purpose: Purpose, service: &str, params: impl FnOnce(&mut Vec<u8>)) {
        let id = self.requests.begin(purpose);
        let mark = framing::begin(&mut self.out);
        let options = RequestOptions { respond: true, ..RequestOptions::default() };
        write_request(&mut self.out, Some(id), service, options, params);
        if framing::end(&mut self.out, mark, self.options.max_message).is_err() {
            self.requests.end(id);
        }
    }
}
