//! From msgpack to JSON text, in one pass. Depth costs no stack, and an announced length
//! costs no memory before its bytes are there.

use std::fmt;

use crate::json::write;
use crate::wire::latin1;

/// The limits of a message.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The depth to which arrays and maps may nest, the outermost being 1.
    pub max_depth: usize,
    /// The maximum number of bytes of JSON text.
    pub max_text: usize,
}

/// A message as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// One valid JSON value without white space around it.
    pub text: String,
    /// Whether bytes of a string that are not UTF-8 were read as Latin-1.
    pub repaired: bool,
}

/// Why bytes are not an acceptable message, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub reason: Reason,
    /// The offset in bytes of the item at which it was found.
    pub at: usize,
}

/// The ways in which bytes can fail to be an acceptable message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The bytes end inside a value, or an array or map announces more items than bytes are left.
    UnexpectedEnd,
    /// The marker without a meaning, or an extension type.
    NoJson,
    /// A key that is neither string nor number.
    BadKey,
    /// NaN or an infinity.
    NotFinite,
    /// Arrays and maps nest deeper than allowed.
    TooDeep,
    /// The JSON text would be longer than allowed.
    TooLong,
    /// Something follows the value.
    TrailingBytes,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::UnexpectedEnd => "unexpected end",
            Reason::NoJson => "a type that JSON does not have",
            Reason::BadKey => "a key that is neither string nor number",
            Reason::NotFinite => "NaN or an infinity",
            Reason::TooDeep => "nested too deep",
            Reason::TooLong => "too long as JSON",
            Reason::TrailingBytes => "something follows the value",
        };
        write!(f, "{reason} at byte {} of msgpack", self.at + 1)
    }
}

impl std::error::Error for Error {}

type Result<T> = std::result::Result<T, Error>;

/// Translates one message.
///
/// # Errors
/// Fails for each [`Reason`].
pub fn to_json(bytes: &[u8], limits: Limits) -> Result<Decoded> {
    let mut decoder = Decoder {
        bytes,
        at: 0,
        item: 0,
        // Numbers and separators take more room in JSON, strings hardly do.
        out: Vec::with_capacity(bytes.len() + bytes.len() / 4),
        open: Vec::new(),
        repaired: false,
        limits,
    };
    decoder.value()?;
    let text = String::from_utf8(decoder.out).expect("strings, digits and brackets are UTF-8");
    Ok(Decoded { text, repaired: decoder.repaired })
}

/// An array or map that is not complete.
struct Open {
    is_map: bool,
    /// The values that are left, and in a map the keys as well.
    left: u64,
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The offset of the item that is being read.
    item: usize,
    out: Vec<u8>,
    open: Vec<Open>,
    repaired: bool,
    limits: Limits,
}

impl Decoder<'_> {
    /// Reads the whole message.
    fn value(&mut self) -> Result<()> {
        loop {
            self.item = self.at;
            if self.separate() {
                self.key()?;
            } else {
                self.item()?;
            }
            if self.out.len() > self.limits.max_text {
                return self.fail(Reason::TooLong);
            }
            self.close();
            if self.open.is_empty() {
                break;
            }
        }
        self.item = self.at;
        if self.at < self.bytes.len() {
            return self.fail(Reason::TrailingBytes);
        }
        Ok(())
    }

    fn fail<T>(&self, reason: Reason) -> Result<T> {
        Err(Error { reason, at: self.item })
    }

    /// Writes what separates the next item from the last one. Returns whether the next item is a key.
    fn separate(&mut self) -> bool {
        let Some(open) = self.open.last_mut() else {
            return false;
        };
        let is_key = open.is_map && open.left % 2 == 0;
        open.left -= 1;
        if open.is_map && !is_key {
            self.out.push(b':');
        } else if !matches!(self.out.last(), Some(b'[' | b'{')) {
            self.out.push(b',');
        }
        is_key
    }

    /// Closes the containers that are complete.
    fn close(&mut self) {
        while let Some(open) = self.open.pop_if(|open| open.left == 0) {
            self.out.push(if open.is_map { b'}' } else { b']' });
        }
    }

    fn take(&mut self, length: usize) -> Result<&[u8]> {
        let end = self.at.saturating_add(length);
        let Some(taken) = self.bytes.get(self.at..end) else {
            return self.fail(Reason::UnexpectedEnd);
        };
        self.at = end;
        Ok(taken)
    }

    /// Takes a big-endian number of `width` bytes, 8 at most.
    fn number(&mut self, width: usize) -> Result<u64> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn length(&mut self, width: usize) -> Result<usize> {
        // A length beyond the address space ends beyond the bytes as well.
        Ok(usize::try_from(self.number(width)?).unwrap_or(usize::MAX))
    }

    fn signed(&mut self, width: usize) -> Result<i64> {
        let unused = 64 - 8 * width as u32;
        Ok((self.number(width)? << unused) as i64 >> unused)
    }

    fn item(&mut self) -> Result<()> {
        match self.take(1)?[0] {
            marker @ 0x80..=0x8f => return self.container(true, u64::from(marker & 0x0f)),
            marker @ 0x90..=0x9f => return self.container(false, u64::from(marker & 0x0f)),
            marker @ (0xdc | 0xde) => {
                let count = self.number(2)?;
                return self.container(marker == 0xde, count);
            }
            marker @ (0xdd | 0xdf) => {
                let count = self.number(4)?;
                return self.container(marker == 0xdf, count);
            }
            0xc0 => self.out.extend_from_slice(b"null"),
            0xc2 => self.out.extend_from_slice(b"false"),
            0xc3 => self.out.extend_from_slice(b"true"),
            0xca | 0xcb => {
                let value = self.float()?;
                write::float(&mut self.out, value);
            }
            marker => return self.scalar(marker),
        }
        Ok(())
    }

    fn container(&mut self, is_map: bool, count: u64) -> Result<()> {
        if self.open.len() >= self.limits.max_depth {
            return self.fail(Reason::TooDeep);
        }
        let left = if is_map { 2 * count } else { count };
        if left > (self.bytes.len() - self.at) as u64 {
            return self.fail(Reason::UnexpectedEnd);
        }
        self.out.push(if is_map { b'{' } else { b'[' });
        self.open.push(Open { is_map, left });
        Ok(())
    }

    /// Takes the float whose marker has just been taken.
    fn float(&mut self) -> Result<f64> {
        let value = match self.bytes[self.at - 1] {
            0xca => f64::from(f32::from_bits(self.number(4)? as u32)),
            _ => f64::from_bits(self.number(8)?),
        };
        if value.is_finite() { Ok(value) } else { self.fail(Reason::NotFinite) }
    }

    /// Translates a key. Numbers become text.
    fn key(&mut self) -> Result<()> {
        match self.take(1)?[0] {
            marker @ (0xca | 0xcb | 0xcc..=0xd3 | 0x00..=0x7f | 0xe0..=0xff) => {
                self.out.push(b'"');
                if matches!(marker, 0xca | 0xcb) {
                    let value = self.float()?;
                    write::whole_or_float(&mut self.out, value);
                } else {
                    self.scalar(marker)?;
                }
                self.out.push(b'"');
                Ok(())
            }
            marker @ (0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb) => self.scalar(marker),
            _ => self.fail(Reason::BadKey),
        }
    }

    /// Translates the integer or string whose marker has just been taken.
    fn scalar(&mut self, marker: u8) -> Result<()> {
        match marker {
            0x00..=0x7f => write::integer(&mut self.out, i64::from(marker)),
            0xe0..=0xff => write::integer(&mut self.out, i64::from(marker as i8)),
            0xcc..=0xcf => {
                let value = self.number(1 << (marker - 0xcc))?;
                match i64::try_from(value) {
                    Ok(value) => write::integer(&mut self.out, value),
                    Err(_) => self.out.extend_from_slice(value.to_string().as_bytes()),
                }
            }
            0xd0..=0xd3 => {
                let value = self.signed(1 << (marker - 0xd0))?;
                write::integer(&mut self.out, value);
            }
            0xa0..=0xbf => return self.string(usize::from(marker & 0x1f)),
            0xc4..=0xc6 => {
                let length = self.length(1 << (marker - 0xc4))?;
                return self.string(length);
            }
            0xd9..=0xdb => {
                let length = self.length(1 << (marker - 0xd9))?;
                return self.string(length);
            }
            _ => return self.fail(Reason::NoJson),
        }
        Ok(())
    }

    fn string(&mut self, length: usize) -> Result<()> {
        self.take(length)?;
        let text = latin1::from_bytes(&self.bytes[self.at - length..self.at]);
        self.repaired |= matches!(text, std::borrow::Cow::Owned(_));
        write::string(&mut self.out, &text);
        Ok(())
    }
}
