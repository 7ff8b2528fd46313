//! [`Bridge`]: the buffers that one Lua state keeps for converting values, and the way in for safe code.

use std::cell::Cell;
use std::rc::Rc;

use mlua::Lua;

use super::KEEP_BYTES;
use super::read::Notes;
use super::rows::{Rows, Slot};
use crate::json::Raw;
use crate::util::handoff::Handoff;

/// The JSON text of a Lua value, and what was noted while it was read.
#[derive(Debug, Default)]
pub struct Stage {
    /// Always UTF-8: only `read` writes here.
    pub text: Vec<u8>,
    /// What was noted while it was read.
    pub notes: Notes,
}

impl Stage {
    /// Forgets the value; its memory is kept for the next one, within reason.
    pub fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEEP_BYTES);
    }
}

/// The buffers that one Lua state needs to convert values. Its peers and daemons share them.
#[derive(Default)]
pub struct Bridge {
    /// Converted Lua values on their way to functions made by mlua.
    staged: Handoff<Stage>,
    /// Fields on their way to Lua, from functions made by mlua.
    posted: Handoff<Rows>,
    /// Taken out while in use. A finaliser that needs them meanwhile finds none and gets new ones.
    buffers: Cell<Option<Box<Buffers>>>,
}

/// Texts that are built on the way to Lua.
#[derive(Debug, Default)]
pub struct Buffers {
    /// Strings that had escapes.
    pub scratch: String,
    /// Input that was no UTF-8.
    pub input: String,
}

impl Bridge {
    /// Returns the bridge of this Lua state, which the first call makes.
    pub fn of(lua: &Lua) -> Rc<Bridge> {
        if let Some(bridge) = lua.app_data_ref::<Rc<Bridge>>() {
            return Rc::clone(&bridge);
        }
        let bridge = Rc::new(Bridge::default());
        lua.set_app_data(Rc::clone(&bridge));
        bridge
    }

    /// Returns the values on their way from Lua.
    pub fn staged(&self) -> &Handoff<Stage> {
        &self.staged
    }

    /// Returns the fields on their way to Lua.
    pub fn posted(&self) -> &Handoff<Rows> {
        &self.posted
    }

    /// Copies fields for Lua and returns their number, with which `core.take(number, table)` gets them. The caller
    /// has nothing borrowed when they become Lua values, which may run finalisers.
    pub fn post(&self, slots: &[Slot<'_>]) -> u64 {
        let mut rows = self.posted.begin();
        rows.item.copy(slots);
        let number = rows.number();
        self.posted.leave(rows);
        number
    }

    /// Passes the value that Lua staged under that number to `take`, and whether a string of it was read as Latin-1.
    /// Returns `None` if there is no such value, or no longer.
    pub fn with_staged<R>(&self, number: u64, take: impl FnOnce(Raw<'_>, bool) -> R) -> Option<R> {
        let mut stage = self.staged.take(number)?;
        // SAFETY: `read` alone writes here, and it appends only pieces of `str`, escapes and digits.
        let text = unsafe { std::str::from_utf8_unchecked(&stage.item.text) };
        let result = take(Raw::trusted(text), stage.item.notes.repaired);
        stage.item.clear();
        self.staged.end(stage);
        Some(result)
    }

    /// Takes the buffers out of the bridge.
    pub fn take_buffers(&self) -> Box<Buffers> {
        self.buffers.take().unwrap_or_default()
    }

    /// Puts the buffers back for the next value.
    pub fn put_buffers(&self, mut buffers: Box<Buffers>) {
        buffers.scratch.clear();
        buffers.scratch.shrink_to(KEEP_BYTES);
        buffers.input.clear();
        buffers.input.shrink_to(KEEP_BYTES);
        self.buffers.set(Some(buffers));
    }
}
