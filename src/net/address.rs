//! Socket addresses of literals, `localhost`, Unix paths and names.

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix};

use super::{Error, ErrorKind};

/// An address to connect to. Displayed as people would write it.
#[derive(Debug, Clone)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(SocketAddrUnix),
}

impl Address {
    /// Returns the address family of its sockets.
    pub fn family(&self) -> AddressFamily {
        match self {
            Address::Tcp(SocketAddr::V4(_)) => AddressFamily::INET,
            Address::Tcp(SocketAddr::V6(_)) => AddressFamily::INET6,
            Address::Unix(_) => AddressFamily::UNIX,
        }
    }

    /// Returns the file of a Unix socket that has one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Address::Unix(address) => {
                let path = address.path_bytes()?;
                // There in the longest name only.
                Some(Path::new(OsStr::from_bytes(path.strip_suffix(b"\0").unwrap_or(path))))
            }
            Address::Tcp(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(address) => match (address.abstract_name(), address.path_bytes()) {
                (Some(name), _) => write!(f, "@{}", name.escape_ascii()),
                (None, path) => {
                    let path = path.unwrap_or_default();
                    // There in the longest name only.
                    write!(f, "{}", path.strip_suffix(b"\0").unwrap_or(path).escape_ascii())
                }
            },
        }
    }
}

/// Returns the Unix domain socket of a path, or of an abstract name behind a leading `@` or NUL.
///
/// # Errors
/// [`ErrorKind::Options`] if it is empty, too long (108 bytes on Linux), or has a NUL in a path.
pub fn unix(name: &[u8]) -> Result<Address, Error> {
    let address = match name {
        [] | [b'@' | 0] => {
            return Err(Error::new(ErrorKind::Options, "the name of the Unix socket is empty"));
        }
        [b'@' | 0, name @ ..] => SocketAddrUnix::new_abstract_name(name),
        path => SocketAddrUnix::new(path),
    };
    address.map(Address::Unix).map_err(|_| {
        let text = format!("'{}' cannot be the name of a Unix socket", name.escape_ascii());
        Error::new(ErrorKind::Options, text)
    })
}

/// Returns the addresses that `host` stands for without a look-up, or `None` for a name that has
/// to be looked up. `localhost` is both loopback addresses (RFC 6761, section 6.3), IPv4 first
/// because most daemons in the field are found there.
///
/// # Errors
/// [`ErrorKind::Options`] if there is no host or no port.
pub fn literal(host: &str, port: u16) -> Result<Option<Vec<SocketAddr>>, Error> {
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

/// Returns an IPv6 address with the interface it is reached by, `fe80::1%eth0` or `fe80::1%2`.
pub fn scoped(text: &str, port: u16) -> Result<Option<SocketAddr>, Error> {
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

/// Returns the number of a network interface, which Linux has in a file.
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
        let found = literal(host, 1).expect("valid");
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
        let empty = literal("", 1).expect_err("no host");
        assert_eq!(empty.kind(), ErrorKind::Options);
        let port = literal("127.0.0.1", 0).expect_err("no port");
        assert_eq!(port.to_string(), "port must be in 1..65535");
        let interface = literal("fe80::1%../x", 1).expect_err("no interface");
        assert_eq!(interface.to_string(), "there is no network interface '../x'");
    }

    #[test]
    fn unix_names_are_paths_or_abstract() {
        let text = |name: &[u8]| unix(name).map(|address| address.to_string()).map_err(|e| e.to_string());
        assert_eq!(text(b"/run/jet.socket"), Ok("/run/jet.socket".to_owned()));
        assert_eq!(text(b"@jet"), Ok("@jet".to_owned()));
        assert_eq!(text(b"\0/var/run/jet.socket"), Ok("@/var/run/jet.socket".to_owned()));
        assert_eq!(text(b"@"), Err("the name of the Unix socket is empty".to_owned()));
        assert_eq!(text(b"a\0b"), Err("'a\\x00b' cannot be the name of a Unix socket".to_owned()));
        assert!(text(&[b'x'; 109]).is_err() && text(&[b'x'; 107]).is_ok());
    }
}
