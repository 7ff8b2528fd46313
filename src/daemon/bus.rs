//! [`Bus`]: the engine of the daemon. Connections are opened and closed, messages are received, deadlines pass.
//!
//! The bus owns the components and is the only one that knows all of them: [`Live`] has connections, elements and
//! fetchers, [`Routes`] the open requests, [`Accounts`] the logins, and [`Work`] the unfinished jobs.

use std::time::Instant;

use crate::json::{Kind, Raw};
use crate::wire::encoding::Encoding;
use crate::wire::error::INVALID_REQUEST;
use crate::wire::message::Message;

use super::accounts::{self, Accounts, Ticket, Verdict};
use super::client::Client;
use super::config::Config;
use super::decode::{decode, refuse_garbage, text_of};
use super::held::{Held, HeldMessage};
use super::job::Job;
use super::keys::ClientKey;
use super::leave::Leave;
use super::live::Live;
use super::log::{Level, LogLine};
use super::reply::Refusal;
use super::request::Request;
use super::routes::Routes;
use super::routing::Router;
use super::services::{Answer, Services};
use super::work::{AT_ONCE, Progress, SLICE, TURN, Work};

/// A Jet bus without sockets, threads and clock. See the [module](super).
#[derive(Debug)]
pub struct Bus {
    live: Live,
    routes: Routes,
    accounts: Accounts,
    work: Work<Job>,
}

/// Connections and their messages.
impl Bus {
    /// Creates an empty bus.
    pub fn new(config: Config) -> Bus {
        Bus {
            live: Live::new(config),
            routes: Routes::default(),
            accounts: Accounts::default(),
            work: Work::default(),
        }
    }

    /// Adds a connection.
    pub fn connect(&mut self) -> ClientKey {
        self.live.clients.connect()
    }

    /// Ends a connection. Nothing is sent to it any more, and its record is removed when all it had is removed.
    pub fn disconnect(&mut self, key: ClientKey) {
        self.live.clients.abandon(key);
        self.accounts.forget(key);
        self.work.discard_parked(key);
        self.end_input(key);
    }

    /// Notes that a connection sends no more messages. Its fetches and elements are removed, and the requests it has
    /// not answered fail. Responses to its own requests are still sent.
    ///
    /// While messages of the connection [wait](Self::is_waiting), it keeps its fetches and elements. Then this method
    /// has to be called again later.
    pub fn end_input(&mut self, key: ClientKey) {
        if self.holds_changes(key) || !self.live.clients.begin_leaving(key) {
            return;
        }
        let mut leave = Leave::new(key, self.routes.owed_by(key));
        let until = self.live.units.spent() + AT_ONCE;
        let progress = leave.run(&mut self.router(), until);
        self.queue_follow_ups();
        if progress != Progress::Done {
            self.work.push(Job::Leave(leave));
        }
    }

    /// Processes one received message, without its length prefix.
    pub fn receive(&mut self, key: ClientKey, bytes: &[u8], now: Instant) {
        self.live.clients.set_time(now);
        if self.live.clients.is_busy(key) {
            return self.receive_while_busy(key, bytes, now);
        }
        if self.is_waiting(key) {
            return self.live.clients.hold(key, HeldMessage::Frame(bytes.into()));
        }
        let Some(json) = text_of(&mut self.live.clients, key, bytes) else {
            return;
        };
        self.live.clients.log_received(key, &json);
        match Raw::parse(&json, self.config().max_message_depth()) {
            Ok(raw) if raw.kind() == Kind::Array && raw.elements().next().is_some() => {
                let until = self.live.units.spent() + AT_ONCE;
                if let Some(at) = self.process_array(key, raw, 0, until, now) {
                    self.hold_rest(key, json.into(), at);
                }
            }
            Ok(raw) => self.process(key, raw, now),
            Err(error) => refuse_garbage(&mut self.live.clients, key, &json, &error.to_string()),
        }
    }

    /// Receives a message of a connection that has a job. Responses are processed at once, as other connections wait
    /// for them, unless a message before them may change an element. All other messages are held.
    fn receive_while_busy(&mut self, key: ClientKey, bytes: &[u8], now: Instant) {
        let hold = |bus: &mut Bus| bus.live.clients.hold(key, HeldMessage::Frame(bytes.into()));
        let Ok((text, _)) = decode(&self.live.clients, key, bytes) else {
            return hold(self);
        };
        let is_response = |raw: Raw| {
            Message::read(raw).is_some_and(|message| message.method.is_none() && message.id.is_some())
        };
        let parsed = Raw::parse(&text, self.config().max_message_depth());
        let are_responses = parsed.is_ok_and(|raw| match raw.kind() {
            Kind::Array => raw.elements().all(is_response),
            _ => is_response(raw),
        });
        if !are_responses || self.holds_changes(key) {
            return hold(self);
        }
        self.live.clients.log_received(key, &text);
        let raw = Raw::trusted(&text);
        match raw.kind() {
            Kind::Array => raw.elements().for_each(|message| self.process(key, message, now)),
            _ => self.process(key, raw, now),
        }
    }

    /// Processes the messages of an array from the byte `at` on. Returns where it stopped because the connection has a
    /// job, or the units are spent.
    fn process_array(
        &mut self,
        key: ClientKey,
        array: Raw,
        at: usize,
        until: u64,
        now: Instant,
    ) -> Option<usize> {
        let mut messages = if at == 0 { array.elements() } else { array.elements_from(at) };
        loop {
            let at = messages.position();
            let message = messages.next()?;
            if self.is_waiting(key) || self.live.units.spent() >= until {
                return Some(at);
            }
            self.process(key, message, now);
        }
    }

    /// Processes one message: a request, a notification or a response.
    fn process(&mut self, key: ClientKey, raw: Raw, now: Instant) {
        self.live.units.spend(5 + raw.text().len() as u64 / 512);
        let Some(message) = Message::read(raw) else {
            return self.refuse_message(key, None, raw);
        };
        // A message with another id than false and null is answered.
        let id = message.id.filter(|id| id.is_truthy());
        match message {
            Message { method: Some(method), params, .. } if !method.is_null() => {
                if let Some(client) = self.live.clients.get_mut(key) {
                    client.recognise(raw, method, id);
                }
                let request = Request { client: key, id, params, now };
                match self.services().serve(method, request) {
                    Answer::Reply(reply) => self.live.clients.reply(key, id, &reply),
                    Answer::Job(job) => self.begin(key, job),
                }
                if let Some(client) = self.live.clients.get_mut(key) {
                    client.output_mut().change_encoding();
                }
            }
            Message { result: Some(_), .. } | Message { error: Some(_), .. } => {
                self.router().answered(key, raw, &message);
            }
            _ => {
                if let Some(id) = id {
                    self.router().answered_nothing(key, id);
                }
                self.refuse_message(key, id, raw);
            }
        }
        self.queue_follow_ups();
    }

    fn services(&mut self) -> Services<'_> {
        Services { live: &mut self.live, routes: &mut self.routes, accounts: &mut self.accounts }
    }

    fn router(&mut self) -> Router<'_> {
        Router { live: &mut self.live, routes: &mut self.routes }
    }

    /// Refuses a message that is neither request nor response.
    fn refuse_message(&mut self, key: ClientKey, id: Option<Raw>, raw: Raw) {
        self.live.clients.refuse_with(key, id, INVALID_REQUEST, Some(raw.text()));
    }

    /// Sends the reason why a connection is closed to its peer. The server closes the connection afterwards.
    pub fn refuse_frame(&mut self, key: ClientKey, reason: &str) {
        let clients = &mut self.live.clients;
        clients.refuse(key, None, &Refusal::with(INVALID_REQUEST, &reason));
        let line = format!("closing {}: {reason}", clients.title(key));
        clients.log(Level::Crit, line);
    }
}

/// Jobs, and the messages that are held meanwhile.
impl Bus {
    /// Returns `true` if [`work`](Self::work) has something to do.
    pub fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// Does one slice of the queued work.
    pub fn work(&mut self, now: Instant) {
        self.live.clients.set_time(now);
        let end = self.live.units.spent() + SLICE;
        while self.live.units.spent() < end {
            let Some(job) = self.work.pop() else {
                return;
            };
            self.turn(job, end.min(self.live.units.spent() + TURN), now);
        }
    }

    /// Returns the units of work done so far. A unit is about a tenth of a microsecond.
    pub fn spent(&self) -> u64 {
        self.live.units.spent()
    }

    /// Starts the job of a request. If it is not finished at once, the messages of the connection are held.
    fn begin(&mut self, key: ClientKey, mut job: Job) {
        let until = self.live.units.spent() + AT_ONCE;
        let progress = job.run(&mut self.router(), until);
        self.queue_follow_ups();
        if progress != Progress::Done {
            self.put_away(job, progress);
            self.hold_messages(key);
        }
    }

    fn turn(&mut self, mut job: Job, until: u64, now: Instant) {
        self.live.units.spend(1);
        let progress = match job {
            Job::Held(client) => self.process_held(client, until, now),
            _ => job.run(&mut self.router(), until),
        };
        self.queue_follow_ups();
        match (progress, job.holder()) {
            (Progress::Done, Some(client)) => self.end_hold(client),
            (Progress::Done, None) => {}
            _ => self.put_away(job, progress),
        }
    }

    /// Queues a job that is not finished, or parks it until its connection has read.
    fn put_away(&mut self, job: Job, progress: Progress) {
        match job.reader().filter(|_| progress == Progress::Blocked) {
            Some(client) => self.work.park(client, job),
            None => self.work.push(job),
        }
    }

    /// Queues the work that follows from changes.
    fn queue_follow_ups(&mut self) {
        for job in self.live.take_follow_ups() {
            self.work.push(Job::FollowUp(job));
        }
    }

    /// Continues the parked jobs of a connection that has read enough.
    fn unpark(&mut self, key: ClientKey) {
        if self.work.has_parked(key) && self.live.clients.has_read(key) {
            self.work.unpark(key);
        }
    }

    /// Returns `true` if the messages of a connection are held for now.
    pub fn is_waiting(&self, key: ClientKey) -> bool {
        self.live.clients.is_busy(key) || self.accounts.is_pending(key)
    }

    /// Returns `true` if a connection waits for a login or another change of users.
    pub fn is_logging_in(&self, key: ClientKey) -> bool {
        self.accounts.is_pending(key)
    }

    /// Returns `true` if so many messages of a connection are held that the server should not read it for now.
    pub fn is_full(&self, key: ClientKey) -> bool {
        self.is_waiting(key) && self.held(key).is_some_and(Held::is_full)
    }

    fn held(&self, key: ClientKey) -> Option<&Held> {
        self.live.clients.get(key).map(Client::held)
    }

    /// Holds the messages of a connection until its job is finished.
    fn hold_messages(&mut self, key: ClientKey) {
        if let Some(client) = self.live.clients.get_mut(key) {
            client.set_busy(true);
        }
    }

    /// Returns `true` if a held message may change an element.
    fn holds_changes(&self, key: ClientKey) -> bool {
        self.held(key).is_some_and(Held::may_change)
    }

    /// Holds the rest of an array. It is processed in slices if the connection waits for nothing else.
    fn hold_rest(&mut self, key: ClientKey, json: Box<str>, at: usize) {
        let is_waiting = self.is_waiting(key);
        self.live.clients.hold(key, HeldMessage::Rest(json, at));
        if !is_waiting {
            self.end_hold(key);
        }
    }

    /// Processes the held messages of a connection in slices.
    fn end_hold(&mut self, key: ClientKey) {
        let Some(client) = self.live.clients.get_mut(key) else {
            return;
        };
        let is_busy = !client.held().is_empty();
        client.set_busy(is_busy);
        match is_busy {
            true => self.work.push(Job::Held(key)),
            false => self.live.clients.resume(key),
        }
    }

    /// Processes held messages until the connection has a job again, or that many units are spent.
    fn process_held(&mut self, key: ClientKey, until: u64, now: Instant) -> Progress {
        let progress = loop {
            let is_over = self.live.units.spent() >= until;
            if self.accounts.is_pending(key) {
                break Progress::Done;
            }
            let Some(client) = self.live.clients.get_mut(key) else {
                break Progress::Done;
            };
            let mut rest = std::mem::take(client.held_mut());
            let next = if is_over { None } else { rest.pop() };
            client.set_busy(is_over && !rest.is_empty());
            match next {
                Some(HeldMessage::Frame(bytes)) => self.receive(key, &bytes, now),
                Some(HeldMessage::Rest(json, at)) => {
                    if let Some(at) = self.process_array(key, Raw::trusted(&json), at, until, now) {
                        self.live.clients.hold(key, HeldMessage::Rest(json, at));
                    }
                }
                None => {}
            }
            // What was held meanwhile, such as the rest of an array, precedes the other messages.
            let Some(client) = self.live.clients.get_mut(key) else {
                break Progress::Done;
            };
            client.held_mut().append(rest);
            if client.held().is_empty() || (client.is_busy() && !is_over) {
                break Progress::Done;
            }
            if is_over {
                break Progress::Unfinished;
            }
            self.live.units.spend(5);
        };
        if self.held(key).is_some_and(|held| !held.is_full()) {
            self.live.clients.resume(key);
        }
        progress
    }

    /// Removes and returns the jobs about users. Each one has to be [concluded](Self::conclude), unless its connection
    /// has ended.
    pub fn take_jobs(&mut self) -> Vec<accounts::Job> {
        self.accounts.take_jobs()
    }

    /// Finishes a job about users, and processes the messages that its connection has sent meanwhile. Does nothing if
    /// the connection has ended.
    pub fn conclude(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) {
        let client = ticket.client;
        self.live.clients.set_time(now);
        let Some(pending) = self.accounts.finish(ticket) else {
            return;
        };
        let (reply, rights) = self.accounts.conclude(&pending, verdict);
        if pending.is_login() {
            // A login that failed leaves no rights: the peer must not continue as the user it was before.
            if let Some(client) = self.live.clients.get_mut(client) {
                client.set_rights(rights);
            }
        }
        self.live.clients.reply(client, pending.id(), &reply);
        let until = self.live.units.spent() + AT_ONCE;
        if self.process_held(client, until, now) == Progress::Unfinished {
            self.work.push(Job::Held(client));
        }
    }
}

/// What the server asks for.
impl Bus {
    /// Returns the time when [`handle_deadline`](Self::handle_deadline) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let summary = self.live.clients.next_summary();
        self.routes.next_deadline().into_iter().chain(summary).min()
    }

    /// Does what is due: requests that were not answered in time fail, and suppressed log lines are counted.
    pub fn handle_deadline(&mut self, now: Instant) {
        self.live.clients.set_time(now);
        self.router().expire(now);
        self.live.clients.summarise_due();
    }

    /// Returns `true` if other connections have to answer requests of this one.
    pub fn is_owed(&self, key: ClientKey) -> bool {
        self.routes.is_owed(key)
    }

    /// Removes and returns the connections with new unsent bytes, each once.
    pub fn take_dirty(&mut self) -> Vec<ClientKey> {
        self.live.clients.take_dirty()
    }

    /// Removes and returns the connections that the server has to close.
    pub fn take_closing(&mut self) -> Vec<ClientKey> {
        self.live.clients.take_closing()
    }

    /// Removes and returns the connections that may not be [full](Self::is_full) any more.
    pub fn take_resumed(&mut self) -> Vec<ClientKey> {
        self.live.clients.take_resumed()
    }

    /// Removes and returns the log lines.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.live.clients.take_log()
    }

    /// Logs a line about a connection, unless it has ten lines in this second. `None` stands for all connections that
    /// are not on the bus.
    pub fn note(&mut self, key: Option<ClientKey>, text: String, now: Instant) {
        self.live.clients.set_time(now);
        self.live.clients.log_about(key, Level::Info, text);
    }

    /// Returns the unsent bytes of a connection: whole frames, apart from what was sent of the first one.
    pub fn unsent(&self, key: ClientKey) -> &[u8] {
        self.live.clients.unsent(key)
    }

    /// Returns the encoding of the first [unsent](Self::unsent) message.
    pub fn unsent_encoding(&self, key: ClientKey) -> Encoding {
        self.live.clients.get(key).map_or(Encoding::Json, |client| client.output().unsent_encoding())
    }

    /// Removes that many [unsent](Self::unsent) bytes, which have been sent.
    pub fn advance(&mut self, key: ClientKey, count: usize) {
        if let Some(client) = self.live.clients.get_mut(key) {
            client.output_mut().advance(count);
            self.unpark(key);
        }
    }

    /// Moves the [unsent](Self::unsent) bytes to the end of `out`, to be sent now. If the encoding has changed, it moves
    /// only those in the first encoding.
    pub fn take_unsent(&mut self, key: ClientKey, out: &mut Vec<u8>) {
        if let Some(client) = self.live.clients.get_mut(key) {
            client.output_mut().take(out);
            self.unpark(key);
        }
    }

    /// Returns the name of a connection for the log.
    pub fn title(&self, key: ClientKey) -> &str {
        self.live.clients.title(key)
    }

    /// Returns the numbers of elements, of fetchers and of open requests.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.live.elements.count(), self.live.fetchers.count(), self.routes.count())
    }

    /// Returns how often a fetcher and an element have been compared so far. The time of a request grows with this and
    /// with the bytes sent, not with the number of elements and fetchers.
    pub fn comparisons(&self) -> u64 {
        self.live.comparisons()
    }

    /// Returns the limits of the bus.
    pub fn config(&self) -> &Config {
        self.live.clients.config()
    }
}
