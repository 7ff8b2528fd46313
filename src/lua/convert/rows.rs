//! [`Rows`]: fields on their way to Lua. They are copies, so that nothing is borrowed while Lua runs.

use mlua::ffi::{self, lua_State};
use std::ffi::c_int;
use std::ops::Range;

use super::KEEP_BYTES;
use super::push::{push, push_bytes};
use crate::json::Raw;

/// Fields kept allocated for the next batch.
const KEEP_FIELDS: usize = 1024;

/// One field handed to Lua.
#[derive(Debug, Clone, Copy)]
pub enum Slot<'a> {
    /// nil
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer; a double where Lua has no integers.
    Integer(i64),
    /// A string.
    Str(&'a str),
    /// The value of a JSON text.
    Json(Raw<'a>),
}

/// A [`Slot`] whose text is a range of the kept text.
#[derive(Debug)]
enum Field {
    Plain(Slot<'static>),
    Str(Range<usize>),
    Json(Range<usize>),
}

/// Fields, and the text that they refer to.
#[derive(Debug, Default)]
pub struct Rows {
    fields: Vec<Field>,
    text: String,
}

impl Rows {
    /// Replaces the fields with copies of `slots`.
    pub fn copy(&mut self, slots: &[Slot<'_>]) {
        self.fields.clear();
        self.text.clear();
        for slot in slots {
            let field = match *slot {
                Slot::Str(text) => Field::Str(self.keep(text)),
                Slot::Json(value) => Field::Json(self.keep(value.text())),
                Slot::Nil => Field::Plain(Slot::Nil),
                Slot::Bool(value) => Field::Plain(Slot::Bool(value)),
                Slot::Integer(value) => Field::Plain(Slot::Integer(value)),
            };
            self.fields.push(field);
        }
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Forgets the fields. Their memory is kept for the next batch, up to a limit.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.fields.shrink_to(KEEP_FIELDS);
        self.text.clear();
        self.text.shrink_to(KEEP_BYTES);
    }

    /// Writes the fields to `table[1]`, `table[2]`, ... and returns their number.
    ///
    /// # Safety
    /// As for [`push`]; `table` is an absolute index of a table.
    pub unsafe fn fill(
        &self,
        state: *mut lua_State,
        table: c_int,
        array: c_int,
        scratch: &mut String,
    ) -> c_int {
        // SAFETY: the caller vouches for the state and the table. Each field takes one slot and leaves it again.
        unsafe {
            let mut position = 0;
            for field in &self.fields {
                position += 1;
                let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
                match field {
                    Field::Str(range) => push_bytes(state, text(range).as_bytes()),
                    Field::Json(range) => push(state, Raw::trusted(text(range)), array, scratch),
                    Field::Plain(Slot::Bool(value)) => ffi::lua_pushboolean(state, (*value).into()),
                    Field::Plain(Slot::Integer(value)) => {
                        ffi::lua_pushinteger(state, *value as ffi::lua_Integer)
                    }
                    Field::Plain(_) => ffi::lua_pushnil(state),
                }
                ffi::lua_rawseti(state, table, position.into());
            }
            position
        }
    }
}
