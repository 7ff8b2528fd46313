//! Host names as the system knows them: getaddrinfo(3), which follows nsswitch.conf.

use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

/// A look-up without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such name, or it has no address.
    NotFound,
    /// The system could not find out. The text says why.
    Failed(String),
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LookupError::NotFound => f.write_str("host name not found"),
            LookupError::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for LookupError {}

/// Returns the addresses of `host` in the order in which they should be tried (RFC 6724), each with port 0. Blocks,
/// for many seconds if a name server does not answer.
///
/// # Errors
/// The name is unknown, or the system cannot look it up.
pub fn addresses_of(host: &str) -> Result<Vec<SocketAddr>, LookupError> {
    let name = CString::new(host).map_err(|_| LookupError::NotFound)?;
    let list = List::of(&name)?;
    let mut addresses = Vec::new();
    for address in list.iter().filter_map(socket_address) {
        // A hosts file may name the same address twice.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(LookupError::NotFound) } else { Ok(addresses) }
}

/// A list that getaddrinfo allocated. Dropping it frees it.
struct List(*mut libc::addrinfo);

impl List {
    fn of(name: &CStr) -> Result<List, LookupError> {
        // SAFETY: all fields of addrinfo are integers and pointers, for which zeros are valid.
        let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
        // One entry for each address, instead of one for each type of socket.
        hints.ai_socktype = libc::SOCK_STREAM;
        let mut first = ptr::null_mut();
        // SAFETY: the name is a NUL-terminated string, no service is asked for, and `hints` and `first` outlive the
        // call. The function may be called on several threads at a time.
        let code = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &hints, &mut first) };
        match code {
            0 => Ok(List(first)),
            libc::EAI_NONAME | libc::EAI_NODATA => Err(LookupError::NotFound),
            libc::EAI_SYSTEM => Err(LookupError::Failed(io::Error::last_os_error().to_string())),
            code => Err(LookupError::Failed(text_of(code))),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &libc::addrinfo> {
        let mut next = self.0;
        std::iter::from_fn(move || {
            // SAFETY: each pointer of the list is null or an entry, which lives and does not change until the list is
            // freed. The iterator borrows the list.
            let entry = unsafe { next.as_ref() }?;
            next = entry.ai_next;
            Some(entry)
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list came from getaddrinfo, is freed once, and is not borrowed any more.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

/// Returns the address of an entry, or `None` for a family other than IPv4 and IPv6.
fn socket_address(entry: &libc::addrinfo) -> Option<SocketAddr> {
    let length = entry.ai_addrlen as usize;
    match entry.ai_family {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: an entry of this family has a sockaddr_in, and its length was checked. It may be unaligned.
            let address = unsafe { entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(SocketAddr::from((Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)), 0)))
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above, for sockaddr_in6.
            let address = unsafe { entry.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            // Multicast DNS finds addresses of one link, which mean nothing without it.
            Some(SocketAddrV6::new(ip, 0, 0, address.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Returns the system's text for an error code, in lower case as our own texts are.
fn text_of(code: libc::c_int) -> String {
    // SAFETY: gai_strerror takes any number and returns a string that is never freed.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) }.to_string_lossy();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_hosts_file_need_no_name_server() {
        assert_eq!(addresses_of("127.0.0.9"), Ok(vec![SocketAddr::from(([127, 0, 0, 9], 0))]));
        assert_eq!(addresses_of("::9"), Ok(vec![SocketAddr::from((Ipv6Addr::from_bits(9), 0))]));
        let local = addresses_of("localhost").expect("in the hosts file");
        assert!(local.iter().all(|address| address.ip().is_loopback()), "{local:?}");
    }

    #[test]
    fn the_interface_of_an_address_is_kept() {
        let addresses = addresses_of("fe80::1%lo").expect("the loopback interface exists");
        assert_eq!(addresses[0].to_string(), "[fe80::1%1]:0");
    }

    #[test]
    fn a_name_that_cannot_be_is_not_found() {
        assert_eq!(addresses_of("a\0b"), Err(LookupError::NotFound));
        assert_eq!(addresses_of("nowhere.invalid."), Err(LookupError::NotFound));
    }
}
