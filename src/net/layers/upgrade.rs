//! The HTTP request and response that turn a connection into a WebSocket (RFC 6455, section 4).

use std::borrow::Cow;

use tungstenite::handshake::client::{Response, generate_key};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tungstenite::protocol::Role;

use super::super::error::{Error, ErrorKind};
use super::super::options::WebSocketOptions;
use super::super::upgrade_policy::UpgradeDecision;
use super::UpgradeGuard;

/// No honest request or response is longer.
const MAX_HEAD: usize = 16 * 1024;

/// The subprotocol that our daemon speaks.
const SUBPROTOCOL: &str = "jet";

/// Headers of the request that options cannot set.
const OWN_HEADERS: [&str; 4] = ["host", "connection", "upgrade", "content-length"];

/// One end's expectation.
#[derive(Debug)]
pub enum Upgrade {
    /// A peer that waits for the response to its request with this key.
    Awaited { key: String },
    /// A daemon that waits for a request and checks it.
    Requested { guard: Option<UpgradeGuard> },
}

impl Upgrade {
    /// Returns a peer's request, and the wait for its response.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if path or headers cannot be part of a request.
    pub fn request(options: &WebSocketOptions, host: &str) -> Result<(Upgrade, Vec<u8>), Error> {
        check(options)?;
        let key = generate_key();
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            options.path
        );
        let subprotocol = options.subprotocol.iter().map(|name| ("Sec-WebSocket-Protocol", name.as_str()));
        let further = options.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in subprotocol.chain(further) {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        Ok((Upgrade::Awaited { key }, text.into_bytes()))
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        match self {
            Upgrade::Awaited { .. } => Role::Client,
            Upgrade::Requested { .. } => Role::Server,
        }
    }

    /// Reads the other side's head from the beginning of `input` and answers to `output`. Returns how
    /// long it was, or `None` if it is not complete yet. What the log should say about a request that was accepted
    /// is put into `notice`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`]: it is no upgrade, or one that is not allowed.
    pub fn read(
        &self,
        input: &[u8],
        output: &mut Vec<u8>,
        notice: &mut Option<String>,
    ) -> Result<Option<usize>, Error> {
        let head = &input[..input.len().min(MAX_HEAD)];
        let length = match self {
            Upgrade::Awaited { key } => read_response(head, key)?,
            Upgrade::Requested { guard } => read_request(head, guard.as_ref(), output, notice)?,
        };
        if length.is_none() && input.len() > MAX_HEAD {
            return Err(refused("the HTTP head is too long"));
        }
        Ok(length)
    }
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("WebSocket: {why}"))
}

fn read_response(head: &[u8], key: &str) -> Result<Option<usize>, Error> {
    let parsed = Response::try_parse(head).map_err(|error| match status_of(head) {
        Some(status) if status != StatusCode::SWITCHING_PROTOCOLS => answers(status),
        _ => refused(&error.to_string()),
    })?;
    let Some((length, response)) = parsed else {
        return Ok(None);
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(answers(response.status()));
    }
    let headers = response.headers();
    let accepted =
        headers.get("Sec-WebSocket-Accept").is_some_and(|value| value == &derive_accept_key(key.as_bytes()));
    if !accepted || !has_word(headers, "Upgrade", "websocket") || !has_word(headers, "Connection", "upgrade")
    {
        return Err(refused("the daemon's answer is no WebSocket upgrade"));
    }
    // An answer without a subprotocol is accepted: some daemons leave it out.
    Ok(Some(length))
}

fn answers(status: StatusCode) -> Error {
    refused(&format!("the daemon answers {status}"))
}

/// Returns the status of a response of any version of HTTP, such as the `HTTP/1.0 404` of the C daemon.
fn status_of(head: &[u8]) -> Option<StatusCode> {
    let mut words = head.strip_prefix(b"HTTP/")?.split(|byte| b" \r\n".contains(byte));
    StatusCode::from_bytes(words.nth(1)?).ok()
}

fn read_request(
    head: &[u8],
    guard: Option<&UpgradeGuard>,
    output: &mut Vec<u8>,
    notice: &mut Option<String>,
) -> Result<Option<usize>, Error> {
    let parsed = match Request::try_parse(head) {
        Ok(None) => return Ok(None),
        Ok(Some((length, request))) => create_response(&request).map(|response| (length, request, response)),
        Err(error) => Err(error),
    };
    let (length, request, mut response) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            output.extend_from_slice(
                b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Connection: close\r\nContent-Length: 0\r\n\r\n",
            );
            return Err(refused(&error.to_string()));
        }
    };
    match guard.map_or(UpgradeDecision::Accept, |guard| decide(guard, request.headers())) {
        UpgradeDecision::Accept => {}
        UpgradeDecision::Tolerate(reason) => *notice = Some(reason),
        UpgradeDecision::Reject(reason) => {
            output.extend_from_slice(forbidden(&reason).as_bytes());
            return Err(refused(&reason));
        }
    }
    if has_word(request.headers(), "Sec-WebSocket-Protocol", SUBPROTOCOL) {
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    }
    // Into a vector, and with headers of our own, this cannot fail.
    write_response(&mut *output, &response).map_err(|error| refused(&error.to_string()))?;
    Ok(Some(length))
}

/// Decides whether the page that sent a request may connect.
fn decide(guard: &UpgradeGuard, headers: &HeaderMap) -> UpgradeDecision {
    // A byte beyond ASCII becomes a character that no origin or host has.
    let values = |name: &str| -> Vec<Cow<str>> {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
    };
    let (origins, hosts) = (values("Origin"), values("Host"));
    let origins: Vec<&str> = origins.iter().map(|value| value.trim()).collect();
    let hosts: Vec<&str> = hosts.iter().map(|value| value.trim()).collect();
    guard.policy.decide(guard.on_loopback, &origins, &hosts)
}

/// Returns the response to a request that is not allowed.
fn forbidden(reason: &str) -> String {
    format!(
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{reason}\n",
        reason.len() + 1
    )
}

/// Returns whether a header that is a list has this word in it.
fn has_word(headers: &HeaderMap, name: &str, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}

/// Checks that a value from the options cannot end a line or add a header.
fn check(options: &WebSocketOptions) -> Result<(), Error> {
    let bad = |text: String| Err(Error::new(ErrorKind::Options, text));
    if !options.path.starts_with('/') || !options.path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return bad("the path of the url must be ASCII without blanks, the rest %-encoded".to_owned());
    }
    if options.subprotocol.as_ref().is_some_and(|name| !is_token(name)) {
        return bad("the subprotocol is no token".to_owned());
    }
    for (name, value) in &options.headers {
        let lower = name.to_ascii_lowercase();
        if !is_token(name) || lower.starts_with("sec-websocket-") || OWN_HEADERS.contains(&lower.as_str()) {
            return bad(format!("'{}' cannot be an extra header", name.escape_debug()));
        }
        if !value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
            return bad(format!("the value of header '{name}' has control characters"));
        }
    }
    Ok(())
}

fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTED: Upgrade = Upgrade::Requested { guard: None };

    fn with(change: impl FnOnce(&mut WebSocketOptions)) -> Result<String, Error> {
        let mut options = WebSocketOptions::default();
        change(&mut options);
        Upgrade::request(&options, "rig:1").map(|(_, request)| String::from_utf8(request).expect("ASCII"))
    }

    #[test]
    fn a_request_carries_the_callers_headers() {
        let request = with(|options| {
            options.path = "/api/jet/?a=b".to_owned();
            options.headers.push(("Authorization".to_owned(), "Bearer x".to_owned()));
        });
        let request = request.expect("valid");
        assert!(request.starts_with("GET /api/jet/?a=b HTTP/1.1\r\nHost: rig:1\r\n"), "{request}");
        assert!(
            request.ends_with("Sec-WebSocket-Protocol: jet\r\nAuthorization: Bearer x\r\n\r\n"),
            "{request}"
        );
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_request() {
        let header = |name: &str, value: &str| with(|o| o.headers.push((name.to_owned(), value.to_owned())));
        assert!(header("X-Fine", "yes, \u{e9}").is_ok());
        for (name, value) in [
            ("", ""),
            ("A b", ""),
            ("A:b", ""),
            ("Host", "x"),
            ("Sec-WebSocket-Key", "x"),
            ("X", "a\r\nB: c"),
        ] {
            assert_eq!(header(name, value).expect_err("refused").kind(), ErrorKind::Options, "{name}");
        }
        assert!(with(|options| options.path = "/a b".to_owned()).is_err());
        assert!(with(|options| options.path = "a".to_owned()).is_err());
        assert!(with(|options| options.subprotocol = Some("a,b".to_owned())).is_err());
    }

    #[test]
    fn a_request_and_its_response_fit_together_at_every_cut() {
        let (client, request) = Upgrade::request(&WebSocketOptions::default(), "rig").expect("valid");
        let mut response = Vec::new();
        for cut in 0..request.len() {
            assert_eq!(REQUESTED.read(&request[..cut], &mut response, &mut None), Ok(None));
        }
        assert_eq!(REQUESTED.read(&request, &mut response, &mut None), Ok(Some(request.len())));
        for cut in 0..response.len() {
            assert_eq!(client.read(&response[..cut], &mut Vec::new(), &mut None), Ok(None));
        }
        let mut with_more = response.clone();
        with_more.extend(b"\x81\x00");
        assert_eq!(client.read(&with_more, &mut Vec::new(), &mut None), Ok(Some(response.len())));
        assert!(
            String::from_utf8(response)
                .expect("ASCII")
                .to_lowercase()
                .contains("sec-websocket-protocol: jet")
        );
    }

    #[test]
    fn what_is_no_upgrade_is_refused_with_a_reason() {
        let mut output = Vec::new();
        let error = REQUESTED
            .read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &mut output, &mut None)
            .expect_err("refused");
        assert!(error.to_string().starts_with("WebSocket: "), "{error}");
        assert!(output.starts_with(b"HTTP/1.1 426 "));
        let (client, _) = Upgrade::request(&WebSocketOptions::default(), "rig").expect("valid");
        let error =
            client.read(b"HTTP/1.1 404 Not Found\r\n\r\n", &mut Vec::new(), &mut None).expect_err("refused");
        assert_eq!(error.to_string(), "WebSocket: the daemon answers 404 Not Found");
        let old =
            client.read(b"HTTP/1.0 404 Not Found\r\n\r\n", &mut Vec::new(), &mut None).expect_err("refused");
        assert_eq!(old.to_string(), "WebSocket: the daemon answers 404 Not Found", "as the C daemon does");
        let forged =
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        let error = client.read(forged, &mut Vec::new(), &mut None).expect_err("refused");
        assert_eq!(error.to_string(), "WebSocket: the daemon's answer is no WebSocket upgrade");
        let endless = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; MAX_HEAD]].concat();
        assert!(REQUESTED.read(&endless, &mut Vec::new(), &mut None).is_err());
    }
}
