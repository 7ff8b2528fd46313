//! [`ItemList`]: the items of a long array in a message, encoded one by one.
//!
//! A long message is written by a job in slices. Translating it to msgpack at the end would be one long step, so each
//! item is translated when it is written.

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

    /// Appends the array to a message in the encoding of the items.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_packed() {
            msgpack::array_header(out, self.count);
            return out.extend_from_slice(&self.bytes);
        }
        out.push(b'[');
        out.extend_from_slice(self.bytes.strip_suffix(b",").unwrap_or_default());
        out.push(b']');
    }
}
