//! Frames over TCP, with scripted servers on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::support::frames::{frame, read_frame, write_frame};
use crate::support::net::*;
use jet::net::{Connection, ErrorKind, Interest, Options, Status};

#[test]
fn messages_go_both_ways() {
    let (address, server) = server(|mut stream| {
        let first = read_frame(&mut stream);
        write_frame(&mut stream, b"{\"answer\":1}");
        first
    });
    let mut connection = dial(options(address)).expect("connects");
    send(&mut connection, b"{\"question\":1}");
    let (messages, _) = receive(&mut connection, 1);
    assert_eq!(messages, [b"{\"answer\":1}"]);
    assert_eq!(server.join().expect("script"), b"{\"question\":1}");
}

#[test]
fn what_is_written_while_dialling_leaves_when_open() {
    let (address, server) = server(|mut stream| (read_frame(&mut stream), read_frame(&mut stream)));
    let mut connection = Connection::open(options(address), Instant::now()).expect("valid");
    send(&mut connection, b"1");
    send(&mut connection, b"2");
    assert!(connection.flush(Instant::now() + PATIENCE).expect("flushes"));
    assert_eq!(server.join().expect("script"), (b"1".to_vec(), b"2".to_vec()));
}

#[test]
fn a_refused_connection_says_so_with_the_address() {
    let port = closed_port();
    let error = dial_error(Options::tcp("127.0.0.1", port));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), format!("connection refused (127.0.0.1:{port})"));
    let error = dial_error(Options::tcp("localhost", port));
    assert_eq!(error.to_string(), format!("connection refused (127.0.0.1:{port}, [::1]:{port})"));
}

#[test]
fn a_failed_connection_keeps_saying_why_and_accepts_anything() {
    let mut connection =
        Connection::open(Options::tcp("127.0.0.1", closed_port()), Instant::now()).expect("valid");
    let error = loop {
        match connection.drive(Instant::now()) {
            Ok(_) => connection.wait(connection.wants(), None).expect("poll"),
            Err(error) => break error,
        };
    };
    assert_eq!(connection.wants(), Interest::default());
    assert_eq!(connection.deadline(), None);
    assert_eq!(connection.drive(Instant::now()), Err(error.clone()));
    assert_eq!(connection.read(), Err(error.clone()));
    assert_eq!(connection.write(&mut frame(b"{}")), Err(error));
    connection.close();
    connection.close();
    assert_eq!(connection.fd(), None);
}

/// A listener whose queue is full: Linux drops further SYNs, so connecting hangs.
fn black_hole(address: SocketAddr) -> (SocketAddr, TcpListener, Vec<Connection>) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket(family, SocketType::STREAM, None).expect("a socket");
    bind(&fd, &address).expect("binds");
    listen(&fd, 0).expect("listens");
    let listener = TcpListener::from(fd);
    let address = listener.local_addr().expect("bound");
    let fillers = (0..3).map(|_| Connection::open(options(address), Instant::now()).expect("valid"));
    (address, listener, fillers.collect())
}

#[test]
fn a_black_hole_costs_the_deadline_and_no_more() {
    let (address, _listener, _fillers) = black_hole((Ipv4Addr::LOCALHOST, 0).into());
    let begun = Instant::now();
    let options = Options { connect_timeout: Duration::from_millis(300), ..options(address) };
    let error = dial_error(options);
    let taken = begun.elapsed();
    assert_eq!(error.to_string(), format!("connection timed out ({address})"));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(taken >= Duration::from_millis(300) && taken < Duration::from_secs(3), "{taken:?}");
}

#[test]
fn a_black_hole_leaves_time_for_the_next_address() {
    let (address, _listener, _fillers) = black_hole((Ipv4Addr::LOCALHOST, 0).into());
    let _open = TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())).expect("the same port on IPv6");
    let options =
        Options { connect_timeout: Duration::from_millis(600), ..Options::tcp("localhost", address.port()) };
    let begun = Instant::now();
    let mut connection = Connection::open(options, begun).expect("valid");
    let first = connection.fd().expect("watching");
    while connection.drive(Instant::now()).expect("connects to ::1") == Status::Dialling {
        connection.wait(connection.wants(), None).expect("poll");
    }
    assert!(begun.elapsed() < Duration::from_millis(550), "more than one share: {:?}", begun.elapsed());
    assert_ne!(connection.fd(), Some(first), "the descriptor is the same");
}

#[test]
fn a_refused_address_is_followed_by_the_next() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("IPv6 loopback");
    let port = listener.local_addr().expect("bound").port();
    dial(Options::tcp("localhost", port)).expect("connects to ::1");
}

#[test]
fn the_end_is_told_after_the_last_messages() {
    let (address, _) = server(|mut stream| {
        write_frame(&mut stream, b"last");
    });
    let (messages, error) = receive_to_end(&mut dial(options(address)).expect("connects"));
    assert_eq!(messages, [b"last"]);
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Closed, "connection closed by the daemon".into())
    );
}

#[test]
fn an_end_inside_a_message_is_told_apart() {
    for part in [&frame(b"{}")[..3], &frame(b"{}")[..5]] {
        let part = part.to_vec();
        let (address, _) = server(move |mut stream| stream.write_all(&part).expect("written"));
        let (messages, error) = receive_to_end(&mut dial(options(address)).expect("connects"));
        assert!(messages.is_empty());
        assert_eq!(error.to_string(), "connection closed by the daemon inside a message");
    }
}

#[test]
fn a_reset_is_told_after_what_was_received() {
    let (close, closing) = channel::<()>();
    let (address, _) = server(move |mut stream| {
        // Closing with unread input resets the connection.
        let mut byte = [0];
        stream.peek(&mut byte).expect("input");
        write_frame(&mut stream, b"last words");
        let _ = closing.recv();
    });
    let mut connection = dial(options(address)).expect("connects");
    send(&mut connection, b"ignored");
    let (messages, _) = receive(&mut connection, 1);
    assert_eq!(messages, [b"last words"]);
    drop(close);
    let (messages, error) = receive_to_end(&mut connection);
    assert!(messages.is_empty());
    assert_eq!(error.to_string(), "connection reset by the daemon");
}

#[test]
fn writing_to_a_daemon_that_went_away_lets_read_tell() {
    let (address, server) = server(|mut stream| {
        write_frame(&mut stream, b"bye");
    });
    let mut connection = dial(options(address)).expect("connects");
    server.join().expect("script");
    send(&mut connection, b"answered with a reset");
    wait_for_reset(&connection);
    for _ in 0..10 {
        send(&mut connection, b"another message");
    }
    assert_eq!(connection.unsent(), 0, "unsent bytes are kept after the end");
    let (messages, error) = receive_to_end(&mut connection);
    assert_eq!(messages, [b"bye"]);
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn frames_cut_at_every_byte_arrive_whole() {
    let stream = [frame(b"{\"a\":1}"), frame(b""), frame(b"[]"), frame(b"x")].concat();
    for cut in 0..=stream.len() {
        let (before, after) = (stream[..cut].to_vec(), stream[cut..].to_vec());
        let (go_on, going_on) = channel::<()>();
        let (address, _) = server(move |mut socket| {
            socket.set_nodelay(true).expect("settable");
            socket.write_all(&before).expect("written");
            let _ = going_on.recv();
            socket.write_all(&after).expect("written");
        });
        let mut connection = dial(options(address)).expect("connects");
        let mut messages = Vec::new();
        if cut > 0 {
            connection.wait(connection.wants(), Some(Instant::now() + PATIENCE)).expect("poll");
            connection.read().expect("open");
            messages.extend(connection.messages().map(<[u8]>::to_vec));
        }
        drop(go_on);
        messages.extend(receive_to_end(&mut connection).0);
        assert_eq!(messages, [b"{\"a\":1}".to_vec(), b"[]".to_vec(), b"x".to_vec()], "cut at {cut}");
    }
}

#[test]
fn a_batch_stays_in_place_until_the_next_read() {
    let (address, _) = server(|mut stream| {
        stream.write_all(&[frame(b"one"), frame(b"two"), frame(b"three")].concat()).expect("written");
        read_frame(&mut stream);
    });
    let mut connection = dial(options(address)).expect("connects");
    connection.wait(connection.wants(), Some(Instant::now() + PATIENCE)).expect("poll");
    connection.read().expect("open");
    let batch: Vec<&[u8]> = connection.messages().collect();
    assert_eq!(batch, [&b"one"[..], b"two", b"three"]);
    connection.read().expect("open");
    assert_eq!(connection.messages().len(), 0);
}

#[test]
fn one_read_is_bounded_so_that_others_get_their_turn() {
    let (fill, filled) = channel::<()>();
    let (address, server) = server(move |mut stream| {
        let bytes = frame([b'x'; 1000]).repeat(4000);
        // Writes as much as the kernel takes before anything is read.
        stream.set_nonblocking(true).expect("settable");
        let mut taken = 0;
        while let Ok(count) = stream.write(&bytes[taken..])
            && count > 0
        {
            taken += count;
        }
        drop(fill);
        stream.set_nonblocking(false).expect("settable");
        stream.write_all(&bytes[taken..]).expect("written");
        read_frame(&mut stream);
    });
    let mut connection = dial(options(address)).expect("connects");
    let _ = filled.recv();
    let mut received = 0;
    let mut largest = 0;
    while received < 4000 {
        connection.wait(connection.wants(), Some(Instant::now() + PATIENCE)).expect("poll");
        connection.read().expect("open");
        largest = largest.max(connection.messages().len());
        received += connection.messages().len();
    }
    assert!(largest < 1000, "{largest} messages of 1 kB in one turn");
    send(&mut connection, b"done");
    server.join().expect("script");
}

#[test]
fn the_limit_holds_at_n_and_refuses_one_more_on_the_header() {
    let limit = 100_000;
    let (address, _) = server(move |mut stream| {
        write_frame(&mut stream, vec![b'x'; limit - 1]);
        write_frame(&mut stream, vec![b'x'; limit]);
        stream.write_all(&(limit as u32 + 1).to_be_bytes()).expect("written");
        let _ = stream.read(&mut [0]);
    });
    let options = Options { max_message: limit, ..options(address) };
    let (messages, error) = receive_to_end(&mut dial(options).expect("connects"));
    assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), [limit - 1, limit]);
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.to_string(), "message of 100001 bytes exceeds the limit of 100000");
}

#[test]
fn a_header_of_four_gigabytes_is_refused_by_default() {
    let (address, _) = server(|mut stream| {
        stream.write_all(&[0xff; 4]).expect("written");
        let _ = stream.read(&mut [0]);
    });
    let (_, error) = receive_to_end(&mut dial(options(address)).expect("connects"));
    assert_eq!(error.to_string(), "message of 4294967295 bytes exceeds the limit of 10000000");
}

#[test]
fn fifty_megabytes_to_a_slow_reader_arrive_unchanged() {
    const FRAMES: usize = 50_000;
    let (all_written, begin_to_read) = std::sync::mpsc::channel::<()>();
    let (address, server) = server(move |mut stream| {
        begin_to_read.recv().expect("the signal to read");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("everything");
        all
    });
    let mut connection = dial(options(address)).expect("connects");
    let mut expected = Vec::new();
    let begun = Instant::now();
    for number in 0..FRAMES {
        let message = format!("{number:0>1000}");
        send(&mut connection, message.as_bytes());
        expected.extend(frame(message.as_bytes()));
    }
    assert!(connection.unsent() > 40_000_000, "the kernel took most of it: nothing was tested");
    all_written.send(()).expect("the server waits");
    assert!(connection.wants().write);
    assert!(connection.flush(Instant::now() + PATIENCE).expect("flushes"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    connection.close();
    assert!(server.join().expect("script") == expected);
}

#[test]
fn close_sends_what_was_written_even_with_unread_input() {
    let (written, unread) = channel::<()>();
    let (close, closed) = channel::<()>();
    let (address, server) = server(move |mut stream| {
        for _ in 0..100 {
            write_frame(&mut stream, b"unread");
        }
        drop(written);
        let _ = closed.recv();
        read_frame(&mut stream)
    });
    let mut connection = dial(options(address)).expect("connects");
    let _ = unread.recv();
    send(&mut connection, b"last wish");
    connection.close();
    drop(close);
    assert_eq!(server.join().expect("script"), b"last wish");
    let error = connection.write(&mut frame(b"late")).expect_err("closed");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Closed, "closed".to_owned()));
}

#[test]
fn waiting_ends_with_its_time() {
    let (address, _server) = server(|mut stream| stream.read(&mut [0]));
    let connection = dial(options(address)).expect("connects");
    let begun = Instant::now();
    let interest = Interest { read: true, write: false };
    let ready = connection.wait(interest, Some(begun + Duration::from_millis(50))).expect("poll");
    assert_eq!(ready, jet::net::Ready::default());
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let ready = connection.wait(Interest { write: true, ..interest }, None).expect("poll");
    assert!(ready.writable && !ready.readable);
}

#[test]
fn a_half_closed_daemon_still_gets_what_is_written() {
    let (address, server) = server(|mut stream: TcpStream| {
        stream.shutdown(Shutdown::Write).expect("half closed");
        read_frame(&mut stream)
    });
    let mut connection = dial(options(address)).expect("connects");
    send(&mut connection, b"still");
    assert_eq!(server.join().expect("script"), b"still");
}
