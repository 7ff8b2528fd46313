//! Look-ups of host names and the resources of a process: a fork does not have their threads, and no descriptor stays
//! open. This is a program of its own because a fork has one thread, which has to be the one that runs the test.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use jet::net::{Connection, Options, Resolver, Status};

/// The seconds after which the process is killed if it hangs.
const PATIENCE: u32 = 60;

fn main() {
    // Test runners list the tests before they run them.
    if std::env::args().any(|argument| argument == "--list") {
        println!("net_lookup_process: test");
        return;
    }
    // SAFETY: alarm takes a number, and its signal ends the process.
    unsafe { libc::alarm(PATIENCE) };
    // This test is first because the C library keeps the stacks of threads that have ended.
    without_a_thread_the_connection_fails();
    closing_before_the_answer_leaves_nothing_behind();
    a_fork_that_goes_on_looks_the_name_up_again();
    a_fork_of_a_process_that_goes_on_has_no_connection();
    println!("net_lookup_process ... ok");
}

/// Returns options whose look-up waits for ever if `hangs` returns true, and finds `listener` otherwise.
fn options(listener: &TcpListener, hangs: impl Fn() -> bool + Send + Sync + 'static) -> Options {
    let address = listener.local_addr().expect("bound");
    let (never, silent) = channel::<()>();
    let silent = Mutex::new((silent, never));
    let resolver = Resolver::new(move |_| {
        if hangs() {
            let _ = silent.lock().expect("whole").0.recv();
        }
        Ok(vec![address])
    });
    Options { resolver, ..Options::tcp("jet.example", address.port()) }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// Runs `child` in a fork, whose exit code is 0 if it returns true. Returns the process id.
fn fork(child: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the other threads of this program hold no lock that the child takes.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: both take numbers. The process is killed if it hangs, and ends without the parent's cleanup.
            unsafe {
                libc::alarm(PATIENCE);
                libc::_exit(if child() { 0 } else { 1 })
            }
        }
        process => process,
    }
}

fn exit_code(process: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    status
}

/// Drives a connection until it is open or fails.
fn drive(connection: &mut Connection) -> Result<(), String> {
    loop {
        match connection.drive(Instant::now()) {
            Ok(Status::Open) => return Ok(()),
            Ok(Status::Dialling) => drop(connection.wait(connection.wants(), None).expect("poll")),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn closing_before_the_answer_leaves_nothing_behind() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let before = descriptors();
    for close in [true, false] {
        let (asked, name) = channel();
        let (release, released) = channel::<()>();
        let ends = Mutex::new((asked, released));
        let resolver = Resolver::new(move |name| {
            let ends = ends.lock().expect("whole");
            ends.0.send(name.to_owned()).expect("the test waits");
            ends.1.recv().expect("the test releases it");
            Ok(vec![([127, 0, 0, 1], 0).into()])
        });
        let port = listener.local_addr().expect("bound").port();
        let options = Options { resolver, ..Options::tcp("jet.example", port) };
        let mut connection = Connection::open(options, Instant::now()).expect("valid");
        assert_eq!(name.recv().expect("a look-up"), "jet.example");
        if close {
            connection.close();
        }
        drop(connection);
        release.send(()).expect("the thread waits");
        // The thread drops the last reference to the job, and the resolver with it. If it hangs, the alarm ends it.
        assert!(name.recv().is_err(), "the resolver still exists");
        while descriptors() != before {
            std::thread::yield_now();
        }
    }
}

/// A program that puts itself into the background: the parent process ends, and the fork continues.
fn a_fork_that_goes_on_looks_the_name_up_again() {
    let (mut done, report) = UnixStream::pair().expect("descriptors");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let first = std::process::id();
    let middle = fork(|| {
        let middle = std::process::id();
        let options = options(&listener, move || std::process::id() == middle);
        let mut connections: Vec<_> =
            (0..3).map(|_| Connection::open(options.clone(), Instant::now()).expect("valid")).collect();
        let before = descriptors();
        fork(move || {
            let connected: Vec<_> = connections.iter_mut().map(drive).collect();
            // The next turn closes the descriptors that the loop may have watched.
            connections.iter_mut().for_each(|connection| drop(connection.drive(Instant::now())));
            // Three descriptors of look-ups and the one of their thread are closed, three sockets are open. The new
            // thread may still be about to end.
            let expected = before - 1;
            let end = Instant::now() + Duration::from_secs(5);
            while descriptors() != expected && Instant::now() < end {
                std::thread::yield_now();
            }
            let text = format!("{connected:?} {}", descriptors() as i32 - expected as i32);
            std::io::Write::write_all(&mut &report, text.as_bytes()).expect("the test waits");
            true
        });
        true
    });
    assert_eq!(exit_code(middle), 0);
    assert_ne!(middle as u32, first);
    let mut text = String::new();
    // The parent's copy of the other end was dropped with the closure.
    done.read_to_string(&mut text).expect("reported");
    assert_eq!(text, "[Ok(()), Ok(()), Ok(())] 0");
}

/// A program that forks a worker: the parent process keeps the connection.
fn a_fork_of_a_process_that_goes_on_has_no_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let gone = std::sync::Arc::new(AtomicU32::new(0));
    let answer = gone.clone();
    let options = options(&listener, move || {
        while answer.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        false
    });
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    let (claimed, wait) = UnixStream::pair().expect("descriptors");
    let before = descriptors();
    let child = {
        let connection = &mut connection;
        fork(move || {
            (&wait).read_exact(&mut [0]).expect("the parent continues");
            let error = drive(connection).expect_err("elsewhere");
            connection.close();
            error == jet::ownership::ELSEWHERE && descriptors() == before - 2
        })
    };
    connection.drive(Instant::now()).expect("looks up");
    std::io::Write::write_all(&mut &claimed, &[1]).expect("the child waits");
    assert_eq!(exit_code(child), 0);
    gone.store(1, Ordering::Release);
    drive(&mut connection).expect("the thread still runs");
}

/// Without memory for the stack of a thread, the connection fails.
fn without_a_thread_the_connection_fails() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let child = fork(|| {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
        let limit = libc::rlimit { rlim_cur: pages * 4096 + (64 << 10), rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the limit outlives the call.
        unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
        let begun = Instant::now();
        let mut connection = Connection::open(options(&listener, || false), begun).expect("valid");
        let error = drive(&mut connection).expect_err("no thread");
        eprintln!("{error}");
        error.starts_with("cannot look up jet.example: ") && begun.elapsed() < Duration::from_secs(5)
    });
    assert_eq!(exit_code(child), 0);
}
