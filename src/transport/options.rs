//! What to connect to and within which limits. How it is done lives in `dial`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use super::resolve::ResolverFiles;
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
    /// Where host names are looked up; the system's files.
    pub resolver: ResolverFiles,
}

impl Options {
    /// Options for this target, everything else as by default.
    pub fn new(target: Target) -> Self {
        Options {
            target,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            max_message: DEFAULT_MAX_MESSAGE,
            resolver: ResolverFiles::default(),
        }
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
    if let Some(address) = scoped(bare, port)? {
        return Ok(Some(vec![address]));
    }
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(Some(loopback.map(|address| SocketAddr::new(address, port)).to_vec()));
    }
    Ok(None)
}

/// An IPv6 address with the interface it is reached by, `fe80::1%eth0` or `fe80::1%2`.
fn scoped(text: &str, port: u16) -> Result<Option<SocketAddr>, Error> {
    let Some((address, interface)) = text.split_once('%') else {
        return Ok(None);
    };
    let index = interface.parse().ok().or_else(|| interface_index(interface));
    match (address.parse::<Ipv6Addr>(), index) {
        (Ok(address), Some(index)) => Ok(Some(SocketAddrV6::new(address, port, 0, index).into())),
        (Ok(_), None) => {
            Err(Error::new(ErrorKind::Options, format!("there is no network interface '{interface}'")))
        }
        (Err(_), _) => Ok(None),
    }
}

/// The number of a network interface, as Linux tells it in a file.
fn interface_index(name: &str) -> Option<u32> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return None;
    }
    std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?.trim().parse().ok()
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
        assert_eq!(texts("fe80::1%lo"), Some(vec!["[fe80::1%1]:1".to_owned()]));
        assert_eq!(texts("fe80::1%7"), Some(vec!["[fe80::1%7]:1".to_owned()]));
    }

    #[test]
    fn nothing_to_connect_to_is_the_callers_mistake() {
        let empty = literal_addresses("", 1).expect_err("no host");
        assert_eq!(empty.kind(), ErrorKind::Options);
        let port = literal_addresses("127.0.0.1", 0).expect_err("no port");
        assert_eq!(port.to_string(), "port must be in 1..65535");
        let interface = literal_addresses("fe80::1%../x", 1).expect_err("no interface");
        assert_eq!(interface.to_string(), "there is no network interface '../x'");
    }
}
