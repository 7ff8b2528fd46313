//! Looking up host names without blocking and without a thread: the C library's own look-up can
//! do neither. Reads the same files, asks the same name servers.
//!
//! Files: `config` what the machine's files say, `query` one name asked of one server, `stream` over
//! TCP, `message` DNS messages. Names ending in `.local` are asked of the devices themselves first
//! (multicast DNS, one-shot as RFC 6762, section 5.1, has it). What is not done: other sources of
//! nsswitch.conf (LDAP and the like).

mod config;
mod message;
mod query;
mod stream;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

pub use config::ResolverFiles;
use config::Servers;
use message::Family;
use query::{Outcome, Patience, Query, Server};

use super::error::{Error, ErrorKind};
use super::lingering_fd::Retired;
use super::wait::Interest;

/// The wait for the first reply. A name server on the way answers in milliseconds; a lost packet
/// should not cost the five seconds that resolv.conf means by default. Doubles in every round.
const FIRST_TRY: Duration = Duration::from_secs(1);

/// One name being looked up.
#[derive(Debug)]
pub(super) struct Lookup {
    host: String,
    servers: Servers,
    /// The one of `servers` for which anybody may answer.
    multicast: Option<SocketAddr>,
    candidates: VecDeque<String>,
    /// Tries begun for the first candidate.
    tries: u32,
    query: Option<Query>,
    problem: Option<&'static str>,
    deadline: Instant,
}

/// The beginning of a look-up, or its end if the hosts file knows the name.
#[derive(Debug)]
pub(super) enum Begun {
    Known(Vec<IpAddr>),
    Lookup(Box<Lookup>),
}

/// Refuses what can be no host name.
///
/// # Errors
/// [`ErrorKind::Options`].
pub(super) fn check(host: &str) -> Result<(), Error> {
    match message::question(0, host, Family::V4) {
        Some(_) => Ok(()),
        None => Err(Error::new(ErrorKind::Options, format!("'{host}' is no host name"))),
    }
}

/// Whether the devices of the local network are to be asked.
fn is_local(host: &str) -> bool {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase().ends_with(".local")
}

/// Begins to look up `host`.
///
/// # Errors
/// [`ErrorKind::Options`] if it can be no host name.
pub(super) fn begin(host: &str, files: &ResolverFiles, deadline: Instant) -> Result<Begun, Error> {
    check(host)?;
    let known = config::hosts(&files.hosts, host);
    if !known.is_empty() {
        return Ok(Begun::Known(known));
    }
    let mut servers = Servers::read(&files.resolv_conf);
    let multicast = is_local(host).then_some(files.multicast);
    servers.addresses.splice(0..0, multicast);
    // A search domain can be nonsense too.
    let askable = |name: &String| message::question(0, name, Family::V4).is_some();
    let candidates = servers.candidates(host).into_iter().filter(askable).collect();
    let host = host.to_owned();
    let lookup =
        Lookup { host, servers, multicast, candidates, tries: 0, query: None, problem: None, deadline };
    Ok(Begun::Lookup(Box::new(lookup)))
}

impl Lookup {
    /// Goes on as far as it can now. `None`: no answer yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] if there is no such name or nobody to ask.
    pub fn drive(&mut self, now: Instant, retired: &mut Retired) -> Result<Option<Vec<IpAddr>>, Error> {
        loop {
            if let Some(query) = &mut self.query {
                match query.outcome(now, retired) {
                    Outcome::Waiting => return Ok(None),
                    Outcome::Found(addresses) => return Ok(Some(addresses)),
                    Outcome::NotThisName => self.next_candidate(),
                    Outcome::NotThisServer(problem) => self.problem = Some(problem),
                }
            }
            if let Some(query) = self.query.take() {
                retired.keep(query);
            }
            self.ask(now)?;
        }
    }

    fn next_candidate(&mut self) {
        self.candidates.pop_front();
        self.tries = 0;
    }

    /// Asks the next server, or for the next name when all have been asked.
    fn ask(&mut self, now: Instant) -> Result<(), Error> {
        if now >= self.deadline {
            return Err(self.error());
        }
        let count = self.servers.addresses.len() as u32;
        if self.tries >= count * self.servers.attempts {
            self.next_candidate();
        }
        let Some(name) = self.candidates.front() else {
            return Err(self.error());
        };
        let server = self.servers.addresses[(self.tries % count) as usize];
        let round = self.tries / count;
        let patience = (FIRST_TRY * (1 << round)).min(self.servers.longest_try);
        self.tries += 1;
        let server = Server { address: server, is_group: self.multicast == Some(server) };
        match Query::send(name, server, Patience { each: patience, until: self.deadline }, now) {
            Ok(query) => self.query = Some(query),
            Err(_) => self.problem = Some("cannot reach the name server"),
        }
        Ok(())
    }

    fn error(&self) -> Error {
        let Some(problem) = self.problem else {
            return Error::new(ErrorKind::Unreachable, format!("host name not found ({})", self.host));
        };
        let asked: Vec<String> =
            self.servers.addresses.iter().map(|server| server.ip().to_string()).collect();
        let text = format!("cannot look up {}: {problem} ({})", self.host, asked.join(", "));
        Error::new(ErrorKind::Unreachable, text)
    }

    /// Gives up the socket.
    pub fn retire(self, retired: &mut Retired) {
        if let Some(query) = self.query {
            retired.keep(query);
        }
    }

    /// The socket to watch.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.query.as_ref().map(AsFd::as_fd)
    }

    /// What to watch it for.
    pub fn wants(&self) -> Interest {
        self.query.as_ref().map(Query::wants).unwrap_or_default()
    }

    /// When to call [`drive`](Self::drive) even if nothing happens.
    pub fn deadline(&self) -> Instant {
        self.query.as_ref().map_or(self.deadline, Query::until)
    }
}
