//! [`Bridge`]: what one Lua state keeps for converting values, and the doors for safe code.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, Table};

use super::read::Notes;
use super::rows::{Rows, Slot};
use super::{KEEP_BYTES, call};
use crate::json::Raw;
use crate::util::handoff::Ring;

/// Name of the arrays' metatable in the registry. A name and no address: two copies of this
/// library in one process then agree on what an array is.
const ARRAY_KEY: &str = "jet.array";

/// A value of Lua's as JSON text, and what was noted while it was read.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// UTF-8: nothing but JSON text of `read` gets in here.
    pub text: Vec<u8>,
    pub notes: Notes,
}

impl Stage {
    /// Forgets the value; its memory is kept for the next one, within reason.
    pub fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEEP_BYTES);
    }
}

/// What one Lua state needs to convert values; its peers and daemons share it.
#[derive(Default)]
pub struct Bridge {
    /// Values of Lua's, for functions made by mlua.
    pub(super) staged: Ring<Stage>,
    /// Fields for Lua, from functions made by mlua.
    pub(super) posted: Ring<Rows>,
    /// Taken out while in use. Who comes meanwhile (a finaliser) finds none and makes new ones.
    buffers: Cell<Option<Box<Buffers>>>,
}

/// Texts that are put together on the way to Lua.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Strings that had escapes.
    pub scratch: String,
    /// Input that was no UTF-8.
    pub input: String,
}

impl Bridge {
    /// The bridge of this Lua state; the first call makes it.
    pub fn of(lua: &Lua) -> Rc<Bridge> {
        if let Some(bridge) = lua.app_data_ref::<Rc<Bridge>>() {
            return Rc::clone(&bridge);
        }
        let bridge = Rc::new(Bridge::default());
        lua.set_app_data(Rc::clone(&bridge));
        bridge
    }

    /// Sets the functions that Lua calls directly, and `null`, in `module`.
    ///
    /// # Errors
    /// When Lua runs out of memory.
    pub fn register(self: &Rc<Self>, lua: &Lua, module: &Table) -> mlua::Result<()> {
        let metatable = array_metatable(lua)?;
        // SAFETY: `install` expects these two tables and runs protected here.
        unsafe { lua.exec_raw::<()>((module, metatable), |state| call::install(state, self)) }
    }

    /// Copies fields for Lua, which gets them with `core.take(number, table)`. Nothing of the
    /// caller's is borrowed any more when they become Lua values, which may run finalisers.
    pub fn post(&self, slots: &[Slot<'_>]) -> u64 {
        let mut rows = self.posted.begin();
        rows.item.copy(slots);
        let number = rows.number();
        self.posted.leave(rows);
        number
    }

    /// Uses the value that Lua staged under that number: hands its JSON to `take`, and whether a
    /// string of it was taken as Latin-1. `None` if there is no such value (any more).
    pub fn with_staged<R>(&self, number: u64, take: impl FnOnce(Raw<'_>, bool) -> R) -> Option<R> {
        let mut stage = self.staged.take(number)?;
        // SAFETY: `read` appends only pieces of `str`, escapes and digits.
        let text = unsafe { std::str::from_utf8_unchecked(&stage.item.text) };
        let result = take(Raw::trusted(text), stage.item.notes.repaired);
        stage.item.clear();
        self.staged.end(stage);
        Some(result)
    }

    /// The buffers, out of the bridge.
    pub(super) fn take_buffers(&self) -> Box<Buffers> {
        self.buffers.take().unwrap_or_default()
    }

    /// Puts the buffers back for the next value.
    pub(super) fn put_buffers(&self, mut buffers: Box<Buffers>) {
        buffers.scratch.clear();
        buffers.scratch.shrink_to(KEEP_BYTES);
        buffers.input.clear();
        buffers.input.shrink_to(KEEP_BYTES);
        self.buffers.set(Some(buffers));
    }
}

/// The metatable that marks arrays, made on the first call in a Lua state.
fn array_metatable(lua: &Lua) -> mlua::Result<Table> {
    if let Some(metatable) = lua.named_registry_value::<Option<Table>>(ARRAY_KEY)? {
        return Ok(metatable);
    }
    let metatable = lua.create_table()?;
    // How dkjson marks arrays: it then writes ours as such, and `read` takes its mark.
    metatable.raw_set("__jsontype", "array")?;
    lua.set_named_registry_value(ARRAY_KEY, &metatable)?;
    Ok(metatable)
}
