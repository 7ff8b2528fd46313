//! [`Clients`]: the connections, what is sent to them, and the log.

use std::time::Instant;

use slotmap::SlotMap;

use crate::json::{Raw, append};
use crate::rules::Steps;
use crate::wire::encoding::Encoding;
use crate::wire::error::Code;
use crate::wire::frame::{self, TooLong};
use crate::wire::latin1::{self, shown};
use crate::wire::message::{ErrorResponse, write_notification, write_response};
use crate::wire::msgpack::Packer;

use super::access::Rights;
use super::client::{Client, Leaving};
use super::config::Config;
use super::held::{Held, HeldMessage};
use super::item_list::{Envelope, ItemList};
use super::keys::ClientKey;
use super::log::{Level, Log, LogLine};
use super::notification::Params;
use super::peer_kind::PeerKind;
use super::reply::{Outcome, Refusal, Reply};

/// Unsent bytes of a connection up to which a job writes to it.
const READY_BYTES: usize = 256 * 1024;

/// Bytes that a connection may have held in addition to twice the maximum message. The server stops reading at
/// [`Held::is_full`], so it is never more than that, one message, the rest of one array and the rest of one read.
const HELD_BESIDE: usize = 2 << 20;

/// All connections, with what the engine has for the server: output, lists of connections, and the log.
#[derive(Debug)]
pub struct Clients {
    map: SlotMap<ClientKey, Client>,
    config: Config,
    dirty: Vec<ClientKey>,
    closing: Vec<ClientKey>,
    resumed: Vec<ClientKey>,
    log: Log,
    /// The number of connections that are leaving or have left.
    leaving: usize,
    packer: Packer,
}

impl Clients {
    /// Creates an empty list of connections.
    pub fn new(config: Config) -> Clients {
        Clients {
            map: SlotMap::default(),
            config,
            dirty: Vec::new(),
            closing: Vec::new(),
            resumed: Vec::new(),
            log: Log::default(),
            leaving: 0,
            packer: Packer::default(),
        }
    }

    /// Adds a connection.
    pub fn connect(&mut self) -> ClientKey {
        self.map.insert(Client::default())
    }

    /// Returns the limits of the bus.
    pub fn config(&self) -> &Config {
        &self.config
    }

    // --- Properties of a connection.

    /// Returns the record of a connection.
    pub fn get(&self, key: ClientKey) -> Option<&Client> {
        self.map.get(key)
    }

    /// Returns the record of a connection.
    pub fn get_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.map.get_mut(key)
    }

    /// Returns the name of a connection for the log.
    pub fn title(&self, key: ClientKey) -> &str {
        self.map.get(key).map_or("a vanished peer", Client::title)
    }

    /// Returns the kind of a peer.
    pub fn kind(&self, key: ClientKey) -> PeerKind {
        self.map.get(key).map(Client::kind).unwrap_or_default()
    }

    /// Returns the rights of a connection that has logged in.
    pub fn rights(&self, key: ClientKey) -> Option<&Rights> {
        self.map.get(key).and_then(Client::rights)
    }

    /// Charges a connection with the steps of matching its patterns with a new path. It is closed if they are too many.
    pub fn charge(&mut self, key: ClientKey, steps: Steps) {
        let client = self.map.get_mut(key).filter(|client| !client.is_closing());
        if client.is_some_and(|client| client.charge(steps)) {
            self.close(key, "matching its patterns takes too long");
        }
    }

    // --- Received messages.

    /// Returns the encoding of the messages of a connection.
    pub fn encoding(&self, key: ClientKey) -> Encoding {
        self.map.get(key).map_or(Encoding::Json, |client| client.output().encoding())
    }

    /// Logs once that a connection sends bytes that are no UTF-8.
    pub fn log_latin1(&mut self, key: ClientKey) {
        if let Some(client) = self.map.get_mut(key)
            && client.note_latin1()
        {
            let line = format!("{} sends invalid UTF-8, read as Latin-1", client.title());
            self.log.push_about(Some(key), Level::Info, line);
        }
    }

    /// Logs a received message if the connection is debugged.
    pub fn log_received(&mut self, key: ClientKey, json: &str) {
        if let Some(client) = self.map.get(key).filter(|client| client.is_debugged()) {
            self.log.push_traffic(client.title(), true, json);
        }
    }

    /// Returns `true` if the messages of a connection are held because of a job.
    pub fn is_busy(&self, key: ClientKey) -> bool {
        self.map.get(key).is_some_and(Client::is_busy)
    }

    /// Holds a message. The connection is closed if it has sent too much.
    pub fn hold(&mut self, key: ClientKey, message: HeldMessage) {
        let limit = self.config.max_message.saturating_mul(2).saturating_add(HELD_BESIDE);
        let Some(client) = self.map.get_mut(key).filter(|client| !client.is_closing()) else {
            return;
        };
        let held = client.held_mut();
        held.push(message);
        if held.bytes() > limit {
            *held = Held::default();
            self.close(key, "it sends too much before its own request is finished");
        }
    }

    /// Reports to the server that it may read a connection again.
    pub fn resume(&mut self, key: ClientKey) {
        self.resumed.push(key);
    }

    // --- Sent messages.

    /// Returns the maximum length of a message for a connection, as JSON. It can be sent in any encoding.
    pub fn room(&self, key: ClientKey) -> usize {
        let limit = self.kind(key).max_message(self.config.max_message);
        match self.encoding(key) {
            // `0.1,` becomes nine bytes, and nothing grows more.
            Encoding::Msgpack => limit / 9 * 4,
            Encoding::Json => limit,
        }
    }

    /// Returns `true` if a job may write to a connection. One that is gone accepts everything.
    pub fn has_room(&self, key: ClientKey) -> bool {
        let ready = self.ready_bytes();
        self.map.get(key).is_none_or(|client| client.is_closing() || client.output().unsent().len() < ready)
    }

    /// Returns `true` if a job that waited until the connection has read may continue.
    pub fn has_read(&self, key: ClientKey) -> bool {
        self.unsent(key).len() < self.ready_bytes() / 2
    }

    /// Returns the unsent bytes up to which a job writes. They are fewer than those that close a connection.
    fn ready_bytes(&self) -> usize {
        READY_BYTES.min(self.config.max_unsent / 2).max(2)
    }

    /// Sends a message, of which `write` appends the JSON. A message that exceeds the limit is dropped and logged;
    /// then it returns `false`.
    pub fn send(&mut self, key: ClientKey, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.deliver(key, |client, packer, limit| {
            let (encoding, is_debugged) = (client.output().encoding(), client.is_debugged());
            let frames = client.output_mut().frames();
            let mark = frame::begin(frames);
            write(frames);
            let traffic = is_debugged.then(|| latin1::from_bytes(&frames[mark.message()..]).into_owned());
            match encoding {
                Encoding::Json => frame::end(frames, mark, limit)?,
                Encoding::Msgpack => packer.end_frame(frames, mark, limit)?,
            }
            Ok(traffic)
        })
    }

    /// Sends the notification of a fetch, as [`send`](Self::send) does.
    pub fn notify(&mut self, key: ClientKey, id: &str, params: &mut Params) -> bool {
        if !self.packs(key) {
            return self.send(key, |out| write_notification(out, id, params.json()));
        }
        self.deliver(key, |client, packer, limit| {
            params.packed_frame(id, packer, client.output_mut().frames(), limit)?;
            Ok(None)
        })
    }

    /// Returns `true` if messages for a connection are translated to msgpack in parts. Where they are logged, their
    /// JSON is needed as a whole.
    pub fn packs(&self, key: ClientKey) -> bool {
        let client = self.map.get(key);
        client.is_some_and(|client| client.output().encoding() == Encoding::Msgpack && !client.is_debugged())
    }

    /// Sends the response to a request with an id, with a list as [`send`](Self::send) does.
    pub fn reply_list(&mut self, key: ClientKey, id: Option<Raw>, items: &ItemList) {
        let Some(id) = id else {
            return;
        };
        if !self.send_list(key, items, &Envelope::Response { id }) {
            self.refuse(key, Some(id), &Refusal::too_long());
        }
    }

    /// Sends the notification of a sorted fetch with changed entries, as [`send`](Self::send) does.
    pub fn notify_changes(&mut self, key: ClientKey, id: &str, items: &ItemList, n: usize) {
        self.send_list(key, items, &Envelope::Changes { id: Raw::trusted(id), n });
    }

    fn send_list(&mut self, key: ClientKey, items: &ItemList, envelope: &Envelope) -> bool {
        if !items.is_packed() {
            return self.send(key, |out| items.write_json(envelope, out));
        }
        self.deliver(key, |client, packer, limit| {
            items.write_packed(envelope, packer, client.output_mut().frames(), limit)?;
            Ok(None)
        })
    }

    /// Has `write` append one frame. It returns the JSON if that is logged.
    fn deliver(
        &mut self,
        key: ClientKey,
        write: impl FnOnce(&mut Client, &mut Packer, usize) -> Result<Option<String>, TooLong>,
    ) -> bool {
        let Some(client) = self.map.get_mut(key).filter(|client| !client.is_closing()) else {
            return true;
        };
        let limit = client.kind().max_message(self.config.max_message);
        let written = write(client, &mut self.packer, limit);
        let overflow = client.output().unsent().len() > self.config.max_unsent;
        if client.mark_dirty() {
            self.dirty.push(key);
        }
        let sent = written.is_ok();
        match written {
            Ok(Some(json)) => self.log.push_traffic(client.title(), false, &json),
            Ok(None) => {}
            Err(error) => {
                let text = format!("a message for {} is left out: {error}", client.title());
                self.log.push_about(Some(key), Level::Crit, text);
            }
        }
        if overflow {
            self.close(key, "it does not read what it is sent");
        }
        sent
    }

    /// Sends an error. The data is left out if the message would be too long or too deeply nested with it.
    pub fn refuse(&mut self, key: ClientKey, id: Option<Raw>, refusal: &Refusal) {
        self.refuse_with(key, id, refusal.code(), refusal.data());
    }

    /// Sends an error with data that is JSON text, as [`refuse`](Self::refuse) does.
    pub fn refuse_with(&mut self, key: ClientKey, id: Option<Raw>, code: Code, data: Option<&str>) {
        // `{"error":{"data":…}}`
        let depth_left = self.config.max_depth.saturating_sub(2);
        let data = data.map(Raw::trusted).filter(|data| Raw::parse(data.text(), depth_left).is_ok());
        let write = |data| {
            move |out: &mut Vec<u8>| append(out, &ErrorResponse { id, error: code.with_optional(data) })
        };
        if !self.send(key, write(data)) {
            self.send(key, write(None));
        }
    }

    /// Answers a request. Without an id nothing is sent, and errors are logged.
    pub fn reply(&mut self, key: ClientKey, id: Option<Raw>, reply: &Reply) {
        let Some(id) = id else {
            if let Err(refusal) = reply {
                let data = shown(refusal.data().unwrap_or(""));
                let message = refusal.code().message;
                let text = format!("a notification of {} failed: {message} {data}", self.title(key));
                self.log.push_about(Some(key), Level::Info, text);
            }
            return;
        };
        match reply {
            Ok(Outcome::Answered) => {}
            Ok(Outcome::Done) => {
                self.send(key, |out| write_response(out, id.text(), "true"));
            }
            Ok(Outcome::Value(json)) => {
                if !self.send(key, |out| write_response(out, id.text(), json)) {
                    self.refuse(key, Some(id), &Refusal::too_long());
                }
            }
            Err(refusal) => self.refuse(key, Some(id), refusal),
        }
    }

    /// Returns the unsent bytes of a connection.
    pub fn unsent(&self, key: ClientKey) -> &[u8] {
        self.map.get(key).map_or(&[], |client| client.output().unsent())
    }

    // --- The end of a connection.

    /// Returns `true` if nothing is sent to a connection any more.
    pub fn is_closing(&self, key: ClientKey) -> bool {
        self.map.get(key).is_none_or(Client::is_closing)
    }

    /// Sends nothing more to a connection and has the server close it.
    pub fn close(&mut self, key: ClientKey, reason: &str) {
        let Some(client) = self.map.get_mut(key) else {
            return;
        };
        client.close();
        self.log.push(Level::Crit, format!("closing {}: {reason}", client.title()));
        self.closing.push(key);
    }

    /// Notes that the server has forgotten a connection: nothing is sent, and its record is removed when it has left.
    pub fn abandon(&mut self, key: ClientKey) {
        if let Some(client) = self.map.get_mut(key) {
            client.abandon();
            self.log.summarise(Some(key), client.title());
        }
    }

    /// Notes that a connection sends no more messages. Returns `false` if a job removes what it had already.
    pub fn begin_leaving(&mut self, key: ClientKey) -> bool {
        let client = self.map.get_mut(key).filter(|client| client.leaving() != Leaving::Underway);
        let Some(client) = client else {
            return false;
        };
        self.leaving += usize::from(client.leaving() == Leaving::Not);
        client.set_leaving(Leaving::Underway);
        true
    }

    /// Notes that a connection has nothing left. Returns `true` if its record was removed, which happens when the
    /// server has forgotten it.
    pub fn end_leaving(&mut self, key: ClientKey) -> bool {
        let Some(client) = self.map.get_mut(key) else {
            return false;
        };
        client.set_leaving(Leaving::Done);
        if client.is_gone() {
            self.map.remove(key);
            self.log.forget(key);
            self.leaving -= 1;
            return true;
        }
        false
    }

    /// Returns `true` if a connection is leaving or has left. Its elements count as removed.
    pub fn is_leaving(&self, key: ClientKey) -> bool {
        self.leaving > 0 && self.map.get(key).is_none_or(|client| client.leaving() != Leaving::Not)
    }

    // --- For the server.

    /// Removes and returns the connections with new unsent bytes, each once.
    pub fn take_dirty(&mut self) -> Vec<ClientKey> {
        let dirty = std::mem::take(&mut self.dirty);
        for key in &dirty {
            if let Some(client) = self.map.get_mut(*key) {
                client.unmark_dirty();
            }
        }
        dirty
    }

    /// Removes and returns the connections that have to be closed.
    pub fn take_closing(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.closing)
    }

    /// Removes and returns the connections that may be read again.
    pub fn take_resumed(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.resumed)
    }

    /// Sets the time of what is handled now.
    pub fn set_time(&mut self, now: Instant) {
        self.log.set_time(now);
    }

    /// Logs a line whatever the quotas are.
    pub fn log(&mut self, level: Level, text: String) {
        self.log.push(level, text);
    }

    /// Logs a line about a connection, unless its quota is used up. `None` stands for all connections that are not on
    /// the bus.
    pub fn log_about(&mut self, key: Option<ClientKey>, level: Level, text: String) {
        self.log.push_about(key, level, text);
    }

    /// Returns the time when [`summarise_due`](Self::summarise_due) has something to do.
    pub fn next_summary(&self) -> Option<Instant> {
        self.log.next_deadline()
    }

    /// Logs how many lines were suppressed, for each connection that is due.
    pub fn summarise_due(&mut self) {
        while let Some(key) = self.log.pop_due() {
            let Some(key) = key else {
                self.log.summarise(None, "connections that are not on the bus");
                continue;
            };
            let title = self.map.get(key).map_or("a vanished peer", Client::title);
            self.log.summarise(Some(key), title);
        }
    }

    /// Removes and returns the log lines.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.log.take()
    }
}
