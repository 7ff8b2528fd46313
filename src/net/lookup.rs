//! Looking up host names without blocking: a short-lived thread asks the system and reports through a descriptor.
//!
//! The C library's `getaddrinfo` is the only function that knows all sources of a machine (nsswitch.conf: hosts file,
//! DNS with its search domains, multicast DNS, LDAP), and it blocks. So each [`Lookup`] has it called on a thread
//! that handles no signals, shares nothing with the connection but a [`Job`], and ends with its answer. It cannot be
//! stopped: it may outlive the connect timeout and the connection. Therefore at most [`MOST_THREADS`] run in a
//! process, and look-ups of one name on one thread of the program share theirs.
//!
//! A process that was forked does not have the thread. There, a look-up that goes on begins anew.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::error::{Error, ErrorKind, reason};
use super::lingering_fd::LingeringFd;
use crate::sys::host_lookup::{LookupError, addresses_of};
use crate::sys::{fork, signals};

/// Threads for look-ups in a process. A look-up beyond them waits for one of them to end.
pub const MOST_THREADS: u32 = 16;

/// The time between two attempts to begin a look-up while [`MOST_THREADS`] run. There is no event for their end.
const THREAD_PAUSE: Duration = Duration::from_millis(20);

/// The stack of a thread. `getaddrinfo` runs the modules that nsswitch.conf names in it; memory that they do not
/// touch is never allocated.
const STACK_BYTES: usize = 512 << 10;

/// The longest host name, without a dot at its end (RFC 1035, section 3.1).
const MAX_NAME: usize = 253;

/// The longest part of a name between two dots.
const MAX_LABEL: usize = 63;

/// The threads of a process: its number in the upper half, their count in the lower half.
static THREADS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Look-ups that were begun on this thread, for others to share.
    static JOBS: RefCell<Vec<Weak<Job>>> = const { RefCell::new(Vec::new()) };
}

type Function = dyn Fn(&str) -> Result<Vec<SocketAddr>, LookupError> + Send + Sync;

/// A function that finds the addresses of a host name. The default is the system's `getaddrinfo`.
#[derive(Clone, Default)]
pub struct Resolver(Option<Arc<Function>>);

impl Resolver {
    /// Makes a resolver of a function, which may block: it is called on a thread of its own. The ports of its
    /// addresses are ignored.
    pub fn new(
        look_up: impl Fn(&str) -> Result<Vec<SocketAddr>, LookupError> + Send + Sync + 'static,
    ) -> Resolver {
        Resolver(Some(Arc::new(look_up)))
    }

    fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, LookupError> {
        self.0.as_ref().map_or_else(|| addresses_of(host), |look_up| look_up(host))
    }

    fn is(&self, other: &Resolver) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Resolver(custom)" } else { "Resolver(system)" })
    }
}

/// Checks that `host` can be a host name.
///
/// # Errors
/// [`ErrorKind::Options`] if it cannot.
pub fn check(host: &str) -> Result<(), Error> {
    let name = host.strip_suffix('.').unwrap_or(host);
    // The underscore is no part of host names, but is found in them.
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_host_byte);
    if name.len() <= MAX_NAME && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Options, format!("'{host}' is no host name")))
}

/// One call of a [`Resolver`], shared by its thread and the look-ups that wait for its result.
#[derive(Debug)]
struct Job {
    host: String,
    resolver: Resolver,
    /// The process that has the thread.
    process: u32,
    result: OnceLock<Result<Vec<SocketAddr>, LookupError>>,
    /// An event descriptor, readable when the result is there. The thread writes to it while it holds a reference to
    /// the job, so the number cannot belong to another file.
    bell: OwnedFd,
    /// The thread is about to drop its reference.
    is_left: AtomicBool,
}

impl Job {
    /// Returns a job for `host` that was begun on this thread and has no result yet.
    fn running(host: &str, resolver: &Resolver) -> Option<Arc<Job>> {
        let is_same = |job: &Arc<Job>| {
            job.host == host
                && job.resolver.is(resolver)
                && job.is_of_this_process()
                && job.result.get().is_none()
        };
        JOBS.try_with(|jobs| jobs.borrow().iter().filter_map(Weak::upgrade).find(is_same)).ok().flatten()
    }

    /// Starts a thread for a new job. `None`: as many as may run already do.
    ///
    /// # Errors
    /// There is no descriptor left, or no thread.
    fn start(host: &str, resolver: &Resolver) -> io::Result<Option<Arc<Job>>> {
        let Some(slot) = Slot::take() else { return Ok(None) };
        let job = Arc::new(Job {
            host: host.to_owned(),
            resolver: resolver.clone(),
            process: std::process::id(),
            result: OnceLock::new(),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            is_left: AtomicBool::new(false),
        });
        let threads_own = job.clone();
        let thread = thread::Builder::new().name("jet-lookup".to_owned()).stack_size(STACK_BYTES);
        // The host's signal handlers run on the host's threads.
        signals::with_all_blocked(|| thread.spawn(move || threads_own.run(slot)))?;
        // On a thread that is about to end nothing is shared any more.
        let _ = JOBS.try_with(|jobs| {
            let mut jobs = jobs.borrow_mut();
            jobs.retain(|job| job.strong_count() > 0);
            jobs.push(Arc::downgrade(&job));
        });
        Ok(Some(job))
    }

    /// The thread: calls the resolver and reports. Touches nothing else.
    fn run(self: Arc<Job>, slot: Slot) {
        let result = self.resolver.resolve(&self.host);
        drop(slot);
        // Nothing else sets it.
        let _ = self.result.set(result);
        // Fails only if the counter is full, which means that the descriptor is readable already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        self.is_left.store(true, Ordering::Release);
    }

    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Drops a reference. In a fork, the last one of a look-up also closes the descriptor: the thread's reference is
    /// never dropped there.
    fn leave(self: Arc<Job>) {
        let is_threads = !self.is_left.load(Ordering::Acquire) && Arc::strong_count(&self) == 2;
        if is_threads && !self.is_of_this_process() {
            fork::close_inherited(self.bell.as_raw_fd());
            std::mem::forget(self);
        }
    }
}

/// The right to run one thread. Dropping it returns it.
struct Slot(());

impl Slot {
    fn take() -> Option<Slot> {
        let process = std::process::id();
        let taken = THREADS.fetch_update(Ordering::AcqRel, Ordering::Acquire, |threads| {
            // A fork has no threads of the process above it.
            let count = if (threads >> 32) as u32 == process { threads as u32 } else { 0 };
            (count < MOST_THREADS).then_some(u64::from(process) << 32 | u64::from(count + 1))
        });
        taken.ok().map(|_| Slot(()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One name that is being looked up. Dropping it abandons the result.
#[derive(Debug)]
pub struct Lookup {
    host: String,
    resolver: Resolver,
    deadline: Instant,
    /// `None` while too many threads run.
    waiting: Option<Waiting>,
    /// The time at which to try again to begin.
    pause: Option<Instant>,
}

/// A job, and a descriptor to watch for its result: no two look-ups have the same one.
#[derive(Debug)]
struct Waiting {
    job: Arc<Job>,
    bell: OwnedFd,
}

impl Lookup {
    /// Begins to look up `host`; [`drive`](Self::drive) returns the result, or fails at `deadline`.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if it can be no host name.
    pub fn new(host: &str, resolver: &Resolver, deadline: Instant) -> Result<Lookup, Error> {
        check(host)?;
        let (host, resolver) = (host.to_owned(), resolver.clone());
        Ok(Lookup { host, resolver, deadline, waiting: None, pause: None })
    }

    /// Returns the addresses, or `None` if there is no answer yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] if there is no such name, the system cannot look it up, or the deadline has come.
    pub fn drive(
        &mut self,
        now: Instant,
        lingering: &mut LingeringFd,
    ) -> Result<Option<Vec<SocketAddr>>, Error> {
        if self.waiting.as_ref().is_some_and(|waiting| !waiting.job.is_of_this_process()) {
            self.retire(lingering);
        }
        if self.waiting.is_none() {
            self.begin(now)?;
        }
        match self.waiting.as_ref().and_then(|waiting| waiting.job.result.get()) {
            Some(Ok(addresses)) => return Ok(Some(addresses.clone())),
            Some(Err(LookupError::NotFound)) => return Err(self.unknown()),
            Some(Err(LookupError::Failed(reason))) => return Err(self.failed(reason)),
            None if now < self.deadline => {}
            None if self.waiting.is_none() => return Err(self.failed("too many look-ups have no answer yet")),
            None => return Err(self.failed("no answer")),
        }
        Ok(None)
    }

    fn begin(&mut self, now: Instant) -> Result<(), Error> {
        let begun = match Job::running(&self.host, &self.resolver) {
            Some(job) => Ok(Some(job)),
            None => Job::start(&self.host, &self.resolver),
        };
        let waiting =
            begun.and_then(|job| job.map(|job| Ok(Waiting { bell: job.bell.try_clone()?, job })).transpose());
        self.waiting = waiting.map_err(|error| self.failed(&reason(&error)))?;
        self.pause = self.waiting.is_none().then(|| now + THREAD_PAUSE);
        Ok(())
    }

    fn unknown(&self) -> Error {
        Error::new(ErrorKind::Unreachable, format!("host name not found ({})", self.host))
    }

    fn failed(&self, reason: &str) -> Error {
        Error::new(ErrorKind::Unreachable, format!("cannot look up {}: {reason}", self.host))
    }

    /// Abandons the result and leaves the descriptor to `lingering`, as the loop may still watch it.
    pub fn retire(&mut self, lingering: &mut LingeringFd) {
        self.abandon().into_iter().for_each(|bell| lingering.keep(bell));
    }

    fn abandon(&mut self) -> Option<OwnedFd> {
        let Waiting { job, bell } = self.waiting.take()?;
        job.leave();
        Some(bell)
    }

    /// Returns the descriptor to watch for reading.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.waiting.as_ref().map(|waiting| waiting.bell.as_fd())
    }

    /// Returns the time at which to call [`drive`](Self::drive) even if nothing happens.
    pub fn deadline(&self) -> Instant {
        self.pause.map_or(self.deadline, |pause| pause.min(self.deadline))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.abandon();
    }
}
