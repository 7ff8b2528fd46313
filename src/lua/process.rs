//! `core.background` and `core.pid`, for `bin/jetd.lua`: plain Lua can neither fork nor name its process.

use std::cell::Cell;

use mlua::{Lua, Result, Table, UserData, UserDataMethods};

use crate::sys::background::{self, Background};

struct BackgroundCore(Cell<Option<Background>>);

/// Adds `background` and `pid` to the module table.
///
/// # Errors
/// When Lua runs out of memory.
pub fn register(lua: &Lua, exports: &Table) -> Result<()> {
    exports.set("pid", lua.create_function(|_, ()| Ok(std::process::id()))?)?;
    exports.set("background", lua.create_function(|_, ()| Ok(background()))?)
}

/// `background()`: goes on in a fork; the parent waits for `ready` and ends with exit code 0 then, or with the code
/// of a fork that ends before. An object with the method `ready`, or nil and why the system does not fork.
fn background() -> (Option<BackgroundCore>, Option<String>) {
    match background::background() {
        Ok(background) => (Some(BackgroundCore(Cell::new(Some(background)))), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

impl UserData for BackgroundCore {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("ready", |_, core, ()| {
            core.0.take().into_iter().for_each(Background::ready);
            Ok(())
        });
    }
}
