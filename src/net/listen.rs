//! Where a daemon takes connections: TCP and Unix listeners. What happens on a connection is in
//! `served`.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::net::{TcpListener, UnixListener};

use super::address::{self, Address};
use super::error::{Error, reason};
use super::layers::{ServerTls, UpgradeGuard, Wire};
use super::server_connection::{ServerConnection, Stream};
use super::socket::prepare_tcp;
use super::socket_file::SocketFile;
use super::upgrade_policy::UpgradePolicy;

/// Connections the kernel holds until they are accepted; it takes less if it likes. All peers of a
/// large bus come back at once after a restart.
const BACKLOG: i32 = 1024;

/// The pause when this process has no descriptor left: a peer has to leave first.
const NO_DESCRIPTORS: Duration = Duration::from_millis(100);

/// That there is no descriptor left is logged once in this time.
const BETWEEN_NOTES: Duration = Duration::from_secs(60);

/// The protocol of the connections of a listener; by default the trivial protocol.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// WebSocket framing; else the trivial protocol.
    pub websocket: bool,
    /// The time between two pings of a WebSocket. Pings keep proxies from closing an idle connection; the default of
    /// 5 s is what other daemons use.
    pub ping_interval: Duration,
    /// TLS under either framing.
    pub tls: Option<ServerTls>,
    /// Which Web pages may open a WebSocket.
    pub upgrades: Arc<UpgradePolicy>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            websocket: false,
            ping_interval: Duration::from_secs(5),
            tls: None,
            upgrades: Arc::default(),
        }
    }
}

/// A socket that listens already and does not need a runtime yet. A Unix socket's file goes with it.
#[derive(Debug)]
pub struct Bound {
    fd: OwnedFd,
    options: ServeOptions,
    file: Option<SocketFile>,
    address: Option<SocketAddr>,
    /// The address as the caller wrote it.
    name: String,
}

impl Bound {
    /// Listens on a TCP port: on one interface (an address, or a name that has one), or on all of
    /// them, IPv6 and IPv4 alike. Port 0 chooses a free one. Looking up a name blocks.
    ///
    /// # Errors
    /// The error of the system, in words: "address already in use (...)".
    pub fn tcp(host: Option<&str>, port: u16) -> io::Result<Bound> {
        Bound::tcp_of(host, port, false)
    }

    /// As [`tcp`](Self::tcp), but with `ipv6_only` the address `::` stands for IPv6 alone, so that IPv4 can be
    /// listened for on the same port.
    ///
    /// # Errors
    /// As [`tcp`](Self::tcp).
    pub fn tcp_of(host: Option<&str>, port: u16, ipv6_only: bool) -> io::Result<Bound> {
        if host.is_some_and(str::is_empty) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the address to listen on is empty"));
        }
        let mut failure = None;
        for address in interfaces(host, port)? {
            match listen(&Address::Tcp(address), ipv6_only) {
                Ok(fd) => return Bound::new(fd, None, &address),
                // Where another family is left, it is tried. A port that is in use is reported at once.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(fault(&error, &address));
                }
                Err(error) => failure = Some(fault(&error, &address)),
            }
        }
        Err(failure.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("no address ({})", host.unwrap_or_default()))
        }))
    }

    /// Listens on a Unix domain socket: a path, or an abstract name behind a leading `@` or NUL. The file
    /// gets the permissions `mode`. It replaces a socket that a dead daemon left, and nothing else.
    ///
    /// # Errors
    /// As [`tcp`](Self::tcp), and for a file that is not a socket.
    pub fn unix(name: &[u8], mode: u32) -> io::Result<Bound> {
        let address = address::unix(name).map_err(bad)?;
        let bound = match name {
            [b'@' | 0, ..] => listen(&address, false).map(|fd| (fd, None)),
            path => listen_in_file(path, mode).map(|(fd, file)| (fd, Some(file))),
        };
        let (fd, file) = bound.map_err(|error| fault(&error, &address))?;
        Bound::new(fd, file, &address)
    }

    fn new(fd: OwnedFd, file: Option<SocketFile>, asked: &dyn std::fmt::Display) -> io::Result<Bound> {
        let name = net::getsockname(&fd).map_err(|error| fault(&error.into(), asked))?;
        Ok(Bound {
            fd,
            options: ServeOptions::default(),
            file,
            address: SocketAddr::try_from(name).ok(),
            name: asked.to_string(),
        })
    }

    /// Sets what is spoken there.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](super::ErrorKind::Options) if this build cannot serve these options.
    pub fn speaking(mut self, options: ServeOptions) -> Result<Bound, Error> {
        Wire::server(options.tls.as_ref(), options.websocket, 1)?;
        self.options = options;
        Ok(self)
    }

    /// Returns the TCP address listened on, with the port that was chosen.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns whether peers on other machines can connect without a certificate.
    pub fn is_open_to_strangers(&self) -> bool {
        let is_remote = self.address.is_some() && !self.is_loopback();
        is_remote && !self.options.tls.as_ref().is_some_and(ServerTls::knows_peers)
    }

    /// Returns the certificate that is shown there.
    pub fn tls(&self) -> Option<&ServerTls> {
        self.options.tls.as_ref()
    }

    /// Returns a copy for the same socket. The file of a Unix socket stays with this one.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn try_clone(&self) -> io::Result<Bound> {
        let (fd, options) = (self.fd.try_clone()?, self.options.clone());
        Ok(Bound { fd, options, file: None, address: self.address, name: self.name.clone() })
    }

    /// Closes it, but leaves the file of a Unix socket to the process that listens there.
    pub fn leave(self) {
        std::mem::forget(self.file);
    }

    /// Returns whether only programs of this machine reach it over TCP.
    fn is_loopback(&self) -> bool {
        self.address.is_some_and(|address| address.ip().to_canonical().is_loopback())
    }

    /// Hands the socket to the tokio runtime that this is called in. Messages longer than
    /// `max_message` bytes will be refused.
    ///
    /// # Errors
    /// The error of the runtime.
    pub fn listen(self, max_message: usize) -> io::Result<Listener> {
        let on_loopback = self.is_loopback();
        let socket = match self.address {
            Some(_) => Listening::Tcp(TcpListener::from_std(self.fd.into())?),
            None => Listening::Unix(UnixListener::from_std(self.fd.into())?),
        };
        Ok(Listener {
            socket,
            options: self.options,
            max_message,
            on_loopback,
            noted: Cell::new(None),
            _file: self.file,
        })
    }
}

/// Where it listens, and in parentheses what is spoken there unless it is the trivial protocol over plain TCP.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(address) = self.address else {
            return write!(f, "{} (Unix socket)", self.name);
        };
        match (self.options.websocket, self.options.tls.is_some()) {
            (false, false) => write!(f, "{address}"),
            (true, false) => write!(f, "{address} (WebSocket)"),
            (false, true) => write!(f, "{address} (TLS)"),
            (true, true) => write!(f, "{address} (WebSocket, TLS)"),
        }
    }
}

/// A listening socket in a tokio runtime.
#[derive(Debug)]
pub struct Listener {
    socket: Listening,
    options: ServeOptions,
    max_message: usize,
    on_loopback: bool,
    /// When it was last logged that there is no descriptor left.
    noted: Cell<Option<Instant>>,
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    async fn accept(&self) -> io::Result<(Stream, String)> {
        match self {
            Listening::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                prepare_tcp(&stream)?;
                Ok((Stream::Tcp(stream), from.to_string()))
            }
            Listening::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), "unix".to_owned()))
            }
        }
    }
}

impl Listener {
    /// Waits for the next peer. Dropping the future loses no connection. While the process has no free descriptor it goes
    /// on waiting, and calls `log` with a line now and then.
    ///
    /// # Errors
    /// The listener itself is broken; what concerns one peer is not an error.
    pub async fn accept(&self, log: impl Fn(String)) -> io::Result<ServerConnection> {
        loop {
            match self.socket.accept().await {
                Ok((stream, name)) => return self.serve(stream, name),
                Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                        self.note(&error, &log);
                        tokio::time::sleep(NO_DESCRIPTORS).await;
                    }
                    Some(Errno::BADF | Errno::NOTSOCK | Errno::OPNOTSUPP) | None => return Err(error),
                    // The peer has left already, in one of many ways.
                    Some(_) => {}
                },
            }
        }
    }

    fn note(&self, error: &io::Error, log: impl Fn(String)) {
        let now = Instant::now();
        if self.noted.get().is_none_or(|last| now - last > BETWEEN_NOTES) {
            self.noted.set(Some(now));
            log(format!("new peers have to wait until others leave: {error}"));
        }
    }

    fn serve(&self, stream: Stream, name: String) -> io::Result<ServerConnection> {
        let wire = Wire::server(self.options.tls.as_ref(), self.options.websocket, self.max_message);
        // What this build lacks was reported by Bound::speaking().
        let mut wire = wire.map_err(io::Error::other)?;
        wire.guard(UpgradeGuard { policy: self.options.upgrades.clone(), on_loopback: self.on_loopback });
        Ok(ServerConnection::new(stream, wire, name, self.options.ping_interval))
    }
}

/// Returns the addresses to try to listen on. All interfaces are IPv6's, which take IPv4 as well, or where there
/// is no IPv6 those of IPv4.
fn interfaces(host: Option<&str>, port: u16) -> io::Result<Vec<SocketAddr>> {
    let Some(host) = host else {
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]);
    };
    // Unlike for connecting, port 0 is one.
    if let Some(mut addresses) = address::literal(host, port.max(1)).map_err(bad)? {
        addresses.iter_mut().for_each(|address| address.set_port(port));
        return Ok(addresses);
    }
    let found = (host, port).to_socket_addrs().map_err(|error| fault(&error, &host))?;
    Ok(found.collect())
}

fn listen(address: &Address, ipv6_only: bool) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(address.family(), SocketType::STREAM, flags, None)?;
    match address {
        Address::Tcp(tcp) => {
            sockopt::set_socket_reuseaddr(&fd, true)?;
            if tcp.is_ipv6() {
                sockopt::set_ipv6_v6only(&fd, ipv6_only || !tcp.ip().is_unspecified())?;
            }
            net::bind(&fd, tcp)?;
        }
        Address::Unix(unix) => net::bind(&fd, unix)?,
    }
    net::listen(&fd, BACKLOG)?;
    Ok(fd)
}

fn listen_in_file(path: &[u8], mode: u32) -> io::Result<(OwnedFd, SocketFile)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let file = SocketFile::bind(path, mode, &fd, || Ok(net::listen(&fd, BACKLOG)?))?;
    Ok((fd, file))
}

/// Returns the error with the address, in words.
fn fault(error: &io::Error, address: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(error.kind(), format!("{} ({address})", reason(error)))
}

fn bad(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
