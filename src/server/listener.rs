//! Listeners: from an address to connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;

use super::connection;
use super::gate::Gate;
use super::hub::Hub;
use crate::net::{Bound, Error, ServeOptions, ServerTls};

/// A socket that listens already, before the daemon's thread is there.
#[derive(Debug)]
pub struct BoundListener(Bound);

impl BoundListener {
    /// Returns the TCP address it listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.address()
    }

    /// Returns whether peers on other machines can connect without a certificate.
    pub fn is_open_to_strangers(&self) -> bool {
        self.0.is_open_to_strangers()
    }

    /// Returns the certificate that is shown there.
    pub fn tls(&self) -> Option<&ServerTls> {
        self.0.tls()
    }

    /// Sets WebSocket or TLS as the protocol, instead of the trivial protocol over plain bytes.
    ///
    /// # Errors
    /// This build has no such layer.
    pub fn speaking(self, options: ServeOptions) -> Result<BoundListener, Error> {
        self.0.speaking(options).map(BoundListener)
    }

    /// Returns a copy for the same socket, without the file of a Unix socket.
    pub(crate) fn try_clone(&self) -> io::Result<BoundListener> {
        self.0.try_clone().map(BoundListener)
    }

    /// Closes this process's copy of a socket that another process listens on.
    pub(crate) fn leave(self) {
        self.0.leave();
    }
}

/// As [`Bound`] is displayed.
impl fmt::Display for BoundListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Listens on a TCP port: on one interface (an address, or a name that has one), or on all of
/// them, IPv6 and IPv4 alike. Port 0 chooses a free one.
///
/// # Errors
/// The address does not exist or is in use.
pub fn bind(interface: Option<&str>, port: u16) -> io::Result<BoundListener> {
    Bound::tcp(interface, port).map(BoundListener)
}

/// As [`bind`], where other interfaces are listened on as well: `::` is IPv6 alone then.
///
/// # Errors
/// As [`bind`].
pub(crate) fn bind_beside_ipv4(interface: Option<&str>, port: u16) -> io::Result<BoundListener> {
    Bound::tcp_of(interface, port, true).map(BoundListener)
}

/// Listens on a Unix domain socket: a path, or an abstract name behind a leading `@` or NUL. The file of a path
/// gets the permissions `mode`.
///
/// # Errors
/// As [`bind`], and for a file that is not a socket.
pub fn bind_unix(name: &[u8], mode: u32) -> io::Result<BoundListener> {
    Bound::unix(name, mode).map(BoundListener)
}

/// Accepts connections until the task is ended.
///
/// # Errors
/// The listener is broken.
pub async fn accept(listener: BoundListener, hub: Rc<Hub>, gate: Arc<Gate>) -> io::Result<()> {
    let max_message = hub.bus().config().max_message;
    let listener = listener.0.listen(max_message)?;
    loop {
        let served = listener.accept(|text| hub.note(text)).await?;
        let (socket, hub) = (gate.hold(served.as_fd()), hub.clone());
        tokio::task::spawn_local(async move {
            connection::serve(served, hub).await;
            drop(socket);
        });
    }
}
