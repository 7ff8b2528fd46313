//! One name asked of one name server, for both families: by datagrams, and over TCP what is too
//! long for them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::super::lingering_fd::Retired;
use super::super::wait::Interest;
use super::message::{self, Answer, Family};
use super::stream::Stream;

/// How long to wait for the other family when one has addresses or has failed (RFC 8305, section 3, says 50 ms
/// for browsers; here nobody is looking, and servers that never answer AAAA are the exception).
const OTHER_FAMILY: Duration = Duration::from_millis(200);

/// Replies by datagram are no larger without EDNS, which we do not ask for: old routers choke on it.
const MAX_REPLY: usize = 512;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether anybody may answer who listens there.
    pub is_group: bool,
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a reply, by datagram and then over TCP.
    pub each: Duration,
    /// For all of it.
    pub until: Instant,
}

/// One name asked of one server.
#[derive(Debug)]
pub(super) struct Query {
    link: Link,
    server: Server,
    questions: [Vec<u8>; 2],
    answers: [Option<Answer>; 2],
    until: Instant,
    patience: Patience,
    /// TCP was tried and does not go on.
    is_over: bool,
}

#[derive(Debug)]
enum Link {
    Datagrams(UdpSocket),
    Stream(Stream),
}

/// What a query has come to.
#[derive(Debug)]
pub(super) enum Outcome {
    Waiting,
    Found(Vec<IpAddr>),
    NotThisName,
    NotThisServer(&'static str),
}

impl Query {
    /// Asks `server`.
    ///
    /// # Errors
    /// It cannot be reached, or the system has no sockets or random numbers.
    pub fn send(name: &str, server: Server, patience: Patience, now: Instant) -> io::Result<Query> {
        // A socket of its own for each query, so that the port is as unpredictable as the id.
        let any = match server.address {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        if !server.is_group {
            // Replies of others are filtered, and a dead server is noticed at once.
            socket.connect(server.address)?;
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
            if server.is_group {
                socket.send_to(question, server.address)?;
            } else {
                socket.send(question)?;
            }
        }
        let until = (now + patience.each).min(patience.until);
        let (link, answers) = (Link::Datagrams(socket), [None, None]);
        Ok(Query { link, server, questions, answers, until, patience, is_over: false })
    }

    /// Goes on as far as it can now.
    pub fn outcome(&mut self, now: Instant, retired: &mut Retired) -> Outcome {
        if let Err(error) = self.receive() {
            return Outcome::NotThisServer(match error.kind() {
                io::ErrorKind::ConnectionRefused => "nothing answers at the name server",
                _ => "cannot reach the name server",
            });
        }
        if self.is_cut_short() && matches!(self.link, Link::Datagrams(_)) && !self.server.is_group {
            self.turn_to_tcp(now, retired);
        }
        if !self.is_complete() && now < self.until {
            if self.has_addresses() || self.answers.contains(&Some(Answer::Failure)) {
                self.until = self.until.min(now + OTHER_FAMILY);
            }
            return Outcome::Waiting;
        }
        self.conclude()
    }

    /// Asks again over TCP what has not been answered in full. If that cannot be, what there is
    /// has to do.
    fn turn_to_tcp(&mut self, now: Instant, retired: &mut Retired) {
        let open = |answer: &Option<Answer>| matches!(answer, None | Some(Answer::CutShort(_)));
        let questions = self.questions.iter().zip(&self.answers).filter(|(_, answer)| open(answer));
        let Ok(stream) = Stream::ask(self.server.address, questions.map(|(question, _)| question)) else {
            self.is_over = true;
            return;
        };
        retired.keep(std::mem::replace(&mut self.link, Link::Stream(stream)));
        self.until = (now + self.patience.each).min(self.patience.until);
        self.receive_stream();
    }

    /// Takes all replies that have come.
    fn receive(&mut self) -> io::Result<()> {
        let Link::Datagrams(socket) = &self.link else {
            self.receive_stream();
            return Ok(());
        };
        let mut buffer = [0; MAX_REPLY];
        loop {
            let length = match socket.recv(&mut buffer) {
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

    fn receive_stream(&mut self) {
        let Link::Stream(stream) = &mut self.link else { return };
        let (questions, answers) = (&self.questions, &mut self.answers);
        let driven = stream.drive(|reply| {
            for (question, slot) in questions.iter().zip(answers.iter_mut()) {
                match message::answer(reply, question) {
                    // There is no longer form to ask for.
                    Some(Answer::CutShort(list)) if list.is_empty() => *slot = Some(Answer::Failure),
                    Some(Answer::CutShort(list)) => *slot = Some(Answer::Addresses(list)),
                    Some(answer) => *slot = Some(answer),
                    None => {}
                }
            }
        });
        self.is_over = driven.is_err();
    }

    fn is_cut_short(&self) -> bool {
        self.answers.iter().flatten().any(|answer| matches!(answer, Answer::CutShort(_)))
    }

    /// Whether nothing is to be expected any more. "No such name" holds for both families.
    fn is_complete(&self) -> bool {
        let is_final = |answer: &Option<Answer>| match answer {
            None => false,
            Some(Answer::CutShort(_)) => self.server.is_group,
            Some(_) => true,
        };
        self.is_over || self.answers.iter().all(is_final) || self.answers.contains(&Some(Answer::NoSuchName))
    }

    fn has_addresses(&self) -> bool {
        let filled =
            |answer: &Option<Answer>| matches!(answer, Some(Answer::Addresses(list)) if !list.is_empty());
        self.answers.iter().any(filled)
    }

    /// What the answers say when no more are waited for.
    fn conclude(&mut self) -> Outcome {
        let is_cut_short = self.is_cut_short();
        let lists = self.answers.each_mut().map(|answer| match answer {
            Some(Answer::Addresses(list) | Answer::CutShort(list)) => std::mem::take(list),
            _ => Vec::new(),
        });
        let found = alternating(lists);
        if !found.is_empty() {
            Outcome::Found(found)
        } else if is_cut_short {
            Outcome::NotThisServer("the name server's answer is long, and it gives none over TCP")
        } else if self.answers.contains(&Some(Answer::Failure)) {
            Outcome::NotThisServer("the name server fails")
        } else if self.answers.contains(&Some(Answer::NoSuchName)) || self.answers.iter().all(Option::is_some)
        {
            Outcome::NotThisName
        } else {
            Outcome::NotThisServer("no answer from the name server")
        }
    }

    /// What to watch the [descriptor](AsFd::as_fd) for.
    pub fn wants(&self) -> Interest {
        match &self.link {
            Link::Datagrams(_) => Interest { read: true, write: false },
            Link::Stream(stream) => stream.wants(),
        }
    }

    /// When to go on even if nothing happens.
    pub fn until(&self) -> Instant {
        self.until
    }
}

impl AsFd for Query {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.link {
            Link::Datagrams(socket) => socket.as_fd(),
            Link::Stream(stream) => stream.as_fd(),
        }
    }
}

impl From<Query> for OwnedFd {
    fn from(query: Query) -> OwnedFd {
        query.link.into()
    }
}

impl From<Link> for OwnedFd {
    fn from(link: Link) -> OwnedFd {
        match link {
            Link::Datagrams(socket) => socket.into(),
            Link::Stream(stream) => stream.into(),
        }
    }
}

/// Both families in turn, IPv4 first: where one family leads nowhere, that costs one attempt.
fn alternating([v4, v6]: [Vec<IpAddr>; 2]) -> Vec<IpAddr> {
    let length = v4.len().max(v6.len());
    (0..length).flat_map(|n| [v4.get(n), v6.get(n)]).flatten().copied().collect()
}
