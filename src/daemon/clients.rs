//! Writing messages into the output of connections: answers, notifications, routed requests.

use std::time::Instant;

use slotmap::SlotMap;

use crate::json::Raw;
use crate::wire::encoding::Encoding;
use crate::wire::error::{self, Code, INTERNAL_ERROR};
use crate::wire::frame::{self, TooLong};
use crate::wire::latin1::shown;
use crate::wire::msgpack::Packer;

use crate::rules::Steps;

use super::access::Rights;
use super::bus::{Config, Level, LogLine, Traffic};
use super::client::{Client, Leaving};
use super::held_messages::Held;
use super::item_list::ItemList;
use super::keys::ClientKey;
use super::notification::{Params, notification};
use super::peer_kind::PeerKind;
use super::quota::Quota;
use super::redact::on_one_line;
use crate::util::deadlines::Deadlines;

/// What a service answers: nothing more to say than that it went well, or a value, or an error.
#[derive(Debug)]
pub(super) enum Outcome {
    /// `true`
    Done,
    /// A result as JSON text.
    Value(String),
    /// An error and its data as JSON text.
    Refused(Code, Option<String>),
    /// The answer has been sent, or will come from the owner of a path.
    Answered,
}

impl Outcome {
    /// Refuses params with data of one member that is a string, as most are.
    pub(super) fn refused(key: &str, value: &str) -> Outcome {
        let mut data = Vec::new();
        error::tag(&mut data, key, value);
        Outcome::Refused(error::INVALID_PARAMS, Some(into_text(data)))
    }
}

/// JSON that was written here as text.
pub(super) fn into_text(json: Vec<u8>) -> String {
    // Only text goes in, so nothing is ever lost; the lossy way spares a panic.
    String::from_utf8(json).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The connections, and what comes out of the engine for them and for the log.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) map: SlotMap<ClientKey, Client>,
    pub(super) config: Config,
    /// Connections that have something to send, each once.
    pub(super) dirty: Vec<ClientKey>,
    /// Connections that were given up.
    pub(super) closing: Vec<ClientKey>,
    /// Connections from which more may be read again.
    pub(super) resumed: Vec<ClientKey>,
    pub(super) log: Vec<LogLine>,
    /// The time of what is being handled.
    pub(super) now: Instant,
    /// The lines about connections that are not on the bus.
    pub(super) strangers: Quota,
    /// When to log how many lines were suppressed.
    pub(super) summaries: Deadlines<Option<ClientKey>>,
    /// How many connections are leaving.
    leaving: usize,
    packer: Packer,
}

impl Clients {
    pub(super) fn new(config: Config) -> Clients {
        Clients {
            map: SlotMap::default(),
            config,
            dirty: Vec::new(),
            closing: Vec::new(),
            resumed: Vec::new(),
            log: Vec::new(),
            now: Instant::now(),
            strangers: Quota::default(),
            summaries: Deadlines::default(),
            leaving: 0,
            packer: Packer::default(),
        }
    }

    pub(super) fn get(&self, key: ClientKey) -> Option<&Client> {
        self.map.get(key)
    }

    /// How a connection wants to be spoken to.
    pub(super) fn kind(&self, key: ClientKey) -> PeerKind {
        self.get(key).map(|client| client.kind).unwrap_or_default()
    }

    /// What a connection may do, if it has logged in.
    pub(super) fn rights(&self, key: ClientKey) -> Option<&Rights> {
        self.get(key).and_then(|client| client.rights.as_deref())
    }

    /// The longest message for a connection in bytes of JSON, such that it surely can be sent.
    pub(super) fn room(&self, key: ClientKey) -> usize {
        let limit = self.kind(key).max_message(self.config.max_message);
        match self.get(key).map(|client| client.encoding) {
            // `0.1,` becomes nine bytes, and nothing grows more.
            Some(Encoding::Msgpack) => limit / 9 * 4,
            _ => limit,
        }
    }

    pub(super) fn get_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.map.get_mut(key)
    }

    /// How the log calls a connection.
    pub(super) fn title(&self, key: ClientKey) -> &str {
        self.get(key).map_or("a vanished peer", Client::title)
    }

    /// Logs a line whatever the quota of the connection is: that it is ended, which comes once.
    pub(super) fn log(&mut self, level: Level, text: String) {
        self.log.push(LogLine::new(level, text));
    }

    /// Logs a message of a peer that is debugged.
    pub(super) fn log_traffic(&mut self, key: ClientKey, received: bool, json: &str) {
        let traffic = Some(Traffic { peer: self.title(key).to_owned(), received });
        self.log.push(LogLine { level: Level::Debug, text: on_one_line(json), traffic });
    }

    /// Sends one message: `write` appends its JSON. A message beyond the limit, which no peer
    /// would take, is left out and logged; then this is false.
    pub(super) fn send(&mut self, key: ClientKey, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.deliver(key, |client, packer, limit| {
            let mark = frame::begin(&mut client.out);
            write(&mut client.out);
            let traffic = client.debug.then(|| text_from(&client.out, mark.message()));
            match client.encoding {
                Encoding::Json => frame::end(&mut client.out, mark, limit)?,
                Encoding::Msgpack => packer.end_frame(&mut client.out, mark, limit)?,
            }
            Ok(traffic)
        })
    }

    /// Sends the notification of a fetch, as [`send`](Self::send) does.
    pub(super) fn notify(&mut self, key: ClientKey, id: &str, params: &mut Params) -> bool {
        let plain = |client: &Client| client.encoding == Encoding::Json || client.debug;
        if self.get(key).is_none_or(plain) {
            return self.send(key, |out| notification(out, id, params.json()));
        }
        self.deliver(key, |client, packer, limit| {
            params.packed_frame(id, packer, &mut client.out, limit)?;
            Ok(None)
        })
    }

    /// Returns `true` if long lists for a connection are translated to msgpack item by item. Where its messages are
    /// logged, their JSON is needed.
    pub(super) fn packs(&self, key: ClientKey) -> bool {
        self.get(key).is_some_and(|client| client.encoding == Encoding::Msgpack && !client.debug)
    }

    /// Answers a request with a list, as [`send`](Self::send) does.
    pub(super) fn reply_list(&mut self, key: ClientKey, id: Option<&str>, items: &ItemList) {
        let Some(id) = id else {
            return;
        };
        let json = [&*format!("{{\"id\":{id},\"result\":"), "}"];
        let is_sent = self.send_list(key, items, json, |out, packer| {
            out.extend_from_slice(b"\x82\xa2id");
            pack(out, packer, id);
            out.extend_from_slice(b"\xa6result");
            items.write(out);
        });
        if !is_sent {
            self.refuse(key, Some(id), INTERNAL_ERROR, Some(TOO_LONG));
        }
    }

    /// Sends the notification of a sorted fetch with changed entries, as [`send`](Self::send) does.
    pub(super) fn notify_changes(&mut self, key: ClientKey, id: &str, items: &ItemList, n: usize) {
        let json = [&*format!("{{\"method\":{id},\"params\":{{\"changes\":"), &*format!(",\"n\":{n}}}}}")];
        self.send_list(key, items, json, |out, packer| {
            out.extend_from_slice(b"\x82\xa6method");
            pack(out, packer, id);
            out.extend_from_slice(b"\xa6params\x82\xa7changes");
            items.write(out);
            out.extend_from_slice(b"\xa1n");
            pack(out, packer, &n.to_string());
        });
    }

    /// Sends a message with a list, of which the JSON before and behind the list is given.
    fn send_list(
        &mut self,
        key: ClientKey,
        items: &ItemList,
        [before, behind]: [&str; 2],
        write_packed: impl FnOnce(&mut Vec<u8>, &mut Packer),
    ) -> bool {
        if !items.is_packed() {
            return self.send(key, |out| {
                out.extend_from_slice(before.as_bytes());
                items.write(out);
                out.extend_from_slice(behind.as_bytes());
            });
        }
        let length = before.len() + "[]".len() + items.json_len().saturating_sub(1) + behind.len();
        self.deliver(key, |client, packer, limit| {
            if length > limit {
                return Err(TooLong { length, limit });
            }
            let mark = frame::begin(&mut client.out);
            write_packed(&mut client.out, packer);
            frame::end(&mut client.out, mark, limit)?;
            Ok(None)
        })
    }

    /// Has `write` append one frame, of which it gives the JSON if that is logged.
    fn deliver(
        &mut self,
        key: ClientKey,
        write: impl FnOnce(&mut Client, &mut Packer, usize) -> Result<Option<String>, TooLong>,
    ) -> bool {
        let Some(client) = self.map.get_mut(key).filter(|client| !client.condemned) else {
            return true;
        };
        let limit = client.kind.max_message(self.config.max_message);
        let written = write(client, &mut self.packer, limit);
        let overflow = client.unsent().len() > self.config.max_unsent;
        if !std::mem::replace(&mut client.dirty, true) {
            self.dirty.push(key);
        }
        let sent = written.is_ok();
        match written {
            Ok(Some(json)) => self.log_traffic(key, false, &json),
            Ok(None) => {}
            Err(error) => {
                let text = format!("a message for {} is left out: {error}", self.title(key));
                self.log_about(Some(key), Level::Crit, text);
            }
        }
        if overflow {
            self.condemn(key, "it does not read what it is sent");
        }
        sent
    }

    /// Sends an error. Data that would make the message too long or too deeply nested for those
    /// who read it is left out.
    pub(super) fn refuse(&mut self, key: ClientKey, id: Option<&str>, code: Code, data: Option<&str>) {
        // `{"error":{"data":…}}`
        let depth_left = self.config.max_depth.saturating_sub(2);
        let data = data.map(Raw::trusted).filter(|data| Raw::parse(data.text(), depth_left).is_ok());
        if !self.send(key, |out| failure(out, id, code, data)) {
            self.send(key, |out| failure(out, id, code, None));
        }
    }

    /// Has nothing be sent to a connection any more, and has it forgotten when it has left.
    pub(super) fn abandon(&mut self, key: ClientKey) {
        let Some(client) = self.map.get_mut(key) else {
            return;
        };
        client.condemned = true;
        client.is_gone = true;
        client.is_busy = false;
        client.waiting = None;
        client.held = Held::default();
        client.parked = Vec::new();
        client.drop_output();
    }

    /// Notes that a connection sends nothing more; what it had is still there. Returns the numbers of the requests
    /// it has not answered, or `None` if a job sees to that already.
    pub(super) fn begin_leaving(&mut self, key: ClientKey) -> Option<Vec<u64>> {
        let client = self.map.get_mut(key)?;
        if client.leaving == Leaving::Underway {
            return None;
        }
        if client.leaving == Leaving::Not {
            self.leaving += 1;
        }
        client.leaving = Leaving::Underway;
        Some(client.routes.keys().copied().collect())
    }

    /// Notes that a connection that leaves has nothing any more, and forgets it if the server has.
    pub(super) fn end_leaving(&mut self, key: ClientKey) {
        let Some(client) = self.map.get_mut(key) else {
            return;
        };
        client.leaving = Leaving::Done;
        if client.is_gone {
            self.map.remove(key);
            self.leaving -= 1;
        }
    }

    /// Returns whether a connection has left or is leaving: what it has is as good as gone.
    pub(super) fn is_leaving(&self, key: ClientKey) -> bool {
        self.leaving > 0 && self.get(key).is_none_or(|client| client.leaving != Leaving::Not)
    }

    /// Charges a connection with what matching its patterns with a new path has cost.
    pub(super) fn charge(&mut self, key: ClientKey, steps: Steps) {
        let Some(client) = self.map.get_mut(key).filter(|client| !client.condemned) else {
            return;
        };
        client.pattern_cost.add(steps);
        if client.pattern_cost.is_too_much() {
            self.condemn(key, "matching its patterns takes too long");
        }
    }

    /// Gives a connection up: nothing is sent to it any more and the server ends it.
    pub(super) fn condemn(&mut self, key: ClientKey, reason: &str) {
        let Some(client) = self.map.get_mut(key) else {
            return;
        };
        client.condemned = true;
        let text = format!("closing {}: {reason}", client.title());
        self.closing.push(key);
        self.log(Level::Crit, text);
    }

    /// Answers a request; without an id nobody wants to know, so errors go to the log.
    pub(super) fn reply(&mut self, key: ClientKey, id: Option<Raw>, outcome: &Outcome) {
        let Some(id) = id else {
            if let Outcome::Refused(code, data) = outcome {
                let data = shown(data.as_deref().unwrap_or(""));
                let text = format!("a notification of {} failed: {} {data}", self.title(key), code.message);
                self.log_about(Some(key), Level::Info, text);
            }
            return;
        };
        match outcome {
            Outcome::Answered => {}
            Outcome::Done => {
                self.send(key, |out| result(out, id.text(), "true"));
            }
            Outcome::Value(json) => {
                if !self.send(key, |out| result(out, id.text(), json)) {
                    self.refuse(key, Some(id.text()), INTERNAL_ERROR, Some(TOO_LONG));
                }
            }
            Outcome::Refused(code, data) => self.refuse(key, Some(id.text()), *code, data.as_deref()),
        }
    }
}

/// The JSON that was written from that byte on.
fn text_from(out: &[u8], start: usize) -> String {
    String::from_utf8_lossy(&out[start..]).into_owned()
}

/// Appends the msgpack of some JSON.
fn pack(out: &mut Vec<u8>, packer: &mut Packer, json: &str) {
    let start = out.len();
    out.extend_from_slice(json.as_bytes());
    packer.pack(out, start);
}

/// Appends a response with a result.
pub(super) fn result(out: &mut Vec<u8>, id: &str, json: &str) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":");
    out.extend_from_slice(json.as_bytes());
    out.push(b'}');
}

/// Data of the error for what cannot be sent on, as JSON text.
pub(super) const TOO_LONG: &str = "\"the message would be too long\"";

/// Appends a response with an error; without an id if there was none to be read.
fn failure(out: &mut Vec<u8>, id: Option<&str>, code: Code, data: Option<Raw>) {
    out.push(b'{');
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":");
        out.extend_from_slice(id.as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(b"\"error\":");
    error::object(out, code, data);
    out.push(b'}');
}
