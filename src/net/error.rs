//! [`Error`]: why a connection failed, with the side whose fault it is and a text for people.

use std::fmt;
use std::io;

use crate::wire::frame::TooLong;

/// The side whose fault an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller's: options that can never work.
    Options,
    /// The connection never came up: refused, timed out, name not found, handshake refused.
    Unreachable,
    /// The connection was up and has ended, in order or not.
    Closed,
    /// The other side broke the protocol; the stream cannot be used any more.
    Protocol,
}

/// A failed or ended connection. Its text is the reason, in lower case and without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Error { kind, text: text.into() }
    }

    /// Returns the error of an open connection to that `other` end which is broken according to a system call.
    pub(crate) fn broken(error: &io::Error, other: &str) -> Self {
        let text = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                format!("connection reset by the {other}")
            }
            io::ErrorKind::TimedOut => format!("connection lost: the {other} does not answer"),
            _ => format!("connection lost: {}", reason(error)),
        };
        Error { kind: ErrorKind::Closed, text }
    }

    /// Returns the side whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<TooLong> for Error {
    fn from(error: TooLong) -> Self {
        Error::new(ErrorKind::Protocol, error.to_string())
    }
}

/// Returns the error of a system call as a short phrase.
pub(crate) fn reason(error: &io::Error) -> String {
    if let Some(ours) = error.get_ref() {
        return ours.to_string();
    }
    let phrase = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::TimedOut => "connection timed out",
        io::ErrorKind::HostUnreachable => "no route to host",
        io::ErrorKind::NetworkUnreachable => "network is unreachable",
        io::ErrorKind::AddrInUse => "address already in use",
        io::ErrorKind::AddrNotAvailable => "address not available",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::NotFound => "no such socket",
        _ => return error.to_string(),
    };
    phrase.to_owned()
}
