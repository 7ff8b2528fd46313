//! Host names: the machine's files and scripted name servers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::names::*;
use crate::support::transport::*;
use jet::net::{Connection, ErrorKind, Options, Status};

/// What a scripted name server does with a question.
enum Reply {
    Say(u8, Vec<Vec<u8>>),
    Forge(Vec<u8>),
    Silence,
}

/// A name server on loopback; every question it gets is reported.
fn name_server(
    script: impl Fn(&str, u16) -> Reply + Send + 'static,
) -> (SocketAddr, Receiver<(String, u16)>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    name_server_on(socket, script)
}

/// As [`name_server`], on that socket.
fn name_server_on(
    socket: UdpSocket,
    script: impl Fn(&str, u16) -> Reply + Send + 'static,
) -> (SocketAddr, Receiver<(String, u16)>) {
    let address = socket.local_addr().expect("bound");
    let (asked, questions) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let query = &buffer[..length];
            let (name, kind) = question(query);
            let reply = script(&name, kind);
            if asked.send((name, kind)).is_err() {
                return;
            }
            match reply {
                Reply::Say(code, records) => {
                    socket.send_to(&answer(query, kind, code, &records), client).expect("sent");
                }
                Reply::Forge(address) => {
                    let mut other = query.to_vec();
                    other[0] ^= 1;
                    socket.send_to(&answer(&other, kind, NO_ERROR, &[address]), client).expect("sent");
                    socket.send_to(b"garbage", client).expect("sent");
                }
                Reply::Silence => {}
            }
        }
    });
    (address, questions)
}

fn loopback(kind: u16) -> Reply {
    Reply::Say(NO_ERROR, if kind == A { vec![vec![127, 0, 0, 1]] } else { Vec::new() })
}

#[test]
fn the_hosts_file_is_enough() {
    let (_listener, options, _files) = setup("rig", "127.0.0.1 rig", "");
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    assert_eq!(connection.drive(Instant::now()), Ok(Status::Open));
}

#[test]
fn a_name_server_is_asked_for_both_families() {
    let (server, questions) = name_server(|_, kind| loopback(kind));
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    dial(options).expect("found");
    let mut asked: Vec<_> = questions.try_iter().collect();
    asked.sort();
    assert_eq!(asked, [("jet.example".to_owned(), A), ("jet.example".to_owned(), AAAA)]);
}

#[test]
fn several_addresses_are_tried_in_turn() {
    let (server, _questions) = name_server(|_, kind| match kind {
        A => Reply::Say(NO_ERROR, vec![vec![127, 0, 0, 9], vec![127, 0, 0, 1]]),
        _ => Reply::Say(NO_ERROR, vec![vec![0; 15].into_iter().chain([1]).collect()]),
    });
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    dial(options).expect("the last of three answers");
}

#[test]
fn the_search_list_completes_short_names() {
    let (server, questions) = name_server(|name, kind| match name {
        "rig.b.example" => loopback(kind),
        _ => Reply::Say(NO_SUCH_NAME, Vec::new()),
    });
    let conf = format!("{}search a.example b.example", servers(&[server]));
    let (_listener, options, _files) = setup("rig", "", &conf);
    dial(options).expect("found");
    let names: Vec<String> =
        questions.try_iter().filter(|(_, kind)| *kind == A).map(|(name, _)| name).collect();
    assert_eq!(names, ["rig.a.example", "rig.b.example"]);
}

#[test]
fn a_name_that_does_not_exist_fails_at_once() {
    let (server, _questions) = name_server(|_, _| Reply::Say(NO_SUCH_NAME, Vec::new()));
    let (_listener, options, _files) = setup("nowhere.example", "", &servers(&[server]));
    let begun = Instant::now();
    let error = dial_error(options);
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), "host name not found (nowhere.example)");
    assert!(begun.elapsed() < Duration::from_millis(900));
}

#[test]
fn failing_and_dead_servers_are_followed_by_the_next() {
    let (failing, _failed) = name_server(|_, _| Reply::Say(SERVER_FAILURE, Vec::new()));
    let dead = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("bound");
    let (good, _questions) = name_server(|_, kind| loopback(kind));
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[failing, dead, good]));
    let begun = Instant::now();
    dial(options).expect("found by the third");
    assert!(begun.elapsed() < Duration::from_millis(900), "no time-out was waited for");
}

#[test]
fn a_name_server_may_have_an_ipv6_address() {
    // Machines without IPv6 have no such server either.
    let Ok(socket) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
    let (server, questions) = name_server_on(socket, |_, kind| loopback(kind));
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    dial(options).expect("found");
    assert_eq!(questions.try_iter().count(), 2);
}

#[test]
fn a_lost_question_is_asked_again() {
    let count = std::cell::Cell::new(0);
    let (server, _questions) = name_server(move |_, kind| {
        count.set(count.get() + 1);
        if count.get() <= 2 { Reply::Silence } else { loopback(kind) }
    });
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    dial(options).expect("found by the second try");
}

#[test]
fn silence_costs_the_deadline_and_no_more() {
    let (server, _questions) = name_server(|_, _| Reply::Silence);
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    let begun = Instant::now();
    let error = dial_error(Options { connect_timeout: Duration::from_millis(300), ..options });
    assert_eq!(error.to_string(), "cannot look up jet.example: no answer from the name server (127.0.0.1)");
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn a_server_without_an_answer_for_ipv6_delays_little() {
    let (server, _questions) = name_server(|_, kind| if kind == A { loopback(A) } else { Reply::Silence });
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    let begun = Instant::now();
    dial(options).expect("found");
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn forged_replies_are_ignored() {
    let (server, _questions) = name_server(|_, _| Reply::Forge(vec![127, 0, 0, 1]));
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    let error = dial_error(Options { connect_timeout: Duration::from_millis(300), ..options });
    assert!(error.to_string().contains("no answer"), "{error}");
}

#[test]
fn local_names_are_asked_of_the_devices_first_then_of_the_servers() {
    let (device, heard) = name_server(|_, kind| loopback(kind));
    let (server, asked) = name_server(|_, kind| loopback(kind));
    let (_listener, mut options, _files) = setup("rig.local", "", &servers(&[server]));
    options.resolver.multicast = device;
    dial(options.clone()).expect("the device answers");
    assert_eq!((heard.try_iter().count(), asked.try_iter().count()), (2, 0));
    let (silent, _heard) = name_server(|_, _| Reply::Silence);
    options.resolver.multicast = silent;
    dial(options).expect("the name server answers");
    assert_eq!(asked.try_iter().count(), 2);
}

#[test]
fn what_can_be_no_name_is_the_callers_mistake() {
    for host in ["a b", "x..y", "http://x"] {
        let error = Connection::open(Options::tcp(host, 1), Instant::now()).expect_err("no name");
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Options, format!("'{host}' is no host name"))
        );
    }
}

#[test]
fn the_descriptor_changes_visibly_from_look_up_to_dialling() {
    let (server, _questions) = name_server(|_, kind| loopback(kind));
    let (_listener, options, _files) = setup("jet.example", "", &servers(&[server]));
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    let lookup = connection.fd().expect("waiting for the name server");
    assert!(connection.wants().read);
    while connection.drive(Instant::now()).expect("connects") == Status::Dialling {
        connection.wait(connection.wants(), None).expect("poll");
    }
    assert_ne!(connection.fd(), Some(lookup));
}
