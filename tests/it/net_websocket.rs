//! WebSockets over real sockets, with tungstenite's blocking server and with scripted HTTP responses.
#![allow(clippy::result_large_err)] // The type of tungstenite's callback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::net::*;
use jet::net::{Connection, ErrorKind, Options};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket};

fn url(address: SocketAddr, path: &str) -> Options {
    Options::url(&format!("ws://{address}{path}")).expect("valid")
}

/// Starts a tungstenite server that accepts the subprotocol and passes its socket and the request to `script`.
fn foreign<R: Send + 'static>(
    script: impl FnOnce(WebSocket<TcpStream>, Request) -> R + Send + 'static,
) -> (SocketAddr, std::thread::JoinHandle<R>) {
    server(move |stream| {
        let mut seen = None;
        let check = |request: &Request, mut response: Response| {
            seen = Some(request.clone());
            response.headers_mut().insert("Sec-WebSocket-Protocol", "jet".parse().expect("a value"));
            Ok(response)
        };
        let socket = tungstenite::accept_hdr(stream, check).expect("an upgrade");
        script(socket, seen.expect("a request"))
    })
}

/// Starts a server that reads the request, sends these bytes and waits until the client disconnects.
fn scripted(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    let (address, _) = server(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(&answer).expect("written");
        let _ = stream.read(&mut [0; 4096]);
    });
    address
}

#[test]
fn a_foreign_server_sees_an_ordinary_client() {
    let (address, server) = foreign(|mut socket, request| {
        let message = socket.read().expect("a message");
        socket.send(Message::text("{\"answer\":1}")).expect("sent");
        socket.send(Message::binary(b"{\"answer\":2}".to_vec())).expect("sent");
        let _ = socket.read();
        (message, request)
    });
    let mut options = url(address, "/api/jet/?a=b");
    let web = options.websocket.as_mut().expect("a WebSocket");
    web.headers.push(("Authorization".to_owned(), "Bearer x".to_owned()));
    let mut connection = dial(options).expect("connects");
    send(&mut connection, b"{\"question\":1}");
    let (messages, _) = receive(&mut connection, 2);
    assert_eq!(messages, [b"{\"answer\":1}", b"{\"answer\":2}"]);
    connection.close();
    let (message, request) = server.join().expect("script");
    assert_eq!(message, Message::text("{\"question\":1}"));
    assert_eq!(request.uri(), "/api/jet/?a=b");
    assert_eq!(request.headers()["Sec-WebSocket-Protocol"], "jet");
    assert_eq!(request.headers()["Authorization"], "Bearer x");
    assert_eq!(request.headers()["Host"], address.to_string());
}

#[test]
fn what_is_written_while_dialling_leaves_after_the_upgrade() {
    let (address, server) = foreign(|mut socket, _| (socket.read(), socket.read()));
    let mut connection = Connection::open(url(address, "/"), std::time::Instant::now()).expect("valid");
    send(&mut connection, b"1");
    send(&mut connection, b"2");
    assert!(connection.flush(std::time::Instant::now() + PATIENCE).expect("flushes"));
    let (first, second) = server.join().expect("script");
    assert_eq!((first.expect("one"), second.expect("two")), (Message::text("1"), Message::text("2")));
}

#[test]
fn pings_are_answered_while_nobody_writes() {
    let (address, server) = foreign(|mut socket, _| {
        socket.send(Message::Ping(b"alive?"[..].into())).expect("sent");
        let pong = socket.read().expect("an answer");
        socket.send(Message::text("thanks")).expect("sent");
        let _ = socket.read();
        pong
    });
    let mut connection = dial(url(address, "/")).expect("connects");
    assert_eq!(receive(&mut connection, 1).0, [b"thanks"]);
    connection.close();
    assert_eq!(server.join().expect("script"), Message::Pong(b"alive?"[..].into()));
}

#[test]
fn pongs_that_nobody_reads_count_as_unsent() {
    const ENOUGH: usize = 100_000;
    let (address, server) = foreign(|socket, _| {
        let ping = [&[0x89, 125][..], &[b'x'; 125]].concat().repeat(500);
        let mut stream = socket.get_ref();
        // The loop ends with the connection.
        while stream.write_all(&ping).is_ok() {}
    });
    let mut connection = dial(url(address, "/")).expect("connects");
    let end = std::time::Instant::now() + 3 * PATIENCE;
    while connection.unsent() <= ENOUGH {
        assert!(std::time::Instant::now() < end, "{} bytes are unsent", connection.unsent());
        connection.wait(connection.wants(), Some(end)).expect("poll");
        connection.drive(std::time::Instant::now()).expect("drives");
        connection.read().expect("open");
    }
    drop(connection);
    server.join().expect("script");
}

#[test]
fn a_close_frame_tells_why_after_the_last_messages() {
    let (address, server) = foreign(|mut socket, _| {
        socket.send(Message::text("last")).expect("sent");
        let frame = tungstenite::protocol::CloseFrame { code: 1001.into(), reason: "going home".into() };
        socket.close(Some(frame)).expect("closed");
        // The loop ends with the client's close frame.
        while socket.read().is_ok() {}
        socket.can_write()
    });
    let mut connection = dial(url(address, "/")).expect("connects");
    let (messages, error) = receive_to_end(&mut connection);
    assert_eq!(messages, [b"last"]);
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.to_string(), "connection closed by the daemon (1001 going home)");
    drop(connection);
    server.join().expect("script");
}

#[test]
fn an_own_close_is_a_close_frame() {
    let (address, server) = foreign(|mut socket, _| (socket.read(), socket.read()));
    let mut connection = dial(url(address, "/")).expect("connects");
    send(&mut connection, b"bye");
    connection.close();
    let (message, close) = server.join().expect("script");
    assert_eq!(message.expect("a message"), Message::text("bye"));
    let Message::Close(Some(frame)) = close.expect("a frame") else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1000);
}

#[test]
fn messages_behind_the_handshake_in_the_same_packet_are_not_lost() {
    let (address, _server) = server(|mut stream| {
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).expect("a request");
        let text = String::from_utf8_lossy(&request[..length]).into_owned();
        let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        let accept = tungstenite::handshake::derive_accept_key(key.trim().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n\u{81}"
        );
        // The first byte of the frame, 0x81, is not valid UTF-8 alone.
        let mut bytes = answer.into_bytes();
        bytes.truncate(bytes.len() - 2);
        bytes.extend(b"\x81\x05early\x81\x03two");
        stream.write_all(&bytes).expect("written");
        let _ = stream.read(&mut [0]);
    });
    let mut connection = dial(url(address, "/")).expect("connects although there is no subprotocol");
    connection.read().expect("the batch that came along");
    assert_eq!(connection.messages().collect::<Vec<_>>(), [&b"early"[..], b"two"]);
    connection.read().expect("open");
    assert_eq!(connection.messages().len(), 0);
}

#[test]
fn refusals_say_what_the_daemon_said() {
    for (answer, text) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "WebSocket: the daemon answers 404 Not Found"),
        // The C daemon sends this for any path but its own.
        ("HTTP/1.0 404 Not Found\r\n\r\n", "WebSocket: the daemon answers 404 Not Found"),
        ("HTTP/1.0 404\r\n\r\n", "WebSocket: the daemon answers 404 Not Found"),
        ("HTTP/1.1 101 OK\r\n\r\n", "WebSocket: the daemon's answer is no WebSocket upgrade"),
    ] {
        let error = dial_error(url(scripted(answer), "/"));
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unreachable, text.to_owned()));
    }
    let error = dial_error(url(scripted("\0\0\0\x02{}"), "/"));
    assert!(error.to_string().starts_with("WebSocket: "), "{error}");
}

#[test]
fn an_end_during_the_handshake_is_told() {
    let (address, _) = server(|mut stream| {
        assert!(stream.read(&mut [0; 4096]).expect("a request") > 0);
    });
    let error = dial_error(url(address, "/"));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), "connection closed by the daemon during the handshake");
}

#[test]
fn a_silent_server_costs_the_deadline_of_the_whole_connect() {
    let address = scripted("");
    let begun = std::time::Instant::now();
    let error = dial_error(Options { connect_timeout: Duration::from_millis(200), ..url(address, "/") });
    assert_eq!(error.to_string(), "connection timed out during the handshake");
    let taken = begun.elapsed();
    assert!(taken >= Duration::from_millis(200) && taken < Duration::from_secs(2), "{taken:?}");
}

#[test]
fn headers_that_cannot_be_sent_are_the_callers_mistake() {
    let mut options = url(([127, 0, 0, 1], 1).into(), "/");
    options.websocket.as_mut().expect("a WebSocket").headers.push(("Host".to_owned(), "x".to_owned()));
    let error = Connection::open(options, std::time::Instant::now()).expect_err("refused");
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Options, "'Host' cannot be an extra header".into())
    );
}

#[test]
fn secrets_are_not_in_debug_output() {
    let mut options = url(([127, 0, 0, 1], 1).into(), "/?token=secret");
    let web = options.websocket.as_mut().expect("a WebSocket");
    web.headers.push(("Authorization".to_owned(), "secret".to_owned()));
    let shown = format!("{options:?}");
    assert!(shown.contains("Authorization") && !shown.contains("secret"), "{shown}");
}

#[test]
fn ten_megabytes_pass_and_one_byte_more_does_not() {
    let (address, _server) = foreign(|mut socket, _| {
        for more in 0..2 {
            socket.send(Message::text("x".repeat(10_000_000 + more))).expect("sent");
        }
        let _ = socket.read();
    });
    let (messages, error) = receive_to_end(&mut dial(url(address, "/")).expect("connects"));
    assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), [10_000_000]);
    assert_eq!(error.to_string(), "message of 10000001 bytes exceeds the limit of 10000000");
}
