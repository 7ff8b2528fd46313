//! Both ends of every combination of layers, in memory, with the bytes between them cut into pieces.

use crate::support::frames::frame;
use crate::support::temp_dir::TempDir;
use jet::net::layers::{ServerTls, Wire};
use jet::net::{ErrorKind, Options, TlsOptions, WebSocketOptions};

const LIMIT: usize = 100_000;

/// Passes the output of one end to the other in pieces of at most `piece` bytes.
fn carry(from: &mut Wire, to: &mut Wire, piece: usize, got: &mut Vec<Vec<u8>>) {
    let bytes = std::mem::take(from.output());
    for part in bytes.chunks(piece) {
        to.fill(|buffer| buffer.extend_from_slice(part));
        to.process().expect("in order");
        got.extend(to.messages().map(<[u8]>::to_vec));
    }
}

struct Pair {
    peer: Wire,
    daemon: Wire,
    piece: usize,
    at_peer: Vec<Vec<u8>>,
    at_daemon: Vec<Vec<u8>>,
}

impl Pair {
    fn new(tls: bool, websocket: bool, piece: usize) -> Pair {
        let files = TempDir::new();
        let mut options = Options { max_message: LIMIT, ..Options::tcp("localhost", 1) };
        let mut server_tls = None;
        if tls {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            let certificate = files.file("cert.pem", made.cert.pem());
            let key = files.file("key.pem", made.signing_key.serialize_pem());
            server_tls = Some(ServerTls::new(&certificate, &key, None).expect("valid"));
            options.tls = Some(TlsOptions { ca_file: Some(certificate), ..TlsOptions::default() });
        }
        options.websocket = websocket.then(WebSocketOptions::default);
        let peer = Wire::client(&options).expect("valid");
        let daemon = Wire::server(server_tls.as_ref(), websocket, LIMIT).expect("valid");
        let mut pair = Pair { peer, daemon, piece, at_peer: Vec::new(), at_daemon: Vec::new() };
        for _ in 0..10 {
            pair.exchange();
        }
        assert!(pair.peer.is_open() && pair.daemon.is_open(), "tls {tls}, websocket {websocket}");
        pair
    }

    fn exchange(&mut self) {
        carry(&mut self.peer, &mut self.daemon, self.piece, &mut self.at_daemon);
        carry(&mut self.daemon, &mut self.peer, self.piece, &mut self.at_peer);
    }
}

/// Packs frames and appends them to the output, also where a layer does not change them.
fn pack(wire: &mut Wire, messages: &[&[u8]]) {
    let mut frames: Vec<u8> = messages.iter().flat_map(frame).collect();
    let packed = std::mem::take(wire.pack(&mut frames));
    wire.output().extend(packed);
}

fn every_combination(test: impl Fn(Pair)) {
    for piece in [1, 7, usize::MAX] {
        for (tls, websocket) in [(false, false), (false, true), (true, false), (true, true)] {
            test(Pair::new(tls, websocket, piece));
        }
    }
}

#[test]
fn messages_pass_in_both_directions_in_order() {
    every_combination(|mut pair| {
        let large = vec![b'x'; LIMIT];
        pack(&mut pair.peer, &[b"{\"a\":1}", b"[]", &large, b"\xc3\xa4"]);
        pack(&mut pair.daemon, &[b"1", b"2"]);
        pair.exchange();
        assert_eq!(pair.at_daemon, [&b"{\"a\":1}"[..], b"[]", &large, b"\xc3\xa4"]);
        assert_eq!(pair.at_peer, [b"1", b"2"]);
    });
}

#[test]
fn one_byte_over_the_limit_is_refused_with_the_same_words() {
    every_combination(|mut pair| {
        pack(&mut pair.peer, &[b"before", &vec![b'x'; LIMIT + 1]]);
        let bytes = std::mem::take(pair.peer.output());
        pair.daemon.fill(|buffer| buffer.extend_from_slice(&bytes));
        let error = pair.daemon.process().expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(error.to_string(), "message of 100001 bytes exceeds the limit of 100000");
        assert_eq!(pair.daemon.messages().collect::<Vec<_>>(), [b"before"]);
    });
}

#[test]
fn pings_are_answered_and_are_no_messages() {
    let mut pair = Pair::new(false, true, usize::MAX);
    pair.daemon.ping();
    let ping = pair.daemon.output().clone();
    assert_eq!(ping, b"\x89\x00");
    carry(&mut pair.daemon, &mut pair.peer, usize::MAX, &mut pair.at_peer);
    assert_eq!(&pair.peer.output()[..2], b"\x8a\x80", "a masked pong");
    pair.exchange();
    assert!(pair.at_peer.is_empty() && pair.at_daemon.is_empty());
    let mut plain = Pair::new(false, false, usize::MAX);
    plain.daemon.ping();
    assert!(plain.daemon.output().is_empty());
}

#[test]
fn text_and_binary_frames_are_told_apart() {
    let mut pair = Pair::new(false, true, usize::MAX);
    pair.peer.set_binary(true);
    pack(&mut pair.peer, &[b"\xff"]);
    pair.peer.set_binary(false);
    pack(&mut pair.peer, &[b"{}", b"\xff"]);
    let bytes = std::mem::take(pair.peer.output());
    pair.daemon.fill(|buffer| buffer.extend_from_slice(&bytes));
    pair.daemon.process().expect("in order");
    let kinds: Vec<bool> = (0..3).map(|n| pair.daemon.is_binary(n)).collect();
    assert_eq!(kinds, [true, false, true], "invalid UTF-8 is sent as text");
}

#[test]
fn fragments_are_put_together() {
    let mut pair = Pair::new(false, true, usize::MAX);
    let bytes = b"\x01\x02{\"\x89\x01p\x00\x02a\"\x80\x03:1}";
    for part in bytes.chunks(1) {
        pair.peer.fill(|buffer| buffer.extend_from_slice(part));
        pair.peer.process().expect("in order");
        pair.at_peer.extend(pair.peer.messages().map(<[u8]>::to_vec));
    }
    assert_eq!(pair.at_peer, [b"{\"a\":1}"]);
}

#[test]
fn a_farewell_ends_the_other_end_in_order() {
    for tls in [false, true] {
        let mut pair = Pair::new(tls, true, usize::MAX);
        pair.daemon.close();
        let bytes = std::mem::take(pair.daemon.output());
        pair.peer.fill(|buffer| buffer.extend_from_slice(&bytes));
        let error = pair.peer.process().expect_err("closed");
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Closed, "connection closed by the daemon".into())
        );
        assert!(!pair.peer.output().is_empty(), "the close frame gets no response");
    }
}

#[test]
fn broken_protocols_are_refused_and_the_other_side_is_told() {
    let wrong: [(&[u8], &str, u16); 3] = [
        (b"\x81\x01\xff", "WebSocket: text that is no UTF-8", 1007),
        (b"\xf1\x00", "WebSocket: ", 1002),
        (b"\x83\x00", "WebSocket: ", 1002),
    ];
    for (bytes, text, code) in wrong {
        let mut pair = Pair::new(false, true, usize::MAX);
        pair.peer.fill(|buffer| buffer.extend_from_slice(bytes));
        let error = pair.peer.process().expect_err("broken");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().starts_with(text), "{error}");
        let sent = pair.peer.output().clone();
        let unmasked: Vec<u8> = sent[6..].iter().zip(sent[2..6].iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!((sent[0], &unmasked[..]), (0x88, &code.to_be_bytes()[..]));
    }
    let mut pair = Pair::new(true, false, usize::MAX);
    pair.peer.fill(|buffer| buffer.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let error = pair.peer.process().expect_err("broken");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().starts_with("TLS: "), "{error}");
}

#[test]
fn garbage_of_any_kind_harms_no_layer() {
    let mut seed = 1_u32;
    let mut garbage = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    for _ in 0..200 {
        for (tls, websocket) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut pair = Pair::new(tls && garbage() < 8, websocket, usize::MAX);
            for _ in 0..20 {
                let bytes: Vec<u8> = (0..garbage()).map(|_| garbage()).collect();
                pair.daemon.fill(|buffer| buffer.extend_from_slice(&bytes));
                if pair.daemon.process().is_err() {
                    break;
                }
            }
        }
    }
}
