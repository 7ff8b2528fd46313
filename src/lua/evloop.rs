//! `core.loop` and `core.signals`: the built-in event loop and signals, for `lua/jet/loop/`.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mlua::{Lua, Result, Table, UserData, UserDataMethods};

use crate::evloop::{EventLoop, LoopEvent};
use crate::ownership;
use crate::sys::signals::Signals;

const READY: i64 = 1;
const TIMER: i64 = 2;
const INVALID: i64 = 3;
const NOTHING: i64 = 0;

/// What `wait` returns: the kind, a descriptor or timer, readable, writable. Nil if there is
/// nothing to wait for; nil, nil and a message if waiting fails.
type Waited = (Option<i64>, Option<i64>, Option<bool>, Option<bool>, Option<String>);

struct LoopCore(RefCell<EventLoop>);

struct SignalsCore(RefCell<Option<Signals>>);

/// Adds `loop` and `signals` to the module table.
///
/// # Errors
/// When Lua runs out of memory.
pub fn register(lua: &Lua, exports: &Table) -> Result<()> {
    exports.set("loop", lua.create_function(|_, ()| Ok(LoopCore(RefCell::default())))?)?;
    exports.set("timerfd", lua.create_function(|_, seconds: f64| Ok(timer_descriptor(seconds)))?)?;
    exports.set("signals", lua.create_function(|_, numbers: Vec<i32>| Ok(listen(&numbers)))?)
}

/// `signals(numbers)`: an object over these signals, or nil and why not.
fn listen(numbers: &[i32]) -> (Option<SignalsCore>, Option<String>) {
    match Signals::new(numbers) {
        Ok(signals) => (Some(SignalsCore(RefCell::new(Some(signals)))), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// A timer as a descriptor, for loops that have none of their own.
struct TimerCore(RefCell<Option<OwnedFd>>);

/// `timerfd(seconds)`: an object whose descriptor is readable from then on, or nil and why not.
fn timer_descriptor(seconds: f64) -> (Option<TimerCore>, Option<String>) {
    match crate::evloop::timer_descriptor(seconds) {
        Ok(fd) => (Some(TimerCore(RefCell::new(Some(fd)))), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn wait(event_loop: &RefCell<EventLoop>, seconds: Option<f64>) -> Waited {
    ownership::claim_all();
    let limit = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    match event_loop.borrow_mut().next(limit) {
        Ok(None) => (None, None, None, None, None),
        Ok(Some(LoopEvent::Ready { fd, readable, writable })) => {
            (Some(READY), Some(fd.into()), Some(readable), Some(writable), None)
        }
        Ok(Some(LoopEvent::Invalid(fd))) => (Some(INVALID), Some(fd.into()), None, None, None),
        Ok(Some(LoopEvent::Timer(timer))) => (Some(TIMER), Some(timer as i64), None, None, None),
        Ok(Some(LoopEvent::Nothing)) => (Some(NOTHING), None, None, None, None),
        Err(error) => (None, None, None, None, Some(error.to_string())),
    }
}

impl UserData for LoopCore {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("watch", |_, core, (fd, read, write): (i32, bool, bool)| {
            core.0.borrow_mut().watch(fd, read, write);
            Ok(())
        });
        methods.add_method("timer", |_, core, seconds: f64| {
            Ok(core.0.borrow_mut().start_timer(seconds, Instant::now()))
        });
        methods.add_method("cancel", |_, core, timer: u64| {
            core.0.borrow_mut().cancel_timer(timer);
            Ok(())
        });
        methods.add_method("wait", |_, core, seconds: Option<f64>| Ok(wait(&core.0, seconds)));
        methods.add_method("count", |_, core, ()| Ok(core.0.borrow().count()));
        methods.add_method("more", |_, core, ()| Ok(core.0.borrow().has_more()));
    }
}

impl UserData for TimerCore {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("fd", |_, core, ()| Ok(core.0.borrow().as_ref().map(AsRawFd::as_raw_fd)));
        methods.add_method("close", |_, core, ()| {
            *core.0.borrow_mut() = None;
            Ok(())
        });
    }
}

impl UserData for SignalsCore {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("fd", |_, core, ()| Ok(core.0.borrow().as_ref().map(Signals::fd)));
        methods.add_method("read", |_, core, ()| Ok(core.0.borrow().as_ref().and_then(Signals::read)));
        methods.add_method("close", |_, core, ()| {
            *core.0.borrow_mut() = None;
            Ok(())
        });
    }
}
