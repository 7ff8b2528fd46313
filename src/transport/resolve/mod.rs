//! Looking up host names without blocking and without a thread: the C library's own look-up can
//! do neither. Reads the same files, asks the same name servers.
//!
//! Files: `config` what the machine's files say, `message` DNS messages. Names ending in `.local` are
//! asked of the devices themselves first (multicast DNS, one-shot as RFC 6762, section 5.1, has it).
//! What is not done: other sources of nsswitch.conf (LDAP and the like), and DNS over TCP.

mod config;
mod message;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

pub use config::ResolverFiles;
use config::Servers;
use message::{Answer, Family};

use super::error::{Error, ErrorKind};
use super::retired::Retired;

/// The wait for the first reply. A name server on the way answers in milliseconds; a lost packet
/// should not cost the five seconds that resolv.conf means by default. Doubles in every round.
const FIRST_TRY: Duration = Duration::from_secs(1);

/// How long to wait for the other family when one has addresses or has failed (RFC 8305, section 3, says 50 ms
/// for browsers; here nobody is looking, and servers that never answer AAAA are the exception).
const OTHER_FAMILY: Duration = Duration::from_millis(200);

/// Replies are no larger without EDNS, which we do not ask for: old routers choke on it.
const MAX_REPLY: usize = 512;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

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

/// One name asked of one server.
#[derive(Debug)]
struct Query {
    socket: UdpSocket,
    questions: [Vec<u8>; 2],
    answers: [Option<Answer>; 2],
    until: Instant,
}

/// What a query has come to.
#[derive(Debug)]
enum Outcome {
    Waiting,
    Found(Vec<IpAddr>),
    NotThisName,
    NotThisServer(&'static str),
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
                match query.outcome(now) {
                    Outcome::Waiting => return Ok(None),
                    Outcome::Found(addresses) => return Ok(Some(addresses)),
                    Outcome::NotThisName => self.next_candidate(),
                    Outcome::NotThisServer(problem) => self.problem = Some(problem),
                }
            }
            if let Some(query) = self.query.take() {
                retired.keep(query.socket);
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
        let until = (now + patience).min(self.deadline);
        match Query::send(name, server, self.multicast == Some(server), until) {
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
            retired.keep(query.socket);
        }
    }

    /// The socket to watch for 'readable'.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.query.as_ref().map(|query| query.socket.as_fd())
    }

    /// When to call [`drive`](Self::drive) even if nothing happens.
    pub fn deadline(&self) -> Instant {
        self.query.as_ref().map_or(self.deadline, |query| query.until)
    }
}

impl Query {
    /// Asks `server`. If it is a `group`, anybody may answer.
    fn send(name: &str, server: SocketAddr, group: bool, until: Instant) -> io::Result<Query> {
        // A socket of its own for each query, so that the port is as unpredictable as the id.
        let any =
            if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        if !group {
            // Replies of others are filtered, and a dead server is noticed at once.
            socket.connect(server)?;
        }
        let mut ids = [0; 4];
        rustix::rand::getrandom(&mut ids[..], rustix::rand::GetRandomFlags::empty())?;
        let ids = [[ids[0], ids[1]], [ids[2], ids[3]]].map(u16::from_be_bytes);
        let question = |n: usize| {
            // Not refused: only names that make a question are candidates.
            message::question(ids[n], name, FAMILIES[n]).ok_or(io::Error::from(io::ErrorKind::InvalidInput))
        };
        let questions = [question(0)?, question(1)?];
        for question in &questions {
            if group {
                socket.send_to(question, server)?;
            } else {
                socket.send(question)?;
            }
        }
        Ok(Query { socket, questions, answers: [None, None], until })
    }

    fn outcome(&mut self, now: Instant) -> Outcome {
        if let Err(error) = self.receive() {
            return Outcome::NotThisServer(match error.kind() {
                io::ErrorKind::ConnectionRefused => "nothing answers at the name server",
                _ => "cannot reach the name server",
            });
        }
        // "No such name" holds for both families.
        let complete =
            self.answers.iter().all(Option::is_some) || self.answers.contains(&Some(Answer::NoSuchName));
        if !complete && now < self.until {
            if self.has_addresses() || self.answers.contains(&Some(Answer::Failure)) {
                self.until = self.until.min(now + OTHER_FAMILY);
            }
            return Outcome::Waiting;
        }
        self.conclude()
    }

    /// Takes all replies that have come.
    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; MAX_REPLY];
        loop {
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            for (question, slot) in self.questions.iter().zip(&mut self.answers) {
                if slot.is_none() {
                    *slot = message::answer(&buffer[..length], question);
                }
            }
        }
    }

    fn has_addresses(&self) -> bool {
        let filled =
            |answer: &Option<Answer>| matches!(answer, Some(Answer::Addresses(list)) if !list.is_empty());
        self.answers.iter().any(filled)
    }

    /// What the answers say when no more are waited for.
    fn conclude(&mut self) -> Outcome {
        let lists = self.answers.each_mut().map(|answer| match answer {
            Some(Answer::Addresses(list)) => std::mem::take(list),
            _ => Vec::new(),
        });
        let found = alternating(lists);
        if !found.is_empty() {
            Outcome::Found(found)
        } else if self.answers.contains(&Some(Answer::Failure)) {
            Outcome::NotThisServer("the name server fails")
        } else if self.answers.contains(&Some(Answer::NoSuchName)) || self.answers.iter().all(Option::is_some)
        {
            Outcome::NotThisName
        } else {
            Outcome::NotThisServer("no answer from the name server")
        }
    }
}

/// Both families in turn, IPv4 first: where one family leads nowhere, that costs one attempt.
fn alternating([v4, v6]: [Vec<IpAddr>; 2]) -> Vec<IpAddr> {
    let length = v4.len().max(v6.len());
    (0..length).flat_map(|n| [v4.get(n), v6.get(n)]).flatten().copied().collect()
}
