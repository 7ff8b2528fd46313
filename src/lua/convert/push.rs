//! From checked JSON text to a Lua value on the stack.
//!
//! The text is read once, front to back, with nothing built in between. Strings without escapes
//! are handed to Lua as they stand in the text.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use mlua::ffi::{self, lua_State};

use super::{HAS_INTEGERS, MAX_LEVELS, reserve};
use crate::json::{Raw, Tokens};

/// Room for this many members is made with an object: most have a few, and growing a table
/// from nothing to four entries costs three allocations.
const MEMBERS_HINT: c_int = 4;

/// Pushes `value` as a Lua value: one slot. `array` is the stack index of the metatable that
/// arrays get; `scratch` is where strings with escapes are put together.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode, `array` an absolute index of a table.
/// Raises a Lua error when memory or stack runs out, or if the text was not checked.
pub unsafe fn push(state: *mut lua_State, value: Raw<'_>, array: c_int, scratch: &mut String) {
    let mut pusher = Pusher { state, tokens: Tokens::new(value.text()), array, scratch, level: 0 };
    pusher.value();
}

/// Pushes bytes as a Lua string.
///
/// # Safety
/// `state` must be a valid Lua state in protected mode with a free slot.
#[inline]
pub unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: the caller vouches for the state. Lua copies the bytes.
    unsafe {
        // On 5.1 the plain name is a wrapper that also asks for the new string's address.
        #[cfg(feature = "lua51")]
        ffi::lua_pushlstring_(state, bytes.as_ptr().cast::<c_char>(), bytes.len());
        #[cfg(not(feature = "lua51"))]
        ffi::lua_pushlstring(state, bytes.as_ptr().cast::<c_char>(), bytes.len());
    }
}

/// Pushes what a walk over JSON text meets.
///
/// As [`push`] requires, and as long as this lives, the state is valid and in protected mode, and `array` is a
/// table. Before each value the stack has room for it: `enter` reserves that of a container's values. No function
/// below owns anything that has to be dropped, so an error of Lua's may leave any of them.
struct Pusher<'a> {
    state: *mut lua_State,
    tokens: Tokens<'a>,
    array: c_int,
    scratch: &'a mut String,
    level: usize,
}

impl Pusher<'_> {
    /// Pushes the next value of the text.
    fn value(&mut self) {
        match self.tokens.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            // SAFETY: the state is valid and has a free slot, see `Pusher`.
            Some(b't') => self.word(4, |state| unsafe { ffi::lua_pushboolean(state, 1) }),
            // SAFETY: as above.
            Some(b'f') => self.word(5, |state| unsafe { ffi::lua_pushboolean(state, 0) }),
            // SAFETY: as above.
            Some(b'n') => self.word(4, |state| unsafe { ffi::lua_pushlightuserdata(state, ptr::null_mut()) }),
            _ => self.malformed(),
        }
    }

    fn word(&mut self, length: usize, push: impl FnOnce(*mut lua_State)) {
        self.tokens.step_over(length);
        push(self.state);
    }

    fn object(&mut self) {
        self.enter();
        let room = if self.tokens.peek() == Some(b'}') { 0 } else { MEMBERS_HINT };
        // SAFETY: `enter` has reserved slots for the table, a key and its value.
        unsafe { ffi::lua_createtable(self.state, 0, room) };
        while !self.leave(b'}') {
            if self.tokens.peek() != Some(b'"') {
                self.malformed();
            }
            self.string();
            self.value();
            // SAFETY: the key and the value were pushed on top of the table. The key is a string, so neither nil nor
            // NaN.
            unsafe { ffi::lua_rawset(self.state, -3) };
        }
    }

    fn list(&mut self) {
        self.enter();
        // SAFETY: `enter` has reserved slots for the table and an element.
        unsafe { ffi::lua_createtable(self.state, 0, 0) };
        let mut position = 0;
        while !self.leave(b']') {
            self.value();
            position += 1;
            // SAFETY: the element was pushed on top of the table.
            unsafe { ffi::lua_rawseti(self.state, -2, position) };
        }
        // SAFETY: the list is on top, with a free slot above, and `array` is a table.
        unsafe {
            ffi::lua_pushvalue(self.state, self.array);
            ffi::lua_setmetatable(self.state, -2);
        }
    }

    /// Takes the closing bracket if it is next.
    fn leave(&mut self, close: u8) -> bool {
        let closes = self.tokens.peek() == Some(close);
        if closes {
            self.tokens.step_over(1);
            self.level -= 1;
        }
        closes
    }

    /// Takes an opening bracket, and reserves what the next level needs of Lua's stack.
    fn enter(&mut self) {
        // SAFETY: the state is valid and in protected mode, see `Pusher`.
        if self.level >= MAX_LEVELS || unsafe { !reserve(self.state, self.level) } {
            self.raise(c"JSON nested too deep");
        }
        self.level += 1;
        self.tokens.step_over(1);
    }

    fn string(&mut self) {
        let bytes = self.tokens.string_bytes(self.scratch);
        // SAFETY: the state is valid and in protected mode, with a free slot, see `Pusher`.
        unsafe { push_bytes(self.state, bytes) };
    }

    fn number(&mut self) {
        let number = self.tokens.number();
        if let Some(magnitude) = number.short_magnitude() {
            return self.integer(magnitude as i64, number.is_negative());
        }
        let text = number.text();
        if HAS_INTEGERS && let Ok(integer) = text.parse::<i64>() {
            // SAFETY: the state is valid and has a free slot, see `Pusher`.
            return unsafe { ffi::lua_pushinteger(self.state, integer as ffi::lua_Integer) };
        }
        match text.parse::<f64>() {
            // SAFETY: as above.
            Ok(float) => unsafe { ffi::lua_pushnumber(self.state, float) },
            Err(_) => self.malformed(),
        }
    }

    fn integer(&mut self, magnitude: i64, negative: bool) {
        // SAFETY: the state is valid and has a free slot, see `Pusher`.
        unsafe {
            if HAS_INTEGERS {
                let integer = if negative { -magnitude } else { magnitude };
                ffi::lua_pushinteger(self.state, integer as ffi::lua_Integer);
            } else {
                // The sign is put on the double, where zero has one too.
                let double = magnitude as f64;
                ffi::lua_pushnumber(self.state, if negative { -double } else { double });
            }
        }
    }

    fn malformed(&self) -> ! {
        self.raise(c"malformed JSON")
    }

    fn raise(&self, message: &'static CStr) -> ! {
        // SAFETY: the state is valid and in protected mode, so the error finds its way, and has a free slot.
        unsafe {
            ffi::lua_pushstring(self.state, message.as_ptr());
            ffi::lua_error(self.state)
        }
    }
}
