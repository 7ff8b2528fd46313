//! From checked JSON text to a Lua value on the stack.
//!
//! Reads the text once, front to back, without any value in between. Strings without escapes
//! are handed to Lua as they stand in the text, short integers are read by hand.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use mlua::ffi::{self, lua_State};

use super::{HAS_INTEGERS, MAX_LEVELS, reserve};
use crate::json::{Quoted, Raw, Token, Tokens};

/// Room for this many members is made with an object: most have a few, and growing a table
/// from nothing to four entries costs three allocations.
const MEMBERS_HINT: c_int = 4;

/// Digits that fit an `i64` whatever they are.
const SAFE_DIGITS: usize = 18;

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
/// What [`push`] asks for holds as long as this lives: the state is valid and in protected mode, and `array` is a table.
/// Before each value the stack has room for it: `enter` reserves that of a container's values. No function below owns
/// anything that has to be dropped, so an error of Lua's may leave any of them.
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
        match self.tokens.next() {
            Some(token) => self.value_of(token),
            None => self.malformed(),
        }
    }

    /// Pushes the value that begins with `token`.
    fn value_of(&mut self, token: Token<'_>) {
        match token {
            Token::String(text) => self.string(text),
            Token::Number(text) => self.number(text),
            Token::BeginObject => self.object(),
            Token::BeginArray => self.list(),
            // SAFETY: the state is valid and has a free slot, see `Pusher`.
            Token::Bool(value) => unsafe { ffi::lua_pushboolean(self.state, value.into()) },
            // SAFETY: as above.
            Token::Null => unsafe { ffi::lua_pushlightuserdata(self.state, ptr::null_mut()) },
            Token::Key(_) | Token::EndObject | Token::EndArray => self.malformed(),
        }
    }

    fn object(&mut self) {
        self.enter();
        let mut token = self.tokens.next();
        let room = if token == Some(Token::EndObject) { 0 } else { MEMBERS_HINT };
        // SAFETY: `enter` has reserved slots for the table, a key and its value.
        unsafe { ffi::lua_createtable(self.state, 0, room) };
        loop {
            match token {
                Some(Token::Key(key)) => self.string(key),
                Some(Token::EndObject) => break,
                _ => self.malformed(),
            }
            self.value();
            // SAFETY: the key and the value were pushed on top of the table. The key is a string, so neither nil nor NaN.
            unsafe { ffi::lua_rawset(self.state, -3) };
            token = self.tokens.next();
        }
        self.level -= 1;
    }

    fn list(&mut self) {
        self.enter();
        // SAFETY: `enter` has reserved slots for the table and an element.
        unsafe { ffi::lua_createtable(self.state, 0, 0) };
        let mut position = 0;
        loop {
            match self.tokens.next() {
                Some(Token::EndArray) => break,
                Some(token) => self.value_of(token),
                None => self.malformed(),
            }
            position += 1;
            // SAFETY: the element was pushed on top of the table.
            unsafe { ffi::lua_rawseti(self.state, -2, position) };
        }
        // SAFETY: the list is on top, with a free slot above, and `array` is a table.
        unsafe {
            ffi::lua_pushvalue(self.state, self.array);
            ffi::lua_setmetatable(self.state, -2);
        }
        self.level -= 1;
    }

    /// Reserves what the next level takes of Lua's stack.
    fn enter(&mut self) {
        // SAFETY: the state is valid and in protected mode, see `Pusher`.
        if self.level >= MAX_LEVELS || unsafe { !reserve(self.state, self.level) } {
            self.raise(c"JSON nested too deep");
        }
        self.level += 1;
    }

    fn string(&mut self, text: Quoted<'_>) {
        let bytes = match text.as_plain() {
            Some(plain) => plain.as_bytes(),
            None => {
                self.scratch.clear();
                text.unescape_into(self.scratch);
                self.scratch.as_bytes()
            }
        };
        // SAFETY: the state is valid and in protected mode, with a free slot, see `Pusher`.
        unsafe { push_bytes(self.state, bytes) };
    }

    fn number(&mut self, text: &str) {
        let negative = text.starts_with('-');
        let digits = &text.as_bytes()[usize::from(negative)..];
        if digits.len() <= SAFE_DIGITS {
            let mut magnitude = 0i64;
            let is_integral = digits.iter().all(|byte| {
                magnitude = magnitude.wrapping_mul(10).wrapping_add(i64::from(byte.wrapping_sub(b'0')));
                byte.is_ascii_digit()
            });
            if is_integral {
                return self.integer(magnitude, negative);
            }
        }
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
