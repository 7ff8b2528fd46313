//! `core.peer`: the engine of a peer and its socket as one userdata, for `lua/jet/driver.lua`.
//!
//! No method here calls Lua, and none makes a Lua value while it works: that allocates, which can
//! run finalizers of the program, which may call any method of this same peer. So events are
//! posted, for `core.take` to make values of when nothing is borrowed any more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Lua, Result, Table, Value};

use crate::json::Raw;
use crate::lua::convert::Bridge;
use crate::net::{self, Connection, Error, Status};
use crate::ownership::{self, LOOK_AGAIN};
use crate::peer::{Engine, Event};
use crate::rules::Expression;
use crate::sys::fork;
use crate::wire::encoding::Encoding;

use super::options::PeerConfig;
use super::peer_events;

/// The peer behind a Lua peer object.
pub struct PeerCore {
    pub engine: RefCell<Engine>,
    connection: RefCell<Option<Connection>>,
    dial: net::Options,
    /// What the peer connects to, for messages.
    pub target: String,
    refuse_latin1: bool,
    pub bridge: Rc<Bridge>,
    /// Said once: that invalid UTF-8 came in, or went out.
    latin1_in: Cell<bool>,
    latin1_out: Cell<Said>,
    /// `close` came while the connection was in use.
    closing: Cell<bool>,
    connected: Cell<bool>,
    /// The processes above the one that last asked for the descriptor.
    depth: Cell<usize>,
}

/// Whether something that is said once has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    NotYet,
    Due,
    Done,
}

/// Adds `peer`, `check_fetch` and `now` to the module table.
///
/// # Errors
/// When Lua runs out of memory.
pub fn register(lua: &Lua, exports: &Table) -> Result<()> {
    let start = Instant::now();
    let create = |lua: &Lua, (config, name): (Table, Option<String>)| create(lua, &config, name);
    exports.set("peer", lua.create_function(create)?)?;
    exports.set("check_fetch", lua.create_function(|_, text: String| Ok(check_fetch(&text)))?)?;
    exports.set("wall_clock", lua.create_function(|_, ()| Ok(wall_clock()))?)?;
    exports.set("now", lua.create_function(move |_, ()| Ok(start.elapsed().as_secs_f64()))?)
}

/// `wall_clock()`: seconds since the epoch.
fn wall_clock() -> f64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// `check_fetch(text)`: judges a fetch expression. A list of warnings, or nil and why it can
/// mean nothing.
fn check_fetch(text: &str) -> (Option<Vec<String>>, Option<String>) {
    let mut warnings = Vec::new();
    // Faults outside of the sort are the daemon's to judge: it answers the request with the reason.
    match Expression::parse(Raw::trusted(text), &mut warnings) {
        Err(reason) if reason.starts_with("sort") => {
            return (None, Some(format!("bad argument 'expression' to 'fetch' ({reason})")));
        }
        _ => {}
    }
    (Some(warnings), None)
}

/// `peer(config, name)`: the userdata, or nil and why the config is refused. `name` is that of the config as JSON.
fn create(lua: &Lua, config: &Table, name: Option<String>) -> Result<(Value, Option<String>)> {
    let options = match PeerConfig::read(config, name) {
        Ok(options) => options,
        Err(message) => return Ok((Value::Nil, Some(message))),
    };
    let core = PeerCore {
        engine: RefCell::new(Engine::new(options.engine)),
        connection: RefCell::new(None),
        dial: options.dial,
        target: options.target,
        refuse_latin1: options.refuse_latin1,
        bridge: Bridge::of(lua),
        latin1_in: Cell::new(false),
        latin1_out: Cell::new(Said::NotYet),
        closing: Cell::new(false),
        connected: Cell::new(false),
        depth: Cell::new(fork::depth()),
    };
    Ok((Value::UserData(lua.create_userdata(core)?), None))
}

impl PeerCore {
    /// Begins to connect: true, or nil and why not.
    pub fn dial(&self) -> (Option<bool>, Option<String>) {
        match Connection::open(self.dial.clone(), Instant::now()) {
            Ok(connection) => {
                *self.connection.borrow_mut() = Some(connection);
                (Some(true), None)
            }
            Err(error) => (None, Some(error.to_string())),
        }
    }

    /// The descriptor to watch and for what: `fd, 'r'|'w'|'rw'`. The third is true once in each process that was
    /// forked.
    pub fn watch(&self) -> (Option<i64>, Option<&'static str>, bool) {
        let depth = fork::depth();
        let is_forked = self.depth.replace(depth) != depth;
        let connection = self.connection.borrow();
        let Some(connection) = connection.as_ref() else {
            return (None, None, is_forked);
        };
        let wants = connection.wants();
        let interest = match (wants.read, wants.write) {
            (true, true) => "rw",
            (false, true) => "w",
            (true, false) => "r",
            (false, false) => return (None, None, is_forked),
        };
        (connection.fd().map(i64::from), Some(interest), is_forked)
    }

    /// Returns the line for the log of a process whose connections belong to the one that it was forked from; once
    /// for each process.
    pub fn fork_notice(&self) -> Option<String> {
        let connection = self.connection.borrow();
        let is_elsewhere = connection.as_ref().is_some_and(Connection::is_elsewhere);
        (is_elsewhere && fork::is_first_time()).then(ownership::notice)
    }

    /// Whether it is not known which process goes on with the connection.
    fn is_undecided(&self) -> bool {
        self.connection.borrow().as_ref().is_some_and(Connection::is_undecided)
    }

    /// Seconds until `drive` wants to be called without input.
    pub fn timer(&self) -> Option<f64> {
        if self.is_undecided() {
            return Some(LOOK_AGAIN.as_secs_f64());
        }
        let dialling = self.connection.borrow().as_ref().and_then(Connection::deadline);
        let greeting = self.engine.borrow_mut().next_timeout(Instant::now());
        let due = dialling.into_iter().chain(greeting).min()?;
        Some(due.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    /// Goes on with what the connection has to do. What `core.take` gets the events by, if there
    /// are any, and why the connection is over if it is; the events come first.
    pub fn drive(&self, readable: bool) -> (Option<u64>, Option<String>) {
        let input = match self.take_input(readable) {
            Ok(input) => input,
            Err(NothingToDo) => return (None, None),
        };
        let events = self.hand_out(input.fresh, input.note);
        if let Ok(Some(connection)) = self.connection.try_borrow_mut().as_deref_mut().map(Option::as_mut) {
            connection.release();
        }
        if self.closing.get() {
            self.close();
        }
        (events, input.failure.or_else(|| self.engine.borrow().fault()))
    }

    fn take_input(&self, readable: bool) -> std::result::Result<Input, NothingToDo> {
        let mut slot = self.connection.try_borrow_mut().map_err(|_| NothingToDo)?;
        let connection = slot.as_mut().ok_or(NothingToDo)?;
        let mut failure = None;
        // Messages may have come with the end of a handshake.
        let mut opened = false;
        match connection.drive(Instant::now()) {
            Ok(Status::Dialling) => return Err(NothingToDo),
            Ok(Status::Open) if !self.connected.replace(true) => {
                opened = true;
                let mut engine = self.engine.borrow_mut();
                engine.connected(Instant::now());
                failure = send(connection, &mut engine).err();
            }
            Ok(Status::Open) => self.engine.borrow_mut().set_backlog(connection.unsent()),
            Err(error) => failure = Some(error),
        }
        // What came before the end is handled before the end.
        let fresh = readable || opened || failure.is_some();
        if fresh {
            failure = self.read(connection).err().or(failure);
        }
        let note = failure.as_ref().and(connection.refused_length());
        let note = note.and_then(|length| self.engine.borrow().probable_limit(length));
        let failure = failure.map(|error| match &note {
            Some(hint) => format!("{error}: {hint}"),
            None => error.to_string(),
        });
        Ok(Input { fresh, note, failure })
    }

    /// Reads what has come. The answers of the transport, such as pongs, count for `max_unsent`.
    fn read(&self, connection: &mut Connection) -> std::result::Result<(), Error> {
        let before = connection.unsent();
        let read = connection.read();
        let mut engine = self.engine.borrow_mut();
        engine.set_backlog(connection.unsent());
        if connection.unsent() > before && engine.is_full() {
            engine.overflow();
        }
        read
    }

    /// Turns the messages that were read into rows for the events table.
    fn hand_out(&self, fresh: bool, note: Option<String>) -> Option<u64> {
        let connection = self.connection.borrow();
        let connection = connection.as_ref()?;
        let messages = connection.messages().take(if fresh { usize::MAX } else { 0 });
        let mut engine = self.engine.borrow_mut();
        let texts: Vec<_> = messages.map(|message| engine.text_of(message)).collect();
        let mut events = Vec::with_capacity(texts.len());
        if self.latin1_out.get() == Said::Due {
            self.latin1_out.set(Said::Done);
            events.push(Event::Note("invalid UTF-8 in a string is sent as Latin-1".into()));
        }
        for text in &texts {
            match text {
                Ok(text) if text.repaired && !self.accepts_latin1(&mut events) => {}
                Ok(text) => engine.receive(&text.json, &mut events),
                Err(error) => events.push(Event::Note(format!("decoding message failed: {error}"))),
            }
        }
        engine.handle_timeout(Instant::now(), &mut events);
        events.extend(
            note.map(|hint| Event::Note(format!("the connection was lost after a large message: {hint}"))),
        );
        peer_events::post(&self.bridge, &events)
    }

    fn accepts_latin1(&self, events: &mut Vec<Event<'_>>) -> bool {
        if self.refuse_latin1 {
            events.push(Event::Note("a message with invalid UTF-8 is dropped".into()));
        } else if !self.latin1_in.replace(true) {
            events.push(Event::Note("invalid UTF-8 in a message is read as Latin-1".into()));
        }
        !self.refuse_latin1
    }

    /// A string of the program's was no UTF-8; the log hears of it once.
    pub fn note_latin1(&self) {
        if self.latin1_out.get() == Said::NotYet {
            self.latin1_out.set(Said::Due);
        }
    }

    /// Sends what is queued: whether something is left, and why the connection broke if it did.
    pub fn flush(&self) -> (bool, Option<String>) {
        let Ok(mut slot) = self.connection.try_borrow_mut() else {
            return (true, None);
        };
        let Some(connection) = slot.as_mut() else {
            return (false, None);
        };
        let mut engine = self.engine.borrow_mut();
        let written = send(connection, &mut engine);
        let failure = written.err().map(|error| error.to_string());
        (connection.unsent() > 0, failure.or_else(|| engine.fault()))
    }

    /// Lets the socket take what it can if there is no room for one more answer.
    pub fn make_room(&self) {
        if self.engine.borrow().is_full() {
            // A failure shows again at the next flush.
            self.flush();
        }
    }

    /// Ends the connection; what the socket takes at once is still sent.
    pub fn close(&self) {
        self.flush();
        self.engine.borrow_mut().closed();
        match self.connection.try_borrow_mut() {
            Ok(mut slot) => {
                if let Some(mut connection) = slot.take() {
                    connection.close();
                }
            }
            Err(_) => self.closing.set(true),
        }
    }

    /// Blocks until the connection is ready for what it wants, or the time is over.
    pub fn wait(&self, seconds: Option<f64>) {
        let asked = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let asked = asked.and_then(|duration| Instant::now().checked_add(duration));
        let due = self.engine.borrow_mut().next_timeout(Instant::now()).filter(|_| !self.is_undecided());
        let until = asked.into_iter().chain(due).min();
        if let Some(connection) = self.connection.borrow().as_ref() {
            // What poll refuses shows again when the connection is used.
            let _ = connection.wait(connection.wants(), until);
        }
    }
}

/// Writes what the engine has to send, in frames that suit its encoding.
fn send(connection: &mut Connection, engine: &mut Engine) -> std::result::Result<(), Error> {
    connection.set_binary(engine.encoding() == Encoding::Msgpack);
    let written = connection.write(engine.output());
    engine.set_backlog(connection.unsent());
    written
}

/// What a turn of the connection brought.
struct Input {
    /// Whether the connection's batch of messages is new.
    fresh: bool,
    /// What is to be logged of the end of the connection.
    note: Option<String>,
    /// Why the connection is over.
    failure: Option<String>,
}

/// There is no connection, or it is in use by who called this.
struct NothingToDo;

impl Drop for PeerCore {
    /// Normal exit of the process and a collected peer flush, too, unless a fork may go on with the connection.
    fn drop(&mut self) {
        match self.connection.get_mut() {
            Some(connection) if !connection.is_here() => connection.discard(),
            _ => self.close(),
        }
    }
}
