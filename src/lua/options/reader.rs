//! A serde deserializer for tables of options. Its errors are texts for the program.
//!
//! mlua's own deserializer is not used: its errors have neither the path of the wrong option nor the known keys, and
//! name Rust types. Tables are read without metamethods, so no function of the program is called.

use std::fmt::{self, Display};

use mlua::{Table, Value};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::util::nearest::near_key;

/// The name of a unit struct for options whose value only Lua uses.
pub const ANY: &str = "any";

/// The name of a unit struct for options that take a function.
pub const CALLBACK: &str = "callback";

/// The name of a newtype struct for options that take a string or a list of strings.
pub const ONE_OR_MANY: &str = "one or many";

/// The name of a newtype struct for options that take `true` or a table.
pub const SWITCH: &str = "switch";

/// Why an option is refused.
#[derive(Debug)]
pub struct Refusal {
    /// The option within its table, e.g. `.tls.ca_file` or `[2]`.
    path: String,
    text: String,
}

impl Refusal {
    /// Refuses the option at a path.
    pub fn new(path: &str, text: impl Display) -> Refusal {
        Refusal { path: path.to_owned(), text: text.to_string() }
    }

    fn within(mut self, outer: &str) -> Refusal {
        self.path.insert_str(0, outer);
        self
    }

    #[inline(never)]
    fn within_list(self, index: usize) -> Refusal {
        self.within(&format!("[{index}]"))
    }

    /// Returns the text of the Lua error.
    pub fn message(&self, argument: &str, function: &str) -> String {
        format!("bad argument '{argument}{}' to '{function}' ({})", self.path, self.text)
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: Display>(text: T) -> Refusal {
        Refusal::new("", text)
    }

    fn invalid_type(got: Unexpected<'_>, expected: &dyn Expected) -> Refusal {
        let got = match got {
            Unexpected::Bool(_) => "boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "number",
            Unexpected::Str(_) | Unexpected::Bytes(_) => "string",
            Unexpected::Other(name) => name,
            _ => "table",
        };
        // The standard types of serde say "a string".
        let expected = expected.to_string();
        let expected = expected.strip_prefix("a ").unwrap_or(&expected);
        Refusal::new("", format!("{expected} expected, got {got}"))
    }

    fn invalid_value(got: Unexpected<'_>, expected: &dyn Expected) -> Refusal {
        let got = match got {
            Unexpected::Str(text) => format!("'{text}'"),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Float(number) => number.to_string(),
            _ => return Self::invalid_type(got, expected),
        };
        Refusal::new("", format!("{expected} expected, got {got}"))
    }

    fn missing_field(field: &'static str) -> Refusal {
        Refusal::new(&format!(".{field}"), "value expected, got no value")
    }
}

/// Reads a table.
///
/// # Errors
/// The first option that is wrong.
pub fn read<'de, T: Deserialize<'de>>(table: &Table) -> Result<T, Refusal> {
    T::deserialize(Reader(Some(Value::Table(table.clone()))))
}

/// Returns the names of the options of a struct.
pub fn names<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = Vec::new();
    // Fails always: there are no values.
    let _ = T::deserialize(Names(&mut names));
    names
}

/// A value of a table; `None` stands for an empty table.
struct Reader(Option<Value>);

impl Reader {
    /// The refusal of a value of another type.
    fn mistyped(&self, expected: &str) -> Refusal {
        let got = self.0.as_ref().map_or("table", lua_type);
        Refusal::new("", format!("{expected} expected, got {got}"))
    }

    /// Returns the value, taken apart by its type.
    #[inline(never)]
    fn plain(self) -> Result<Plain, Refusal> {
        Ok(match self.0 {
            None => Plain::Other("table"),
            Some(Value::Boolean(value)) => Plain::Boolean(value),
            Some(Value::Integer(number)) => Plain::Integer(number),
            Some(Value::Number(number)) => Plain::Number(number),
            Some(Value::String(text)) => match String::from_utf8(text.as_bytes().to_vec()) {
                Ok(text) => Plain::Text(text),
                Err(error) => Plain::Bytes(error.into_bytes()),
            },
            Some(other) => Plain::Other(lua_type(&other)),
        })
    }

    /// The entries of a table. With `names` no other keys are known.
    #[inline(never)]
    fn entries(self, names: Option<Fields>) -> Result<Entries, Refusal> {
        let pairs: Vec<(Value, Value)> = match &self.0 {
            None => Vec::new(),
            Some(Value::Table(table)) => {
                table.pairs().collect::<mlua::Result<_>>().map_err(de::Error::custom)?
            }
            Some(_) => return Err(self.mistyped("table")),
        };
        Ok(Entries { pairs: pairs.into_iter(), names, key: String::new(), value: None })
    }

    /// The elements of a list.
    #[inline(never)]
    fn list(self) -> Result<Vec<Value>, Refusal> {
        let Some(Value::Table(table)) = &self.0 else {
            return Err(self.mistyped("table"));
        };
        let length = table.raw_len();
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair.map_err(de::Error::custom)?;
            if !matches!(key, Value::Integer(index) if usize::try_from(index).is_ok_and(|index| (1..=length).contains(&index)))
            {
                let text = format!("list expected, got the key '{}'", text_of(&key));
                return Err(Refusal::new("", text));
            }
        }
        (1..=length).map(|index| table.raw_get(index).map_err(de::Error::custom)).collect()
    }
}

/// A value by its type.
enum Plain {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// The name of another type.
    Other(&'static str),
}

/// Returns the type of a value as Lua names it.
fn lua_type(value: &Value) -> &'static str {
    match value {
        Value::Nil => "no value",
        Value::Integer(_) => "number",
        Value::LightUserData(_) => "userdata",
        other => other.type_name(),
    }
}

/// Returns a key as text.
pub fn text_of(key: &Value) -> String {
    match key {
        Value::String(text) => text.to_string_lossy(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        other => lua_type(other).to_owned(),
    }
}

/// Returns whether a value is a function or has the metamethod `__call`.
fn is_callable(value: &Value) -> bool {
    let metatable = match value {
        Value::Function(_) => return true,
        Value::Table(table) => table.metatable(),
        _ => return false,
    };
    metatable.is_some_and(|meta| meta.raw_get::<Value>("__call").is_ok_and(|call| !call.is_nil()))
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.plain()? {
            Plain::Boolean(value) => visitor.visit_bool(value),
            Plain::Integer(number) => visitor.visit_i64(number),
            Plain::Number(number) => visitor.visit_f64(number),
            Plain::Text(text) => visitor.visit_string(text),
            Plain::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Plain::Other(name) => Err(de::Error::invalid_type(Unexpected::Other(name), &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Some(Value::Nil) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Elements { values: self.list()?.into_iter(), index: 0 })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(self.entries(None)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_map(self.entries(Some(Fields { table: name, fields }))?)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.0 {
            // `false` for a function means that there is none.
            Some(value)
                if name == CALLBACK && !is_callable(value) && !matches!(value, Value::Boolean(false)) =>
            {
                Err(self.mistyped("function"))
            }
            _ => visitor.visit_unit(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match (name, self.0) {
            (ONE_OR_MANY, Some(Value::String(one))) => visitor.visit_newtype_struct(One(Value::String(one))),
            (ONE_OR_MANY, Some(value @ Value::Table(_))) => visitor.visit_newtype_struct(Reader(Some(value))),
            (ONE_OR_MANY, other) => Err(Reader(other).mistyped("string or table")),
            (SWITCH, Some(Value::Boolean(true))) => visitor.visit_newtype_struct(Reader(None)),
            (SWITCH, Some(value)) if !matches!(value, Value::Table(_)) => {
                Err(Reader(Some(value)).mistyped("boolean or table"))
            }
            (_, value) => visitor.visit_newtype_struct(Reader(value)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit tuple tuple_struct enum
        identifier ignored_any
    }
}

/// A value that stands for a list of its own.
struct One(Value);

impl<'de> Deserializer<'de> for One {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Elements { values: vec![self.0].into_iter(), index: 0 })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The names of the fields of a struct.
#[derive(Clone, Copy)]
struct Fields {
    /// The name of the struct: what a key of it is called.
    table: &'static str,
    fields: &'static [&'static str],
}

struct Entries {
    pairs: std::vec::IntoIter<(Value, Value)>,
    names: Option<Fields>,
    key: String,
    value: Option<Value>,
}

impl Entries {
    /// Goes to the next entry and checks its key. Returns false at the end.
    #[inline(never)]
    fn advance(&mut self) -> Result<bool, Refusal> {
        let Some((key, value)) = self.pairs.next() else {
            return Ok(false);
        };
        match (&key, self.names) {
            (Value::String(_), None) => {}
            (_, None) => {
                let text = format!("string expected, got {}", lua_type(&key));
                return Err(Refusal::new(", a name", text));
            }
            (_, Some(names)) => {
                let text = text_of(&key);
                if !names.fields.contains(&text.as_str()) {
                    return Err(Refusal::new("", unknown_key(names.table, &text, names.fields)));
                }
            }
        }
        self.key = text_of(&key);
        self.value = Some(value);
        Ok(true)
    }

    #[inline(never)]
    fn locate(&self, refusal: Refusal) -> Refusal {
        refusal.within(&format!(".{}", self.key))
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        if !self.advance()? {
            return Ok(None);
        }
        seed.deserialize(self.key.as_str().into_deserializer()).map(Some)
    }

    // Shared by all options of one type, so the derived code stays small.
    #[inline(never)]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let value = self.value.take().unwrap_or(Value::Nil);
        seed.deserialize(Reader(Some(value))).map_err(|refusal| self.locate(refusal))
    }
}

struct Elements {
    values: std::vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Refusal;

    #[inline(never)]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        self.index += 1;
        let index = self.index;
        seed.deserialize(Reader(Some(value))).map(Some).map_err(|refusal| refusal.within_list(index))
    }
}

/// Returns the text about a key that a table does not have.
pub fn unknown_key(kind: &str, key: &str, known: &[&str]) -> String {
    match near_key(key, known) {
        Some(near) => format!("unknown {kind} '{key}', did you mean '{near}'?"),
        None => format!("unknown {kind} '{key}'"),
    }
}

/// Collects the names of the fields of a struct.
struct Names<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refusal> {
        Err(Refusal::new("", "no values"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.0.extend(fields);
        Names(&mut Vec::new()).deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
