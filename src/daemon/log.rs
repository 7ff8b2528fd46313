//! [`Log`]: the log lines of a bus. A line has a level, and may be a message of a peer that is debugged.

use std::borrow::Cow;
use std::fmt;
use std::time::Instant;

use slotmap::SecondaryMap;

use crate::util::deadlines::Deadlines;
use crate::wire::latin1::shown_up_to;

use super::keys::ClientKey;
use super::log_quota::{Decision, Quota};
use super::redact::on_one_line;

/// Maximum length of a line in characters. Text of peers in it is cut much earlier.
const MAX_LINE: usize = 2000;

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A connection was closed, or a message or log lines were dropped.
    Crit,
    /// A connection opened or closed, or a peer did something unusual.
    Info,
    /// A message of a peer that is debugged.
    Debug,
}

impl Level {
    /// Returns the name that Lua programs compare.
    pub fn name(self) -> &'static str {
        match self {
            Level::Crit => "crit",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The level.
    pub level: Level,
    /// The text, or the JSON of a message of a peer that is debugged.
    pub text: String,
    /// The peer and direction of the message, if it is one.
    pub traffic: Option<Traffic>,
}

/// The peer and direction of a logged message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The name of the peer.
    pub peer: String,
    /// Whether the peer sent the message. Otherwise it is sent to the peer.
    pub received: bool,
}

impl Traffic {
    /// Returns the direction as an arrow.
    pub fn arrow(&self) -> &'static str {
        if self.received { "->" } else { "<-" }
    }
}

impl LogLine {
    /// Returns a line that is no message of a peer. Characters that start another line or an escape sequence are
    /// escaped.
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

/// The log lines that have not been taken, and the quotas of connections.
#[derive(Debug)]
pub struct Log {
    lines: Vec<LogLine>,
    now: Instant,
    quotas: SecondaryMap<ClientKey, Quota>,
    /// The lines about connections that are not on the bus.
    strangers: Quota,
    /// The connections of which lines were suppressed. `None` stands for those that are not on the bus.
    summaries: Deadlines<Option<ClientKey>>,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            lines: Vec::new(),
            now: Instant::now(),
            quotas: SecondaryMap::new(),
            strangers: Quota::default(),
            summaries: Deadlines::default(),
        }
    }
}

impl Log {
    /// Sets the time of the lines to come.
    pub fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// Logs a line whatever the quotas are.
    pub fn push(&mut self, level: Level, text: String) {
        self.lines.push(LogLine::new(level, text));
    }

    /// Logs a line about a connection, unless its quota is used up. `None` stands for all connections that are not on
    /// the bus.
    pub fn push_about(&mut self, client: Option<ClientKey>, level: Level, text: String) {
        let now = self.now;
        match self.quota(client).map_or(Decision::Log, |quota| quota.decide(now)) {
            Decision::Log => self.push(level, text),
            Decision::Suppress(due) => {
                let quotas = &self.quotas;
                let is_live = |client: &Option<ClientKey>| client.is_none_or(|key| quotas.contains_key(key));
                self.summaries.set(due, client, quotas.len() + 1, is_live);
            }
            Decision::Count => {}
        }
    }

    /// Logs a message of a peer, without passwords.
    pub fn push_traffic(&mut self, peer: &str, received: bool, json: &str) {
        let traffic = Some(Traffic { peer: peer.to_owned(), received });
        self.lines.push(LogLine { level: Level::Debug, text: on_one_line(json), traffic });
    }

    /// Returns the time when [`pop_due`](Self::pop_due) has something.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.summaries.next()
    }

    /// Removes and returns a connection whose suppressed lines have to be summarised.
    pub fn pop_due(&mut self) -> Option<Option<ClientKey>> {
        self.summaries.pop_due(self.now)
    }

    /// Logs how many lines about a connection were suppressed, if any.
    pub fn summarise(&mut self, client: Option<ClientKey>, title: &str) {
        let suppressed = self.quota(client).map_or(0, Quota::restart);
        if suppressed > 0 {
            self.push(Level::Info, format!("{suppressed} more lines about {title}"));
        }
    }

    /// Forgets the quota of a connection that is gone.
    pub fn forget(&mut self, client: ClientKey) {
        self.quotas.remove(client);
    }

    /// Removes and returns all lines.
    pub fn take(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.lines)
    }

    /// Returns the quota of a connection, unless the key is older than another connection's that is known.
    fn quota(&mut self, client: Option<ClientKey>) -> Option<&mut Quota> {
        match client {
            Some(client) => self.quotas.entry(client).map(|entry| entry.or_default()),
            None => Some(&mut self.strangers),
        }
    }
}
