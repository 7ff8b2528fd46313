//! The daemon on all transports at once, served by one thread: the same messages over each of them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::frames::frame;
use crate::support::net::*;
use crate::support::temp_dir::TempDir;
use jet::daemon::Config;
use jet::daemon::LogLine;
use jet::net::{Options, Target, TlsOptions};
use jet::server::{Handle, Options as DaemonOptions, ServeOptions, ServerTls, bind, bind_unix, start};

/// A daemon on every transport, and the options to connect to it.
struct Everywhere {
    _daemon: Handle,
    plain: u16,
    /// The name of each transport and its options.
    ways: Vec<(&'static str, Options)>,
    log: mpsc::Receiver<LogLine>,
    files: TempDir,
}

fn everywhere() -> Everywhere {
    everywhere_pinging(ServeOptions::default().ping_interval)
}

/// Starts the daemon of [`everywhere`] with this time between two pings of a WebSocket.
fn everywhere_pinging(ping_interval: Duration) -> Everywhere {
    let files = TempDir::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) =
        (files.file("cert.pem", made.cert.pem()), files.file("key.pem", made.signing_key.serialize_pem()));
    let tls = Some(ServerTls::new(&certificate, &key, None).expect("valid"));
    let name = format!("@jet-daemon-test-{}-{:p}", std::process::id(), &files);
    let path = files.path("jet.socket");
    let local = || bind(Some("127.0.0.1"), 0).expect("a free port");
    let speaking = |websocket, tls| {
        let options = ServeOptions { websocket, tls, ping_interval, ..ServeOptions::default() };
        local().speaking(options).expect("built in")
    };
    let listeners = vec![
        local(),
        speaking(true, None),
        speaking(false, tls.clone()),
        speaking(true, tls),
        bind_unix(path.to_str().expect("UTF-8").as_bytes(), 0o660).expect("binds"),
        bind_unix(name.as_bytes(), 0o660).expect("binds"),
    ];
    let ports: Vec<u16> =
        listeners.iter().filter_map(|listener| listener.address()).map(|address| address.port()).collect();
    let config = Config { max_message: 100_000, ..Config::default() };
    let (sender, log) = mpsc::channel();
    let sink = Box::new(move |line| {
        let _ = sender.send(line);
    });
    let daemon = start(DaemonOptions { config, listeners, log: sink, accounts: None }).expect("starts");
    let trusting = Some(TlsOptions { ca_file: Some(certificate), ..TlsOptions::default() });
    let ways = vec![
        ("tcp", Options::tcp("127.0.0.1", ports[0])),
        ("ws", Options::url(&format!("ws://127.0.0.1:{}/api/jet/", ports[1])).expect("valid")),
        ("tls", Options { tls: trusting.clone(), ..Options::tcp("localhost", ports[2]) }),
        (
            "wss",
            Options {
                tls: trusting,
                ..Options::url(&format!("wss://localhost:{}", ports[3])).expect("valid")
            },
        ),
        ("unix", Options::unix(path.to_str().expect("UTF-8"))),
        ("abstract", Options::unix(name)),
    ];
    Everywhere { _daemon: daemon, plain: ports[0], ways, log, files }
}

fn text(message: &[u8]) -> String {
    String::from_utf8(message.to_vec()).expect("JSON")
}

#[test]
fn a_state_added_on_one_transport_is_seen_on_every_other() {
    let bus = everywhere();
    for (from, how) in &bus.ways {
        let mut owner = dial(how.clone()).expect(from);
        // The daemon may notice late that the previous owner has disconnected, so each uses another path.
        let add = format!(r#"{{"id":1,"method":"add","params":{{"path":"{from}","value":[1]}}}}"#);
        send(&mut owner, add.as_bytes());
        assert!(text(&receive(&mut owner, 1).0[0]).contains("\"result\""), "{from}");
        for (to, how) in &bus.ways {
            let mut watcher = dial(how.clone()).expect(to);
            let fetch =
                format!(r#"{{"id":1,"method":"fetch","params":{{"id":"f","path":{{"equals":"{from}"}}}}}}"#);
            send(&mut watcher, fetch.as_bytes());
            let (messages, _) = receive(&mut watcher, 2);
            assert!(text(&messages[1]).contains("\"value\":[1]"), "{from} to {to}: {}", text(&messages[1]));
        }
        owner.close();
    }
}

#[test]
fn what_leaves_together_leaves_in_one_write_also_as_websocket_frames() {
    let bus = everywhere();
    let (_, how) = &bus.ways[1];
    let mut owner = dial(how.clone()).expect("connects");
    let add = |n: usize| {
        frame(format!("{{\"method\":\"add\",\"params\":{{\"path\":\"{n}\",\"value\":1}}}}").as_bytes())
    };
    owner.write(&mut (0..100).flat_map(add).collect()).expect("written");
    send(&mut owner, b"{\"id\":1,\"method\":\"fetch\",\"params\":{\"id\":\"f\"}}");
    let (mut turns, mut count) = (0, 0);
    while count < 101 {
        owner.wait(owner.wants(), Some(Instant::now() + PATIENCE)).expect("poll");
        owner.read().expect("open");
        turns += usize::from(owner.messages().len() > 0);
        count += owner.messages().len();
    }
    assert!(turns <= 3, "101 messages came in {turns} pieces");
}

#[test]
fn too_long_messages_are_refused_alike() {
    let bus = everywhere();
    for (name, how) in &bus.ways {
        // The larger message is not sent at once: the daemon has to read it before it closes.
        for length in [100_001, 9_000_000] {
            let mut peer = dial(how.clone()).expect(name);
            send(&mut peer, &vec![b' '; length]);
            let (messages, error) = receive_to_end(&mut peer);
            let told = messages.first().map(|message| text(message)).unwrap_or_default();
            let expected = format!("message of {length} bytes exceeds the limit of 100000");
            let closed = format!("the daemon closed the connection after a message of {length} bytes");
            // On a WebSocket the close frame has the reason, and no error is sent.
            let farewell = format!("connection closed by the daemon (1009 {expected})");
            if how.websocket.is_some() {
                assert_eq!((told, error.to_string()), (String::new(), farewell), "{name}");
            } else {
                assert!(told.contains(&expected), "{name}: {told}");
                assert_eq!(error.to_string(), closed, "{name}");
            }
        }
    }
}

#[test]
fn a_socket_file_goes_with_the_daemon_and_a_dead_one_is_replaced() {
    let files = TempDir::new();
    let path = files.path("jet.socket");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    let name = path.to_str().expect("UTF-8").to_owned();
    let listener = bind_unix(name.as_bytes(), 0o660).expect("replaces the file of a dead socket");
    let error = bind_unix(name.as_bytes(), 0o660).expect_err("alive");
    assert_eq!(error.to_string(), format!("address already in use ({name})"));
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_port_in_use_is_told_with_its_address() {
    let bus = everywhere();
    let error = bind(Some("127.0.0.1"), bus.plain).expect_err("in use");
    assert_eq!(error.to_string(), format!("address already in use (127.0.0.1:{})", bus.plain));
    assert!(bind(None, 0).expect("all interfaces").address().expect("TCP").port() > 0);
    assert!(bus.files.path("cert.pem").exists());
}

#[test]
fn strangers_do_not_disturb_the_others() {
    let bus = everywhere();
    let mut strangers = Vec::new();
    for (_, how) in &bus.ways[..4] {
        let jet::net::Target::Tcp { port, .. } = how.target else { panic!("TCP") };
        for words in
            [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b"\xff\xff\xff\xff", b""]
        {
            let mut stranger = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connects");
            stranger.write_all(words).expect("written");
            strangers.push(stranger);
        }
    }
    let mut answer = [0; 1024];
    let length = strangers[4].read(&mut answer).expect("an answer");
    assert!(
        answer[..length].starts_with(b"HTTP/1.1 426 "),
        "the response does not name the missing protocol"
    );
    for (name, how) in &bus.ways {
        let mut peer = dial(how.clone()).expect(name);
        send(&mut peer, b"{\"id\":1,\"method\":\"info\",\"params\":{}}");
        assert_eq!(receive(&mut peer, 1).0.len(), 1, "{name}");
    }
}

/// Connects tungstenite's WebSocket client. Returns it with the subprotocol of the response.
fn foreign_client(bus: &Everywhere) -> (tungstenite::WebSocket<TcpStream>, Option<String>) {
    let jet::net::Target::Tcp { port, .. } = bus.ways[1].1.target else { panic!("TCP") };
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("settable");
    let (socket, response) = tungstenite::client("ws://localhost/any/path", stream).expect("upgrades");
    let protocol = response.headers().get("Sec-WebSocket-Protocol");
    (socket, protocol.map(|name| name.to_str().expect("ASCII").to_owned()))
}

#[test]
fn a_websocket_has_text_before_msgpack_and_binary_frames_after() {
    let bus = everywhere();
    let (mut socket, _) = foreign_client(&bus);
    let config = r#"{"id":2,"method":"config","params":{"encoding":"msgpack"}}"#;
    let batch =
        format!(r#"[{{"id":1,"method":"echo","params":1}},{config},{{"id":3,"method":"echo","params":3}}]"#);
    socket.send(tungstenite::Message::text(batch)).expect("sent");
    let first = socket.read().expect("an answer").into_text().expect("text");
    assert_eq!(first.as_str(), r#"{"id":1,"result":1}"#);
    let second = socket.read().expect("an answer").into_text().expect("text");
    assert_eq!(second.as_str(), r#"{"id":2,"result":true}"#);
    let third = socket.read().expect("an answer");
    assert_eq!(third, tungstenite::Message::binary(&b"\x82\xa2id\x03\xa6result\x03"[..]));
    let echo = &b"\x83\xa2id\x04\xa6method\xa4echo\xa6params\xc3"[..];
    socket.send(tungstenite::Message::binary(echo)).expect("sent");
    assert_eq!(socket.read().expect("an answer").into_data(), &b"\x82\xa2id\x04\xa6result\xc3"[..]);
    // A text frame is JSON, also after the encoding has changed.
    socket.send(tungstenite::Message::text(r#"{"id":5,"method":"echo","params":5}"#)).expect("sent");
    assert_eq!(socket.read().expect("an answer").into_data(), &b"\x82\xa2id\x05\xa6result\x05"[..]);
}

#[test]
fn a_websocket_peer_is_pinged_and_answers_are_no_messages() {
    assert_eq!(ServeOptions::default().ping_interval, Duration::from_secs(5));
    let interval = Duration::from_millis(300);
    let bus = everywhere_pinging(interval);
    let begun = Instant::now();
    let (mut socket, protocol) = foreign_client(&bus);
    assert_eq!(protocol, None);
    for number in 1..=2 {
        let message = socket.read().expect("a ping");
        assert!(message.is_ping(), "{message:?}");
        assert!(begun.elapsed() >= interval * number);
    }
    socket
        .send(tungstenite::Message::binary(&b"{\"id\":1,\"method\":\"info\",\"params\":{}}"[..]))
        .expect("sent");
    assert!(socket.read().expect("an answer").is_text());
}

#[test]
fn who_speaks_something_else_is_told_what() {
    let bus = everywhere();
    let port = |at: usize| match bus.ways[at].1.target {
        Target::Tcp { port, .. } => port,
        Target::Unix(_) => unreachable!("the first four are TCP"),
    };
    // Each transport on the port of another one: the error of the peer, and the line in the log.
    let wrong_tls =
        ("the daemon does not speak TLS on this port", "speaks TLS, but this port is not encrypted");
    let cases = [
        (0, 1, "the daemon speaks HTTP on this port: a ws:// url is needed", "speaks no WebSocket"),
        (0, 2, "the daemon speaks TLS on this port: tls = true is needed", "does not speak TLS"),
        (0, 3, "the daemon speaks TLS on this port: tls = true is needed", "does not speak TLS"),
        (1, 0, "the daemon speaks no WebSocket on this port: ip and port", "speaks HTTP, but"),
        (1, 2, "the daemon speaks TLS on this port: a wss:// url is needed", "does not speak TLS"),
        (1, 3, "the daemon speaks TLS on this port: a wss:// url is needed", "does not speak TLS"),
        (2, 0, wrong_tls.0, wrong_tls.1),
        (2, 1, wrong_tls.0, wrong_tls.1),
        (3, 0, wrong_tls.0, wrong_tls.1),
        (3, 1, wrong_tls.0, wrong_tls.1),
    ];
    for (speaks, on, told, logged) in cases {
        let mut options = bus.ways[speaks].1.clone();
        options.target = Target::Tcp { host: "localhost".to_owned(), port: port(on) };
        let error = match dial(options) {
            Err(error) => error,
            Ok(mut connection) => {
                send(&mut connection, br#"{"id":1,"method":"info"}"#);
                receive_to_end(&mut connection).1
            }
        };
        assert!(error.to_string().contains(told), "{speaks} on {on}: {error}");
        let line = bus.log.recv_timeout(PATIENCE).expect("a line of the log").text;
        assert!(line.contains(logged), "{speaks} on {on}: {line}");
    }
}
