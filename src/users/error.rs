//! What can be wrong about users.

use std::fmt;

/// Why something about users was refused: a text for people that names the file, the user and the place. It never
/// holds a password or a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// An error of one's own, for what [`update`](super::update) is to give up with.
    pub fn new(text: impl Into<String>) -> Error {
        Error(text.into())
    }

    /// The same, and where it is: in front of the text.
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
