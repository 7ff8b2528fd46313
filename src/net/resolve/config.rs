//! What this machine knows about names: /etc/hosts and /etc/resolv.conf, as hosts(5) and
//! resolv.conf(5) describe them. Local files, read when a name is looked up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::address;

const DNS_PORT: u16 = 53;
/// As the C library: further ones are ignored.
const MAX_SERVERS: usize = 3;
const DEFAULT_ATTEMPTS: u32 = 2;
const MAX_ATTEMPTS: u32 = 5;
const DEFAULT_TRY: Duration = Duration::from_secs(5);
const MAX_TRY: u64 = 30;
const MAX_NDOTS: usize = 15;

/// Where names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverFiles {
    /// Names and addresses, /etc/hosts.
    pub hosts: PathBuf,
    /// Name servers and search list, /etc/resolv.conf. As on OpenBSD, a server may be written
    /// `[address]:port`.
    pub resolv_conf: PathBuf,
    /// Where devices of the local network listen for questions about names ending in `.local`
    /// (RFC 6762), 224.0.0.251 port 5353.
    pub multicast: SocketAddr,
}

impl Default for ResolverFiles {
    fn default() -> Self {
        ResolverFiles {
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            multicast: SocketAddr::from(([224, 0, 0, 251], 5353)),
        }
    }
}

/// The addresses that the hosts file gives for `name`, in its order.
pub(super) fn hosts(file: &Path, name: &str) -> Vec<IpAddr> {
    // Without the file there are no such names, as for the C library.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    hosts_in(&text, name)
}

fn hosts_in(text: &str, name: &str) -> Vec<IpAddr> {
    let wanted = name.strip_suffix('.').unwrap_or(name);
    let mut found = Vec::new();
    for line in text.lines().map(without_comment) {
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(wanted)) {
            found.push(address);
        }
    }
    found
}

fn without_comment(line: &str) -> &str {
    line.split(['#', ';']).next().unwrap_or_default()
}

/// Whom to ask, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Servers {
    pub addresses: Vec<SocketAddr>,
    /// Rounds over all servers before giving up.
    pub attempts: u32,
    /// The longest wait for one reply.
    pub longest_try: Duration,
    search: Vec<String>,
    ndots: usize,
}

impl Servers {
    /// As the file says; without it the server is this machine.
    pub fn read(file: &Path) -> Self {
        Servers::parse(&std::fs::read_to_string(file).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut servers = Servers {
            addresses: Vec::new(),
            attempts: DEFAULT_ATTEMPTS,
            longest_try: DEFAULT_TRY,
            search: Vec::new(),
            ndots: 1,
        };
        for line in text.lines().map(without_comment) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => servers.addresses.extend(words.next().and_then(server)),
                Some("domain") => servers.search = words.take(1).map(str::to_owned).collect(),
                Some("search") => servers.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|word| servers.option(word)),
                _ => {}
            }
        }
        servers.addresses.truncate(MAX_SERVERS);
        if servers.addresses.is_empty() {
            servers.addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT)));
        }
        servers
    }

    fn option(&mut self, word: &str) {
        let Some((name, Ok(value))) = word.split_once(':').map(|(name, value)| (name, value.parse::<u64>()))
        else {
            return;
        };
        match name {
            "ndots" => self.ndots = usize::try_from(value).map_or(MAX_NDOTS, |value| value.min(MAX_NDOTS)),
            "timeout" => self.longest_try = Duration::from_secs(value.clamp(1, MAX_TRY)),
            "attempts" => {
                self.attempts = u32::try_from(value).map_or(MAX_ATTEMPTS, |n| n.clamp(1, MAX_ATTEMPTS))
            }
            _ => {}
        }
    }

    /// The full names to ask for, in order, for the name a person wrote.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let dots = name.bytes().filter(|&byte| byte == b'.').count();
        let position = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(position, name.to_owned());
        names
    }
}

fn server(word: &str) -> Option<SocketAddr> {
    if let Some((address, port)) = word.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?));
    }
    match word.parse() {
        Ok(address) => Some(SocketAddr::new(address, DNS_PORT)),
        // A router on the network of an interface: fe80::1%eth0.
        Err(_) => address::scoped(word, DNS_PORT).ok()?,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_hosts_file_has_all_its_addresses() {
        let text = "10.0.0.1 rig rig.example # 10.0.0.9 other\n#10.0.0.2 rig\nbad rig\n::5\tRIG\n";
        let expected: Vec<IpAddr> = ["10.0.0.1", "::5"].map(|text| text.parse().expect("valid")).to_vec();
        assert_eq!(hosts_in(text, "rig"), expected);
        assert_eq!(hosts_in(text, "rig."), expected);
        assert_eq!(hosts_in(text, "rig.example"), expected[..1]);
        assert_eq!(hosts_in(text, "other"), Vec::<IpAddr>::new());
    }

    #[test]
    fn servers_and_options_are_read_and_nonsense_is_not() {
        let text = "nameserver 10.0.0.1\nnameserver nonsense\nnameserver [::1]:5353 ; c\n\
                    options ndots:2 timeout:3 attempts:99 rotate ndots:x\nsearch a.example b.example\n";
        let servers = Servers::parse(text);
        assert_eq!(
            servers.addresses,
            ["10.0.0.1:53".parse().expect("valid"), "[::1]:5353".parse::<SocketAddr>().expect("valid")]
        );
        assert_eq!((servers.attempts, servers.longest_try), (MAX_ATTEMPTS, Duration::from_secs(3)));
        assert_eq!(servers.candidates("rig"), ["rig.a.example", "rig.b.example", "rig"]);
        assert_eq!(servers.candidates("rig.x.y"), ["rig.x.y", "rig.x.y.a.example", "rig.x.y.b.example"]);
        assert_eq!(servers.candidates("rig."), ["rig."]);
    }

    #[test]
    fn a_server_may_be_one_of_an_interface() {
        let servers = Servers::parse("nameserver fe80::1%lo\nnameserver fe80::2%none\nnameserver ::2\n");
        let texts: Vec<_> = servers.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["[fe80::1%1]:53", "[::2]:53"]);
    }

    #[test]
    fn without_a_file_this_machine_is_asked() {
        let servers = Servers::read(Path::new("/does/not/exist"));
        assert_eq!(servers.addresses, ["127.0.0.1:53".parse::<SocketAddr>().expect("valid")]);
    }
}
