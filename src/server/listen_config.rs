//! Everything one daemon listens on: TCP, WebSocket, Unix sockets, plain and encrypted.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::listener::{BoundListener, bind, bind_beside_ipv4, bind_unix};
use crate::net::{ServeOptions, ServerTls, UpgradePolicy};

/// Where a daemon listens that is for programs of its own machine.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];

/// The permissions of the file of a Unix socket: its owner and its group may connect.
pub const DEFAULT_UNIX_MODE: u32 = 0o660;

/// The network interfaces to listen on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Interfaces {
    /// This machine only, IPv4 and where there is one IPv6.
    #[default]
    Loopback,
    /// All of them, IPv6 and IPv4 alike.
    All,
    /// Those with these addresses or names.
    These(Vec<String>),
}

/// A certificate, and where it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsListenConfig {
    /// PEM file with the daemon's certificate and its intermediates.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
    /// PEM file with the authorities that sign peers' certificates. Without it peers need none.
    pub client_ca: Option<PathBuf>,
    /// A port for the trivial protocol over TLS beside the plain one.
    pub port: Option<u16>,
    /// A port for WebSockets over TLS beside the plain one. With neither of the two, the plain ports
    /// are encrypted instead.
    pub ws_port: Option<u16>,
}

impl TlsListenConfig {
    fn is_beside(&self) -> bool {
        self.port.is_some() || self.ws_port.is_some()
    }
}

/// What a daemon listens on. Unix sockets are never encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenConfig {
    /// For every port.
    pub interfaces: Interfaces,
    /// The port of the trivial protocol; 0 chooses a free one, the same on all interfaces.
    pub port: u16,
    /// The port of WebSockets, if any.
    pub ws_port: Option<u16>,
    /// Unix sockets: paths, or abstract names behind a leading `@` or NUL.
    pub unix: Vec<Vec<u8>>,
    /// The permissions of the files of Unix sockets; [`DEFAULT_UNIX_MODE`].
    pub unix_mode: Option<u32>,
    /// TLS.
    pub tls: Option<TlsListenConfig>,
    /// Which Web pages may open a WebSocket.
    pub upgrades: Arc<UpgradePolicy>,
}

impl ListenConfig {
    /// Listens for the trivial protocol: the ports and the Unix sockets.
    ///
    /// # Errors
    /// What cannot be listened on, and why; or which certificate file is no good.
    pub fn bind(&self) -> io::Result<Vec<BoundListener>> {
        let mut listeners = self.ports(false)?;
        for name in &self.unix {
            let bound = bind_unix(name, self.unix_mode.unwrap_or(DEFAULT_UNIX_MODE));
            listeners.push(bound.map_err(|error| cannot_listen("a Unix socket", &error))?);
        }
        Ok(listeners)
    }

    /// Listens for WebSockets.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_websockets(&self) -> io::Result<Vec<BoundListener>> {
        self.ports(true)
    }

    /// Binds the plain port (encrypted if there is no TLS port beside it), and the TLS port.
    fn ports(&self, websocket: bool) -> io::Result<Vec<BoundListener>> {
        let wanted = self.tls.as_ref();
        let tls = wanted.map(|tls| ServerTls::new(&tls.certificate, &tls.key, tls.client_ca.as_deref()));
        let tls = tls.transpose().map_err(io::Error::other)?;
        let is_beside = wanted.is_some_and(TlsListenConfig::is_beside);
        let own = if websocket { self.ws_port } else { Some(self.port) };
        let beside = wanted.and_then(|tls| if websocket { tls.ws_port } else { tls.port });
        let options =
            |tls| ServeOptions { websocket, tls, upgrades: self.upgrades.clone(), ..ServeOptions::default() };
        let mut listeners = Vec::new();
        if let Some(port) = own {
            listeners.extend(self.port(port, &options(tls.clone().filter(|_| !is_beside)))?);
        }
        if let Some(port) = beside {
            listeners.extend(self.port(port, &options(tls))?);
        }
        Ok(listeners)
    }

    fn port(&self, mut port: u16, options: &ServeOptions) -> io::Result<Vec<BoundListener>> {
        let names: Vec<Option<&str>> = match &self.interfaces {
            Interfaces::All => vec![None],
            Interfaces::Loopback => LOOPBACK.map(Some).to_vec(),
            Interfaces::These(names) => names.iter().map(|name| Some(name.as_str())).collect(),
        };
        let mut listeners: Vec<BoundListener> = Vec::new();
        let mut missing = None;
        // A name may stand for an IPv4 address.
        let is_ipv6 = |name: &&str| name.trim_matches(['[', ']']).contains(':');
        let has_ipv4 = names.iter().any(|name| !name.as_ref().is_some_and(is_ipv6));
        let bind = if has_ipv4 && names.len() > 1 { bind_beside_ipv4 } else { bind };
        for name in names {
            match bind(name, port) {
                Ok(listener) => {
                    port = listener.address().map_or(port, |address| address.port());
                    listeners.push(listener.speaking(options.clone()).map_err(io::Error::other)?);
                }
                Err(error) if self.can_do_without(&error) => missing = missing.or(Some(error)),
                Err(error) => return Err(cannot_listen(&format!("port {port}"), &error)),
            }
        }
        match missing {
            Some(error) if listeners.is_empty() => Err(cannot_listen(&format!("port {port}"), &error)),
            _ => Ok(listeners),
        }
    }

    /// There may be no IPv6 on this machine, or no IPv4. But where the port is taken, another program would get the
    /// peers that try IPv6 first.
    fn can_do_without(&self, error: &io::Error) -> bool {
        self.interfaces == Interfaces::Loopback && error.kind() != io::ErrorKind::AddrInUse
    }
}

fn cannot_listen(on: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {on}: {error}"))
}
