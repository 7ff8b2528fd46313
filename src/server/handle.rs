//! [`Handle`]: the daemon's thread as the program has it, and what it takes to start the thread anew in a process
//! that was forked.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};
use tokio::task::LocalSet;

use super::accounts::HASHING_THREADS;
use super::gate::Gate;
use super::{BoundListener, LogSink, Options, Registry, serve};
use crate::daemon::{Config, Level, LogLine};
use crate::ownership::{Owner, Ownership};
use crate::sys::signals;

/// The stack of the daemon's thread. Nothing recurses over the depth of a message.
const STACK_BYTES: usize = 1 << 20;

/// A running daemon. Dropping it stops the daemon.
///
/// After a fork it belongs to the process that goes on, see [`ownership`](crate::ownership).
#[derive(Debug)]
pub struct Handle {
    addresses: Vec<SocketAddr>,
    origin: Origin,
    running: Option<Running>,
    ownership: Ownership,
    /// A fork could not start the thread anew.
    is_broken: bool,
}

/// The data that threads of the daemon are started with.
struct Origin {
    config: Config,
    /// With the files of Unix sockets; the thread has copies of the descriptors.
    listeners: Vec<BoundListener>,
    log: Arc<Mutex<LogSink>>,
    /// As the thread has changed them.
    accounts: Option<Arc<Mutex<Registry>>>,
    bell: Arc<OnceLock<UnixStream>>,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

/// A thread of the daemon.
#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    reread: Arc<Notify>,
    thread: JoinHandle<()>,
    gate: Arc<Gate>,
    /// The process that has the thread.
    process: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they hold is replaced in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Origin {
    fn new(options: Options) -> Origin {
        Origin {
            config: options.config,
            listeners: options.listeners,
            log: Arc::new(Mutex::new(options.log)),
            accounts: options.accounts.map(|accounts| Arc::new(Mutex::new(accounts))),
            bell: Arc::default(),
        }
    }

    /// Returns the options of a new thread.
    fn options(&self) -> io::Result<Options> {
        let log = self.log.clone();
        Ok(Options {
            config: self.config.clone(),
            listeners: self.listeners.iter().map(BoundListener::try_clone).collect::<io::Result<_>>()?,
            log: Box::new(move |line| lock(&log)(line)),
            accounts: self.accounts.as_ref().map(|accounts| lock(accounts).clone()),
        })
    }

    fn spawn(&self) -> io::Result<Running> {
        let (options, accounts) = (self.options()?, self.accounts.clone());
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(HASHING_THREADS)
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let (reread, gate) = (Arc::new(Notify::new()), Gate::new(self.bell.clone()));
        let (asked, entrance) = (reread.clone(), gate.clone());
        let thread = std::thread::Builder::new().name("jet-daemon".into()).stack_size(STACK_BYTES);
        let work = move || {
            let inside = entrance.enter();
            LocalSet::new().block_on(&runtime, serve(options, accounts, entrance, asked, stopped));
            drop(inside);
        };
        // The host's signal handlers run on the host's threads.
        let thread = signals::with_all_blocked(|| thread.spawn(work))?;
        Ok(Running { stop, reread, thread, gate, process: std::process::id() })
    }
}

impl Handle {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread or its runtime cannot be made.
    pub(crate) fn start(options: Options) -> io::Result<Handle> {
        let addresses = options.listeners.iter().filter_map(BoundListener::address).collect();
        // Before the thread: a fork of it belongs to its parent.
        let ownership = Ownership::new();
        let origin = Origin::new(options);
        let running = Some(origin.spawn()?);
        Ok(Handle { addresses, origin, running, ownership, is_broken: false })
    }

    /// Returns the TCP addresses it listens on, with the ports that were chosen for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns everything it listens on, in words for the log.
    pub fn places(&self) -> impl Iterator<Item = String> + '_ {
        self.origin.listeners.iter().map(BoundListener::to_string)
    }

    /// Makes the daemon read its users file, certificates and keys again, as far as it has some, and log the results of
    /// it. Connections stay as they are; a file that is no good changes nothing.
    pub fn reread(&self) {
        self.claim();
        self.running.iter().for_each(|running| running.reread.notify_one());
    }

    /// Has `bell` get a byte in each process that is forked from this one: [`owner`](Self::owner) wants to be called
    /// there.
    pub fn ring_in_forks(&self, bell: UnixStream) {
        // Set once, by the owner of the handle.
        let _ = self.origin.bell.set(bell);
    }

    /// Notes a use of the daemon by the program, and returns its owner. After a fork, it belongs to the process that uses it.
    pub fn claim(&self) -> Owner {
        self.ownership.settle()
    }

    /// Finds out which process goes on with the daemon. In a process that takes it over, starts its thread anew: it
    /// listens on the same sockets, and its bus is empty, as all connections have ended.
    pub fn owner(&mut self) -> Owner {
        let owner = self.claim();
        if owner == Owner::Here && self.running.as_ref().is_some_and(|running| !running.is_of_this_process())
        {
            self.take_over();
        }
        if self.is_broken { Owner::Elsewhere } else { owner }
    }

    fn take_over(&mut self) {
        let is_whole = self.running.as_ref().is_some_and(|running| running.gate.is_whole());
        self.forget_thread();
        if !is_whole {
            // Locks may be taken for ever, that of the log among them.
            self.is_broken = true;
            return;
        }
        let text = match self.origin.spawn() {
            Ok(running) => {
                self.running = Some(running);
                format!("process {} goes on with the daemon", std::process::id())
            }
            Err(error) => {
                self.is_broken = true;
                format!("process {} cannot go on with the daemon: {error}", std::process::id())
            }
        };
        lock(&self.origin.log)(LogLine::new(Level::Info, text));
    }

    /// Stops the daemon and waits for its thread: nothing of it runs afterwards. In a fork of a process that goes on
    /// with the daemon there is nothing to stop.
    pub fn stop(&mut self) {
        if self.claim() == Owner::Here && !self.is_broken {
            self.end_thread();
            self.origin.listeners.clear();
        } else {
            self.forget_thread();
            self.leave_listeners();
        }
    }

    fn end_thread(&mut self) {
        if self.running.as_ref().is_some_and(|running| !running.is_of_this_process()) {
            self.forget_thread();
        }
        if let Some(running) = self.running.take() {
            // An error means that the thread has ended already.
            let _ = running.stop.send(());
            // A panic of that thread has been reported by itself.
            let _ = running.thread.join();
        }
    }

    /// Forgets a thread of another process. Dropping it would wake that and wait for a thread that does not exist.
    fn forget_thread(&mut self) {
        std::mem::forget(self.running.take());
    }

    /// Closes the listeners without removing their files, as another process listens there.
    fn leave_listeners(&mut self) {
        self.origin.listeners.drain(..).for_each(BoundListener::leave);
    }
}

impl Running {
    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.ownership.look() == Owner::Here {
            return self.stop();
        }
        // The end of a process, or of what it had: another one may go on with the daemon.
        if self.ownership.is_of_this_process() {
            self.end_thread();
        } else {
            self.forget_thread();
        }
        self.leave_listeners();
    }
}
