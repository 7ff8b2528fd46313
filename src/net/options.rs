//! Options of a connection: target, layers and limits. They are plain data, the same in every build.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Error;
use super::lookup::Resolver;
use super::url;
use crate::wire::DEFAULT_MAX_MESSAGE;

/// The time limit for connecting: name look-up, every address and every handshake.
/// Long enough for three lost SYNs (sent again after 1, 2 and 4 seconds), short enough that a
/// program at a device reports a failure while its user is still watching.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// No program waits longer; it keeps the arithmetic of instants from overflowing.
pub const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// TCP.
    Tcp {
        /// An IPv4 or IPv6 address (brackets and a scope like `%eth0` allowed) or a host name.
        host: String,
        /// 1..=65535.
        port: u16,
    },
    /// A Unix domain socket: a path, or an abstract name of Linux behind a leading `@` or NUL.
    Unix(Vec<u8>),
}

impl Target {
    /// Returns the `Host` header of HTTP. Daemons on Unix sockets are called localhost.
    pub(crate) fn host_header(&self, default_port: u16) -> String {
        match self {
            Target::Tcp { host, port } => {
                let host = if host.contains(':') && !host.starts_with('[') {
                    format!("[{host}]")
                } else {
                    host.clone()
                };
                if *port == default_port { host } else { format!("{host}:{port}") }
            }
            Target::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Returns the name that a certificate has to be for by default.
    #[cfg(feature = "tls")]
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Target::Tcp { host, .. } => {
                Some(host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host))
            }
            Target::Unix(_) => None,
        }
    }
}

/// WebSocket framing instead of length prefixes.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketOptions {
    /// Path and query, beginning with a slash.
    pub path: String,
    /// The requested subprotocol: `jet`. An answer without one is accepted.
    pub subprotocol: Option<String>,
    /// Further headers of the upgrade request: name and value.
    pub headers: Vec<(String, String)>,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        WebSocketOptions { path: "/".to_owned(), subprotocol: Some("jet".to_owned()), headers: Vec::new() }
    }
}

impl fmt::Debug for WebSocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of headers (and queries) are where people put their secrets.
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let path = self.path.split('?').next().unwrap_or_default();
        f.debug_struct("WebSocketOptions")
            .field("path", &path)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// TLS under the framing, and the certificates to trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 fingerprints of the daemon's certificate, 64 hexadecimal digits, colons allowed: it
    /// has to be one of these. Without a [`ca_file`](Self::ca_file) nothing else is checked,
    /// neither its signature, nor its name, nor its age.
    pub pins: Vec<String>,
    /// PEM file with the own certificate and its intermediates, for daemons that ask for one.
    pub certificate: Option<PathBuf>,
    /// PEM file with the key of the own certificate.
    pub key: Option<PathBuf>,
    /// The name the certificate has to be for; by default the host connected to.
    pub server_name: Option<String>,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the daemon listens.
    pub target: Target,
    /// WebSocket framing; without it the trivial protocol.
    pub websocket: Option<WebSocketOptions>,
    /// TLS under either framing.
    pub tls: Option<TlsOptions>,
    /// The time within which the connection has to be open; [`DEFAULT_CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// The largest message accepted, in bytes without its length prefix; [`DEFAULT_MAX_MESSAGE`].
    pub max_message: usize,
    /// Finds the addresses of host names; by default the system's `getaddrinfo`, on a short-lived thread.
    pub resolver: Resolver,
}

impl Options {
    /// Returns options for the trivial protocol to this target, with defaults for everything else.
    pub fn new(target: Target) -> Self {
        Options {
            target,
            websocket: None,
            tls: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            max_message: DEFAULT_MAX_MESSAGE,
            resolver: Resolver::default(),
        }
    }

    /// Returns the options of a URL, with defaults for everything that it does not say: `ws://host:port/path` (port 80),
    /// `wss://host:port/path` (TLS, port 443), `tcp://host:port` (port 11122), `unix:/path`, `unix:@abstract-name`.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](super::ErrorKind::Options) if it is none of these.
    pub fn url(url: &str) -> Result<Options, Error> {
        url::parse(url)
    }

    /// Returns options for the trivial protocol over TCP, with defaults for everything else.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Options::new(Target::Tcp { host: host.into(), port })
    }

    /// Returns options for the trivial protocol over a Unix domain socket, with defaults for everything else.
    pub fn unix(name: impl Into<Vec<u8>>) -> Self {
        Options::new(Target::Unix(name.into()))
    }
}
