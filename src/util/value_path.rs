//! [`ValuePath`] and [`Fault`]: what is wrong with a Lua value, and where in it, for the error text.
//!
//! This does not call Lua. The reader in `lua::convert` adds the keys as it finds them.

use std::fmt::{self, Write as _};

/// Keys that are shown at either end of a path. In a cycle it has a thousand.
const SHOWN: usize = 4;

/// The number of bytes of a key that are shown.
const KEY_SHOWN: usize = 40;

/// Why a Lua value cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// JSON has no values of this type.
    Type(&'static str),
    /// JSON has no text for this number.
    Number(f64),
    /// A key has this type.
    Key(&'static str),
    /// Two keys of a table have the same text.
    Twice,
    /// Most elements of the array would be null.
    Sparse {
        /// The number of entries.
        entries: usize,
        /// The largest key.
        last: f64,
    },
    /// The value is nested deeper than this.
    Deep(usize),
    /// The text has more bytes than this.
    Large(usize),
    /// A string is not UTF-8, and such strings are refused.
    NotUtf8,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Type(name) => write!(f, "cannot send a {name}"),
            Fault::Number(number) if number.is_nan() => f.write_str("cannot send NaN"),
            Fault::Number(number) => write!(f, "cannot send {number}"),
            Fault::Key(name) => write!(f, "cannot send a table that has a {name} as key"),
            Fault::Twice => f.write_str("cannot send a key twice: another key of the table becomes the same"),
            Fault::Sparse { entries, last } => {
                write!(f, "cannot send an excessively sparse array ({entries} of {last} places filled)")
            }
            Fault::Deep(levels) => write!(f, "nested deeper than {levels} levels, or a cycle"),
            Fault::Large(bytes) => write!(f, "more than {bytes} bytes of JSON"),
            Fault::NotUtf8 => f.write_str("cannot send a string that is not UTF-8"),
        }
    }
}

/// The keys that lead to a fault, innermost first.
#[derive(Debug, Default)]
pub struct ValuePath(Vec<String>);

impl ValuePath {
    /// Removes the keys of an earlier fault.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the key of the table around what was added before.
    pub fn under_name(&mut self, key: &[u8]) {
        let mut entry = String::new();
        let identifier = !key.is_empty()
            && key.len() <= KEY_SHOWN
            && !key[0].is_ascii_digit()
            && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let shown = String::from_utf8_lossy(&key[..key.len().min(KEY_SHOWN)]);
        let more = if key.len() > KEY_SHOWN { "..." } else { "" };
        // Writing to a String cannot fail.
        let _ = if identifier { write!(entry, ".{shown}") } else { write!(entry, "[{shown:?}{more}]") };
        self.0.push(entry);
    }

    /// Adds a position or another number that is a key.
    pub fn under_number(&mut self, key: f64) {
        self.0.push(format!("[{key}]"));
    }

    /// Returns the error message: `name`, the keys, and the fault.
    pub fn message(&self, name: &str, fault: Fault) -> String {
        let mut text = String::from(name);
        let keys = self.0.len();
        for (position, key) in self.0.iter().rev().enumerate() {
            if position < SHOWN || position + SHOWN >= keys {
                text.push_str(key);
            } else if position == SHOWN {
                text.push_str(" ... ");
            }
        }
        let _ = write!(text, ": {fault}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_like_lua() {
        let mut path = ValuePath::default();
        path.under_name(b"a key");
        path.under_number(3.0);
        path.under_name(b"list_2");
        let text = path.message("value", Fault::Type("function"));
        assert_eq!(text, "value.list_2[3][\"a key\"]: cannot send a function");
    }

    #[test]
    fn long_places_and_keys_are_cut() {
        let mut path = ValuePath::default();
        for _ in 0..1000 {
            path.under_name(b"me");
        }
        let text = path.message("value", Fault::Deep(1000));
        assert_eq!(text, "value.me.me.me.me ... .me.me.me.me: nested deeper than 1000 levels, or a cycle");
        path.clear();
        path.under_name(&[b'x'; 5000]);
        assert!(path.message("value", Fault::NotUtf8).len() < 120);
    }

    #[test]
    fn every_fault_says_what_is_wrong() {
        let path = ValuePath::default();
        assert_eq!(path.message("x", Fault::Number(f64::NAN)), "x: cannot send NaN");
        assert_eq!(path.message("x", Fault::Number(f64::NEG_INFINITY)), "x: cannot send -inf");
        let sparse = Fault::Sparse { entries: 1, last: 11.0 };
        let text = path.message("x", sparse);
        assert_eq!(text, "x: cannot send an excessively sparse array (1 of 11 places filled)");
        let text = path.message("x", Fault::Key("boolean"));
        assert_eq!(text, "x: cannot send a table that has a boolean as key");
        assert_eq!(path.message("x", Fault::Large(9)), "x: more than 9 bytes of JSON");
    }
}
