//! What to connect to and within which limits. How it is done lives in `dial`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{Error, ErrorKind};
use crate::protocol::DEFAULT_MAX_MESSAGE;

/// How long connecting may take in all: name look-up, every address and every handshake.
/// Long enough for three lost SYNs (sent again after 1, 2 and 4 seconds), short enough that a
/// program at a device still says something while somebody is looking.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// No program waits longer; it keeps the arithmetic of instants from overflowing.
pub(super) const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The trivial protocol over TCP.
    Tcp {
        /// An IPv4 or IPv6 address (brackets allowed) or a host name.
        host: String,
        /// 1..=65535.
        port: u16,
    },
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the daemon listens.
    pub target: Target,
    /// The time within which the connection has to be open; [`DEFAULT_CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// The largest message accepted, in bytes without its length prefix; [`DEFAULT_MAX_MESSAGE`].
    pub max_message: usize,
}

impl Options {
    /// Options for this target, everything else as by default.
    pub fn new(target: Target) -> Self {
        Options { target, connect_timeout: DEFAULT_CONNECT_TIMEOUT, max_message: DEFAULT_MAX_MESSAGE }
    }

    /// Options for the trivial protocol over TCP, everything else as by default.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Options::new(Target::Tcp { host: host.into(), port })
    }
}

/// The addresses that `host` stands for without asking anybody, or `None` for a name that has
/// to be looked up. `localhost` is both loopback addresses (RFC 6761, section 6.3), IPv4 first
/// because most daemons in the field are found there.
///
/// # Errors
/// [`ErrorKind::Options`] if there is no host or no port.
pub(super) fn literal_addresses(host: &str, port: u16) -> Result<Option<Vec<SocketAddr>>, Error> {
    if port == 0 {
        return Err(Error::new(ErrorKind::Options, "port must be in 1..65535"));
    }
    if host.is_empty() {
        return Err(Error::new(ErrorKind::Options, "the host to connect to is empty"));
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Some(vec![SocketAddr::new(address, port)]));
    }
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(Some(loopback.map(|address| SocketAddr::new(address, port)).to_vec()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(host: &str) -> Option<Vec<String>> {
        let found = literal_addresses(host, 1).expect("valid");
        found.map(|list| list.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_and_localhost_need_no_look_up() {
        assert_eq!(texts("10.1.2.3"), Some(vec!["10.1.2.3:1".to_owned()]));
        assert_eq!(texts("::1"), Some(vec!["[::1]:1".to_owned()]));
        assert_eq!(texts("[fe80::2]"), Some(vec!["[fe80::2]:1".to_owned()]));
        let both = Some(vec!["127.0.0.1:1".to_owned(), "[::1]:1".to_owned()]);
        assert_eq!(texts("LocalHost"), both);
        assert_eq!(texts("jet.localhost."), both);
        assert_eq!(texts("localhost.example"), None);
    }

    #[test]
    fn nothing_to_connect_to_is_the_callers_mistake() {
        let empty = literal_addresses("", 1).expect_err("no host");
        assert_eq!(empty.kind(), ErrorKind::Options);
        let port = literal_addresses("127.0.0.1", 0).expect_err("no port");
        assert_eq!(port.to_string(), "port must be in 1..65535");
    }
}
