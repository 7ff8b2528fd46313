//! The signals that jetd listens to.

use std::future::pending;
use std::io;

use jet::sys::signals::is_ignored;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// One signal. One that was ignored when the program started stays ignored, as `nohup` and shells expect.
pub struct Listening(Option<Signal>);

impl Listening {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system cannot install a handler.
    pub fn to(kind: SignalKind) -> io::Result<Listening> {
        Ok(Listening(if is_ignored(kind.as_raw_value()) { None } else { Some(signal(kind)?) }))
    }

    /// Waits for the signal.
    pub async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => pending().await,
        }
    }
}
