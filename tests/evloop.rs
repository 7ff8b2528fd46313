//! The built-in event loop and signals, on real descriptors. Their Lua API is tested in `spec/`.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jet::evloop::{EventLoop, LoopEvent};
use jet::sys::signals::Signals;

/// A limit for waits, longer than any test takes: a test that reaches it has failed.
const LONG: Option<Duration> = Some(Duration::from_secs(10));

/// Locks the process-wide descriptors and signals for one test: some tests close descriptors or send signals.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ready(fd: i32, readable: bool, writable: bool) -> Option<LoopEvent> {
    Some(LoopEvent::Ready { fd, readable, writable })
}

#[test]
fn nothing_to_wait_for_is_told_at_once() {
    let mut event_loop = EventLoop::default();
    assert_eq!(event_loop.next(None).unwrap(), None);
    let timer = event_loop.start_timer(60.0, Instant::now());
    assert_eq!(event_loop.count(), 1);
    event_loop.cancel_timer(timer);
    event_loop.cancel_timer(timer);
    assert_eq!(event_loop.next(None).unwrap(), None);
}

#[test]
fn readiness_is_told_until_it_was_used() {
    let _alone = alone();
    let (mut a, mut b) = UnixStream::pair().unwrap();
    let mut event_loop = EventLoop::default();
    event_loop.watch(a.as_raw_fd(), true, false);
    assert_eq!(event_loop.next(Some(Duration::ZERO)).unwrap(), Some(LoopEvent::Nothing));
    b.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(event_loop.next(LONG).unwrap(), ready(a.as_raw_fd(), true, false));
    }
    a.read_exact(&mut [0]).unwrap();
    assert_eq!(event_loop.next(Some(Duration::ZERO)).unwrap(), Some(LoopEvent::Nothing));
    event_loop.watch(a.as_raw_fd(), true, true);
    assert_eq!(event_loop.next(LONG).unwrap(), ready(a.as_raw_fd(), false, true));
}

#[test]
fn the_end_of_a_stream_is_readable_and_writable() {
    let _alone = alone();
    let (a, b) = UnixStream::pair().unwrap();
    drop(b);
    let mut event_loop = EventLoop::default();
    event_loop.watch(a.as_raw_fd(), true, true);
    assert_eq!(event_loop.next(LONG).unwrap(), ready(a.as_raw_fd(), true, true));
    event_loop.watch(a.as_raw_fd(), false, true);
    assert_eq!(event_loop.next(LONG).unwrap(), ready(a.as_raw_fd(), false, true));
}

#[test]
fn interest_lost_since_the_last_wait_is_not_told() {
    let _alone = alone();
    let (a, b) = UnixStream::pair().unwrap();
    let mut event_loop = EventLoop::default();
    event_loop.watch(a.as_raw_fd(), false, true);
    event_loop.watch(b.as_raw_fd(), false, true);
    // Both are ready; the watch of the second one ends before its event is returned.
    let Some(LoopEvent::Ready { fd, .. }) = event_loop.next(LONG).unwrap() else { panic!("nothing ready") };
    let other = if fd == a.as_raw_fd() { b.as_raw_fd() } else { a.as_raw_fd() };
    event_loop.watch(other, false, false);
    assert_eq!(event_loop.next(LONG).unwrap(), ready(fd, false, true));
    assert_eq!(event_loop.count(), 1);
}

#[test]
fn a_descriptor_watched_anew_does_not_get_what_its_predecessor_had_coming() {
    let _alone = alone();
    let (mut a, mut b) = UnixStream::pair().unwrap();
    let mut event_loop = EventLoop::default();
    for stream in [&mut a, &mut b] {
        stream.write_all(b"x").unwrap();
        event_loop.watch(stream.as_raw_fd(), true, false);
    }
    // Both are ready; the second one is read and watched again before its event is returned.
    let Some(LoopEvent::Ready { fd, .. }) = event_loop.next(LONG).unwrap() else { panic!("nothing ready") };
    let other = if fd == a.as_raw_fd() { &mut b } else { &mut a };
    other.read_exact(&mut [0]).unwrap();
    event_loop.watch(other.as_raw_fd(), false, false);
    event_loop.watch(other.as_raw_fd(), true, false);
    assert_eq!(event_loop.next(LONG).unwrap(), ready(fd, true, false));
    assert_eq!(event_loop.next(LONG).unwrap(), ready(fd, true, false));
}

#[test]
fn a_descriptor_closed_while_watched_is_told_once() {
    let _alone = alone();
    let (a, _b) = UnixStream::pair().unwrap();
    let fd = a.as_raw_fd();
    let mut event_loop = EventLoop::default();
    event_loop.watch(fd, true, true);
    drop(a);
    assert_eq!(event_loop.next(LONG).unwrap(), Some(LoopEvent::Invalid(fd)));
    assert_eq!(event_loop.next(LONG).unwrap(), None);
}

#[test]
fn timers_come_in_the_order_of_their_times_and_then_of_their_start() {
    let now = Instant::now();
    let mut event_loop = EventLoop::default();
    let late = event_loop.start_timer(0.03, now);
    let first = event_loop.start_timer(0.01, now);
    let second = event_loop.start_timer(0.01, now);
    let cancelled = event_loop.start_timer(0.02, now);
    event_loop.cancel_timer(cancelled);
    for timer in [first, second, late] {
        let mut waited = event_loop.next(LONG).unwrap();
        while waited == Some(LoopEvent::Nothing) {
            waited = event_loop.next(LONG).unwrap();
        }
        assert_eq!(waited, Some(LoopEvent::Timer(timer)));
    }
    assert!(now.elapsed() >= Duration::from_millis(30), "a timer fired early");
    assert_eq!(event_loop.next(LONG).unwrap(), None);
}

#[test]
fn odd_times_are_now_or_never() {
    let now = Instant::now();
    let mut event_loop = EventLoop::default();
    for seconds in [-1.0, f64::NAN, f64::NEG_INFINITY, 0.0] {
        let timer = event_loop.start_timer(seconds, now);
        assert_eq!(event_loop.next(LONG).unwrap(), Some(LoopEvent::Timer(timer)), "{seconds}");
    }
    for seconds in [f64::INFINITY, f64::MAX, 1e300] {
        event_loop.start_timer(seconds, now);
    }
    assert_eq!(event_loop.next(Some(Duration::ZERO)).unwrap(), Some(LoopEvent::Nothing));
}

#[test]
fn cancelled_timers_take_no_room_for_long() {
    let now = Instant::now();
    let mut event_loop = EventLoop::default();
    for _ in 0..100_000 {
        let timer = event_loop.start_timer(3600.0, now);
        event_loop.cancel_timer(timer);
    }
    assert_eq!(event_loop.count(), 0);
    assert!(format!("{event_loop:?}").len() < 20_000, "cancelled timers are still stored");
}

/// Sends a signal to this process from another one.
fn send(number: i32) {
    let number = format!("-{number}");
    let status = Command::new("kill").args([&number, &std::process::id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Waits for a signal and returns its number, or `None` if none arrives in time.
fn wait_for(signals: &Signals) -> Option<i32> {
    let mut event_loop = EventLoop::default();
    event_loop.watch(signals.fd(), true, false);
    let limit = Instant::now() + LONG.unwrap_or_default();
    while Instant::now() < limit {
        // A signal may also interrupt the wait.
        if let Some(number) = signals.read() {
            return Some(number);
        }
        event_loop.next(Some(Duration::from_millis(100))).unwrap();
    }
    None
}

const USR1: i32 = 10;
const USR2: i32 = 12;
const WINCH: i32 = 28;

#[test]
fn everybody_who_listens_hears_a_signal() {
    let _alone = alone();
    let outer = Signals::new(&[USR1, USR2]).unwrap();
    let inner = Signals::new(&[USR1]).unwrap();
    send(USR1);
    assert_eq!(wait_for(&inner), Some(USR1));
    assert_eq!(wait_for(&outer), Some(USR1));
    assert_eq!(outer.read(), None);
    send(USR2);
    assert_eq!(wait_for(&outer), Some(USR2));
    assert_eq!(inner.read(), None);
    // The older listener may be dropped first.
    drop(outer);
    send(USR1);
    assert_eq!(wait_for(&inner), Some(USR1));
}

#[test]
fn old_handlers_are_back_in_the_end() {
    let _alone = alone();
    // The default action of this signal is to be ignored, so it can be sent without a listener.
    let first = Signals::new(&[WINCH]).unwrap();
    let second = Signals::new(&[WINCH]).unwrap();
    assert!(caught(WINCH));
    drop(first);
    assert!(caught(WINCH));
    drop(second);
    assert!(!caught(WINCH));
    send(WINCH);
}

/// Returns `true` if this process has a handler for a signal, from `/proc`.
fn caught(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    (u64::from_str_radix(mask.trim(), 16).unwrap() >> (number - 1)) & 1 == 1
}

#[test]
fn what_cannot_be_listened_to_is_refused_and_leaves_nothing() {
    let _alone = alone();
    for wrong in [0, -1, 65, i32::MAX, i32::MIN, 9] {
        assert!(Signals::new(&[WINCH, wrong]).is_err(), "{wrong}");
        assert!(!caught(WINCH), "{wrong}");
    }
}

#[test]
fn more_listeners_than_there_is_room_for_are_refused() {
    let _alone = alone();
    let mut listening = Vec::new();
    let refused = loop {
        match Signals::new(&[WINCH]) {
            Ok(signals) => listening.push(signals),
            Err(error) => break error,
        }
        assert!(listening.len() < 1000);
    };
    assert_eq!(refused.to_string(), "too many listen to signal 28");
    listening.pop();
    assert!(Signals::new(&[WINCH]).is_ok());
    drop(listening);
    assert!(!caught(WINCH));
}

#[test]
fn a_storm_of_signals_neither_blocks_nor_is_lost() {
    let _alone = alone();
    let signals = Signals::new(&[WINCH]).unwrap();
    // Nothing is read while they are sent.
    for _ in 0..200 {
        send(WINCH);
    }
    assert_eq!(wait_for(&signals), Some(WINCH));
}
