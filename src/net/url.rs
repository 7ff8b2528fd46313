//! Addresses written as URLs: `ws://`, `wss://`, `tcp://`, `unix:`.

use super::options::{Options, TlsOptions, WebSocketOptions};
use super::{Error, ErrorKind};

/// The port that daemons listen on for the trivial protocol.
const DEFAULT_JET_PORT: u16 = 11122;

/// Parses a URL; see [`Options::url`].
pub fn parse(url: &str) -> Result<Options, Error> {
    if let Some(name) = url.strip_prefix("unix:") {
        let path = name.strip_prefix("//").unwrap_or(name);
        return Ok(Options::unix(path));
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(|| bad(url, "it has no scheme"))?;
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "ws" => 80,
        "wss" => 443,
        "tcp" => DEFAULT_JET_PORT,
        _ => return Err(bad(url, "the scheme must be ws, wss, tcp or unix")),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = host_and_port(url, authority, port)?;
    let mut options = Options::tcp(host, port);
    if scheme == "tcp" {
        if !matches!(path, "" | "/") {
            return Err(bad(url, "tcp has no path"));
        }
        return Ok(options);
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    options.websocket = Some(WebSocketOptions { path, ..WebSocketOptions::default() });
    options.tls = (scheme == "wss").then(TlsOptions::default);
    Ok(options)
}

fn host_and_port<'a>(url: &str, authority: &'a str, default: u16) -> Result<(&'a str, u16), Error> {
    if authority.contains('@') {
        return Err(bad("...", "user and password do not belong there, use headers"));
    }
    // The colons of an IPv6 address are inside its brackets.
    let end_of_address = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[end_of_address..].rfind(':') {
        Some(at) => (&authority[..end_of_address + at], &authority[end_of_address + at + 1..]),
        None => (authority, ""),
    };
    if host.is_empty() {
        return Err(bad(url, "it has no host"));
    }
    let port = match port {
        "" => default,
        text => text
            .parse()
            .ok()
            .filter(|&port| port > 0)
            .ok_or_else(|| bad(url, "the port must be in 1..65535"))?,
    };
    Ok((host, port))
}

fn bad(url: &str, why: &str) -> Error {
    // A query may hold a secret.
    let shown = url.split('?').next().unwrap_or_default();
    Error::new(ErrorKind::Options, format!("bad url '{shown}': {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::options::Target;
    use super::*;

    fn parts(url: &str) -> (Target, Option<String>, bool) {
        let options = Options::url(url).expect("valid");
        (options.target, options.websocket.map(|web| web.path), options.tls.is_some())
    }

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn urls_say_where_and_how() {
        let path = |path: &str| Some(path.to_owned());
        assert_eq!(parts("ws://rig:11123/api/jet/?a=b#c"), (tcp("rig", 11123), path("/api/jet/?a=b"), false));
        assert_eq!(parts("WS://rig"), (tcp("rig", 80), path("/"), false));
        assert_eq!(parts("wss://[::1]:8443"), (tcp("[::1]", 8443), path("/"), true));
        assert_eq!(parts("wss://[::1]?x"), (tcp("[::1]", 443), path("/?x"), true));
        assert_eq!(parts("tcp://10.0.0.1/"), (tcp("10.0.0.1", 11122), None, false));
        assert_eq!(parts("unix:/run/jet"), (Target::Unix(b"/run/jet".to_vec()), None, false));
        assert_eq!(parts("unix:///run/jet"), (Target::Unix(b"/run/jet".to_vec()), None, false));
        assert_eq!(parts("unix:@jet"), (Target::Unix(b"@jet".to_vec()), None, false));
    }

    #[test]
    fn bad_urls_are_refused_without_telling_secrets() {
        for (url, why) in [
            ("rig:1", "bad url 'rig:1': it has no scheme"),
            ("http://rig", "bad url 'http://rig': the scheme must be ws, wss, tcp or unix"),
            ("ws://:80", "bad url 'ws://:80': it has no host"),
            ("ws://rig:0/?key=x", "bad url 'ws://rig:0/': the port must be in 1..65535"),
            ("ws://rig:x", "bad url 'ws://rig:x': the port must be in 1..65535"),
            ("tcp://rig/x", "bad url 'tcp://rig/x': tcp has no path"),
            ("ws://me:secret@rig", "bad url '...': user and password do not belong there, use headers"),
        ] {
            assert_eq!(Options::url(url).expect_err("bad").to_string(), why);
        }
    }

    #[test]
    fn the_host_header_has_no_default_port() {
        assert_eq!(tcp("rig", 80).host_header(80), "rig");
        assert_eq!(tcp("::1", 81).host_header(80), "[::1]:81");
    }
}
