//! From checked JSON text to a Lua value on the stack.
//!
//! Reads the text once, front to back, without any value in between. Strings without escapes
//! are handed to Lua as they stand in the text, short integers are read by hand.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use mlua::ffi::{self, lua_State};

use super::{HAS_INTEGERS, MAX_LEVELS, reserve};
use crate::json::Raw;
use crate::json::escape::unescape_one;
use crate::json::scalar::special;
use crate::json::scan::skip_blanks;

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
    unsafe {
        let text = value.text();
        let mut pusher = Pusher { state, text, bytes: text.as_bytes(), at: 0, array, scratch, level: 0 };
        pusher.value();
    }
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

struct Pusher<'a> {
    state: *mut lua_State,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    array: c_int,
    scratch: &'a mut String,
    level: usize,
}

impl Pusher<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Past blanks to the byte that decides what comes.
    fn next(&mut self) -> Option<u8> {
        // Programs write JSON without blanks, mostly.
        match self.peek() {
            Some(b' ' | b'\n' | b'\r' | b'\t') => {
                self.at = skip_blanks(self.bytes, self.at);
                self.peek()
            }
            byte => byte,
        }
    }

    unsafe fn value(&mut self) {
        unsafe {
            match self.next() {
                Some(b'"') => self.string(),
                Some(b'{') => self.object(),
                Some(b'[') => self.list(),
                Some(b'-' | b'0'..=b'9') => self.number(),
                Some(b't') => self.word(4, |state| ffi::lua_pushboolean(state, 1)),
                Some(b'f') => self.word(5, |state| ffi::lua_pushboolean(state, 0)),
                Some(b'n') => self.word(4, |state| ffi::lua_pushlightuserdata(state, ptr::null_mut())),
                _ => self.malformed(),
            }
        }
    }

    unsafe fn word(&mut self, length: usize, push: unsafe fn(*mut lua_State)) {
        unsafe {
            self.at += length;
            push(self.state);
        }
    }

    unsafe fn object(&mut self) {
        unsafe {
            self.enter();
            if self.next() == Some(b'}') {
                ffi::lua_createtable(self.state, 0, 0);
            } else {
                ffi::lua_createtable(self.state, 0, MEMBERS_HINT);
                while self.member() {}
            }
            self.leave();
        }
    }

    /// Takes `"key": value` and what follows it; whether another member comes.
    unsafe fn member(&mut self) -> bool {
        unsafe {
            if self.next() != Some(b'"') {
                self.malformed();
            }
            self.string();
            if self.next() != Some(b':') {
                self.malformed();
            }
            self.at += 1;
            self.value();
            ffi::lua_rawset(self.state, -3);
            self.more(b'}')
        }
    }

    unsafe fn list(&mut self) {
        unsafe {
            self.enter();
            ffi::lua_createtable(self.state, 0, 0);
            if self.next() != Some(b']') {
                let mut position = 1;
                loop {
                    self.value();
                    ffi::lua_rawseti(self.state, -2, position);
                    if !self.more(b']') {
                        break;
                    }
                    position += 1;
                }
            }
            ffi::lua_pushvalue(self.state, self.array);
            ffi::lua_setmetatable(self.state, -2);
            self.leave();
        }
    }

    /// After an entry: takes a comma, or stops in front of the closing bracket.
    unsafe fn more(&mut self, close: u8) -> bool {
        unsafe {
            match self.next() {
                Some(b',') => {
                    self.at += 1;
                    self.next();
                    true
                }
                Some(byte) if byte == close => false,
                _ => self.malformed(),
            }
        }
    }

    unsafe fn enter(&mut self) {
        unsafe {
            if self.level >= MAX_LEVELS || !reserve(self.state, self.level) {
                raise(self.state, c"JSON nested too deep");
            }
            self.level += 1;
            self.at += 1;
        }
    }

    fn leave(&mut self) {
        self.level -= 1;
        self.at += 1;
    }

    unsafe fn string(&mut self) {
        unsafe {
            let start = self.at + 1;
            let end = special(self.bytes, start);
            if self.bytes.get(end) == Some(&b'"') {
                self.at = end + 1;
                push_bytes(self.state, self.bytes.get(start..end).unwrap_or_default());
            } else {
                self.escaped(start, end);
            }
        }
    }

    /// A string that starts at `start` and has its first escape at `at`.
    unsafe fn escaped(&mut self, mut start: usize, mut at: usize) {
        unsafe {
            self.scratch.clear();
            loop {
                let Some(plain) = self.text.get(start..at) else { self.malformed() };
                self.scratch.push_str(plain);
                match self.bytes.get(at) {
                    Some(b'"') => break,
                    Some(b'\\') => {
                        let (character, length) = unescape_one(self.text.get(at..).unwrap_or_default());
                        self.scratch.push(character);
                        start = at + length;
                    }
                    _ => self.malformed(),
                }
                at = special(self.bytes, start);
            }
            self.at = at + 1;
            push_bytes(self.state, self.scratch.as_bytes());
        }
    }

    unsafe fn number(&mut self) {
        unsafe {
            let start = self.at;
            let negative = self.peek() == Some(b'-');
            let mut at = start + usize::from(negative);
            let first = at;
            let mut magnitude = 0i64;
            while let Some(digit) = self.bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
                magnitude = magnitude.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
                at += 1;
            }
            let integral = !matches!(self.bytes.get(at), Some(b'.' | b'e' | b'E'));
            if integral && at - first <= SAFE_DIGITS {
                self.at = at;
                return push_integer(self.state, magnitude, negative);
            }
            while matches!(self.bytes.get(at), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
                at += 1;
            }
            self.at = at;
            let text = self.text.get(start..at).unwrap_or_default();
            if integral
                && HAS_INTEGERS
                && let Ok(integer) = text.parse::<i64>()
            {
                return ffi::lua_pushinteger(self.state, integer as ffi::lua_Integer);
            }
            match text.parse::<f64>() {
                Ok(float) => ffi::lua_pushnumber(self.state, float),
                Err(_) => self.malformed(),
            }
        }
    }

    unsafe fn malformed(&self) -> ! {
        unsafe { raise(self.state, c"malformed JSON") }
    }
}

unsafe fn raise(state: *mut lua_State, message: &'static CStr) -> ! {
    unsafe {
        ffi::lua_pushstring(state, message.as_ptr());
        ffi::lua_error(state)
    }
}

unsafe fn push_integer(state: *mut lua_State, magnitude: i64, negative: bool) {
    unsafe {
        if HAS_INTEGERS {
            ffi::lua_pushinteger(state, (if negative { -magnitude } else { magnitude }) as ffi::lua_Integer);
        } else {
            // The sign is put on the double, where zero has one too.
            let double = magnitude as f64;
            ffi::lua_pushnumber(state, if negative { -double } else { double });
        }
    }
}
