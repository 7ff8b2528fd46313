//! Frames of the "trivial" protocol: a 4-byte big-endian length, then that many bytes of message.
//!
//! [`Decoder`] cuts a stream of bytes into messages. [`begin`] and [`end`] write frames straight
//! into an output buffer. Neither looks into the messages.

use std::ops::Range;

use crate::util::byte_queue::ByteQueue;

/// Bytes of the length prefix of each message.
pub const HEADER: usize = 4;

/// A frame announces more bytes than the limit allows. The rest of the stream cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The announced length in bytes.
    pub length: usize,
    /// The limit in bytes.
    pub limit: usize,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "message of {} bytes exceeds the limit of {}", self.length, self.limit)
    }
}

impl std::error::Error for TooLong {}

/// Collects received bytes and cuts them into messages. Empty frames are skipped: some daemons
/// and peers crash on them, so they are never sent on purpose.
///
/// ```
/// use jet::wire::frame::Decoder;
///
/// let mut decoder = Decoder::new(1000);
/// decoder.push(b"\0\0\0\x02{}\0\0");
/// assert_eq!(decoder.next(), Some(Ok(&b"{}"[..])));
/// // The next frame has only begun.
/// assert_eq!(decoder.next(), None);
/// assert!(!decoder.is_empty());
/// ```
#[derive(Debug)]
pub struct Decoder {
    buffer: ByteQueue,
    max_message: usize,
}

impl Decoder {
    /// Creates a decoder that refuses messages longer than `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Decoder { buffer: ByteQueue::default(), max_message }
    }

    /// Appends received bytes. Ranges that [`next_range`](Self::next_range) returned before are invalid afterwards.
    pub fn push(&mut self, bytes: &[u8]) {
        self.fill(|buffer| buffer.extend_from_slice(bytes));
    }

    /// As [`push`](Self::push), but `append` appends the bytes to the buffer itself, which spares a copy.
    pub fn fill<R>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.buffer.reclaim();
        append(self.buffer.end())
    }

    /// Drops the messages that were returned, and their memory if it is large.
    pub fn release(&mut self) {
        self.buffer.reclaim();
    }

    /// Returns the range of the next complete message in the buffer, if there is one.
    ///
    /// # Errors
    /// Fails with [`TooLong`] as soon as the length prefix is there, and again on every later call.
    pub fn next_range(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        loop {
            let rest = self.buffer.rest();
            let Some(header) = rest.first_chunk::<HEADER>() else {
                return Ok(None);
            };
            let length = u32::from_be_bytes(*header) as usize;
            if length > self.max_message {
                return Err(TooLong { length, limit: self.max_message });
            }
            if rest.len() - HEADER < length {
                return Ok(None);
            }
            let start = self.buffer.position() + HEADER;
            self.buffer.consume(HEADER + length);
            if length > 0 {
                return Ok(Some(start..start + length));
            }
        }
    }

    /// Returns the next complete message, if there is one.
    ///
    /// # Errors
    /// As [`next_range`](Self::next_range) does.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<&[u8], TooLong>> {
        match self.next_range() {
            Ok(Some(range)) => Some(Ok(self.bytes(range))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Returns whether no further message has begun.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns the bytes at a range that [`next_range`](Self::next_range) returned since the last push.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.all().get(range).unwrap_or_default()
    }
}

/// The start of a frame that is being written.
#[derive(Debug, Clone, Copy)]
#[must_use = "a frame that was begun has to be ended or cancelled"]
pub struct Mark(usize);

impl Mark {
    /// Returns the offset at which the message of the frame begins.
    pub fn message(self) -> usize {
        self.0 + HEADER
    }
}

/// Begins a frame at the end of `out`.
pub fn begin(out: &mut Vec<u8>) -> Mark {
    let mark = Mark(out.len());
    out.extend_from_slice(&[0; HEADER]);
    mark
}

/// Ends the frame. Everything that was appended since [`begin`] is its message.
///
/// # Errors
/// Fails with [`TooLong`] if the message exceeds `max_message`. The frame is removed from `out` then.
pub fn end(out: &mut Vec<u8>, mark: Mark, max_message: usize) -> Result<(), TooLong> {
    let length = out.len() - mark.0 - HEADER;
    if length > max_message.min(u32::MAX as usize) {
        cancel(out, mark);
        return Err(TooLong { length, limit: max_message });
    }
    out[mark.0..mark.0 + HEADER].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(())
}

/// Removes a frame that was begun.
pub fn cancel(out: &mut Vec<u8>, mark: Mark) {
    out.truncate(mark.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(messages: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            let mark = begin(&mut out);
            out.extend_from_slice(message);
            end(&mut out, mark, 100).expect("short enough");
        }
        out
    }

    fn decode(decoder: &mut Decoder) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while let Some(message) = decoder.next() {
            messages.push(message.expect("within the limit").to_vec());
        }
        messages
    }

    #[test]
    fn messages_survive_a_cut_at_every_byte() {
        let stream = frames(&[b"{}", b"", b"[1,2]", b"x"]);
        for cut in 0..=stream.len() {
            let mut decoder = Decoder::new(100);
            decoder.push(&stream[..cut]);
            let mut messages = decode(&mut decoder);
            decoder.push(&stream[cut..]);
            messages.extend(decode(&mut decoder));
            assert_eq!(messages, [b"{}".to_vec(), b"[1,2]".to_vec(), b"x".to_vec()], "cut at {cut}");
        }
    }

    #[test]
    fn the_limit_is_exact_and_seen_on_the_header() {
        let mut decoder = Decoder::new(5);
        decoder.push(&[0, 0, 0, 5]);
        assert_eq!(decoder.next(), None);
        decoder.push(b"12345\0\0\0\x06");
        assert_eq!(decoder.next(), Some(Ok(&b"12345"[..])));
        assert_eq!(decoder.next(), Some(Err(TooLong { length: 6, limit: 5 })));
        let mut decoder = Decoder::new(5);
        decoder.push(&[0xff; 4]);
        assert!(decoder.next().expect("an answer").is_err());
    }

    #[test]
    fn a_frame_too_long_leaves_no_trace() {
        let mut out = frames(&[b"kept"]);
        let before = out.clone();
        let mark = begin(&mut out);
        out.extend_from_slice(&[b'x'; 11]);
        assert_eq!(end(&mut out, mark, 10), Err(TooLong { length: 11, limit: 10 }));
        assert_eq!(out, before);
    }
}
