//! Answers of name servers that are too long for a datagram: they are fetched over TCP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::names::*;
use crate::support::transport::*;
use jet::net::{Connection, Status};

/// Addresses, as the data of records.
type Records = Vec<Vec<u8>>;

const HERE: [u8; 4] = [127, 0, 0, 1];
/// Nobody listens there on the port that is tried.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 9];

/// A name server that says by datagram that its answer is too long, with these records of type A;
/// `stream` is what it does with each TCP connection, none if it has no TCP.
fn name_server(cut: Records, stream: Option<fn(TcpStream)>) -> (SocketAddr, Receiver<()>) {
    slow_name_server(cut, stream, Duration::ZERO)
}

/// One that takes so long for its datagrams.
fn slow_name_server(
    cut: Records,
    stream: Option<fn(TcpStream)>,
    delay: Duration,
) -> (SocketAddr, Receiver<()>) {
    let (socket, listener) = loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        // The same port may be taken for TCP.
        if let Ok(listener) = TcpListener::bind(socket.local_addr().expect("bound")) {
            break (socket, listener);
        }
    };
    let address = socket.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let query = &buffer[..length];
            let kind = question(query).1;
            let records = if kind == A { cut.clone() } else { Vec::new() };
            let mut reply = answer(query, kind, NO_ERROR, &records);
            reply[2] |= 2;
            std::thread::sleep(delay);
            socket.send_to(&reply, client).expect("sent");
        }
    });
    let (asked, connections) = channel();
    if let Some(stream) = stream {
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                client.set_nodelay(true).expect("settable");
                let _ = asked.send(());
                std::thread::spawn(move || stream(client));
            }
        });
    }
    (address, connections)
}

/// Reads one question; none at the end of the stream.
fn read_question(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query).expect("a question");
    Some(query)
}

fn with_length(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("short enough");
    [&length.to_be_bytes(), message].concat()
}

/// What the server of these tests has to say: a hundred addresses, of which the last is ours.
fn long_answer(query: &[u8]) -> Vec<u8> {
    let kind = question(query).1;
    let mut records: Records = Vec::new();
    if kind == A {
        records = vec![ELSEWHERE.to_vec(); 99];
        records.push(HERE.to_vec());
    }
    with_length(&answer(query, kind, NO_ERROR, &records))
}

fn says_all(mut stream: TcpStream) {
    while let Some(query) = read_question(&mut stream) {
        stream.write_all(&long_answer(&query)).expect("written");
    }
}

#[test]
fn a_long_answer_is_fetched_over_tcp() {
    for cut in [Vec::new(), vec![ELSEWHERE.to_vec()]] {
        let (server, connections) = name_server(cut, Some(says_all));
        let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
        dial(options).expect("the hundredth address");
        assert_eq!(connections.try_iter().count(), 1, "both families over one connection");
    }
}

#[test]
fn it_may_come_in_any_pieces_and_after_others() {
    let (server, _connections) = name_server(
        Vec::new(),
        Some(|mut stream| {
            let query = read_question(&mut stream).expect("a question");
            let mut forged = long_answer(&query);
            forged[2] ^= 1;
            let stream_of_bytes = [with_length(b""), with_length(b"garbage"), forged, long_answer(&query)];
            for piece in stream_of_bytes.concat().chunks(7) {
                stream.write_all(piece).expect("written");
                std::thread::sleep(Duration::from_micros(200));
            }
            says_all(stream);
        }),
    );
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    dial(options).expect("found");
}

#[test]
fn without_tcp_the_addresses_there_are_have_to_do() {
    let (server, _connections) = name_server(vec![HERE.to_vec()], None);
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    dial(options).expect("found in the datagram");
}

#[test]
fn a_server_that_ends_or_breaks_the_stream_is_followed_by_the_next() {
    fn ends(mut stream: TcpStream) {
        let query = read_question(&mut stream).expect("a question");
        stream.write_all(&long_answer(&query)[..50]).expect("written");
    }
    fn resets(_: TcpStream) {}
    for broken in [ends as fn(TcpStream), resets] {
        let (first, _) = name_server(Vec::new(), Some(broken));
        let (second, connections) = name_server(Vec::new(), Some(says_all));
        let (_listener, options, _files) = setup("jet.example", "", &servers(&[first, second]));
        let begun = Instant::now();
        dial(options).expect("found by the second");
        assert_eq!(connections.try_iter().count(), 1);
        assert!(begun.elapsed() < Duration::from_millis(900), "no time-out was waited for");
    }
}

#[test]
fn a_server_without_tcp_and_without_addresses_is_told() {
    let (server, _connections) = name_server(Vec::new(), Some(drop));
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    let error = dial(options).expect_err("not found");
    let expected = "cannot look up jet.example: the name server's answer is long, and it gives none over TCP \
                    (127.0.0.1)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn silence_over_tcp_costs_the_deadline_and_no_more() {
    fn is_silent(stream: TcpStream) {
        std::thread::sleep(PATIENCE);
        drop(stream);
    }
    let (server, _connections) = name_server(Vec::new(), Some(is_silent));
    let (_listener, mut options, _files) = setup("jet.example", "", &servers(&[server]));
    options.connect_timeout = Duration::from_millis(300);
    let begun = Instant::now();
    dial(options).expect_err("not found");
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    // With an address in the datagram it costs one try.
    let (server, _connections) = name_server(vec![HERE.to_vec()], Some(is_silent));
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    let begun = Instant::now();
    dial(options).expect("found in the datagram");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn the_loop_sees_a_new_descriptor_and_what_to_watch_it_for() {
    // A quick answer can be there in the turn that asks for it.
    const LATER: Duration = Duration::from_millis(200);
    fn says_all_later(stream: TcpStream) {
        std::thread::sleep(LATER);
        says_all(stream);
    }
    let (server, _connections) = slow_name_server(Vec::new(), Some(says_all_later), LATER);
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    let mut watched = Vec::new();
    let mut turns = 0;
    while connection.drive(Instant::now()).expect("connects") == Status::Dialling {
        let wants = connection.wants();
        assert!(wants.read || wants.write);
        watched.extend(connection.fd().filter(|fd| watched.last() != Some(fd)));
        connection.wait(wants, None).expect("poll");
        turns += 1;
    }
    assert!(watched.len() >= 2, "{watched:?}");
    assert!(turns < 1000, "it does not spin");
}
