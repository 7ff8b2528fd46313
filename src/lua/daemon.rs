//! `core.daemon`: a running daemon as a userdata, for `lua/jet/daemon.lua`.
//!
//! The daemon serves on its own thread and never touches Lua. What it logs waits in a queue; a
//! descriptor becomes readable when there is something, and Lua takes it out line by line.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlua::{Lua, LuaString, Result, Table, UserData, UserDataMethods, UserDataRef, Value, Variadic};

use super::options::DaemonOptions;

use crate::daemon::{Level, LogLine};
use crate::ownership::{self, LOOK_AGAIN, Owner};
use crate::server::log_writer::{Backlog, LogWriter};
use crate::server::{self, Handle, Options};
use crate::sys::fork;

/// Bytes of log lines that wait for Lua. A program that never runs its loop does not read them,
/// and must not fill its memory with them; it is a few seconds of the messages of a busy peer.
const MAX_WAITING_LOG: usize = 16 << 20;

/// The log between the daemon's thread and Lua's.
struct LogQueue {
    waiting: Mutex<Backlog>,
    /// Gets a byte when the queue is no longer empty.
    bell: UnixStream,
}

impl LogQueue {
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: LogLine) {
        let mut waiting = self.lock();
        let was_empty = waiting.is_empty();
        waiting.push(line);
        if was_empty {
            // Fails only when bytes wait there already, which does as well.
            let _ = (&self.bell).write(&[1]);
        }
    }

    fn pop(&self) -> Option<LogLine> {
        self.lock().pop()
    }
}

/// A daemon that runs until it is stopped or collected.
struct Daemon {
    handle: Handle,
    log: Arc<LogQueue>,
    /// Readable when the log is not empty, and in a process that was forked.
    bell: UnixStream,
    /// The processes above the one that last asked for the owner.
    depth: usize,
}

impl Daemon {
    /// Whether the daemon belongs to this process: `'here'`, `'elsewhere'`, or `'undecided'` and the seconds after which
    /// to ask again. The third is true once in each process that was forked.
    fn owner(&mut self) -> (&'static str, Option<f64>, bool) {
        let depth = fork::depth();
        let is_forked = std::mem::replace(&mut self.depth, depth) != depth;
        match self.handle.owner() {
            Owner::Here => ("here", None, is_forked),
            Owner::Undecided => ("undecided", Some(LOOK_AGAIN.as_secs_f64()), is_forked),
            Owner::Elsewhere => ("elsewhere", None, is_forked),
        }
    }

    /// The next line of the log: level, text, and for a message of a peer that is debugged the
    /// name of that peer and whether the message came from it.
    fn next_line(&self) -> Variadic<Option<String>> {
        let mut rung = [0; 16];
        // Nothing to read is fine; the queue is what counts.
        while matches!((&self.bell).read(&mut rung), Ok(count) if count == rung.len()) {}
        let Some(line) = self.log.pop() else {
            return Variadic::new();
        };
        let mut values = vec![Some(line.level.name().to_owned()), Some(line.text)];
        if let Some(traffic) = line.traffic {
            let arrow = traffic.arrow().to_owned();
            values.extend([Some(traffic.peer), Some(arrow)]);
        }
        Variadic::from(values)
    }
}

impl UserData for Daemon {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("fd", |_, daemon, ()| Ok(daemon.bell.as_raw_fd()));
        methods.add_method_mut("owner", |_, daemon, ()| Ok(daemon.owner()));
        methods.add_method("fork_notice", |_, _, ()| Ok(fork::is_first_time().then(ownership::notice)));
        methods.add_method("port", |_, daemon, ()| {
            daemon.handle.claim();
            Ok(daemon.handle.addresses().first().map(std::net::SocketAddr::port))
        });
        methods.add_method("next_line", |_, daemon, ()| Ok(daemon.next_line()));
        methods.add_method("reread", |_, daemon, ()| {
            daemon.handle.reread();
            Ok(())
        });
        methods.add_method_mut("stop", |_, daemon, ()| {
            daemon.handle.stop();
            Ok(())
        });
    }
}

/// Adds `log_writer`, `daemon_options` and `daemon` to the module table.
///
/// # Errors
/// When Lua runs out of memory.
pub fn register(lua: &Lua, exports: &Table) -> Result<()> {
    exports.set("log_writer", lua.create_function(|lua, ()| log_writer(lua))?)?;
    exports.set("daemon_options", lua.create_function(|lua, given: Table| options(lua, &given))?)?;
    let create = |lua: &Lua, options: UserDataRef<OptionsCore>| create(lua, &options.0);
    exports.set("daemon", lua.create_function(create)?)
}

/// `log_writer()`: a userdata that writes lines to stdout without blocking, or nil and why there is none.
fn log_writer(lua: &Lua) -> Result<(Value, Option<String>)> {
    match LogWriter::start(io::stdout()) {
        Ok(writer) => Ok((Value::UserData(lua.create_userdata(Stdout(writer))?), None)),
        Err(error) => Ok((Value::Nil, Some(error.to_string()))),
    }
}

/// Standard output behind a thread, for `bin/jetd.lua`.
struct Stdout(LogWriter);

impl UserData for Stdout {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("write", |_, writer, text: LuaString| {
            // Escaped by the daemon; and messages of peers stay whole.
            writer.0.push(LogLine { level: Level::Info, text: text.to_string_lossy(), traffic: None });
            Ok(())
        });
        methods.add_method("finish", |_, writer, seconds: f64| {
            Ok(writer.0.finish(Duration::try_from_secs_f64(seconds).unwrap_or_default()))
        });
    }
}

/// `daemon_options(table)`: the options as a userdata, or nil and why they are refused.
fn options(lua: &Lua, given: &Table) -> Result<(Value, Option<String>)> {
    match DaemonOptions::read(given) {
        Ok(options) => Ok((Value::UserData(lua.create_userdata(OptionsCore(options))?), None)),
        Err(message) => Ok((Value::Nil, Some(message))),
    }
}

/// The options of a daemon that can be started any number of times.
struct OptionsCore(DaemonOptions);

impl UserData for OptionsCore {}

/// `daemon(options)`: starts a daemon and returns its userdata, or nil and why it cannot start.
fn create(lua: &Lua, options: &DaemonOptions) -> Result<(Value, Option<String>)> {
    match start(options) {
        Ok(daemon) => Ok((Value::UserData(lua.create_userdata(daemon)?), None)),
        Err(error) => Ok((Value::Nil, Some(error.to_string()))),
    }
}

fn start(options: &DaemonOptions) -> io::Result<Daemon> {
    let places = options.places().map_err(io::Error::other)?;
    let accounts = options.accounts().map_err(io::Error::other)?;
    let mut listeners = places.bind()?;
    let (bell, rings) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    rings.set_nonblocking(true)?;
    let log = Arc::new(LogQueue { waiting: Mutex::new(Backlog::new(MAX_WAITING_LOG)), bell: rings });
    match places.bind_websockets() {
        Ok(websockets) => listeners.extend(websockets),
        // A build that has no WebSocket can do nothing about it.
        Err(error) if options.needs_all_ports() && cfg!(feature = "websocket") => return Err(error),
        // A daemon without its WebSocket is better than none, programs count on that.
        Err(error) => log.push(LogLine::new(Level::Crit, format!("no WebSocket: {error}"))),
    }
    let (queue, forked) = (log.clone(), log.bell.try_clone()?);
    let handle = server::start(Options {
        config: options.config(),
        listeners,
        log: Box::new(move |line| queue.push(line)),
        accounts,
    })?;
    handle.ring_in_forks(forked);
    Ok(Daemon { handle, log, bell, depth: fork::depth() })
}
