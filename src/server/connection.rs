//! The task of one connection: reads what comes, and writes what could not leave at once.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::{Interval, interval_at, sleep, timeout};

use super::hub::Hub;
use super::link::Link;
use crate::daemon::SLICE;
use crate::net::{DEFAULT_CONNECT_TIMEOUT, Error, ErrorKind, ServerConnection};

/// The time limit for the handshakes of TLS and WebSocket, the same as the default of our peer.
const HANDSHAKE_TIMEOUT: Duration = DEFAULT_CONNECT_TIMEOUT;

/// After this many messages of one read their results are sent, so that other peers work on them while the rest is
/// handled. Fewer would cost more in system calls than they gain.
const MESSAGES_BETWEEN_WRITES: usize = 32;

/// The time that a half-closed connection waits for its login. Guesses whose results are not read must not queue.
const LOGIN_PATIENCE: Duration = Duration::from_millis(100);

/// The time for which input of a refused peer is read and dropped. The reason has to arrive in it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves a connection until it ends.
pub async fn serve(mut socket: ServerConnection, hub: Rc<Hub>) {
    let opened = timeout(HANDSHAKE_TIMEOUT, open(&mut socket)).await;
    let first = match opened {
        Ok(first) if socket.is_open() => first,
        Ok(Err(error)) => {
            // In order, so that the answer of a layer arrives.
            socket.close();
            return hub.note_stranger(format!("{} is refused: {error}", socket.name()));
        }
        _ => return hub.note_stranger(format!("{} does not finish the handshake", socket.name())),
    };
    if let Some(notice) = socket.take_notice() {
        hub.note_page(&format!("{} is connected, though {notice}", socket.name()));
    }
    let key = hub.bus().connect();
    let link = Link::new(key, socket);
    hub.add(link.clone());
    let mut task = Task { link, hub, paused: None };
    // Messages may have come with the end of the handshake.
    let turn = match task.hand_over(first) {
        Turn::Done | Turn::More => task.run().await,
        over => over,
    };
    if task.link.socket().is_half_closed() {
        task.finish().await;
    }
    task.hub.remove(key);
    task.link.close();
    if matches!(turn, Turn::Refused) {
        // The time limit is not an error.
        let _ = timeout(DRAIN_TIMEOUT, task.drain()).await;
    }
}

/// Goes through the handshakes. As [`ServerConnection::read`]: messages may have come with their end.
async fn open(socket: &mut ServerConnection) -> Result<bool, Error> {
    let watcher = socket.watcher();
    while !socket.is_open() {
        if watcher.ready(socket.unsent() > 0).await.is_err() {
            return Ok(false);
        }
        socket.flush()?;
        let read = socket.read();
        if socket.is_open() {
            return read;
        }
        read?;
    }
    Ok(false)
}

/// Waits until the next ping is due, forever without an interval.
async fn tick(pings: Option<&mut Interval>) {
    match pings {
        Some(pings) => drop(pings.tick().await),
        None => std::future::pending().await,
    }
}

/// The result of a turn of reading.
enum Turn {
    /// There is no more input now.
    Done,
    /// There may be more input, after other connections have had their turn.
    More,
    /// The connection is over.
    Over,
    /// The peer broke the protocol, and the reason is sent.
    Refused,
}

/// A connection and what only its task needs.
struct Task {
    link: Rc<Link>,
    hub: Rc<Hub>,
    /// A read whose messages are not all handled: their count so far, and the result of the read.
    paused: Option<(usize, Result<bool, Error>)>,
}

impl Task {
    async fn run(&mut self) -> Turn {
        let watcher = self.link.socket().watcher();
        let period = self.link.socket().ping_interval();
        let mut pings = period.map(|period| interval_at(tokio::time::Instant::now() + period, period));
        while !self.link.is_ended() {
            let turn = match self.paused.take() {
                Some((next, result)) => self.go_on(next, result),
                None => {
                    let is_blocked = self.link.socket().unsent() > 0;
                    let is_full = self.hub.bus().is_full(self.link.key());
                    let ready = tokio::select! {
                        ready = watcher.ready(is_blocked), if !is_full => ready,
                        () = self.link.changed() => continue,
                        () = tick(pings.as_mut()) => {
                            if self.link.socket().ping().is_err() {
                                return Turn::Over;
                            }
                            continue;
                        }
                    };
                    let Ok(ready) = ready else { return Turn::Over };
                    if ready.writable && is_blocked {
                        self.link.flush(&mut self.hub.bus());
                        self.hub.touched();
                    }
                    if !ready.readable {
                        continue;
                    }
                    self.read()
                }
            };
            match turn {
                Turn::Done => {}
                Turn::More => self.hub.let_others_read().await,
                over => return over,
            }
        }
        Turn::Over
    }

    /// Waits until all answers owed to a half-closed connection are sent, or it has broken.
    async fn finish(&self) {
        let (link, hub, key) = (&self.link, &self.hub, self.link.key());
        let watcher = link.socket().watcher();
        let login = sleep(LOGIN_PATIENCE);
        tokio::pin!(login);
        link.finish();
        while !link.is_ended() {
            let (is_owed, is_logging_in) = {
                let mut bus = hub.bus();
                bus.end_input(key);
                let is_owed = bus.is_owed(key) || bus.is_waiting(key) || !bus.unsent(key).is_empty();
                (is_owed, bus.is_logging_in(key))
            };
            let is_blocked = link.socket().unsent() > 0;
            if !is_owed && !is_blocked {
                return;
            }
            hub.touched();
            tokio::select! {
                ready = watcher.writable(), if is_blocked => match ready {
                    Ok(()) => link.flush(&mut hub.bus()),
                    Err(_) => return,
                },
                () = link.changed() => {}
                () = &mut login, if is_logging_in => return,
            }
        }
    }

    /// Reads and drops what a refused peer still sends. Closing a socket with unread input would reset it, and the reset
    /// can overtake the reason.
    async fn drain(&self) {
        let watcher = self.link.socket().watcher();
        while watcher.ready(false).await.is_ok() && self.link.socket().discard() {
            tokio::task::yield_now().await;
        }
    }

    fn read(&mut self) -> Turn {
        let result = self.link.socket().read();
        self.hand_over(result)
    }

    /// Hands the messages that were read to the bus, then returns what the result of reading means.
    fn hand_over(&mut self, result: Result<bool, Error>) -> Turn {
        self.go_on(0, result)
    }

    /// Hands over the messages from number `next` on. If they cost more than a slice of work, other connections have
    /// their turn before the rest.
    fn go_on(&mut self, mut next: usize, result: Result<bool, Error>) -> Turn {
        let (link, hub) = (&self.link, &self.hub);
        let now = Instant::now();
        let end = hub.bus().spent() + SLICE;
        let count = link.socket().messages().len();
        for first in (next..count).step_by(MESSAGES_BETWEEN_WRITES) {
            if first > 0 {
                hub.flush();
            }
            for message in link.socket().messages().skip(first).take(MESSAGES_BETWEEN_WRITES) {
                if hub.bus().spent() >= end {
                    self.paused = Some((next, result));
                    hub.touched();
                    return Turn::More;
                }
                next += 1;
                // Old peers send empty messages to keep a connection alive.
                if !message.is_empty() {
                    hub.bus().receive(link.key(), message, now);
                }
            }
        }
        link.socket().release();
        hub.touched();
        match result {
            Ok(false) => Turn::Done,
            Ok(true) => Turn::More,
            Err(error) if error.kind() != ErrorKind::Protocol => Turn::Over,
            Err(error) => {
                let mut bus = hub.bus();
                bus.refuse_frame(link.key(), &error.to_string());
                link.flush(&mut bus);
                Turn::Refused
            }
        }
    }
}
