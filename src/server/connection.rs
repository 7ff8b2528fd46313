//! One connection: reading what comes, writing what the bus has for it.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{interval_at, sleep, timeout};

use super::hub::Core;
use crate::daemon::SLICE;
use crate::daemon::{Bus, ClientKey};
use crate::net::{Error, ErrorKind, Served};
use crate::wire::encoding::Encoding;

/// How long a peer has for the handshakes of TLS and WebSocket. As long as it waits for them itself.
const HANDSHAKE_TIMEOUT: Duration = crate::net::DEFAULT_CONNECT_TIMEOUT;

/// How often peers on WebSockets are pinged, as other daemons do: it keeps proxies from giving an idle
/// connection up.
const PING_EVERY: Duration = Duration::from_secs(5);

/// After so many messages of one read what they led to is sent, so that the others work on it while the
/// rest is handled. Fewer would cost more in system calls than they gain.
const MESSAGES_BETWEEN_WRITES: usize = 32;

/// How long a half-closed connection waits for its login. Guesses that nobody waits for must not queue.
const LOGIN_PATIENCE: Duration = Duration::from_millis(100);

/// How long what a refused peer still sends is read. It is the time in which the reason has to arrive.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection of the daemon's.
pub struct Connection {
    pub key: ClientKey,
    served: RefCell<Served>,
    /// Empty between writes; its memory goes round between bus and socket.
    frames: RefCell<Vec<u8>>,
    /// How many messages of the last read the bus has got, and how that read ended, if not all yet.
    paused: RefCell<Option<(usize, Result<bool, Error>)>>,
    ended: Cell<bool>,
    /// Whether the peer has half-closed it and gets what it is owed before the end.
    finishing: Cell<bool>,
    /// What it waits for and nobody else does.
    job: RefCell<Option<AbortHandle>>,
    /// Wakes the task because there is something unsent, or it has ended.
    changed: Notify,
}

/// What a turn of reading came to.
enum Turn {
    /// There is no more input now.
    Done,
    /// There may be more, but others have their turn first.
    More,
    /// The connection is over.
    Over,
    /// The peer broke the protocol and is told so.
    Refused,
}

impl Connection {
    /// Serves a connection until it ends.
    pub async fn serve(mut served: Served, core: Rc<Core>) {
        let opened = timeout(HANDSHAKE_TIMEOUT, open(&mut served)).await;
        let first = match opened {
            Ok(first) if served.is_open() => first,
            Ok(Err(error)) => {
                // In order: what a layer has answered shall arrive.
                served.close();
                return core.note_stranger(format!("{} is refused: {error}", served.name()));
            }
            _ => return core.note_stranger(format!("{} does not finish the handshake", served.name())),
        };
        if let Some(notice) = served.take_notice() {
            core.note_page(&format!("{} is connected, though {notice}", served.name()));
        }
        let key = core.bus.borrow_mut().connect();
        let connection = Rc::new(Connection {
            key,
            served: RefCell::new(served),
            frames: RefCell::default(),
            paused: RefCell::default(),
            ended: Cell::new(false),
            finishing: Cell::new(false),
            job: RefCell::default(),
            changed: Notify::new(),
        });
        core.add(connection.clone());
        // Messages may have come with the end of the handshake.
        let turn = match connection.hand_over(&core, first) {
            Turn::Done | Turn::More => connection.run(&core).await,
            over => over,
        };
        if connection.served.borrow().is_half_closed() {
            connection.finish(&core).await;
        }
        core.remove(key);
        connection.close();
        if matches!(turn, Turn::Refused) {
            // Ignores what takes too long.
            let _ = timeout(DRAIN_TIMEOUT, connection.drain()).await;
        }
    }

    async fn run(&self, core: &Core) -> Turn {
        let watcher = self.served.borrow().watcher();
        let is_websocket = self.served.borrow().is_websocket();
        let mut pings = interval_at(tokio::time::Instant::now() + PING_EVERY, PING_EVERY);
        while !self.ended.get() {
            let paused = self.paused.take();
            let turn = match paused {
                Some((next, result)) => self.go_on(core, next, result),
                None => {
                    let is_blocked = self.served.borrow().unsent() > 0;
                    let is_full = core.bus.borrow().is_full(self.key);
                    let ready = tokio::select! {
                        ready = watcher.ready(is_blocked), if !is_full => ready,
                        () = self.changed.notified() => continue,
                        _ = pings.tick(), if is_websocket => {
                            if self.served.borrow_mut().ping().is_err() {
                                return Turn::Over;
                            }
                            continue;
                        }
                    };
                    let Ok(ready) = ready else { return Turn::Over };
                    if ready.writable && is_blocked {
                        self.flush(&mut core.bus.borrow_mut());
                        core.touched();
                    }
                    if !ready.readable {
                        continue;
                    }
                    self.read(core)
                }
            };
            match turn {
                Turn::Done => {}
                Turn::More => core.let_others_read().await,
                over => return over,
            }
        }
        Turn::Over
    }

    /// Waits until a half-closed connection has got all answers that it is owed, or has broken.
    async fn finish(&self, core: &Core) {
        let watcher = self.served.borrow().watcher();
        let login = sleep(LOGIN_PATIENCE);
        tokio::pin!(login);
        self.finishing.set(true);
        while !self.ended.get() {
            let (is_owed, is_logging_in) = {
                let mut bus = core.bus.borrow_mut();
                bus.end_input(self.key);
                let is_owed =
                    bus.is_owed(self.key) || bus.is_waiting(self.key) || !bus.unsent(self.key).is_empty();
                (is_owed, bus.is_logging_in(self.key))
            };
            let is_blocked = self.served.borrow().unsent() > 0;
            if !is_owed && !is_blocked {
                return;
            }
            core.touched();
            tokio::select! {
                ready = watcher.writable(), if is_blocked => match ready {
                    Ok(()) => self.flush(&mut core.bus.borrow_mut()),
                    Err(_) => return,
                },
                () = self.changed.notified() => {}
                () = &mut login, if is_logging_in => return,
            }
        }
    }

    /// Reads what a refused peer still sends. Closing a socket with unread input would reset it, and the reset
    /// can overtake the reason.
    async fn drain(&self) {
        let watcher = self.served.borrow().watcher();
        while watcher.ready(false).await.is_ok() && self.served.borrow_mut().discard() {
            tokio::task::yield_now().await;
        }
    }

    fn read(&self, core: &Core) -> Turn {
        let result = self.served.borrow_mut().read();
        self.hand_over(core, result)
    }

    /// Hands the messages that were read to the bus, then looks how reading ended.
    fn hand_over(&self, core: &Core, result: Result<bool, Error>) -> Turn {
        self.go_on(core, 0, result)
    }

    /// Hands over the messages from the one with the number `next` on. Where they give the bus more than a slice of
    /// work, others have their turn before the rest.
    fn go_on(&self, core: &Core, mut next: usize, result: Result<bool, Error>) -> Turn {
        let now = Instant::now();
        let end = core.bus.borrow().spent() + SLICE;
        let count = self.served.borrow().messages().len();
        for first in (next..count).step_by(MESSAGES_BETWEEN_WRITES) {
            if first > 0 {
                core.flush();
            }
            for message in self.served.borrow().messages().skip(first).take(MESSAGES_BETWEEN_WRITES) {
                if core.bus.borrow().spent() >= end {
                    self.paused.replace(Some((next, result)));
                    core.touched();
                    return Turn::More;
                }
                next += 1;
                // An empty one is an old way to keep a connection alive.
                if !message.is_empty() {
                    core.bus.borrow_mut().receive(self.key, message, now);
                }
            }
        }
        self.served.borrow_mut().release();
        core.touched();
        match result {
            Ok(false) => Turn::Done,
            Ok(true) => Turn::More,
            Err(error) => {
                if error.kind() != ErrorKind::Protocol {
                    return Turn::Over;
                }
                let mut bus = core.bus.borrow_mut();
                bus.refuse_frame(self.key, &error.to_string());
                self.flush(&mut bus);
                Turn::Refused
            }
        }
    }

    /// Sends what the bus has for this connection, as far as the socket takes it. While it does not,
    /// the rest stays with the bus, where it counts towards the limit.
    pub fn flush(&self, bus: &mut Bus) {
        let mut served = self.served.borrow_mut();
        let mut result = served.flush();
        // More than once only where the encoding changes.
        while result.is_ok() && served.unsent() == 0 && !bus.unsent(self.key).is_empty() {
            let mut frames = self.frames.borrow_mut();
            served.set_binary(bus.unsent_encoding(self.key) == Encoding::Msgpack);
            bus.take_unsent(self.key, &mut frames);
            result = served.write(&mut frames);
        }
        match result {
            // The reading side hears of it as well.
            Err(_) => self.end(),
            Ok(()) if served.unsent() > 0 || self.finishing.get() => self.changed.notify_one(),
            Ok(()) => {}
        }
    }

    /// Has the task end the connection.
    pub fn end(&self) {
        self.ended.set(true);
        self.wake();
    }

    /// Has the task look again at what it waits for.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Notes what ends with the connection.
    pub fn set_job(&self, job: Option<AbortHandle>) {
        self.job.replace(job);
    }

    /// Who it is, for the log.
    pub fn name(&self) -> String {
        self.served.borrow().name().to_owned()
    }

    /// Where it comes from; none for Unix sockets.
    pub fn address(&self) -> Option<IpAddr> {
        self.served.borrow().name().parse().ok().map(|address: SocketAddr| address.ip())
    }

    /// Ends it in order; what the socket takes at once is still sent.
    pub fn close(&self) {
        self.job.take().into_iter().for_each(|job| job.abort());
        self.served.borrow_mut().close();
    }
}

/// Goes through the handshakes. As [`Served::read`]; messages may have come with their end.
async fn open(served: &mut Served) -> Result<bool, Error> {
    let watcher = served.watcher();
    while !served.is_open() {
        if watcher.ready(served.unsent() > 0).await.is_err() {
            return Ok(false);
        }
        served.flush()?;
        let read = served.read();
        if served.is_open() {
            return read;
        }
        read?;
    }
    Ok(false)
}
