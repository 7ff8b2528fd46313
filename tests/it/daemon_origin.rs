//! Which Web pages may open a WebSocket: `Origin` and `Host` of upgrade requests, over real connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use jet::daemon::Config;
use jet::daemon::LogLine;
use jet::server::{Handle, Interfaces, ListenConfig, Options, UpgradePolicy, start};

/// A limit for waits, longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Daemon {
    handle: Handle,
    log: mpsc::Receiver<LogLine>,
}

/// Starts a daemon with a WebSocket port on `address`, and these allowed origins and hosts.
fn daemon(address: &str, origins: &[&str], hosts: &[&str], always: bool) -> Daemon {
    let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let upgrades = UpgradePolicy::new(list(origins), list(hosts), always).expect("valid");
    let places = ListenConfig {
        interfaces: Interfaces::These(vec![address.to_owned()]),
        ws_port: Some(0),
        upgrades: upgrades.into(),
        ..ListenConfig::default()
    };
    let (sender, log) = mpsc::channel();
    let options = Options {
        config: Config::default(),
        listeners: places.bind_websockets().expect("a free port"),
        log: Box::new(move |line| {
            let _ = sender.send(line);
        }),
        accounts: None,
    };
    Daemon { handle: start(options).expect("started"), log }
}

impl Daemon {
    /// Sends an upgrade request with these headers. Returns the connection and the head of the response.
    fn upgrade(&self, headers: &str) -> (TcpStream, String) {
        let port = self.handle.addresses()[0].port();
        let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let request = format!(
            "GET / HTTP/1.1\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a response");
            head.push(byte[0]);
        }
        (stream, String::from_utf8(head).expect("ASCII"))
    }

    fn status(&self, headers: &str) -> String {
        self.upgrade(headers).1.split(' ').nth(1).expect("a status").to_owned()
    }

    fn line(&self) -> String {
        self.log.recv_timeout(PATIENCE).expect("a line of the log").text
    }
}

#[test]
fn foreign_pages_get_403_and_the_log_names_the_option() {
    let daemon = daemon("127.0.0.1", &[], &[], false);
    for (headers, expected) in [
        ("Host: localhost:1\r\nOrigin: http://evil.example\r\n", "'http://evil.example' is foreign"),
        ("Host: localhost:1\r\nOrigin: null\r\n", "(null) is foreign"),
        ("Host: evil.example\r\nOrigin: http://evil.example\r\n", "'evil.example'"),
        ("Host: evil.example\r\n", "'evil.example'"),
    ] {
        let (mut stream, head) = daemon.upgrade(headers);
        assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
        let mut body = String::new();
        stream.read_to_string(&mut body).expect("text, and the end");
        let line = daemon.line();
        let option = if expected.contains("foreign") { "--allow-origin" } else { "--allow-host" };
        for text in [&body, &line] {
            assert!(text.contains(expected) && text.contains(option), "{text}");
        }
    }
    for headers in ["Host: 127.0.0.1:1\r\n", "Host: localhost\r\nOrigin: http://localhost:8000\r\n", ""] {
        assert_eq!(daemon.status(headers), "101", "{headers}");
    }
}

#[test]
fn what_is_allowed_gets_in() {
    let daemon = daemon("127.0.0.1", &["http://page.example"], &["bench"], true);
    assert_eq!(daemon.status("Host: bench:1\r\nOrigin: http://page.example\r\n"), "101");
    assert_eq!(daemon.status("Host: bench:1\r\nOrigin: http://other.example\r\n"), "403");
    assert_eq!(daemon.status("Host: other\r\nOrigin: http://page.example\r\n"), "403");
}

#[test]
fn elsewhere_a_foreign_page_is_logged_once_and_let_in_unless_an_option_is_given() {
    let foreign = "Host: bench\r\nOrigin: http://evil.example\r\n";
    let lenient = daemon("0.0.0.0", &[], &[], false);
    assert!(lenient.line().contains("without users"));
    for _ in 0..3 {
        assert_eq!(lenient.status(foreign), "101");
    }
    let line = lenient.line();
    assert!(line.contains("http://evil.example") && line.contains("allow_origin"), "{line}");
    drop(lenient.handle);
    assert_eq!(lenient.log.iter().map(|line| line.text).collect::<Vec<_>>(), Vec::<String>::new());
    for strict in [
        daemon("0.0.0.0", &[], &[], true),
        daemon("0.0.0.0", &["http://page.example"], &[], false),
        daemon("0.0.0.0", &[], &["bench"], false),
    ] {
        assert_eq!(strict.status(foreign), "403");
    }
}
