//! The types of single options: what they accept and how the error names it.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};

use super::reader::{ANY, CALLBACK, ONE_OR_MANY, SWITCH};
use crate::util::password::Password;
use crate::wire::latin1;

/// The number below which Lua's floats hold every integer.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Why a scalar is not accepted.
#[derive(Debug, Clone, Copy)]
pub enum Unfit {
    /// The option takes no values of this type.
    Type,
    /// The option takes other values of this type.
    Value,
}

/// An option that is a boolean, a number or a string.
pub trait Scalar: Sized {
    /// What the error says is expected.
    const EXPECTED: &'static str;

    /// Accepts a boolean.
    fn from_boolean(_: bool) -> Result<Self, Unfit> {
        Err(Unfit::Type)
    }

    /// Accepts an integer; by default as the float of the same value.
    fn from_integer(value: i64) -> Result<Self, Unfit> {
        Self::from_number(value as f64)
    }

    /// Accepts a float.
    fn from_number(_: f64) -> Result<Self, Unfit> {
        Err(Unfit::Type)
    }

    /// Accepts a string.
    fn from_text(_: &str) -> Result<Self, Unfit> {
        Err(Unfit::Type)
    }

    /// Accepts a string that is not UTF-8.
    fn from_bytes(_: &[u8]) -> Result<Self, Unfit> {
        Err(Unfit::Value)
    }
}

/// A scalar of any type.
enum Leaf {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Visits a scalar of any type. One visitor for all types of options keeps the library small.
struct LeafVisitor {
    expected: &'static str,
}

impl Visitor<'_> for LeafVisitor {
    type Value = Leaf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Leaf, E> {
        Ok(Leaf::Boolean(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Leaf, E> {
        Ok(Leaf::Integer(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Leaf, E> {
        Ok(Leaf::Number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Leaf, E> {
        Ok(Leaf::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Leaf, E> {
        Ok(Leaf::Text(value))
    }

    fn visit_byte_buf<E: de::Error>(self, value: Vec<u8>) -> Result<Leaf, E> {
        Ok(Leaf::Bytes(value))
    }
}

#[inline(never)]
fn leaf<'de, D: Deserializer<'de>>(deserializer: D, expected: &'static str) -> Result<Leaf, D::Error> {
    deserializer.deserialize_any(LeafVisitor { expected })
}

#[inline(never)]
fn unfit<E: de::Error>(unfit: Unfit, leaf: &Leaf, expected: &'static str) -> E {
    let got = match leaf {
        Leaf::Boolean(value) => Unexpected::Bool(*value),
        Leaf::Integer(value) => Unexpected::Signed(*value),
        Leaf::Number(value) => Unexpected::Float(*value),
        Leaf::Text(value) => Unexpected::Str(value),
        Leaf::Bytes(value) => Unexpected::Bytes(value),
    };
    let visitor = LeafVisitor { expected };
    match unfit {
        Unfit::Type => E::invalid_type(got, &visitor),
        Unfit::Value => E::invalid_value(got, &visitor),
    }
}

/// Reads a [`Scalar`].
///
/// # Errors
/// What was expected.
#[inline(never)]
pub fn scalar<'de, T: Scalar, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let leaf = leaf(deserializer, T::EXPECTED)?;
    let value = match &leaf {
        Leaf::Boolean(value) => T::from_boolean(*value),
        Leaf::Integer(value) => T::from_integer(*value),
        Leaf::Number(value) => T::from_number(*value),
        Leaf::Text(value) => T::from_text(value),
        Leaf::Bytes(value) => T::from_bytes(value),
    };
    value.map_err(|reason| unfit(reason, &leaf, T::EXPECTED))
}

/// Implements `Deserialize` for types that are [`Scalar`].
macro_rules! deserialize_scalars {
    ($($type:ty),+) => {
        $(impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::lua::options::fields::scalar(deserializer)
            }
        })+
    };
}
pub(crate) use deserialize_scalars;

deserialize_scalars!(Bytes, Flag, Line, Text, Secret, Printed, Count, Seconds, FileMode, Port<0>, Port<1>);

/// `true` or `false`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flag(pub bool);

impl Scalar for Flag {
    const EXPECTED: &'static str = "boolean";

    fn from_boolean(value: bool) -> Result<Flag, Unfit> {
        Ok(Flag(value))
    }
}

/// A string of UTF-8.
#[derive(Debug, Clone)]
pub struct Line(pub String);

impl Scalar for Line {
    const EXPECTED: &'static str = "string";

    fn from_text(value: &str) -> Result<Line, Unfit> {
        Ok(Line(value.to_owned()))
    }
}

/// Bytes, such as a path of the file system.
#[derive(Debug, Clone)]
pub struct Bytes(pub Vec<u8>);

impl Scalar for Bytes {
    const EXPECTED: &'static str = "string";

    fn from_text(value: &str) -> Result<Bytes, Unfit> {
        Bytes::from_bytes(value.as_bytes())
    }

    fn from_bytes(value: &[u8]) -> Result<Bytes, Unfit> {
        Ok(Bytes(value.to_vec()))
    }
}

/// A text as in values: bytes that are no UTF-8 are taken as Latin-1.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Text(pub String);

impl Scalar for Text {
    const EXPECTED: &'static str = "string";

    fn from_text(value: &str) -> Result<Text, Unfit> {
        Ok(Text(value.to_owned()))
    }

    fn from_bytes(value: &[u8]) -> Result<Text, Unfit> {
        Ok(Text(latin1::from_bytes(value).into_owned()))
    }
}

/// A password. No error shows it.
#[derive(Debug, Clone)]
pub struct Secret(pub Password);

impl Scalar for Secret {
    const EXPECTED: &'static str = "string";

    fn from_text(value: &str) -> Result<Secret, Unfit> {
        Ok(Secret(value.to_owned().into()))
    }

    fn from_bytes(value: &[u8]) -> Result<Secret, Unfit> {
        Ok(Secret(latin1::from_bytes(value).into_owned().into()))
    }
}

/// A text that may be written as a number.
#[derive(Debug, Clone)]
pub struct Printed(pub String);

impl Scalar for Printed {
    const EXPECTED: &'static str = "string or number";

    fn from_integer(value: i64) -> Result<Printed, Unfit> {
        Ok(Printed(value.to_string()))
    }

    fn from_number(value: f64) -> Result<Printed, Unfit> {
        Ok(Printed(value.to_string()))
    }

    fn from_text(value: &str) -> Result<Printed, Unfit> {
        Ok(Printed(value.to_owned()))
    }
}

/// A whole number of at least 1.
#[derive(Debug, Clone, Copy)]
pub struct Count(pub usize);

impl Scalar for Count {
    const EXPECTED: &'static str = "whole number of at least 1";

    fn from_number(value: f64) -> Result<Count, Unfit> {
        let is_count = (1.0..MAX_EXACT).contains(&value) && value.fract() == 0.0;
        // The cast saturates where addresses are shorter.
        if is_count { Ok(Count(value as usize)) } else { Err(Unfit::Value) }
    }
}

/// A time of more than 0 seconds.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub Duration);

impl Scalar for Seconds {
    const EXPECTED: &'static str = "positive number of seconds";

    fn from_number(value: f64) -> Result<Seconds, Unfit> {
        match Duration::try_from_secs_f64(value) {
            Ok(duration) if !duration.is_zero() => Ok(Seconds(duration)),
            _ => Err(Unfit::Value),
        }
    }
}

/// The permissions of a file: three octal digits, as a string or a number.
#[derive(Debug, Clone, Copy)]
pub struct FileMode(pub u32);

impl Scalar for FileMode {
    const EXPECTED: &'static str = "three octal digits";

    fn from_integer(value: i64) -> Result<FileMode, Unfit> {
        FileMode::from_text(&value.to_string())
    }

    fn from_number(_: f64) -> Result<FileMode, Unfit> {
        Err(Unfit::Value)
    }

    fn from_text(value: &str) -> Result<FileMode, Unfit> {
        let digits = if value.len() == 4 { value.strip_prefix('0') } else { Some(value) };
        let digits =
            digits.filter(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()));
        let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
        mode.map(FileMode).ok_or(Unfit::Value)
    }
}

/// A port from `MIN` on: a number, or a string as Lua's `tonumber` reads it.
#[derive(Debug, Clone, Copy)]
pub struct Port<const MIN: u16>(pub u16);

impl<const MIN: u16> Scalar for Port<MIN> {
    const EXPECTED: &'static str = if MIN == 0 { "port from 0 to 65535" } else { "port from 1 to 65535" };

    fn from_number(value: f64) -> Result<Port<MIN>, Unfit> {
        let is_port = value >= f64::from(MIN) && value <= f64::from(u16::MAX) && value.fract() == 0.0;
        if is_port { Ok(Port(value as u16)) } else { Err(Unfit::Value) }
    }

    fn from_text(value: &str) -> Result<Port<MIN>, Unfit> {
        let digits = value.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16).ok().map(f64::from),
            None => digits.parse().ok(),
        };
        Port::from_number(number.ok_or(Unfit::Value)?)
    }
}

/// An option whose value only Lua uses.
#[derive(Debug, Clone, Copy)]
pub struct Any;

/// A function, which only Lua uses.
#[derive(Debug, Clone, Copy)]
pub struct Callback;

macro_rules! marker {
    ($type:ident, $name:expr, $expected:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct UnitVisitor;
                impl Visitor<'_> for UnitVisitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_unit<E: de::Error>(self) -> Result<$type, E> {
                        Ok($type)
                    }
                }
                deserializer.deserialize_unit_struct($name, UnitVisitor)
            }
        }
    };
}

marker!(Any, ANY, "value");
marker!(Callback, CALLBACK, "function");

/// One value or a list of them.
#[derive(Debug, Clone)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(Vec::new())
    }
}

/// `true` for the defaults of a table, or the table.
#[derive(Debug, Clone)]
pub struct Switch<T>(pub T);

struct Newtype<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Newtype<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("table")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ONE_OR_MANY, Newtype(PhantomData)).map(OneOrMany)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SWITCH, Newtype(PhantomData)).map(Switch)
    }
}
