//! `core.complain` and `core.print_error`: lines on standard error that never block the program.
//!
//! Standard error may be a pipe whose reader has stopped. A line that does not fit is dropped and counted;
//! the next line that fits says how many were dropped. The descriptor belongs to the program and possibly to
//! others, so its flags are left alone: pipes and terminals are opened anew without blocking.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlua::{Lua, LuaString, Result, Table};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::net::{SendFlags, send};

/// How long a text is not repeated.
const PAUSE: Duration = Duration::from_secs(1);

/// Texts that are remembered at most.
const REMEMBERED: usize = 256;

/// Bytes that a pipe takes as a whole or not at all.
const PIECE: usize = 4096;

static LINES: Mutex<Option<Lines>> = Mutex::new(None);

/// Adds `complain` and `print_error` to the module table.
///
/// # Errors
/// When Lua runs out of memory.
pub fn register(lua: &Lua, exports: &Table) -> Result<()> {
    let complain = |_: &Lua, text: LuaString| {
        with_lines(|lines| lines.complain(&text.as_bytes(), Instant::now()));
        Ok(())
    };
    let print_error = |_: &Lua, text: LuaString| {
        with_lines(|lines| lines.write(&text.as_bytes()));
        Ok(())
    };
    exports.set("complain", lua.create_function(complain)?)?;
    exports.set("print_error", lua.create_function(print_error)?)
}

fn with_lines(f: impl FnOnce(&mut Lines)) {
    // A panic in between could at worst have left a wrong count.
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    f(lines.get_or_insert_with(Lines::default));
}

/// What was written lately.
#[derive(Default)]
struct Lines {
    recent: HashMap<Box<[u8]>, Instant>,
    dropped: u64,
    /// The last line was cut off.
    torn: bool,
}

impl Lines {
    /// Writes `jet: text`, at most once a second for each text.
    fn complain(&mut self, text: &[u8], now: Instant) {
        if self.recent.len() >= REMEMBERED {
            self.recent.retain(|_, at| now.duration_since(*at) < PAUSE);
        }
        if self.recent.get(text).is_some_and(|at| now.duration_since(*at) < PAUSE) {
            return;
        }
        if self.recent.len() < REMEMBERED {
            self.recent.insert(text.into(), now);
        }
        self.write(&[b"jet: ", text].concat());
    }

    /// Writes a line, or counts it as dropped.
    fn write(&mut self, text: &[u8]) {
        let mut line = Vec::with_capacity(text.len() + 64);
        if self.torn {
            line.push(b'\n');
        }
        if self.dropped > 0 {
            let lines = if self.dropped == 1 { "line was" } else { "lines were" };
            line.extend_from_slice(
                format!("jet: {} {lines} dropped, as standard error was full\n", self.dropped).as_bytes(),
            );
        }
        line.extend_from_slice(text);
        line.push(b'\n');
        let written = write_line(&line);
        if written == line.len() {
            (self.dropped, self.torn) = (0, false);
        } else {
            self.dropped += 1;
            self.torn |= written > 0;
        }
    }
}

/// Writes as much of a line as standard error takes now. Returns the number of bytes written; all of them if
/// standard error is closed, since nobody can miss the line.
fn write_line(line: &[u8]) -> usize {
    let stderr = io::stderr();
    let fd = stderr.as_fd();
    let Ok(stat) = fstat(fd) else {
        return line.len();
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo | FileType::CharacterDevice => {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            match open("/proc/self/fd/2", flags, Mode::empty()) {
                Ok(own) => pieces(line, |piece| rustix::io::write(&own, piece)),
                // A pipe that nobody reads.
                Err(rustix::io::Errno::NXIO) => 0,
                Err(_) => pieces(line, |piece| write_if_ready(fd, piece)),
            }
        }
        FileType::Socket => pieces(line, |piece| send(fd, piece, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)),
        _ => pieces(line, |piece| rustix::io::write(fd, piece)),
    }
}

/// Hands a line to `write` in pieces until it takes no more. Returns the number of bytes it took.
fn pieces(line: &[u8], write: impl Fn(&[u8]) -> rustix::io::Result<usize>) -> usize {
    let mut taken = 0;
    while taken < line.len() {
        match write(&line[taken..line.len().min(taken + PIECE)]) {
            Ok(0) => break,
            Ok(bytes) => taken += bytes,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    taken
}

/// Writes a piece if poll says that there is room for it.
fn write_if_ready(fd: BorrowedFd<'_>, piece: &[u8]) -> rustix::io::Result<usize> {
    let mut ready = [PollFd::new(&fd, PollFlags::OUT)];
    poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if !ready[0].revents().contains(PollFlags::OUT) {
        return Ok(0);
    }
    rustix::io::write(fd, piece)
}
