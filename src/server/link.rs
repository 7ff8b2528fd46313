//! [`Link`]: a connection as the hub sees it. It sends what the bus has, and can be woken and ended.

use std::cell::{Cell, RefCell, RefMut};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::daemon::{Bus, ClientKey};
use crate::net::ServerConnection;
use crate::wire::encoding::Encoding;

/// The part of a connection that its task shares with the hub.
pub struct Link {
    key: ClientKey,
    socket: RefCell<ServerConnection>,
    /// Empty between writes. Its memory circulates between bus and socket.
    frames: RefCell<Vec<u8>>,
    ended: Cell<bool>,
    /// The peer has half-closed the connection, which ends when everything owed to it is sent.
    finishing: Cell<bool>,
    /// A task that ends with the connection.
    job: RefCell<Option<AbortHandle>>,
    /// Wakes the connection's task because there is something unsent, or the connection has ended.
    changed: Notify,
}

impl Link {
    /// Makes the link of a client of the bus.
    pub fn new(key: ClientKey, socket: ServerConnection) -> Rc<Link> {
        Rc::new(Link {
            key,
            socket: RefCell::new(socket),
            frames: RefCell::default(),
            ended: Cell::new(false),
            finishing: Cell::new(false),
            job: RefCell::default(),
            changed: Notify::new(),
        })
    }

    /// Returns the key of the connection on the bus.
    pub fn key(&self) -> ClientKey {
        self.key
    }

    /// Borrows the socket. The borrow must not be held over an await or a call of the hub.
    pub fn socket(&self) -> RefMut<'_, ServerConnection> {
        self.socket.borrow_mut()
    }

    /// Returns whether the connection has to end.
    pub fn is_ended(&self) -> bool {
        self.ended.get()
    }

    /// Waits until the hub has changed something; for the connection's task.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Makes each write wake the task from now on, until everything is sent.
    pub fn finish(&self) {
        self.finishing.set(true);
    }

    /// Sends what the bus has for this connection, as far as the socket takes it. The rest stays with the bus, where it
    /// counts towards the limit.
    pub fn flush(&self, bus: &mut Bus) {
        let mut socket = self.socket();
        let mut result = socket.flush();
        // More than once only where the encoding changes.
        while result.is_ok() && socket.unsent() == 0 && !bus.unsent(self.key).is_empty() {
            let mut frames = self.frames.borrow_mut();
            socket.set_binary(bus.unsent_encoding(self.key) == Encoding::Msgpack);
            bus.take_unsent(self.key, &mut frames);
            result = socket.write(&mut frames);
        }
        match result {
            // Reading fails as well.
            Err(_) => self.end(),
            Ok(()) if socket.unsent() > 0 || self.finishing.get() => self.changed.notify_one(),
            Ok(()) => {}
        }
    }

    /// Makes the task end the connection.
    pub fn end(&self) {
        self.ended.set(true);
        self.wake();
    }

    /// Makes the task check again what it waits for.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Sets the task that ends with the connection.
    pub fn set_job(&self, job: Option<AbortHandle>) {
        self.job.replace(job);
    }

    /// Returns the name of the peer, for the log.
    pub fn name(&self) -> String {
        self.socket().name().to_owned()
    }

    /// Returns the address of the peer, or `None` for Unix sockets.
    pub fn address(&self) -> Option<IpAddr> {
        self.socket().name().parse().ok().map(|address: SocketAddr| address.ip())
    }

    /// Closes the connection in order. What the socket takes at once is still sent.
    pub fn close(&self) {
        self.job.take().into_iter().for_each(|job| job.abort());
        self.socket().close();
    }
}
