//! Reads and writes msgpack with rmpv, from and to serde_json's values, to compare with our implementation.

use rmpv::Value as Packed;
use serde_json::{Map, Value};

use super::frames;

/// Writes a value with rmpv.
pub fn write(value: &Packed) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).expect("memory does not fail");
    bytes
}

/// Reads one value with rmpv. Fails if more bytes follow.
pub fn read(mut bytes: &[u8]) -> Packed {
    let value = rmpv::decode::read_value(&mut bytes).expect("msgpack");
    assert!(bytes.is_empty(), "{} bytes after the value", bytes.len());
    value
}

/// Returns a message in msgpack.
pub fn packed(message: &Value) -> Vec<u8> {
    write(&from_json(message))
}

/// Returns the message that is encoded in `bytes`.
pub fn unpacked(bytes: &[u8]) -> Value {
    to_json(&read(bytes))
}

/// Returns the messages in a sequence of frames of msgpack.
pub fn messages(bytes: &[u8]) -> Vec<Value> {
    frames::messages(bytes).into_iter().map(unpacked).collect()
}

/// Converts a value of JSON to msgpack.
pub fn from_json(value: &Value) -> Packed {
    match value {
        Value::Null => Packed::Nil,
        Value::Bool(value) => Packed::from(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => Packed::from(number),
            (_, Some(number), _) => Packed::from(number),
            (.., number) => Packed::from(number.expect("a number")),
        },
        Value::String(text) => Packed::from(text.as_str()),
        Value::Array(items) => Packed::Array(items.iter().map(from_json).collect()),
        Value::Object(members) => {
            Packed::Map(members.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect())
        }
    }
}

/// Converts a value of msgpack to JSON.
pub fn to_json(value: &Packed) -> Value {
    match value {
        Packed::Nil => Value::Null,
        Packed::Boolean(value) => Value::from(*value),
        Packed::Integer(number) => number.as_u64().map_or(number.as_i64().into(), Value::from),
        Packed::F32(number) => f64::from(*number).into(),
        Packed::F64(number) => (*number).into(),
        Packed::String(text) => text.as_str().expect("UTF-8").into(),
        Packed::Array(items) => items.iter().map(to_json).collect(),
        Packed::Map(members) => {
            let key = |key: &Packed| key.as_str().expect("a string").to_owned();
            members.iter().map(|(k, value)| (key(k), to_json(value))).collect::<Map<_, _>>().into()
        }
        other => panic!("no JSON: {other}"),
    }
}
