//! [`News`]: what is told of one element, and the messages that tell it.

use std::sync::Arc;

use crate::json::Raw;
use crate::rules::Event;
use crate::wire::frame::{self, TooLong};
use crate::wire::msgpack::Packer;

use super::elements::Element;
use super::peer_kind::PeerKind;

/// The params of a notification, in what they have been asked for.
#[derive(Debug, Default)]
pub(super) struct Params {
    json: Vec<u8>,
    msgpack: Vec<u8>,
}

/// What is told of an element, its params written once for all who are told the same.
pub(super) struct News {
    pub(super) path: Arc<str>,
    path_json: Arc<str>,
    pub(super) value: Option<Arc<str>>,
    /// In small letters and in capitals.
    written: [[Params; 3]; 2],
    /// The adds of what can only be fetched. Few are, so the others do not carry them along.
    marked: Option<Box<[Params; 2]>>,
}

impl News {
    pub(super) fn of(element: &Element) -> News {
        News {
            path: element.path.clone(),
            path_json: element.path_json.clone(),
            value: element.value.clone(),
            written: Default::default(),
            marked: None,
        }
    }

    pub(super) fn raw(&self) -> Option<Raw<'_>> {
        self.value.as_deref().map(Raw::trusted)
    }

    /// The params of the notification of that event; with a mark on the add of what can only be fetched.
    pub(super) fn params(&mut self, event: Event, dialect: PeerKind, mark: bool) -> &mut Params {
        let spelling = usize::from(dialect == PeerKind::NodeJet3);
        let params = match mark {
            true => &mut self.marked.get_or_insert_default()[spelling],
            false => &mut self.written[spelling][event as usize],
        };
        let written = &mut params.json;
        if written.is_empty() {
            let event = dialect.event_name(event);
            write_params(written, &self.path_json, event, self.value.as_deref(), mark);
        }
        params
    }
}

/// Appends what is told of an element in a notification or an item of `get`; with a mark if it can only be fetched.
pub(super) fn write_params(out: &mut Vec<u8>, path_json: &str, event: &str, value: Option<&str>, mark: bool) {
    out.extend_from_slice(b"{\"path\":");
    out.extend_from_slice(path_json.as_bytes());
    out.extend_from_slice(b",\"event\":\"");
    out.extend_from_slice(event.as_bytes());
    out.push(b'"');
    if let Some(value) = value {
        out.extend_from_slice(b",\"value\":");
        out.extend_from_slice(value.as_bytes());
    }
    if mark {
        out.extend_from_slice(b",\"fetchOnly\":true");
    }
    out.push(b'}');
}

/// Appends the notification of a fetch.
pub(super) fn notification(out: &mut Vec<u8>, id: &str, params: &[u8]) {
    out.extend_from_slice(b"{\"method\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(params);
    out.push(b'}');
}

/// Bytes of a notification beside its id and params.
const ENVELOPE: usize = r#"{"method":,"params":}"#.len();

impl Params {
    pub(super) fn json(&self) -> &[u8] {
        &self.json
    }

    /// Appends a frame with the notification as msgpack; the params are translated for the first
    /// one only.
    ///
    /// # Errors
    /// [`TooLong`] in either form, as with [`Packer::end_frame`].
    pub(super) fn packed_frame(
        &mut self,
        id: &str,
        packer: &mut Packer,
        out: &mut Vec<u8>,
        max_message: usize,
    ) -> Result<(), TooLong> {
        let length = ENVELOPE + id.len() + self.json.len();
        if length > max_message {
            return Err(TooLong { length, limit: max_message });
        }
        if self.msgpack.is_empty() {
            self.msgpack.extend_from_slice(&self.json);
            packer.pack(&mut self.msgpack, 0);
        }
        let mark = frame::begin(out);
        // A map of two, and its keys.
        out.extend_from_slice(b"\x82\xa6method");
        let start = out.len();
        out.extend_from_slice(id.as_bytes());
        packer.pack(out, start);
        out.extend_from_slice(b"\xa6params");
        out.extend_from_slice(&self.msgpack);
        frame::end(out, mark, max_message)
    }
}
