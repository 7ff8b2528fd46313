//! From a Lua value on the stack to JSON text.
//!
//! Tables are read raw: no metamethod runs, so no code of the program does, and nothing is
//! changed. Which table becomes an array and which an object follows lua-cjson's defaults, which
//! programs rely on: keys 1..n make an array, and holes become null unless they are most of it.

use std::collections::HashSet;
use std::ffi::{c_int, c_void};

use mlua::ffi::{self, lua_State};

use super::peek::{bytes_at, position_at, says_array, type_name};
use super::{HAS_INTEGERS, MAX_LEVELS, reserve};
use crate::json::{scan, write};
use crate::util::value_path::{Fault, ValuePath};
use crate::wire;

/// Up to here an array may have any number of holes.
const SPARSE_FROM: f64 = 10.0;

/// Beyond that, more positions than this for each filled one are too sparse.
const SPARSE_RATIO: f64 = 2.0;

/// How a string that is not UTF-8 is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidUtf8 {
    /// Each offending byte is taken as the Latin-1 character of that number.
    Latin1,
    /// The value is refused.
    Refuse,
}

/// The limits of a value, and the treatment of its strings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Levels of tables, [`MAX_LEVELS`] at most. A cycle ends here.
    pub max_depth: usize,
    /// Bytes of JSON. A table that refers to another one twice, which does the same, and so on,
    /// is small in Lua and has no end as text.
    pub max_bytes: usize,
    /// How strings that are not UTF-8 are treated.
    pub invalid_utf8: InvalidUtf8,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_depth: scan::DEFAULT_MAX_DEPTH,
            max_bytes: wire::DEFAULT_MAX_MESSAGE,
            invalid_utf8: InvalidUtf8::Latin1,
        }
    }
}

/// What a read notes besides the text. It is kept between reads for its memory.
#[derive(Debug, Default)]
pub struct Notes {
    /// The keys that lead to the fault.
    pub path: ValuePath,
    /// Whether a string was read as Latin-1.
    pub repaired: bool,
    /// The error message, after [`Notes::describe`].
    pub message: String,
    text: String,
}

impl Notes {
    /// Writes the message for a fault. `name` stands for the value that was read.
    pub fn describe(&mut self, name: &[u8], fault: Fault) {
        self.message = self.path.message(&String::from_utf8_lossy(name), fault);
    }
}

/// Appends the value at `index` to `out` as JSON. On a fault `out` is as before.
///
/// `array` is the address of the metatable that marks arrays.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode, `index` a valid index. Raises a Lua
/// error only when memory runs out.
pub unsafe fn read(
    state: *mut lua_State,
    index: c_int,
    array: *const c_void,
    limits: Limits,
    out: &mut Vec<u8>,
    notes: &mut Notes,
) -> Result<(), Fault> {
    // SAFETY: the caller vouches for the state and the index. `reserve` has made room for a copy of the value.
    unsafe {
        notes.repaired = false;
        notes.path.clear();
        let (top, before) = (ffi::lua_gettop(state), out.len());
        let max_depth = limits.max_depth.min(MAX_LEVELS);
        let mut reader =
            Reader { state, array, limits: Limits { max_depth, ..limits }, before, out, notes, level: 0 };
        if !reserve(state, 0) {
            return Err(Fault::Deep(0));
        }
        ffi::lua_pushvalue(state, index);
        let result = reader.value();
        if result.is_err() {
            out.truncate(before);
        }
        ffi::lua_settop(state, top);
        result
    }
}

/// Writes the Lua value on top of the stack as JSON.
///
/// The state is valid and in protected mode as long as this lives, which is what [`read`] asks for. Each method finds
/// its value on top of the stack, or at the index it is given, and after success the stack is as before. `table`
/// reserves the slots that the level below needs. Nothing here owns anything that has to be dropped while Lua may
/// raise.
struct Reader<'a> {
    state: *mut lua_State,
    array: *const c_void,
    limits: Limits,
    before: usize,
    out: &'a mut Vec<u8>,
    notes: &'a mut Notes,
    level: usize,
}

/// The kinds of keys that an object has. They show cheaply that no two keys can have the same text.
#[derive(Debug, Default)]
struct Keys {
    numbers: bool,
    like_numbers: bool,
}

impl Keys {
    /// Notes a key of that type whose text begins with that byte.
    fn note(&mut self, lua_type: c_int, first: Option<&u8>) {
        if lua_type == ffi::LUA_TNUMBER {
            self.numbers = true;
        } else if first.is_some_and(|first| matches!(first, b'0'..=b'9' | b'-' | b'i')) {
            self.like_numbers = true;
        }
    }

    /// Returns whether two keys may have the same text. `repaired`: bytes that are not UTF-8 were replaced.
    fn may_be_same(&self, repaired: bool) -> bool {
        repaired || (self.numbers && self.like_numbers)
    }
}

/// The kind of JSON that a table becomes.
enum Shape {
    Array { last: ffi::lua_Integer },
    Object,
}

impl Reader<'_> {
    /// Writes the value on top of the stack and leaves it there.
    fn value(&mut self) -> Result<(), Fault> {
        // SAFETY: the state is valid, and the value is on top, see `Reader`.
        unsafe {
            match ffi::lua_type(self.state, -1) {
                ffi::LUA_TSTRING => return self.string(-1),
                ffi::LUA_TNUMBER => return self.number(),
                ffi::LUA_TTABLE => return self.table(),
                ffi::LUA_TBOOLEAN => {
                    let value = ffi::lua_toboolean(self.state, -1) != 0;
                    self.out.extend_from_slice(if value { b"true" } else { b"false" });
                }
                ffi::LUA_TNIL => self.out.extend_from_slice(b"null"),
                ffi::LUA_TLIGHTUSERDATA if ffi::lua_touserdata(self.state, -1).is_null() => {
                    self.out.extend_from_slice(b"null");
                }
                other => return Err(Fault::Type(type_name(other))),
            }
            Ok(())
        }
    }

    fn string(&mut self, index: c_int) -> Result<(), Fault> {
        // SAFETY: there is a string at `index`, and it stays there while its bytes are used.
        unsafe {
            let bytes = bytes_at(self.state, index);
            self.fits(bytes.len())?;
            match std::str::from_utf8(bytes) {
                Ok(text) => write::string(self.out, text),
                Err(_) if self.limits.invalid_utf8 == InvalidUtf8::Refuse => return Err(Fault::NotUtf8),
                Err(_) => {
                    self.notes.repaired = true;
                    self.notes.text.clear();
                    wire::latin1::push_latin1(&mut self.notes.text, bytes);
                    write::string(self.out, &self.notes.text);
                }
            }
            Ok(())
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        // SAFETY: the number is on top.
        unsafe {
            if HAS_INTEGERS && ffi::lua_isinteger(self.state, -1) != 0 {
                write_integer(self.out, self.state, -1);
                return Ok(());
            }
            let number = ffi::lua_tonumber(self.state, -1);
            if !number.is_finite() {
                return Err(Fault::Number(number));
            }
            if HAS_INTEGERS {
                write::float(self.out, number);
            } else {
                write::whole_or_float(self.out, number);
            }
            Ok(())
        }
    }

    fn table(&mut self) -> Result<(), Fault> {
        // SAFETY: the state is valid and in protected mode, see `Reader`.
        unsafe {
            if self.level >= self.limits.max_depth || !reserve(self.state, self.level) {
                return Err(Fault::Deep(self.level));
            }
            self.fits(0)?;
            self.level += 1;
            match self.shape()? {
                Shape::Array { last } => self.array(last)?,
                Shape::Object => self.object()?,
            }
            self.level -= 1;
            Ok(())
        }
    }

    fn fits(&self, more: usize) -> Result<(), Fault> {
        if self.out.len() - self.before + more > self.limits.max_bytes {
            return Err(Fault::Large(self.limits.max_bytes));
        }
        Ok(())
    }

    /// Finds the kind of the table on top from its keys.
    fn shape(&mut self) -> Result<Shape, Fault> {
        // SAFETY: the table is on top with two free slots above, which `table` has reserved. `lua_next` gets nil or
        // the key that it left: no key is converted.
        unsafe {
            let mut entries = 0;
            let mut last = 0.0;
            ffi::lua_pushnil(self.state);
            while ffi::lua_next(self.state, -2) != 0 {
                ffi::lua_settop(self.state, -2);
                let position = position_at(self.state, -1);
                if position == 0.0 {
                    ffi::lua_settop(self.state, -2);
                    return Ok(Shape::Object);
                }
                entries += 1;
                last = position.max(last);
            }
            if entries == 0 && !self.is_marked() {
                return Ok(Shape::Object);
            }
            if last > SPARSE_FROM && last > SPARSE_RATIO * entries as f64 {
                return Err(Fault::Sparse { entries, last });
            }
            // The rule above keeps this near the number of entries, so it fits.
            Ok(Shape::Array { last: last as ffi::lua_Integer })
        }
    }

    /// Returns whether the empty table on top is an array: it has our metatable, or one of the
    /// program that says so as dkjson's do.
    fn is_marked(&mut self) -> bool {
        // SAFETY: the table is on top with free slots above. The metatable goes again.
        unsafe {
            if ffi::lua_getmetatable(self.state, -1) == 0 {
                return false;
            }
            let marked = ffi::lua_topointer(self.state, -1) == self.array || says_array(self.state);
            ffi::lua_settop(self.state, -2);
            marked
        }
    }

    fn array(&mut self, last: ffi::lua_Integer) -> Result<(), Fault> {
        // SAFETY: the table is on top with a free slot above for each element, which goes again after it is written.
        unsafe {
            self.out.push(b'[');
            for position in 1..=last {
                if position > 1 {
                    self.out.push(b',');
                }
                ffi::lua_rawgeti(self.state, -1, position);
                if let Err(fault) = self.value() {
                    self.notes.path.under_number(position as f64);
                    return Err(fault);
                }
                ffi::lua_settop(self.state, -2);
            }
            self.out.push(b']');
            Ok(())
        }
    }

    fn object(&mut self) -> Result<(), Fault> {
        // SAFETY: the table is on top with two free slots above for a key and its value. `lua_next` gets nil or the
        // key that it left: no key is converted, and the value above it goes again.
        unsafe {
            // At a fault deeper values stay on the stack, so keys are found from the table upwards.
            let key = ffi::lua_gettop(self.state) + 1;
            let mut separator = b'{';
            let mut seen = Keys::default();
            ffi::lua_pushnil(self.state);
            while ffi::lua_next(self.state, -2) != 0 {
                self.out.push(separator);
                separator = b',';
                let start = self.out.len() + 1;
                self.key(key)?;
                seen.note(ffi::lua_type(self.state, key), self.out.get(start));
                self.out.push(b':');
                if let Err(fault) = self.value() {
                    self.under_key(key);
                    return Err(fault);
                }
                ffi::lua_settop(self.state, key);
            }
            if separator == b'{' {
                self.out.push(b'{');
            }
            self.out.push(b'}');
            if seen.may_be_same(self.notes.repaired) {
                self.refuse_same_keys(key)?;
            }
            Ok(())
        }
    }

    /// Refuses the table on top if two of its keys have the same text.
    fn refuse_same_keys(&mut self, key: c_int) -> Result<(), Fault> {
        // SAFETY: as in `object`.
        unsafe {
            let mut texts = HashSet::new();
            let end = self.out.len();
            ffi::lua_pushnil(self.state);
            while ffi::lua_next(self.state, -2) != 0 {
                let written = self.key(key);
                let is_new = texts.insert(self.out[end..].to_vec());
                self.out.truncate(end);
                written?;
                if !is_new {
                    self.under_key(key);
                    return Err(Fault::Twice);
                }
                ffi::lua_settop(self.state, key);
            }
            Ok(())
        }
    }

    /// Writes a key; numbers as strings, since JSON has no other keys.
    fn key(&mut self, index: c_int) -> Result<(), Fault> {
        // SAFETY: the key is at `index`.
        unsafe {
            match ffi::lua_type(self.state, index) {
                ffi::LUA_TSTRING => self.string(index),
                ffi::LUA_TNUMBER => {
                    self.out.push(b'"');
                    let number = ffi::lua_tonumber(self.state, index);
                    if HAS_INTEGERS && ffi::lua_isinteger(self.state, index) != 0 {
                        write_integer(self.out, self.state, index);
                    } else if number.is_finite() {
                        write::whole_or_float(self.out, number);
                    } else {
                        self.out.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" });
                    }
                    self.out.push(b'"');
                    Ok(())
                }
                other => Err(Fault::Key(type_name(other))),
            }
        }
    }

    fn under_key(&mut self, index: c_int) {
        // SAFETY: the key is at `index`, and its bytes are copied.
        unsafe {
            match ffi::lua_type(self.state, index) {
                ffi::LUA_TSTRING => self.notes.path.under_name(bytes_at(self.state, index)),
                _ => self.notes.path.under_number(ffi::lua_tonumber(self.state, index)),
            }
        }
    }
}

/// Appends the integer at `index`.
///
/// # Safety
/// `state` must be a valid Lua state with a number at `index`.
unsafe fn write_integer(out: &mut Vec<u8>, state: *mut lua_State, index: c_int) {
    // SAFETY: the caller vouches for the state and the index.
    unsafe {
        // lua_Integer has the width of a pointer before 5.3.
        #[allow(clippy::unnecessary_cast)]
        write::integer(out, ffi::lua_tointeger(state, index) as i64);
    }
}
