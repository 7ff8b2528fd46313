//! [`Notification`]: an event of one element, of which the params are written once for all fetchers that receive the
//! same.

use std::sync::Arc;

use crate::json::Raw;
use crate::rules::Event;
use crate::wire::frame::{self, TooLong};
use crate::wire::msgpack::Packer;

use super::elements::Element;
use super::peer_kind::PeerKind;

/// The params of a notification in the encodings that were asked for.
#[derive(Debug, Default)]
pub struct Params {
    json: Vec<u8>,
    msgpack: Vec<u8>,
}

/// An element as its fetchers are notified of it.
#[derive(Debug)]
pub struct Notification {
    path: Arc<str>,
    path_json: Arc<str>,
    value: Option<Arc<str>>,
    /// The params with events in lower case and in capitals.
    written: [[Params; 3]; 2],
    /// The params of adds of a read-only state. They are rare, so the others carry only a pointer.
    read_only: Option<Box<[Params; 2]>>,
}

impl Notification {
    /// Creates notifications of an element with its current value.
    pub fn of(element: &Element) -> Notification {
        Notification {
            path: element.path.clone(),
            path_json: element.path_json.clone(),
            value: element.value.clone(),
            written: Default::default(),
            read_only: None,
        }
    }

    /// Returns the path of the element.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Returns the value of the element as JSON text.
    pub fn value(&self) -> Option<&Arc<str>> {
        self.value.as_ref()
    }

    /// Returns the value of the element.
    pub fn raw(&self) -> Option<Raw<'_>> {
        self.value.as_deref().map(Raw::trusted)
    }

    /// Returns the params for an event. With `read_only` they have the member `fetchOnly`.
    pub fn params(&mut self, event: Event, kind: PeerKind, read_only: bool) -> &mut Params {
        let spelling = usize::from(kind == PeerKind::NodeJet3);
        let params = match read_only {
            true => &mut self.read_only.get_or_insert_default()[spelling],
            false => &mut self.written[spelling][event as usize],
        };
        if params.json.is_empty() {
            let event = kind.event_name(event);
            write_params(&mut params.json, &self.path_json, event, self.value.as_deref(), read_only);
        }
        params
    }
}

/// Appends the params of a notification, which are also the items of `get`. `path_json` is the path as JSON text.
pub fn write_params(out: &mut Vec<u8>, path_json: &str, event: &str, value: Option<&str>, read_only: bool) {
    out.extend_from_slice(b"{\"path\":");
    out.extend_from_slice(path_json.as_bytes());
    out.extend_from_slice(b",\"event\":\"");
    out.extend_from_slice(event.as_bytes());
    out.push(b'"');
    if let Some(value) = value {
        out.extend_from_slice(b",\"value\":");
        out.extend_from_slice(value.as_bytes());
    }
    if read_only {
        out.extend_from_slice(b",\"fetchOnly\":true");
    }
    out.push(b'}');
}

/// The number of bytes of a notification without its id and params.
const ENVELOPE: usize = r#"{"method":,"params":}"#.len();

impl Params {
    /// Returns the params as JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Appends a frame with the notification as msgpack. The params are translated once.
    ///
    /// # Errors
    /// The message exceeds the limit as msgpack or as JSON. Nothing is appended then.
    pub fn packed_frame(
        &mut self,
        id: &str,
        packer: &mut Packer,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), TooLong> {
        let length = ENVELOPE + id.len() + self.json.len();
        if length > limit {
            return Err(TooLong { length, limit });
        }
        if self.msgpack.is_empty() {
            self.msgpack.extend_from_slice(&self.json);
            packer.pack(&mut self.msgpack, 0);
        }
        let mark = frame::begin(out);
        // The first byte announces a map of two entries.
        out.extend_from_slice(b"\x82\xa6method");
        packer.append(out, Raw::trusted(id));
        out.extend_from_slice(b"\xa6params");
        out.extend_from_slice(&self.msgpack);
        frame::end(out, mark, limit)
    }
}
