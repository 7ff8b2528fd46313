//! The built-in event loop: descriptors and timers, waited for with poll(2).
//!
//! It hands out one event at a time and keeps no callbacks, so the caller may do anything in
//! between: watch, forget, cancel, or ask from deeper down. Readiness is level-triggered: what
//! was not read is reported again.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::sys::poll::{Polled, poll};
use crate::util::deadlines::Deadlines;

/// No timer runs longer than a century; it keeps the arithmetic of time from overflowing.
const LONGEST_TIMER: f64 = 100.0 * 365.0 * 24.0 * 3600.0;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopEvent {
    /// A descriptor is ready.
    Ready {
        /// The descriptor.
        fd: RawFd,
        /// There is something to read, or the stream has ended.
        readable: bool,
        /// It can be written.
        writable: bool,
    },
    /// There is no such descriptor any more; it is not watched from now on.
    Invalid(RawFd),
    /// A timer is due; it is over.
    Timer(u64),
    /// A signal came, or the time to wait is over.
    Nothing,
}

/// What is wanted of a descriptor.
#[derive(Debug, Clone, Copy)]
struct Watch {
    read: bool,
    write: bool,
    /// Another one when the descriptor is watched again after it was forgotten: it may be another
    /// file by then.
    serial: u64,
}

/// What is watched and due.
#[derive(Debug, Default)]
pub struct EventLoop {
    watched: BTreeMap<RawFd, Watch>,
    last_serial: u64,
    timers: Deadlines<u64>,
    running: HashSet<u64>,
    last_timer: u64,
    /// What has happened, and for a descriptor the serial of its watch.
    ready: VecDeque<(LoopEvent, u64)>,
    polled: Vec<Polled>,
}

impl EventLoop {
    /// Watches a descriptor from now on, for reading, writing or both; for neither: no longer.
    pub fn watch(&mut self, fd: RawFd, read: bool, write: bool) {
        if !read && !write {
            self.watched.remove(&fd);
            return;
        }
        let serial = self.watched.get(&fd).map_or(self.last_serial + 1, |watch| watch.serial);
        self.last_serial = self.last_serial.max(serial);
        self.watched.insert(fd, Watch { read, write, serial });
    }

    /// Starts a timer and returns its number.
    pub fn start_timer(&mut self, seconds: f64, now: Instant) -> u64 {
        // NaN counts as no time at all.
        let seconds = if seconds > 0.0 { seconds.min(LONGEST_TIMER) } else { 0.0 };
        self.last_timer += 1;
        self.running.insert(self.last_timer);
        let due = now + Duration::from_secs_f64(seconds);
        let running = &self.running;
        self.timers.set(due, self.last_timer, running.len(), |timer| running.contains(timer));
        self.last_timer
    }

    /// Cancels a timer. A number of a timer that is over has no effect.
    pub fn cancel_timer(&mut self, timer: u64) {
        self.running.remove(&timer);
    }

    /// Returns how many descriptors are watched and timers run.
    pub fn count(&self) -> usize {
        self.watched.len() + self.running.len()
    }

    /// Returns whether something that was found in the last wait has not been handed out yet.
    pub fn has_more(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns the next event, and waits for it up to `limit` (`None`: no limit). Returns `None` if
    /// there is nothing to wait for.
    ///
    /// # Errors
    /// What poll itself refuses: more descriptors than the process may have.
    pub fn next(&mut self, limit: Option<Duration>) -> io::Result<Option<LoopEvent>> {
        if let Some(event) = self.take_ready() {
            return Ok(Some(event));
        }
        if self.count() == 0 {
            return Ok(None);
        }
        self.wait(limit)?;
        Ok(Some(self.take_ready().unwrap_or(LoopEvent::Nothing)))
    }

    /// Returns the next event that still matters.
    fn take_ready(&mut self) -> Option<LoopEvent> {
        while let Some((event, serial)) = self.ready.pop_front() {
            match event {
                LoopEvent::Ready { fd, readable, writable } => {
                    let Some(watch) = self.watched.get(&fd).filter(|watch| watch.serial == serial) else {
                        continue;
                    };
                    let (readable, writable) = (readable && watch.read, writable && watch.write);
                    if readable || writable {
                        return Some(LoopEvent::Ready { fd, readable, writable });
                    }
                }
                LoopEvent::Invalid(fd)
                    if self.watched.get(&fd).is_some_and(|watch| watch.serial == serial) =>
                {
                    self.watched.remove(&fd);
                    return Some(event);
                }
                LoopEvent::Timer(timer) if self.running.remove(&timer) => return Some(event),
                _ => {}
            }
        }
        None
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let now = Instant::now();
        let due = self.next_timer().map(|at| at.saturating_duration_since(now));
        let limit = limit.into_iter().chain(due).min();
        self.polled.clear();
        self.polled.extend(self.watched.iter().map(|(fd, watch)| Polled::new(*fd, watch.read, watch.write)));
        match poll(&mut self.polled, limit) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        self.collect_timers(Instant::now());
        // Both are in the order of the descriptors, and the same ones.
        for (polled, watch) in self.polled.iter().zip(self.watched.values()) {
            let (fd, readable, writable) = (polled.fd(), polled.readable(), polled.writable());
            if polled.invalid() {
                self.ready.push_back((LoopEvent::Invalid(fd), watch.serial));
            } else if readable || writable {
                self.ready.push_back((LoopEvent::Ready { fd, readable, writable }, watch.serial));
            }
        }
        Ok(())
    }

    /// Returns the time when the next timer is due.
    fn next_timer(&mut self) -> Option<Instant> {
        let running = &self.running;
        self.timers.next_live(|timer| running.contains(timer))
    }

    fn collect_timers(&mut self, now: Instant) {
        while self.next_timer().is_some_and(|at| at <= now) {
            if let Some(timer) = self.timers.pop_due(now) {
                self.ready.push_back((LoopEvent::Timer(timer), 0));
            }
        }
    }
}

/// Returns a descriptor that is readable once the time has passed.
///
/// # Errors
/// There is no descriptor left.
pub fn timer_descriptor(seconds: f64) -> io::Result<OwnedFd> {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    // No time at all would stop the timer.
    let duration = Duration::from_secs_f64(seconds.clamp(1e-9, LONGEST_TIMER));
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let it_value =
        Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos().max(1)) };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: never, it_value })?;
    Ok(timer)
}
