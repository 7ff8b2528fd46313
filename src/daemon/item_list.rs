//! [`ItemList`]: the items of a long array in a message, encoded one by one.
//!
//! A long message is written by a job in slices. Translating it to msgpack at the end would be one long step, so each
//! item is translated when it is written.

use crate::json::Raw;
use crate::wire::frame::{self, TooLong};
use crate::wire::msgpack::{self, Packer};

/// Bytes of JSON that are written in one unit of work.
const WRITTEN_PER_UNIT: usize = 512;

/// Bytes of JSON that are translated to msgpack in one unit of work.
const PACKED_PER_UNIT: usize = 32;

/// The items of an array, in the encoding of the connection that receives them.
#[derive(Debug, Default)]
pub struct ItemList {
    /// JSON with a comma behind each item, or msgpack.
    bytes: Vec<u8>,
    json_len: usize,
    count: u32,
    packer: Option<Packer>,
}

/// A message around a list.
#[derive(Debug, Clone, Copy)]
pub enum Envelope<'a> {
    /// The response to a request. The list is the result.
    Response {
        /// The id of the request.
        id: Raw<'a>,
    },
    /// The notification of a sorted fetch. The list has the changed entries.
    Changes {
        /// The id of the fetch.
        id: Raw<'a>,
        /// The number of occupied ranks in the window.
        n: usize,
    },
}

impl ItemList {
    /// Creates an empty list of JSON, or with `packs` of msgpack.
    pub fn new(packs: bool) -> ItemList {
        ItemList { packer: packs.then(Packer::default), ..ItemList::default() }
    }

    /// Appends the item that `write` writes as JSON. Returns the units of work that takes.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - start;
        self.json_len += length + 1;
        self.count += 1;
        match &mut self.packer {
            Some(packer) => {
                packer.pack(&mut self.bytes, start);
                2 + (length / PACKED_PER_UNIT) as u64
            }
            None => {
                self.bytes.push(b',');
                2 + (length / WRITTEN_PER_UNIT) as u64
            }
        }
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Returns `true` if there are no items.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the length of the items as JSON text, with a comma behind each.
    pub fn json_len(&self) -> usize {
        self.json_len
    }

    /// Returns `true` if the items are msgpack.
    pub fn is_packed(&self) -> bool {
        self.packer.is_some()
    }

    /// Appends a message with this list, which is JSON.
    pub fn write_json(&self, envelope: &Envelope, out: &mut Vec<u8>) {
        let (before, behind) = envelope.json();
        out.extend_from_slice(before.as_bytes());
        out.push(b'[');
        out.extend_from_slice(self.bytes.strip_suffix(b",").unwrap_or_default());
        out.push(b']');
        out.extend_from_slice(behind.as_bytes());
    }

    /// Appends a frame with this list, which is msgpack.
    ///
    /// # Errors
    /// The message exceeds the limit as msgpack or as JSON. Nothing is appended then.
    pub fn write_packed(
        &self,
        envelope: &Envelope,
        packer: &mut Packer,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), TooLong> {
        let (before, behind) = envelope.json();
        let length = before.len() + "[]".len() + self.json_len.saturating_sub(1) + behind.len();
        if length > limit {
            return Err(TooLong { length, limit });
        }
        let mark = frame::begin(out);
        // The first byte announces a map of two entries, the others are short strings.
        match envelope {
            Envelope::Response { id } => {
                out.extend_from_slice(b"\x82\xa2id");
                packer.append(out, *id);
                out.extend_from_slice(b"\xa6result");
                self.write_array(out);
            }
            Envelope::Changes { id, n } => {
                out.extend_from_slice(b"\x82\xa6method");
                packer.append(out, *id);
                out.extend_from_slice(b"\xa6params\x82\xa7changes");
                self.write_array(out);
                out.extend_from_slice(b"\xa1n");
                packer.append(out, Raw::trusted(&n.to_string()));
            }
        }
        frame::end(out, mark, limit)
    }

    fn write_array(&self, out: &mut Vec<u8>) {
        msgpack::array_header(out, self.count);
        out.extend_from_slice(&self.bytes);
    }
}

impl Envelope<'_> {
    /// Returns the JSON text before and behind the list.
    fn json(&self) -> (String, String) {
        match self {
            Envelope::Response { id } => (format!("{{\"id\":{},\"result\":", id.text()), "}".to_owned()),
            Envelope::Changes { id, n } => {
                let before = format!("{{\"method\":{},\"params\":{{\"changes\":", id.text());
                (before, format!(",\"n\":{n}}}}}"))
            }
        }
    }
}
