//! The log of a bus: lines with a level, and the messages of peers that are debugged.

use std::borrow::Cow;
use std::fmt;

use crate::wire::latin1::shown_up_to;

/// Longest line in characters. Foreign text in it is much shorter.
const MAX_LINE: usize = 2000;

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something was given up.
    Crit,
    /// Somebody did something odd, came or went.
    Info,
    /// The messages of a peer that asked for it.
    Debug,
}

impl Level {
    /// The name that Lua programs know.
    pub fn name(self) -> &'static str {
        match self {
            Level::Crit => "crit",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// One line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What happened; the JSON of a message of a peer that is debugged.
    pub text: String,
    /// Whose message it is, if it is one.
    pub traffic: Option<Traffic>,
}

/// The way of a message that is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The name of the peer.
    pub peer: String,
    /// Whether the message came from it; else it goes there.
    pub received: bool,
}

impl Traffic {
    /// The way as the log shows it.
    pub fn arrow(&self) -> &'static str {
        if self.received { "->" } else { "<-" }
    }
}

impl LogLine {
    /// A line that is no message of a peer. Characters that would make it two lines, or begin an escape code,
    /// are escaped.
    pub fn new(level: Level, text: String) -> LogLine {
        let text = match shown_up_to(&text, MAX_LINE) {
            Cow::Borrowed(_) => text,
            Cow::Owned(safe) => safe,
        };
        LogLine { level, text, traffic: None }
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.traffic {
            Some(traffic) => write!(f, "{} {} {}", traffic.peer, traffic.arrow(), self.text),
            None => f.write_str(&self.text),
        }
    }
}
