//! The daemon as a running thing: listeners and connections that drive a [`Bus`] with tokio.
//!
//! One thread, one runtime: connections read and hand their messages to the bus; when all that
//! was readable in a turn has been handled, the housekeeper gives each connection with something
//! to send one write. What lives here is the thread and its handle; `places` says where to listen, `listener` accepts,
//! `connection` reads and writes, `core` is what they share,
//! `logins` knows the passwords and `attempts` who got them wrong.

mod attempts;
mod connection;
mod core;
mod listener;
mod logins;
mod places;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::{oneshot, Notify};
use tokio::task::LocalSet;

use self::core::Core;
use self::logins::{Logins, HASHING_THREADS};
use super::bus::{Bus, Config, Level, LogLine};
pub use crate::transport::{ServeOptions, ServerTls};
use crate::users;
pub use listener::{bind, bind_unix, BoundListener};
pub use logins::Accounts;
pub use places::{Interfaces, Places, TlsPlaces, DEFAULT_UNIX_MODE};

/// The stack of the daemon's thread. Nothing recurses over the depth of a message.
const STACK_BYTES: usize = 1 << 20;

/// Where log lines go. Called on the daemon's thread, and by [`start`]; it must not block.
pub type LogSink = Box<dyn Fn(LogLine) + Send>;

/// What a daemon is started with.
pub struct Options {
    /// Limits and time-outs.
    pub config: Config,
    /// What it listens on, see [`bind`].
    pub listeners: Vec<BoundListener>,
    /// Where its log lines go.
    pub log: LogSink,
    /// Who may log in. With `None` nobody has to, and `access` protects nothing; with nobody in it nobody
    /// can. Decides over [`Config::authentication`].
    pub accounts: Option<Accounts>,
}

/// A running daemon. Dropping it stops the daemon.
#[derive(Debug)]
pub struct Handle {
    addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    reread: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    /// The process that has the thread. Its forks have not.
    process: u32,
}

/// Starts a daemon in a thread of its own, which handles no signals.
///
/// # Errors
/// The thread or its runtime cannot be made.
pub fn start(options: Options) -> io::Result<Handle> {
    for warning in warnings(&options.listeners, options.accounts.as_ref()) {
        (options.log)(LogLine::new(Level::Info, warning));
    }
    let addresses = options.listeners.iter().filter_map(BoundListener::address).collect();
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(HASHING_THREADS)
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let reread = Arc::new(Notify::new());
    let asked = reread.clone();
    let thread =
        std::thread::Builder::new().name("jet-daemon".into()).stack_size(STACK_BYTES).spawn(move || {
            // The host's handlers run on the host's threads.
            crate::ffi::signals::block_all_here();
            LocalSet::new().block_on(&runtime, serve(options, asked, stopped));
        })?;
    Ok(Handle { addresses, stop: Some(stop), reread, thread: Some(thread), process: std::process::id() })
}

/// Serves until `stopped`, then sends what sockets take and ends all connections.
async fn serve(options: Options, reread: Arc<Notify>, stopped: oneshot::Receiver<()>) {
    let config = Config { authentication: options.accounts.is_some(), ..options.config };
    let core = Core::new(Bus::new(config), options.log, options.accounts.map(Logins::new));
    let mut tasks = vec![tokio::task::spawn_local(Core::keep_house(core.clone()))];
    let certificates = options.listeners.iter().filter_map(BoundListener::tls).cloned().collect();
    tasks.push(tokio::task::spawn_local(Core::keep_files(core.clone(), certificates, reread)));
    for listener in options.listeners {
        let core = core.clone();
        tasks.push(tokio::task::spawn_local(async move {
            if let Err(error) = listener::accept(listener, core.clone()).await {
                core.note(format!("cannot listen any more: {error}"));
            }
        }));
    }
    // An error means that the handle is gone, which stops as well.
    let _ = stopped.await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    core.shut_down();
}

/// Returns what whoever runs the daemon should know when it starts.
fn warnings(listeners: &[BoundListener], accounts: Option<&Accounts>) -> Vec<String> {
    let mut warnings: Vec<_> =
        listeners.iter().filter_map(BoundListener::tls).filter_map(ServerTls::warning).collect();
    // Several listeners show the same certificate.
    warnings.dedup();
    warnings.extend(match accounts {
        Some(accounts) => accounts.file.as_deref().and_then(users::exposure),
        None => openness(listeners),
    });
    warnings
}

/// Says that other machines get in.
fn openness(listeners: &[BoundListener]) -> Option<String> {
    let open = listeners.iter().filter(|listener| listener.is_open_to_strangers());
    let open: Vec<_> = open.filter_map(BoundListener::address).map(|address| address.to_string()).collect();
    let text =
        || format!("without users, whoever reaches {} may fetch, set and call everything", open.join(" or "));
    (!open.is_empty()).then(text)
}

impl Handle {
    /// The TCP addresses it listens on, with the ports that were chosen for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Has the daemon read its users file, certificates and keys again, as far as it has some, and log what came of
    /// it. Connections stay as they are; a file that is no good changes nothing.
    pub fn reread(&self) {
        self.reread.notify_one();
    }

    /// Stops the daemon and waits for its thread: nothing of it runs afterwards. In a fork of the
    /// process that started it there is nothing to stop.
    pub fn stop(&mut self) {
        if std::process::id() != self.process {
            // To drop them would wake the parent's thread and wait for one that is not there.
            std::mem::forget((self.stop.take(), self.thread.take()));
        }
        if let Some(stop) = self.stop.take() {
            // An error means that the thread has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}
