//! What the engine tells the program: the [`Event`]s.

use std::borrow::Cow;

use crate::json::Raw;
pub use crate::rules::Event as Happening;

/// Something the program has to hear of. Values are JSON text, borrowed from the message where
/// that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The daemon is known and what was queued is on its way.
    Ready,
    /// The answer to the request with that id: its result, or its error object.
    Response {
        /// What the sending call returned.
        id: u32,
        /// Result or error, as JSON text.
        outcome: Result<Cow<'a, str>, Cow<'a, str>>,
    },
    /// News of one element for an unsorted fetch.
    Notification {
        /// What [`Engine::fetch`](super::Engine::fetch) was given.
        fetcher: u32,
        /// Added, changed or removed.
        happening: Happening,
        /// The path of the element.
        path: Cow<'a, str>,
        /// The value as JSON text; none for methods.
        value: Option<Cow<'a, str>>,
    },
    /// News for a sorted fetch.
    Sorted {
        /// What [`Engine::fetch`](super::Engine::fetch) was given.
        fetcher: u32,
        /// JSON array of `{path, value, index}`, ascending by `index`.
        changes: Cow<'a, str>,
        /// Occupied ranks of the window.
        n: u64,
    },
    /// Somebody sets a state of this peer.
    Set {
        /// What [`Engine::own`](super::Engine::own) was given.
        element: u32,
        /// The id to answer with; none if nobody waits.
        id: Option<Raw<'a>>,
        /// The requested value; none if the request had none.
        value: Option<Raw<'a>>,
        /// Whether the answer is to be the new value.
        value_as_result: bool,
    },
    /// Somebody calls a method of this peer.
    Call {
        /// What [`Engine::own`](super::Engine::own) was given.
        element: u32,
        /// The id to answer with; none if nobody waits.
        id: Option<Raw<'a>>,
        /// An array or object; none if there are no arguments.
        args: Option<Raw<'a>>,
    },
    /// A request for an element whose program reads the messages itself.
    Raw {
        /// What [`Engine::own`](super::Engine::own) was given.
        element: u32,
        /// The id to answer with; none if nobody waits.
        id: Option<Raw<'a>>,
        /// The whole message.
        message: Raw<'a>,
    },
    /// A request or notification for something this peer does not have. A request has been
    /// answered already.
    Unknown {
        /// The whole message.
        message: Raw<'a>,
    },
    /// Nobody was logged in, so the connection is over; the engine is closed.
    LoginFailed {
        /// Why, for people.
        reason: String,
        /// The error object, as JSON text.
        error: String,
    },
    /// Something for the log.
    Note(String),
}

impl Event<'_> {
    /// The same notification, independent of the message it came in. Only notifications of
    /// fetches are ever kept, so other events come back as notes.
    pub(super) fn into_owned(self) -> Event<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Event::Notification { fetcher, happening, path, value } => {
                Event::Notification { fetcher, happening, path: owned(path), value: value.map(owned) }
            }
            Event::Sorted { fetcher, changes, n } => Event::Sorted { fetcher, changes: owned(changes), n },
            other => Event::Note(format!("{other:?}")),
        }
    }
}
