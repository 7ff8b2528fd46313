//! Host names: what a connection does with the result of a look-up, and without a result.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::support::net::*;
use jet::net::{Connection, ErrorKind, MOST_LOOKUP_THREADS, Options, Resolver, Status};
use jet::sys::host_lookup::LookupError;

/// Locks the look-up threads, which are counted for the whole process, for one test. Only these tests look up names.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a listener, and options that connect to it as `host` with `look_up` as resolver.
fn setup(
    host: &str,
    look_up: impl Fn(&str) -> Result<Vec<SocketAddr>, LookupError> + Send + Sync + 'static,
) -> (TcpListener, Options) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    (listener, Options { resolver: Resolver::new(look_up), ..Options::tcp(host, port) })
}

fn loopback() -> Result<Vec<SocketAddr>, LookupError> {
    Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()])
}

/// A look-up that waits for a message in each call, and the names that were looked up.
type Hanging = (TcpListener, Options, Sender<()>, Receiver<String>);

fn hanging(host: &str) -> Hanging {
    let (release, released) = channel();
    let (asked, names) = channel();
    let (released, asked) = (Mutex::new(released), Mutex::new(asked));
    let (listener, options) = setup(host, move |name| {
        asked.lock().expect("whole").send(name.to_owned()).expect("the test waits");
        // An error means that the test has ended.
        let _ = released.lock().expect("whole").recv();
        loopback()
    });
    (listener, options, release, names)
}

/// Waits until `count` look-up threads run.
fn wait_for_threads(count: usize) {
    let end = Instant::now() + PATIENCE;
    loop {
        let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.expect("readable").path().join("comm")).unwrap_or_default()
        };
        let running = tasks.map(name).filter(|name| name.trim() == "jet-lookup").count();
        if running == count {
            return;
        }
        assert!(Instant::now() < end, "{running} threads instead of {count}");
        std::thread::yield_now();
    }
}

#[test]
fn a_name_is_looked_up_and_connected_to() {
    let _alone = alone();
    let (_listener, options) = setup("jet.example", |name| {
        assert_eq!(name, "jet.example");
        loopback()
    });
    dial(options).expect("found");
}

#[test]
fn the_system_knows_this_machine() {
    let _alone = alone();
    // Every hosts file has this name. A connection to `localhost` needs no look-up.
    let address = jet::sys::host_lookup::addresses_of("localhost").expect("known")[0];
    let listener = TcpListener::bind(address).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let system = Resolver::new(|_| jet::sys::host_lookup::addresses_of("localhost"));
    dial(Options { resolver: system, ..Options::tcp("rig", port) }).expect("found");
    let error = dial_error(Options::tcp("nowhere.invalid.", port));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn several_addresses_are_tried_in_turn() {
    let _alone = alone();
    let (_listener, options) = setup("jet.example", |_| {
        let dead = [SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), ([127, 0, 0, 9], 0).into()];
        Ok(dead.into_iter().chain(loopback()?).collect())
    });
    dial(options).expect("the last of three addresses");
}

#[test]
fn a_name_that_does_not_exist_and_a_failure_say_so() {
    let _alone = alone();
    let (_listener, options) = setup("nowhere.example", |_| Err(LookupError::NotFound));
    let error = dial_error(options);
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), "host name not found (nowhere.example)");
    let (_listener, options) = setup("jet.example", |_| Err(LookupError::Failed("out of luck".to_owned())));
    let error = dial_error(options);
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.to_string(), "cannot look up jet.example: out of luck");
}

#[test]
fn silence_costs_the_deadline_and_no_more() {
    let _alone = alone();
    let (_listener, options, release, _names) = hanging("jet.example");
    let begun = Instant::now();
    let error = dial_error(Options { connect_timeout: Duration::from_millis(300), ..options });
    assert_eq!(error.to_string(), "cannot look up jet.example: no answer");
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    drop(release);
    wait_for_threads(0);
}

#[test]
fn a_look_up_that_panics_counts_as_silence() {
    let _alone = alone();
    let (_listener, options) = setup("jet.example", |_| panic!("expected by a test"));
    let error = dial_error(Options { connect_timeout: Duration::from_millis(300), ..options });
    assert_eq!(error.to_string(), "cannot look up jet.example: no answer");
    wait_for_threads(0);
}

#[test]
fn what_can_be_no_name_is_the_callers_mistake() {
    for host in ["a b", "x..y", "http://x", &"x".repeat(64), &"x.".repeat(128)] {
        let error = Connection::open(Options::tcp(host, 1), Instant::now()).expect_err("no name");
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Options, format!("'{host}' is no host name"))
        );
    }
}

#[test]
fn the_descriptor_changes_visibly_from_look_up_to_dialling() {
    let _alone = alone();
    let (_listener, options, release, _names) = hanging("jet.example");
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    let lookup = connection.fd().expect("waiting for an answer");
    assert!(connection.wants().read);
    release.send(()).expect("a look-up");
    while connection.drive(Instant::now()).expect("connects") == Status::Dialling {
        connection.wait(connection.wants(), None).expect("poll");
    }
    assert_ne!(connection.fd(), Some(lookup));
}

#[test]
fn a_failed_look_up_keeps_its_descriptor_until_close() {
    let _alone = alone();
    let (_listener, options, _release, _names) = hanging("jet.example");
    let options = Options { connect_timeout: Duration::from_millis(50), ..options };
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    let watched = connection.fd().expect("waiting for an answer");
    while connection.drive(Instant::now()).is_ok() {
        connection.wait(connection.wants(), None).expect("poll");
    }
    assert_eq!(connection.fd(), Some(watched), "the descriptor has changed");
    connection.close();
    assert_eq!(connection.fd(), None);
}

#[test]
fn a_name_is_looked_up_once_for_all_who_wait_for_it() {
    let _alone = alone();
    let (_listener, options, release, names) = hanging("jet.example");
    let open = || Connection::open(options.clone(), Instant::now()).expect("valid");
    let mut connections: Vec<_> = (0..100).map(|_| open()).collect();
    wait_for_threads(1);
    let mut watched: Vec<_> = connections.iter().map(|connection| connection.fd().expect("waits")).collect();
    watched.sort_unstable();
    watched.dedup();
    assert_eq!(watched.len(), 100, "each has its own descriptor");
    release.send(()).expect("a look-up");
    for connection in &mut connections {
        while connection.drive(Instant::now()).expect("connects") == Status::Dialling {
            connection.wait(connection.wants(), None).expect("poll");
        }
    }
    assert_eq!(names.try_iter().count(), 1);
    // The next connection looks the name up again.
    release.send(()).expect("a look-up");
    dial(options).expect("found");
    assert_eq!(names.try_iter().count(), 1);
}

#[test]
fn few_threads_run_and_the_others_wait_for_them() {
    let _alone = alone();
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (count, peak) = (running.clone(), most.clone());
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let (_listener, options) = setup("", move |_| {
        peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _ = released.lock().expect("whole").recv();
        count.fetch_sub(1, Ordering::SeqCst);
        loopback()
    });
    let named = |number: u32| {
        let mut options = options.clone();
        if let jet::net::Target::Tcp { host, .. } = &mut options.target {
            *host = format!("rig{number}.example");
        }
        options
    };
    let open = |number| Connection::open(named(number), Instant::now()).expect("valid");
    let mut connections: Vec<_> = (0..3 * MOST_LOOKUP_THREADS).map(open).collect();
    wait_for_threads(MOST_LOOKUP_THREADS as usize);
    let hurried = Options { connect_timeout: Duration::from_millis(100), ..named(1000) };
    let error = dial_error(hurried);
    assert_eq!(error.to_string(), "cannot look up rig1000.example: too many look-ups have no answer yet");
    drop(release);
    for connection in &mut connections {
        while connection.drive(Instant::now()).expect("connects") == Status::Dialling {
            connection.wait(connection.wants(), None).expect("poll");
        }
    }
    assert_eq!(most.load(Ordering::SeqCst), MOST_LOOKUP_THREADS);
    wait_for_threads(0);
    assert_eq!(running.load(Ordering::SeqCst), 0);
}

#[test]
fn the_thread_handles_no_signals() {
    let _alone = alone();
    let (report, reported) = channel();
    let report = Mutex::new(report);
    let (_listener, options) = setup("jet.example", move |_| {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux");
        report.lock().expect("whole").send(status).expect("the test waits");
        loopback()
    });
    dial(options).expect("found");
    let status = reported.recv().expect("called");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("a mask").trim();
    let mask = u64::from_str_radix(mask, 16).expect("hexadecimal");
    // The kernel never blocks SIGKILL (9) and SIGSTOP (19), nor does the C library block its own two (32 and 33).
    let never = [9, 19, 32, 33].map(|number: u32| 1_u64 << (number - 1)).iter().sum::<u64>();
    assert_eq!(mask | never, u64::MAX, "{mask:x}");
}
