//! [`Error`]: why something about users was refused.

use std::fmt;

/// A text for people that names the file, the user and the place. It never
/// holds a password or a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// Makes an error, for a change that [`update`](super::update) does not make.
    pub fn new(text: impl Into<String>) -> Error {
        Error(text.into())
    }

    /// Returns the error with the place in front of its text.
    pub(crate) fn at(self, place: impl fmt::Display) -> Error {
        Error(format!("{place}: {}", self.0))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
