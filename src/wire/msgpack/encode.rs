//! From JSON text to msgpack. In msgpack the number of items precedes them, so there are two walks over
//! the text: one counts the items of each array and object, the other writes.

use crate::json::{Numeral, Raw, Token, Tokens};
use crate::wire::frame::{self, Mark, TooLong};

/// Bytes of memory that are kept between two messages.
const KEPT: usize = 64 * 1024;

/// Translates messages. Its memory is reused for the next one.
#[derive(Debug, Default)]
pub struct Packer {
    json: Vec<u8>,
    /// The number of items of each container, in the order in which the containers begin.
    counts: Vec<u32>,
    /// The containers that are open while counting, as indices into `counts`.
    open: Vec<usize>,
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
                count(json, &mut self.counts, &mut self.open);
                write(json, &self.counts, out);
            }
            // Messages are put together of text alone.
            Err(_) => out.push(0xc0),
        }
        self.json.clear();
        self.json.shrink_to(KEPT);
        self.counts.clear();
        self.counts.shrink_to(KEPT);
        self.open.clear();
        self.open.shrink_to(KEPT);
    }
}

/// Counts the items of each array and the members of each object, in the order in which they begin.
fn count(json: &str, counts: &mut Vec<u32>, open: &mut Vec<usize>) {
    for token in Tokens::new(json) {
        match token {
            Token::Key(_) => continue,
            Token::EndArray | Token::EndObject => {
                open.pop();
                continue;
            }
            _ => {}
        }
        if let Some(container) = open.last() {
            counts[*container] += 1;
        }
        if matches!(token, Token::BeginArray | Token::BeginObject) {
            open.push(counts.len());
            counts.push(0);
        }
    }
}

fn write(json: &str, counts: &[u32], out: &mut Vec<u8>) {
    let mut counts = counts.iter().copied();
    for token in Tokens::new(json) {
        match token {
            Token::BeginObject => header(out, [0x80, 0xde, 0xdf], 15, counts.next().unwrap_or_default()),
            Token::BeginArray => array_header(out, counts.next().unwrap_or_default()),
            Token::EndObject | Token::EndArray => {}
            Token::Key(text) | Token::String(text) => string(out, &text.unescape()),
            Token::Number(value) => number(out, value),
            Token::Bool(false) => out.push(0xc2),
            Token::Bool(true) => out.push(0xc3),
            Token::Null => out.push(0xc0),
        }
    }
}

/// Appends the header of an array, which that many items follow.
pub fn array_header(out: &mut Vec<u8>, count: u32) {
    header(out, [0x90, 0xdc, 0xdd], 15, count);
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

fn string(out: &mut Vec<u8>, text: &str) {
    // Frames announce their length in 32 bits, so no text in one is longer.
    header(out, [0xa0, 0xda, 0xdb], 31, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
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
