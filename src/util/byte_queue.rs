//! [`ByteQueue`]: bytes that are appended at one end and consumed at the other.
//!
//! The layers of a connection exchange whole buffers, so this is a `Vec` with a mark: it can be swapped with another
//! one without a copy, which a `bytes::BytesMut` cannot.

/// Bytes of memory that an empty buffer of a connection keeps: enough for the batches of a busy stream of small
/// messages, while a large message does not cost its size for ever.
pub const KEPT_BUFFER: usize = 16 * 1024;

/// A buffer whose consumed bytes are dropped now and then, so that the work per byte is constant however it is consumed.
#[derive(Debug, Default)]
pub struct ByteQueue {
    bytes: Vec<u8>,
    /// The bytes before this index are consumed.
    consumed: usize,
}

impl ByteQueue {
    /// Returns the bytes that are not consumed.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    /// Returns the count of bytes that are not consumed.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.consumed
    }

    /// Returns whether everything is consumed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Consumes up to `count` bytes. They stay where they are until [`reclaim`](Self::reclaim).
    pub fn consume(&mut self, count: usize) {
        self.consumed = (self.consumed + count).min(self.bytes.len());
    }

    /// Returns the index in [`all`](Self::all) of the first byte that is not consumed.
    pub fn position(&self) -> usize {
        self.consumed
    }

    /// Returns all bytes since the last [`reclaim`](Self::reclaim), consumed ones as well.
    pub fn all(&self) -> &[u8] {
        &self.bytes
    }

    /// Drops consumed bytes if they are the larger half, and the memory of large buffers that are empty.
    pub fn reclaim(&mut self) {
        if self.is_empty() {
            self.clear();
        } else if self.consumed > self.bytes.len() / 2 {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
        }
    }

    /// Returns the buffer to append to. It has consumed bytes in front.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Moves all bytes of `more` to the end. An empty queue changes places with `more`, and nothing is copied.
    pub fn append(&mut self, more: &mut Vec<u8>) {
        if self.is_empty() {
            self.bytes.clear();
            self.consumed = 0;
            std::mem::swap(&mut self.bytes, more);
        } else {
            self.reclaim();
            self.bytes.append(more);
        }
    }

    /// Moves the bytes that are not consumed to the end of `out`. Nothing is copied if `out` is empty and nothing was
    /// consumed.
    pub fn move_to(&mut self, out: &mut Vec<u8>) {
        if out.is_empty() && self.consumed == 0 {
            std::mem::swap(out, &mut self.bytes);
        } else {
            out.extend_from_slice(self.rest());
            self.clear();
        }
    }

    /// Drops all bytes. A large buffer gives its memory back.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BUFFER);
        self.consumed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumed_bytes_are_dropped_when_they_are_the_larger_half() {
        let mut queue = ByteQueue::default();
        queue.end().extend_from_slice(b"abcdef");
        queue.consume(3);
        queue.reclaim();
        assert_eq!((queue.all(), queue.position(), queue.rest()), (&b"abcdef"[..], 3, &b"def"[..]));
        queue.consume(1);
        queue.append(&mut b"gh".to_vec());
        assert_eq!((queue.all(), queue.position(), queue.len()), (&b"efgh"[..], 0, 4));
        queue.consume(9);
        assert!(queue.is_empty() && queue.rest().is_empty());
    }

    #[test]
    fn whole_buffers_change_places() {
        let (mut queue, mut bytes) = (ByteQueue::default(), b"abc".to_vec());
        let place = bytes.as_ptr();
        queue.append(&mut bytes);
        assert!(bytes.is_empty());
        queue.move_to(&mut bytes);
        assert_eq!((bytes.as_ptr(), &bytes[..]), (place, &b"abc"[..]));
        queue.append(&mut b"de".to_vec());
        queue.consume(1);
        queue.move_to(&mut bytes);
        assert_eq!((bytes, queue.len()), (b"abce".to_vec(), 0));
    }

    #[test]
    fn a_large_message_does_not_keep_its_memory() {
        let mut queue = ByteQueue::default();
        queue.append(&mut vec![0; 10 * KEPT_BUFFER]);
        queue.consume(10 * KEPT_BUFFER);
        queue.reclaim();
        assert!(queue.end().capacity() <= KEPT_BUFFER);
    }
}
