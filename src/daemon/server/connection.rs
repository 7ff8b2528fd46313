//! One connection: reading what comes, writing what the bus has for it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::core::Core;
use crate::daemon::{Bus, ClientKey};
use crate::protocol::framing::Decoder;

/// Bytes taken from a socket at once.
const READ_BYTES: usize = 64 * 1024;

/// How often a connection may read before others have their turn.
const READS_PER_TURN: usize = 4;

/// A connection of the daemon's.
pub struct Connection {
    pub key: ClientKey,
    stream: TcpStream,
    decoder: RefCell<Decoder>,
    /// The socket has not taken everything: the task waits until it can be written.
    blocked: Cell<bool>,
    ended: Cell<bool>,
    /// Wakes the task because one of these has changed.
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
}

impl Connection {
    /// Serves a connection until it ends.
    pub async fn serve(stream: TcpStream, core: Rc<Core>) {
        let (key, max_message) = {
            let mut bus = core.bus.borrow_mut();
            (bus.connect(), bus.config().max_message)
        };
        let connection = Rc::new(Connection {
            key,
            stream,
            decoder: RefCell::new(Decoder::new(max_message)),
            blocked: Cell::new(false),
            ended: Cell::new(false),
            changed: Notify::new(),
        });
        core.add(connection.clone());
        connection.run(&core).await;
        core.remove(key);
    }

    async fn run(&self, core: &Core) {
        let mut buffer = vec![0; READ_BYTES];
        while !self.ended.get() {
            let interest = match self.blocked.get() {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            let ready = tokio::select! {
                ready = self.stream.ready(interest) => ready,
                () = self.changed.notified() => continue,
            };
            let Ok(ready) = ready else { return };
            if ready.is_writable() && self.blocked.get() {
                self.flush(&mut core.bus.borrow_mut());
            }
            if !ready.is_readable() && !ready.is_read_closed() {
                continue;
            }
            let turn = self.read(core, &mut buffer);
            core.touched();
            match turn {
                Turn::Done => {}
                Turn::More => tokio::task::yield_now().await,
                Turn::Over => return,
            }
        }
    }

    /// Reads what is there, within bounds, and hands the messages to the bus.
    fn read(&self, core: &Core, buffer: &mut [u8]) -> Turn {
        for _ in 0..READS_PER_TURN {
            match self.stream.try_read(buffer) {
                Ok(0) => return Turn::Over,
                Ok(count) => {
                    if !self.take(core, &buffer[..count]) {
                        return Turn::Over;
                    }
                    if count < buffer.len() {
                        return Turn::Done;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Done,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Turn::Over,
            }
        }
        Turn::More
    }

    /// Takes received bytes; false if the stream makes no sense any more.
    fn take(&self, core: &Core, bytes: &[u8]) -> bool {
        let mut decoder = self.decoder.borrow_mut();
        let mut bus = core.bus.borrow_mut();
        decoder.push(bytes);
        let now = Instant::now();
        loop {
            match decoder.next() {
                None => return true,
                Some(Ok(message)) => bus.receive(self.key, message, now),
                Some(Err(error)) => {
                    bus.refuse_frame(self.key, &error.to_string());
                    self.flush(&mut bus);
                    return false;
                }
            }
        }
    }

    /// Sends what the bus has for this connection, as far as the socket takes it.
    pub fn flush(&self, bus: &mut Bus) {
        let mut blocked = false;
        while !blocked && !bus.unsent(self.key).is_empty() {
            match self.stream.try_write(bus.unsent(self.key)) {
                Ok(count) => bus.advance(self.key, count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The reading side hears of it as well.
                Err(_) => return self.end(),
            }
        }
        if self.blocked.replace(blocked) != blocked {
            self.changed.notify_one();
        }
    }

    /// Has the task end the connection.
    pub fn end(&self) {
        self.ended.set(true);
        self.changed.notify_one();
    }
}
