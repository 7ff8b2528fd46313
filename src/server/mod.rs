//! The daemon as a running program: listeners and connections that drive a [`Bus`] with tokio.
//!
//! One thread, one runtime: connections read and hand their messages to the bus; when everything that was readable in a
//! turn has been handled, the housekeeper gives each connection with something to send one write.
//!
//! - `handle` starts and stops the thread, `gate` holds it while the process forks
//! - `listen_config` says where to listen, `listener` accepts
//! - `connection` is the task of one connection, `hub` what the tasks share, `link` a connection as the hub sees it
//! - `accounts` is everything about users: logins, passwords, and delays for failed ones
//! - [`log_writer`] writes the log on a thread of its own

mod accounts;
mod connection;
mod gate;
mod handle;
mod hub;
mod link;
mod listen_config;
mod listener;
pub mod log_writer;

use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use self::accounts::Accounts;
use self::gate::Gate;
use self::hub::Hub;
use crate::daemon::{Bus, Config, Level, LogLine};
pub use crate::net::{ServeOptions, ServerTls, UpgradePolicy};
use crate::users;
pub use accounts::Registry;
pub use handle::Handle;
pub use listen_config::{DEFAULT_UNIX_MODE, Interfaces, ListenConfig, TlsListenConfig};
pub use listener::{BoundListener, bind, bind_unix};

/// Receives log lines. Called on the daemon's thread, and by [`start`]; it must not block.
pub type LogSink = Box<dyn Fn(LogLine) + Send>;

/// The options of a daemon.
pub struct Options {
    /// Limits and time-outs.
    pub config: Config,
    /// The sockets that it listens on, see [`bind`].
    pub listeners: Vec<BoundListener>,
    /// Receives its log lines.
    pub log: LogSink,
    /// The users who may log in. With `None` no login is needed, and `access` protects nothing; without a user in it no
    /// login succeeds. Overrides [`Config::authentication`].
    pub accounts: Option<Registry>,
}

/// Starts a daemon in a thread of its own, which handles no signals.
///
/// # Errors
/// The thread or its runtime cannot be made.
pub fn start(options: Options) -> io::Result<Handle> {
    for warning in warnings(&options.listeners, options.accounts.as_ref()) {
        (options.log)(LogLine::new(Level::Info, warning));
    }
    Handle::start(options)
}

/// Serves until `stopped`, then sends what sockets take and ends all connections.
async fn serve(
    options: Options,
    copy: Option<Arc<Mutex<Registry>>>,
    gate: Arc<Gate>,
    reread: Arc<Notify>,
    stopped: oneshot::Receiver<()>,
) {
    let config = Config { authentication: options.accounts.is_some(), ..options.config };
    let accounts = options.accounts.map(|registry| Accounts::new(registry, copy));
    let hub = Hub::new(Bus::new(config), options.log, accounts);
    let mut tasks = vec![tokio::task::spawn_local(gate.clone().keep())];
    tasks.push(tokio::task::spawn_local(Hub::keep_house(hub.clone())));
    let certificates = options.listeners.iter().filter_map(BoundListener::tls).cloned().collect();
    tasks.push(tokio::task::spawn_local(Hub::keep_files(hub.clone(), certificates, reread)));
    for listener in options.listeners {
        let (hub, gate) = (hub.clone(), gate.clone());
        tasks.push(tokio::task::spawn_local(async move {
            if let Err(error) = listener::accept(listener, hub.clone(), gate).await {
                hub.note(format!("cannot listen any more: {error}"));
            }
        }));
    }
    // An error means that the handle is gone, which stops as well.
    let _ = stopped.await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    hub.shut_down();
}

/// Returns warnings for the log of a daemon that starts.
fn warnings(listeners: &[BoundListener], accounts: Option<&Registry>) -> Vec<String> {
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

/// Returns a warning if other machines can use a bus without users.
fn openness(listeners: &[BoundListener]) -> Option<String> {
    let open = listeners.iter().filter(|listener| listener.is_open_to_strangers());
    let open: Vec<_> = open.filter_map(BoundListener::address).map(|address| address.to_string()).collect();
    let text = || {
        format!(
            "without users, whoever reaches {} may fetch, set and call everything; interface (jetd: --listen) chooses \
             where it listens",
            open.join(" or ")
        )
    };
    (!open.is_empty()).then(text)
}
