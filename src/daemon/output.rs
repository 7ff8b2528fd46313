//! [`Output`]: the frames of one connection that have not been sent.

use crate::util::byte_queue::ByteQueue;
use crate::wire::encoding::Encoding;

/// The unsent frames of a connection, and their encoding.
#[derive(Debug, Default)]
pub struct Output {
    /// Whole frames, apart from what was sent of the first one.
    frames: ByteQueue,
    encoding: Encoding,
    next_encoding: Encoding,
    /// The number of unsent bytes that were written before the encoding changed.
    unsent_json: usize,
}

impl Output {
    /// Returns the encoding of the messages that are written now.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sets the encoding that [`change_encoding`](Self::change_encoding) switches to.
    pub fn set_next_encoding(&mut self, encoding: Encoding) {
        self.next_encoding = encoding;
    }

    /// Switches to the next encoding for all messages to come.
    pub fn change_encoding(&mut self) {
        if self.encoding != self.next_encoding {
            self.encoding = self.next_encoding;
            self.unsent_json = self.unsent().len();
        }
    }

    /// Returns the buffer to which frames are appended.
    pub fn frames(&mut self) -> &mut Vec<u8> {
        self.frames.end()
    }

    /// Returns the unsent bytes: whole frames, apart from what was sent of the first one.
    pub fn unsent(&self) -> &[u8] {
        self.frames.rest()
    }

    /// Returns the encoding of the first unsent message.
    pub fn unsent_encoding(&self) -> Encoding {
        if self.unsent_json > 0 { Encoding::Json } else { self.encoding }
    }

    /// Removes that many unsent bytes, which have been sent.
    pub fn advance(&mut self, count: usize) {
        self.frames.consume(count);
        self.frames.reclaim();
        self.unsent_json = self.unsent_json.saturating_sub(count);
    }

    /// Moves the unsent bytes to the end of `out`. If the encoding has changed, it moves only those in the first
    /// encoding. Nothing is copied if `out` is empty.
    pub fn take(&mut self, out: &mut Vec<u8>) {
        if self.unsent_json > 0 {
            let count = self.unsent_json.min(self.unsent().len());
            out.extend_from_slice(&self.unsent()[..count]);
            self.advance(count);
        } else {
            self.frames.move_to(out);
        }
    }

    /// Drops all unsent bytes.
    pub fn clear(&mut self) {
        self.frames = ByteQueue::default();
        self.unsent_json = 0;
    }
}
