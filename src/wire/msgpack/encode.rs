//! From JSON text to msgpack, in one walk over the text. In msgpack the number of items precedes them, so the header of
//! a container is completed when the container ends.

use crate::json::{Numeral, Raw, Tokens};
use crate::wire::frame::{self, Mark, TooLong};

/// Bytes of memory that are kept between two messages.
const KEPT: usize = 64 * 1024;

/// The largest number of items of an array or object that is part of the header's only byte.
const SHORT: u32 = 15;

/// Translates messages. Its memory is reused for the next one.
#[derive(Debug, Default)]
pub struct Packer {
    json: Vec<u8>,
    /// The containers around the one that is being written.
    open: Vec<Container>,
    /// The containers that have ended and whose headers need more than the byte that was left for them.
    long: Vec<Container>,
    /// A string with its escapes resolved.
    unescaped: String,
}

/// An array or object whose items are being written.
#[derive(Debug, Clone, Copy, Default)]
struct Container {
    /// The offset in the output of the byte that was left for the header.
    header: usize,
    /// The number of elements, or of keys and values, so far.
    items: u32,
    is_object: bool,
}

impl Packer {
    /// Translates the message of a frame, which was written as JSON, and ends the frame as [`frame::end`] does.
    ///
    /// # Errors
    /// Fails with [`TooLong`] if the message exceeds `max_message` in either form, as it may have to travel on in
    /// the other one. The frame is removed from `out` then.
    pub fn end_frame(&mut self, out: &mut Vec<u8>, mark: Mark, max_message: usize) -> Result<(), TooLong> {
        frame::end(out, mark, max_message)?;
        self.pack(out, mark.message());
        frame::end(out, mark, max_message)
    }

    /// Appends the msgpack of a JSON value.
    pub fn append(&mut self, out: &mut Vec<u8>, value: Raw) {
        let start = out.len();
        out.extend_from_slice(value.text().as_bytes());
        self.pack(out, start);
    }

    /// Replaces the JSON text at the end of `out`, from that byte on, with its msgpack. The text must be one checked
    /// value. The result for other text makes no sense.
    pub fn pack(&mut self, out: &mut Vec<u8>, from: usize) {
        self.json.extend_from_slice(out.get(from..).unwrap_or_default());
        out.truncate(from);
        match std::str::from_utf8(&self.json) {
            Ok(json) => {
                let writer = Writer { out, open: &mut self.open, long: &mut self.long };
                writer.write(json, &mut self.unescaped);
            }
            // Messages are put together of text alone.
            Err(_) => out.push(0xc0),
        }
        self.json.clear();
        self.json.shrink_to(KEPT);
        self.open.clear();
        self.open.shrink_to(KEPT);
        self.long.clear();
        self.long.shrink_to(KEPT);
        self.unescaped.clear();
        self.unescaped.shrink_to(KEPT);
    }
}

/// Writes one message.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    open: &'a mut Vec<Container>,
    long: &'a mut Vec<Container>,
}

impl Writer<'_> {
    /// Appends the msgpack of `json`. Strings with escapes are put together in `unescaped`.
    fn write(mut self, json: &str, unescaped: &mut String) {
        let mut tokens = Tokens::new(json);
        let mut inner = Container::default();
        while let Some(byte) = tokens.peek() {
            match byte {
                b']' | b'}' => {
                    tokens.step_over(1);
                    inner = self.end(inner);
                    continue;
                }
                b'"' => string(self.out, tokens.string_bytes(unescaped)),
                b'-' | b'0'..=b'9' => number(self.out, tokens.number()),
                b'[' | b'{' => {
                    tokens.step_over(1);
                    inner = self.begin(inner, byte == b'{');
                    continue;
                }
                b't' => {
                    tokens.step_over(4);
                    self.out.push(0xc3);
                }
                b'f' => {
                    tokens.step_over(5);
                    self.out.push(0xc2);
                }
                b'n' => {
                    tokens.step_over(4);
                    self.out.push(0xc0);
                }
                _ => break,
            }
            inner.items += 1;
        }
        if !self.long.is_empty() {
            self.widen();
        }
    }

    /// Begins a container in `outer`, with a byte for its header.
    fn begin(&mut self, mut outer: Container, is_object: bool) -> Container {
        outer.items += 1;
        self.open.push(outer);
        let header = self.out.len();
        self.out.push(0);
        Container { header, items: 0, is_object }
    }

    /// Completes the header of a container, and returns the one around it.
    fn end(&mut self, ended: Container) -> Container {
        // Unchecked text may close more than it opens.
        let Some(outer) = self.open.pop() else { return ended };
        match (ended.short_header(), self.out.get_mut(ended.header)) {
            (Some(marker), Some(header)) => *header = marker,
            _ => self.long.push(ended),
        }
        outer
    }

    /// Makes room for the headers that are longer than one byte, and writes them. Walks over the output once, from its
    /// end, whatever the number of headers.
    fn widen(&mut self) {
        // Containers within others have ended first.
        self.long.sort_unstable_by_key(|container| container.header);
        let mut from = self.out.len();
        let mut to = from + self.long.iter().map(|container| container.long_header().1 - 1).sum::<usize>();
        self.out.resize(to, 0);
        for container in self.long.iter().rev() {
            let (bytes, length) = container.long_header();
            let items = container.header + 1..from;
            to -= items.len();
            self.out.copy_within(items, to);
            self.out[to - length..to].copy_from_slice(&bytes[..length]);
            to -= length;
            from = container.header;
        }
    }
}

impl Container {
    /// Returns the number of elements or members.
    fn count(self) -> u32 {
        if self.is_object { self.items / 2 } else { self.items }
    }

    /// Returns the header if one byte is enough.
    fn short_header(self) -> Option<u8> {
        let fixed = if self.is_object { 0x80 } else { 0x90 };
        (self.count() <= SHORT).then(|| fixed | self.count() as u8)
    }

    /// Returns the header if one byte is not enough, and how many bytes it takes.
    fn long_header(self) -> ([u8; 5], usize) {
        let marker = if self.is_object { 0xde } else { 0xdc };
        let [a, b, c, d] = self.count().to_be_bytes();
        match (a, b) {
            (0, 0) => ([marker, c, d, 0, 0], 3),
            _ => ([marker + 1, a, b, c, d], 5),
        }
    }
}

/// Appends the header of an array, which that many items follow.
pub fn array_header(out: &mut Vec<u8>, count: u32) {
    header(out, [0x90, 0xdc, 0xdd], SHORT, count);
}

/// Appends a marker with a length. A length up to `short` is part of the marker itself; a larger one takes two or
/// four bytes.
fn header(out: &mut Vec<u8>, [fixed, two, four]: [u8; 3], short: u32, length: u32) {
    if length <= short {
        out.push(fixed | length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        sized(out, two, length.to_be_bytes());
    } else {
        sized(out, four, length.to_be_bytes());
    }
}

fn sized<const N: usize>(out: &mut Vec<u8>, marker: u8, bytes: [u8; N]) {
    out.push(marker);
    out.extend_from_slice(&bytes);
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    // Frames announce their length in 32 bits, so no text in one is longer.
    header(out, [0xa0, 0xda, 0xdb], 31, text.len() as u32);
    out.extend_from_slice(text);
}

fn number(out: &mut Vec<u8>, number: Numeral<'_>) {
    let text = number.text();
    match number.short_magnitude() {
        // Integers have no negative zero.
        Some(0) if number.is_negative() => {}
        Some(magnitude) if number.is_negative() => return negative(out, -(magnitude as i64)),
        Some(magnitude) => return unsigned(out, magnitude),
        None => {
            if let Ok(value) = text.parse::<u64>() {
                return unsigned(out, value);
            }
            if let Ok(value) = text.parse::<i64>() {
                return negative(out, value);
            }
        }
    }
    let value = text.parse::<f64>().unwrap_or_default();
    let short = value as f32;
    if f64::from(short) == value {
        sized(out, 0xca, short.to_bits().to_be_bytes());
    } else {
        sized(out, 0xcb, value.to_bits().to_be_bytes());
    }
}

fn unsigned(out: &mut Vec<u8>, value: u64) {
    if let Ok(value) = u8::try_from(value) {
        if value >= 0x80 {
            out.push(0xcc);
        }
        out.push(value);
    } else if let Ok(value) = u16::try_from(value) {
        sized(out, 0xcd, value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        sized(out, 0xce, value.to_be_bytes());
    } else {
        sized(out, 0xcf, value.to_be_bytes());
    }
}

fn negative(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = i8::try_from(value) {
        if value < -32 {
            out.push(0xd0);
        }
        out.push(value as u8);
    } else if let Ok(value) = i16::try_from(value) {
        sized(out, 0xd1, value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        sized(out, 0xd2, value.to_be_bytes());
    } else {
        sized(out, 0xd3, value.to_be_bytes());
    }
}
