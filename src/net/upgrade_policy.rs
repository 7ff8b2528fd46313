//! [`UpgradePolicy`]: which Web pages may open a WebSocket to a daemon.
//!
//! A browser lets every page open a WebSocket to every address, also to one of the user's own machine. It
//! sends the page's origin in `Origin`, and in `Host` the name that the page used for the daemon. A page whose
//! name was made to resolve to this machine ("DNS rebinding") has the same name in both. So `Origin` has to be
//! absent, on the same host as `Host`, or allowed; and on a loopback listener `Host` has to be an address,
//! `localhost`, or allowed. Ports do not matter for either, unless an allowed origin names one.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::wire::latin1::shown;

/// Allows every origin or every host.
const ANY: &str = "*";

/// Which upgrades to WebSocket a daemon accepts. By default it checks on loopback listeners only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpgradePolicy {
    origins: Vec<String>,
    hosts: Vec<String>,
    checks_everywhere: bool,
}

/// The answer of an [`UpgradePolicy`] to an upgrade request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeDecision {
    /// It is accepted.
    Accept,
    /// It is accepted, but a daemon that checks would reject it, for this reason.
    Tolerate(String),
    /// It is rejected, for this reason.
    Reject(String),
}

impl UpgradePolicy {
    /// Creates a policy from the origins and the hosts that are allowed beside those that always are. An origin is
    /// `scheme://host`, `scheme://host:port` or a bare host; `*` allows all. `always` checks `Origin` on every
    /// listener, which else happens only where something is allowed explicitly.
    ///
    /// # Errors
    /// The entry that is neither an origin nor a host.
    pub fn new(origins: Vec<String>, hosts: Vec<String>, always: bool) -> Result<UpgradePolicy, String> {
        if let Some(bad) = origins.iter().find(|text| !is_plain(text.trim_end_matches('/'))) {
            return Err(format!("'{}' is no origin such as http://bench.example", shown(bad)));
        }
        if let Some(bad) = hosts.iter().find(|text| !is_plain(text) || text.contains('/')) {
            return Err(format!("'{}' is no host name such as bench.example", shown(bad)));
        }
        let checks_everywhere = always || !origins.is_empty() || !hosts.is_empty();
        Ok(UpgradePolicy { origins, hosts, checks_everywhere })
    }

    /// Decides about an upgrade request with these values of `Origin` and `Host`; a header that is missing has
    /// none, and one that came twice has two.
    pub fn decide(&self, on_loopback: bool, origins: &[&str], hosts: &[&str]) -> UpgradeDecision {
        let foreign = origins.iter().find(|origin| !self.allows_origin(origin, hosts));
        if let Some(origin) = foreign {
            let page = match *origin {
                "null" => "a page without an origin (null)".to_owned(),
                origin => format!("the page '{}'", shown(origin)),
            };
            return if on_loopback || self.checks_everywhere {
                let reason = format!("{page} is foreign; allow_origin (--allow-origin) permits it");
                UpgradeDecision::Reject(reason)
            } else {
                let reason =
                    format!("{page} is foreign; allow_origin (--allow-origin) has only some pages connect");
                UpgradeDecision::Tolerate(reason)
            };
        }
        let checks_hosts = on_loopback || !self.hosts.is_empty();
        match hosts.iter().find(|host| checks_hosts && !self.allows_host(host)) {
            Some(host) => UpgradeDecision::Reject(format!(
                "the host '{}' is not this daemon's; allow_host (--allow-host) permits it",
                shown(host)
            )),
            None => UpgradeDecision::Accept,
        }
    }

    fn allows_origin(&self, origin: &str, hosts: &[&str]) -> bool {
        if self.origins.iter().any(|allowed| allowed == ANY || is_same_origin(allowed, origin)) {
            return true;
        }
        let Some((_, own)) = origin.split_once("://") else { return false };
        !hosts.is_empty() && hosts.iter().all(|host| is_same_host(own, host))
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = without_port(host);
        let is_address = name.parse::<Ipv4Addr>().is_ok() || bracketed(name).is_some();
        is_address
            || is_same_host(name, "localhost")
            || self.hosts.iter().any(|allowed| allowed == ANY || is_same_host(allowed, name))
    }
}

/// Returns whether a text may be part of an option: not empty, without blanks and control characters.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Returns whether an origin is the allowed one. A bare host allows every scheme and port of it.
fn is_same_origin(allowed: &str, origin: &str) -> bool {
    let allowed = allowed.trim_end_matches('/');
    match (allowed.split_once("://"), origin.split_once("://")) {
        (Some((scheme, place)), Some((other_scheme, other_place))) => {
            scheme.eq_ignore_ascii_case(other_scheme)
                && is_same_host(place, other_place)
                && port(scheme, place) == port(scheme, other_place)
        }
        (None, Some((_, place))) => is_same_host(allowed, place),
        // `null`, which is allowed only where it is named.
        (None, None) => allowed == origin,
        (Some(_), None) => false,
    }
}

/// Returns whether two hosts are the same, without their ports.
fn is_same_host(one: &str, other: &str) -> bool {
    let (one, other) = (without_port(one), without_port(other));
    match (bracketed(one), bracketed(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => {
            let (one, other) = (without_dot(one), without_dot(other));
            !one.is_empty() && one.eq_ignore_ascii_case(other)
        }
        _ => false,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Returns the address in brackets, as IPv6 has it in URLs.
fn bracketed(name: &str) -> Option<Ipv6Addr> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Returns the port behind a host, or the default one of the scheme.
fn port<'a>(scheme: &str, place: &'a str) -> &'a str {
    let given = place[without_port(place).len()..].trim_start_matches(':');
    match scheme.to_ascii_lowercase().as_str() {
        _ if !given.is_empty() => given,
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(origins: &[&str], hosts: &[&str], always: bool) -> UpgradePolicy {
        let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        UpgradePolicy::new(list(origins), list(hosts), always).expect("valid")
    }

    fn outcome(policy: &UpgradePolicy, on_loopback: bool, origin: &str, host: &str) -> &'static str {
        let list = |text| [text].into_iter().filter(|text: &&str| !text.is_empty()).collect::<Vec<_>>();
        match policy.decide(on_loopback, &list(origin), &list(host)) {
            UpgradeDecision::Accept => "accept",
            UpgradeDecision::Tolerate(reason) if reason.contains("allow_origin") => "tolerate",
            UpgradeDecision::Reject(reason) if reason.contains("--allow-origin") => "origin",
            UpgradeDecision::Reject(reason) if reason.contains("--allow-host") => "host",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_loopback_listener_decides_without_options() {
        for (origin, host, expected) in [
            ("", "127.0.0.1:11123", "accept"),
            ("", "127.0.0.1", "accept"),
            ("", "[::1]:11123", "accept"),
            ("", "localhost:11123", "accept"),
            ("", "LocalHost.", "accept"),
            ("", "192.0.2.7", "accept"),
            ("", "", "accept"),
            ("", "evil.example", "host"),
            ("", "localhost.evil.example", "host"),
            ("", "[evil]", "host"),
            ("", "127.0.0.1.evil.example:11123", "host"),
            ("http://localhost:8000", "localhost:11123", "accept"),
            ("https://LOCALHOST", "localhost:11123", "accept"),
            ("http://127.0.0.1:8000", "127.0.0.1:11123", "accept"),
            ("http://[::1]:8000", "[0:0::1]:11123", "accept"),
            ("http://localhost:8000", "127.0.0.1:11123", "origin"),
            ("http://[::1]", "[::2]", "origin"),
            ("http://evil.example", "localhost:11123", "origin"),
            ("http://evil.example", "", "origin"),
            ("http://evil.example", "evil.example", "host"),
            ("http://evil.example:80", "evil.example:11123", "host"),
            ("null", "localhost:11123", "origin"),
            ("null", "null", "origin"),
            ("file://", "localhost", "origin"),
            ("http://", "localhost", "origin"),
            ("garbage", "localhost", "origin"),
            ("http://localhost.evil.example", "localhost", "origin"),
        ] {
            for always in [false, true] {
                let policy = policy(&[], &[], always);
                assert_eq!(outcome(&policy, true, origin, host), expected, "{origin} {host}");
            }
        }
    }

    #[test]
    fn what_is_allowed() {
        for (allowed, origin, expected) in [
            ("http://a.example", "http://a.example", "accept"),
            ("http://a.example/", "http://A.example:80", "accept"),
            ("https://a.example", "https://a.example:443", "accept"),
            ("http://a.example", "https://a.example", "origin"),
            ("http://a.example", "http://a.example:8080", "origin"),
            ("http://a.example:8080", "http://a.example:8080", "accept"),
            ("a.example", "https://a.example:8080", "accept"),
            ("a.example", "https://b.a.example", "origin"),
            ("null", "null", "accept"),
            ("http://a.example", "null", "origin"),
            ("*", "null", "accept"),
            ("*", "garbage", "accept"),
        ] {
            let policy = policy(&[allowed], &[], true);
            for on_loopback in [false, true] {
                assert_eq!(
                    outcome(&policy, on_loopback, origin, "127.0.0.1"),
                    expected,
                    "{allowed} {origin}"
                );
            }
        }
        for (allowed, host, expected) in [
            ("bench", "bench:11123", "accept"),
            ("Bench:1", "bench", "accept"),
            ("bench", "other", "host"),
            ("bench", "127.0.0.1", "accept"),
            ("*", "evil.example", "accept"),
        ] {
            let policy = policy(&[], &[allowed], false);
            for on_loopback in [false, true] {
                assert_eq!(outcome(&policy, on_loopback, "", host), expected, "{allowed} {host}");
            }
        }
    }

    #[test]
    fn what_other_listeners_decide() {
        for (policy, origin, host, expected) in [
            (policy(&[], &[], false), "http://evil.example", "bench", "tolerate"),
            (policy(&[], &[], false), "null", "bench", "tolerate"),
            (policy(&[], &[], false), "http://bench", "bench", "accept"),
            (policy(&[], &[], false), "", "bench.example", "accept"),
            (policy(&[], &[], true), "http://evil.example", "bench", "origin"),
            (policy(&[], &[], true), "", "bench.example", "accept"),
            (policy(&["http://a"], &[], false), "http://evil.example", "bench", "origin"),
            (policy(&[], &["bench"], false), "http://evil.example", "bench", "origin"),
            (policy(&[], &["bench"], false), "http://bench", "bench", "accept"),
            (policy(&[], &["bench"], false), "", "evil.example", "host"),
        ] {
            assert_eq!(outcome(&policy, false, origin, host), expected, "{policy:?} {origin} {host}");
        }
    }

    #[test]
    fn a_header_that_comes_twice_has_to_be_right_twice() {
        let policy = policy(&[], &[], true);
        let decide = |origins: &[&str], hosts: &[&str]| policy.decide(true, origins, hosts);
        assert_eq!(decide(&["http://localhost"; 2], &["localhost"; 2]), UpgradeDecision::Accept);
        assert_ne!(decide(&["http://localhost", "http://evil"], &["localhost"]), UpgradeDecision::Accept);
        assert_ne!(decide(&["http://localhost"], &["localhost", "evil"]), UpgradeDecision::Accept);
    }

    #[test]
    fn reasons_are_one_line_of_a_bounded_length() {
        let origin = format!("http://evil\n\u{1b}[31m{}", "x".repeat(10_000));
        let UpgradeDecision::Reject(reason) = policy(&[], &[], true).decide(true, &[&origin], &["a"]) else {
            panic!("accepted");
        };
        assert!(reason.len() < 400 && !reason.contains(char::is_control), "{reason}");
    }

    #[test]
    fn options_that_are_no_origin_or_host_are_named() {
        for bad in ["", "/", "a b", "http://a\n"] {
            assert!(UpgradePolicy::new(vec![bad.to_owned()], Vec::new(), true).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "http://a"] {
            assert!(UpgradePolicy::new(Vec::new(), vec![bad.to_owned()], true).is_err(), "{bad:?}");
        }
    }
}
