//! [`Ownership`]: which process owns a connection or a daemon after a fork: both processes have it then, one may go on with it.
//!
//! It belongs to the process that goes on. If the parent ends without another use (a program that puts itself into
//! the background), the child takes over; if the parent lives on (it made a worker), the child's copy is dead. At the
//! fork it is unknown which it will be. So the owner is named by a word that both processes share. The parent claims it
//! at its next use. The child claims it when all processes above it have ended and the word is as it was at the fork;
//! until then it checks repeatedly, for [`PATIENCE`].

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::sys::fork;
use crate::sys::shared_word::SharedWord;

/// The time that a child waits for the process above it to end.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The time between two checks of a child.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why a connection or a daemon is of no use in a child.
pub const ELSEWHERE: &str = "the connection is that of the process this one was forked from";

/// Returns the line for the log of a process that owns nothing of what it was forked with.
pub fn notice() -> String {
    let process = std::process::id();
    format!(
        "process {process} was forked from one that goes on: the connections stay there, and its copies are closed"
    )
}

/// The owner, as far as this process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This process.
    Here,
    /// Not known yet: the process above this one lives and has claimed nothing.
    Undecided,
    /// Another process, for good.
    Elsewhere,
}

/// A share in something that forks copy.
#[derive(Debug)]
pub struct Ownership(Arc<Mutex<Claim>>);

#[derive(Debug)]
struct Claim {
    /// The process and a count of the last claim, 0 before the first. `None` without memory for it: then the
    /// process that made it owns it for ever.
    word: Option<SharedWord>,
    /// The word as it was when the owner below claimed it.
    seen: u64,
    /// The owner as far as this process knows, and the number of processes above that one.
    process: u32,
    depth: usize,
    /// How many forks there were at that time.
    forks: u32,
    /// When this process began to wait.
    waiting_since: Option<Instant>,
    is_lost: bool,
}

thread_local! {
    /// What belongs to programs on this thread.
    static CLAIMS: RefCell<Vec<Weak<Mutex<Claim>>>> = const { RefCell::new(Vec::new()) };
    /// How many forks there were at the last turn of a loop on this thread.
    static FORKS: Cell<u32> = const { Cell::new(0) };
}

impl Default for Ownership {
    fn default() -> Self {
        Ownership::new()
    }
}

impl Ownership {
    /// Something new, which belongs to this process.
    pub fn new() -> Ownership {
        fork::install();
        let claim = Arc::new(Mutex::new(Claim {
            word: SharedWord::new().ok(),
            seen: 0,
            process: std::process::id(),
            depth: fork::depth(),
            forks: fork::forks(),
            waiting_since: None,
            is_lost: false,
        }));
        // On a thread that is just ending no loop will run.
        let _ = CLAIMS.try_with(|claims| {
            let mut claims = claims.borrow_mut();
            if claims.len() == claims.capacity() {
                claims.retain(|claim| claim.strong_count() > 0);
            }
            claims.push(Arc::downgrade(&claim));
        });
        Ownership(claim)
    }

    fn lock(&self) -> MutexGuard<'_, Claim> {
        // Whole whenever a panic could come.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called with each use. The process that had it keeps it, and claims it against the others; a process that was
    /// forked takes it over if it may.
    pub fn settle(&self) -> Owner {
        self.lock().settle()
    }

    /// As [`settle`](Self::settle), but claims nothing: for the end of a process, which another one may survive.
    pub fn look(&self) -> Owner {
        self.lock().look()
    }

    /// Returns whether this process is the owner as far as it knows, or the one that had it before a fork.
    pub fn is_of_this_process(&self) -> bool {
        self.lock().process == std::process::id()
    }
}

impl Claim {
    fn look(&self) -> Owner {
        if self.is_lost {
            Owner::Elsewhere
        } else if self.process == std::process::id() && self.forks == fork::forks() {
            Owner::Here
        } else {
            Owner::Undecided
        }
    }

    fn settle(&mut self) -> Owner {
        let owner = self.look();
        if owner != Owner::Undecided {
            return owner;
        }
        let process = std::process::id();
        let may_claim = process == self.process || self.have_others_ended();
        if self.current() != Some(self.seen) || may_claim && !self.claim(process) {
            self.is_lost = self.word.is_some() || process != self.process;
            self.forks = fork::forks();
            return self.look();
        }
        if may_claim {
            return Owner::Here;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        self.is_lost = since.elapsed() >= PATIENCE;
        self.look()
    }

    fn current(&self) -> Option<u64> {
        self.word.as_ref().map(|word| word.get().load(Ordering::Acquire))
    }

    /// Returns whether no other process can claim it that has not done so yet.
    fn have_others_ended(&self) -> bool {
        if fork::depth() == self.depth {
            // Forked by a system call, past the handlers.
            return fork::has_ended(self.process);
        }
        fork::have_ancestors_ended(self.depth)
    }

    /// Tries to be the first to claim it.
    fn claim(&mut self, process: u32) -> bool {
        let Some(word) = &self.word else { return false };
        let count = self.seen as u32;
        let new = u64::from(process) << 32 | u64::from(count.wrapping_add(1));
        let order = Ordering::AcqRel;
        if word.get().compare_exchange(self.seen, new, order, Ordering::Acquire).is_err() {
            return false;
        }
        (self.seen, self.process) = (new, process);
        (self.depth, self.forks) = (fork::depth(), fork::forks());
        self.waiting_since = None;
        true
    }
}

/// A turn of a loop: claims all that belongs to programs on this thread, if there was a fork. In a child it does
/// nothing.
pub fn claim_all() {
    let forks = fork::forks();
    if FORKS.try_with(|seen| seen.replace(forks)) == Ok(forks) {
        return;
    }
    let _ = CLAIMS.try_with(|claims| {
        let claims = claims.borrow().clone();
        for claim in claims.iter().filter_map(Weak::upgrade) {
            let ownership = Ownership(claim);
            if ownership.is_of_this_process() {
                ownership.settle();
            }
        }
    });
}
