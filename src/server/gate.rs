//! [`Gate`]: holds the daemon's thread between two turns while its process forks, so that the fork finds nothing of
//! it half done.

use std::collections::HashSet;
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::sys::fork::{self, AtFork};

/// The longest that a fork waits for the end of a turn. After that it goes on without, and the child cannot take over.
const LONGEST_TURN: Duration = Duration::from_secs(1);

/// The time between two looks of a fork that waits.
const LOOK_AGAIN: Duration = Duration::from_micros(50);

// The state of the daemon's thread.
/// It serves.
const RUNNING: u8 = 0;
/// A fork wants it to stop behind this turn.
const ASKED: u8 = 1;
/// It waits for the fork.
const HELD: u8 = 2;
/// It has ended.
const ENDED: u8 = 3;
/// It is in another process; it stood between two turns at the fork.
const ABSENT: u8 = 4;
/// It is in another process and was in the middle of a turn at the fork.
const TORN: u8 = 5;

/// Between the daemon's thread and forks.
#[derive(Debug)]
pub struct Gate {
    state: AtomicU8,
    asked: Notify,
    thread: OnceLock<Thread>,
    /// The accepted sockets. The daemon's thread never waits while it has the lock.
    sockets: Mutex<HashSet<RawFd>>,
    /// Gets a byte in a fork, whose loop has to look whether it goes on with the daemon.
    bell: Arc<OnceLock<UnixStream>>,
}

impl Gate {
    /// Makes the gate of a thread that will be started, and registers it as an observer of forks.
    pub fn new(bell: Arc<OnceLock<UnixStream>>) -> Arc<Gate> {
        let gate = Arc::new(Gate {
            state: AtomicU8::new(RUNNING),
            asked: Notify::new(),
            thread: OnceLock::new(),
            sockets: Mutex::default(),
            bell,
        });
        let observer: Arc<dyn AtFork> = gate.clone();
        fork::observe(&observer);
        gate
    }

    /// To be called on the daemon's thread. The thread has ended when the result is dropped.
    pub fn enter(self: &Arc<Gate>) -> Inside {
        // Set once: each thread has a gate of its own.
        let _ = self.thread.set(thread::current());
        Inside(self.clone())
    }

    /// The task that stops the thread while its process forks. As it blocks, no other task is in the middle of
    /// anything.
    pub async fn keep(self: Arc<Gate>) {
        loop {
            self.asked.notified().await;
            if self.change(ASKED, HELD) {
                while self.state.load(Ordering::Acquire) == HELD {
                    thread::park();
                }
            }
        }
    }

    /// Registers an accepted socket until the result is dropped. A fork closes its copy.
    pub fn hold(self: &Arc<Gate>, socket: BorrowedFd<'_>) -> HeldSocket {
        let socket = socket.as_raw_fd();
        self.lock().insert(socket);
        HeldSocket { gate: self.clone(), socket }
    }

    /// Returns whether this process was forked from the one that has the thread.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), ABSENT | TORN)
    }

    /// Returns whether the thread stood between two turns at the fork, so that its data is whole in this process.
    pub fn is_whole(&self) -> bool {
        self.state.load(Ordering::Acquire) == ABSENT
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<RawFd>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_this_thread(&self) -> bool {
        self.thread.get().is_some_and(|thread| thread.id() == thread::current().id())
    }
}

impl AtFork for Gate {
    fn prepare(&self) {
        if self.is_this_thread() || !self.change(RUNNING, ASKED) {
            return;
        }
        self.asked.notify_one();
        let deadline = Instant::now() + LONGEST_TURN;
        while self.state.load(Ordering::Acquire) == ASKED {
            if Instant::now() >= deadline {
                self.change(ASKED, RUNNING);
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn parent(&self) {
        if self.change(HELD, RUNNING) {
            self.thread.get().into_iter().for_each(Thread::unpark);
        }
    }

    /// Only this thread is left, and it holds no lock: where the daemon's thread stood still, no lock is taken.
    fn child(&self) {
        if self.change(HELD, ABSENT) {
            // Whichever process goes on with the daemon, its peers do not wait for this copy to be closed as well.
            self.lock().drain().for_each(fork::close_inherited);
        } else {
            self.change(RUNNING, TORN);
        }
        if let (true, Some(mut bell)) = (self.is_elsewhere(), self.bell.get()) {
            // Fails only when bytes wait there already, which does as well.
            let _ = bell.write(&[1]);
        }
    }
}

/// The daemon's thread at its gate.
pub struct Inside(Arc<Gate>);

impl Drop for Inside {
    fn drop(&mut self) {
        // A fork that waits need not wait any longer.
        self.0.state.store(ENDED, Ordering::Release);
    }
}

/// An accepted socket that the gate knows.
pub struct HeldSocket {
    gate: Arc<Gate>,
    socket: RawFd,
}

impl Drop for HeldSocket {
    fn drop(&mut self) {
        self.gate.lock().remove(&self.socket);
    }
}
