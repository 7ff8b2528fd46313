//! Writes to a dead socket in a process that does not ignore SIGPIPE, like the interpreters that load the module.
//! A Rust program with an ordinary `main` ignores the signal, so this one defines the C `main`. If the test fails,
//! the signal ends the process.
#![no_main]

#[allow(dead_code)] // Most of it serves the tests in `it`.
#[path = "it/support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

use jet::net::{Connection, Options};
use support::net::wait_for_reset;

/// The bit of SIGPIPE, number 13, in the masks of /proc/self/status.
const SIGPIPE_MASK: u64 = 1 << (13 - 1);

#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    // Test runners list the tests before they run them.
    if std::env::args().any(|argument| argument == "--list") {
        println!("net_sigpipe: test");
        return 0;
    }
    assert!(sigpipe_is_deadly(), "SIGPIPE is ignored: nothing would be tested");
    write_to_a_dead_socket();
    println!("net_sigpipe ... ok");
    0
}

fn sigpipe_is_deadly() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a mask");
        u64::from_str_radix(line.trim(), 16).expect("hexadecimal")
    };
    (mask("SigIgn:") | mask("SigBlk:") | mask("SigCgt:")) & SIGPIPE_MASK == 0
}

fn write_to_a_dead_socket() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let mut connection = Connection::open(Options::tcp("127.0.0.1", port), Instant::now()).expect("valid");
    drop(listener.accept().expect("a client"));
    for _ in 0..10 {
        connection.drive(Instant::now()).expect("connected");
        connection.write(&mut b"\0\0\0\x02{}".to_vec()).expect("read reports the error");
        wait_for_reset(&connection);
    }
    assert!(connection.read().is_err(), "the connection is still open");
}
