//! Listening: from an address to connections.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::rc::Rc;
use std::time::Duration;

use rustix::net::sockopt::set_socket_keepalive;
use tokio::net::{TcpListener, TcpStream};

use super::connection::Connection;
use super::core::Core;

/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens already, before the daemon's thread is there.
#[derive(Debug)]
pub struct BoundListener(StdListener);

impl BoundListener {
    /// The address it listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

/// Listens on a TCP port: on one interface (an address, or a name that has one), or on all of
/// them, IPv6 and IPv4 alike. Port 0 chooses a free one.
///
/// # Errors
/// The address does not exist or is in use.
pub fn bind(interface: Option<&str>, port: u16) -> io::Result<BoundListener> {
    let listener = match interface {
        Some(name) => {
            let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
            let addresses: Vec<SocketAddr> = (bare, port).to_socket_addrs()?.collect();
            StdListener::bind(&addresses[..])?
        }
        // Where there is IPv6, its socket takes IPv4 as well.
        None => match StdListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                StdListener::bind((Ipv4Addr::UNSPECIFIED, port))?
            }
            bound => bound?,
        },
    };
    listener.set_nonblocking(true)?;
    Ok(BoundListener(listener))
}

/// Accepts connections until the task is ended.
pub async fn accept(listener: BoundListener, core: Rc<Core>) {
    let Ok(listener) = TcpListener::from_std(listener.0) else {
        return;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                prepare(&stream);
                tokio::task::spawn_local(Connection::serve(stream, core.clone()));
            }
            // Out of descriptors, or the peer has gone already.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Messages leave at once, and a vanished peer is noticed some day.
fn prepare(stream: &TcpStream) {
    // Neither is worth refusing a connection for.
    let _ = stream.set_nodelay(true);
    let _ = set_socket_keepalive(stream, true);
}
