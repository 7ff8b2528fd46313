//! The daemon as a running thing: listeners and connections that drive a [`Bus`] with tokio.
//!
//! One thread, one runtime: connections read and hand their messages to the bus; when all that
//! was readable in a turn has been handled, the housekeeper gives each connection with something
//! to send one write. What lives here is what the thread does; `handle` starts and stops it, `gate` holds it while the
//! process forks, `places` says where to listen, `listener` accepts,
//! `connection` reads and writes, `core` is what they share,
//! `logins` knows the passwords and `attempts` who got them wrong, `turns` which login is next.

mod connection;
mod gate;
mod handle;
mod hub;
mod listen_config;
mod listener;
pub mod log_writer;
mod login_throttle;
mod logins;
mod turns;

use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use self::gate::Gate;
use self::hub::Core;
use self::logins::Logins;
use crate::daemon::{Bus, Config, Level, LogLine};
pub use crate::net::{ServeOptions, ServerTls, UpgradePolicy};
use crate::users;
pub use handle::Handle;
pub use listen_config::{DEFAULT_UNIX_MODE, Interfaces, Places, TlsPlaces};
pub use listener::{BoundListener, bind, bind_unix};
pub use logins::Accounts;

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
    accounts: Option<Arc<Mutex<Accounts>>>,
    gate: Arc<Gate>,
    reread: Arc<Notify>,
    stopped: oneshot::Receiver<()>,
) {
    let config = Config { authentication: options.accounts.is_some(), ..options.config };
    let logins = options.accounts.map(|users| Logins::new(users).noting_changes(accounts));
    let core = Core::new(Bus::new(config), options.log, logins);
    let mut tasks = vec![tokio::task::spawn_local(gate.clone().keep())];
    tasks.push(tokio::task::spawn_local(Core::keep_house(core.clone())));
    let certificates = options.listeners.iter().filter_map(BoundListener::tls).cloned().collect();
    tasks.push(tokio::task::spawn_local(Core::keep_files(core.clone(), certificates, reread)));
    for listener in options.listeners {
        let (core, gate) = (core.clone(), gate.clone());
        tasks.push(tokio::task::spawn_local(async move {
            if let Err(error) = listener::accept(listener, core.clone(), gate).await {
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
    let text = || {
        format!(
            "without users, whoever reaches {} may fetch, set and call everything; interface (jetd: --listen) chooses \
             where it listens",
            open.join(" or ")
        )
    };
    (!open.is_empty()).then(text)
}
