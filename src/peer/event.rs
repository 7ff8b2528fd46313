//! [`Event`]: what the engine reports to the program.

use std::borrow::Cow;

use crate::json::Raw;
pub use crate::rules::Event as FetchEvent;

/// The response to a request: its result or its error object, as JSON text.
pub type Outcome<'a> = Result<Cow<'a, str>, Cow<'a, str>>;

/// A notification of an unsorted fetch: one element was added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The number that [`Engine::fetch`](super::Engine::fetch) returned.
    pub fetcher: u32,
    /// Whether the element was added, changed or removed.
    pub event: FetchEvent,
    /// The path of the element.
    pub path: Cow<'a, str>,
    /// The value as JSON text, or `None` for a method.
    pub value: Option<Cow<'a, str>>,
}

impl Notification<'_> {
    /// Returns the value, which is `None` for a method.
    pub fn raw_value(&self) -> Option<Raw<'_>> {
        self.value.as_deref().map(Raw::trusted)
    }
}

/// The params of a notification, read in one pass.
#[derive(Debug, Default)]
pub struct NotificationParams<'a> {
    path: Option<Raw<'a>>,
    event: Option<Raw<'a>>,
    value: Option<Raw<'a>>,
    changes: Option<Raw<'a>>,
    n: Option<Raw<'a>>,
}

impl<'a> NotificationParams<'a> {
    /// Reads the params of a notification.
    pub fn read(params: Raw<'a>) -> NotificationParams<'a> {
        let mut read = NotificationParams::default();
        for (key, value) in params.members() {
            match &*key {
                "path" => read.path = Some(value),
                "event" => read.event = Some(value),
                "value" => read.value = Some(value),
                "changes" => read.changes = Some(value),
                "n" => read.n = Some(value),
                _ => {}
            }
        }
        read
    }

    /// Returns the event, whatever the case of its letters: some daemons send `Add`.
    fn event(&self) -> Option<FetchEvent> {
        let name = self.event?.as_str()?;
        let all = [FetchEvent::Add, FetchEvent::Change, FetchEvent::Remove];
        all.into_iter().find(|event| name.eq_ignore_ascii_case(event.name()))
    }

    /// Returns the notification of an unsorted fetch, or `None` if event or path is missing.
    pub fn unsorted(&self, fetcher: u32) -> Option<Notification<'a>> {
        let value = self.value.map(|value| Cow::Borrowed(value.text()));
        Some(Notification { fetcher, event: self.event()?, path: self.path?.as_str()?, value })
    }

    /// Returns whether these are the params of a sorted fetch.
    pub fn is_sorted(&self) -> bool {
        self.changes.is_some()
    }

    /// Returns whether these are the params of some notification.
    pub fn is_complete(&self) -> bool {
        self.is_sorted() || self.path.is_some() && self.event().is_some()
    }

    /// Returns the notification of a sorted fetch, or `None` if the changes are missing.
    pub fn sorted(&self, fetcher: u32) -> Option<Event<'a>> {
        let changes = self.changes?;
        // The Lua daemon writes an empty list as an empty object.
        let is_empty = changes.elements().next().is_none();
        let n = self.n.and_then(Raw::as_f64).map_or(0, |n| n as u64);
        let changes = Cow::Borrowed(if is_empty { "[]" } else { changes.text() });
        Some(Event::Sorted { fetcher, changes, n })
    }
}

/// Something the program has to handle. Values are JSON text, borrowed from the message where that
/// is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The daemon is known, and deferred requests have been sent.
    Ready,
    /// The response to a request.
    Response {
        /// The id that the sending call returned.
        id: u32,
        /// The result or the error object.
        outcome: Outcome<'a>,
    },
    /// A notification of an unsorted fetch.
    Notification(Notification<'a>),
    /// A notification of a sorted fetch.
    Sorted {
        /// The number that [`Engine::fetch`](super::Engine::fetch) returned.
        fetcher: u32,
        /// JSON array of `{path, value, index}`, ascending by `index`.
        changes: Cow<'a, str>,
        /// The number of occupied ranks of the window.
        n: u64,
    },
    /// A request to set a state of this peer.
    Set {
        /// The number that [`Engine::own`](super::Engine::own) was given.
        element: u32,
        /// The id to answer with, or `None` for a notification.
        id: Option<Raw<'a>>,
        /// The requested value, or `None` if the request has none.
        value: Option<Raw<'a>>,
        /// Whether the result has to be the new value.
        value_as_result: bool,
    },
    /// A request to call a method of this peer.
    Call {
        /// The number that [`Engine::own`](super::Engine::own) was given.
        element: u32,
        /// The id to answer with, or `None` for a notification.
        id: Option<Raw<'a>>,
        /// The arguments, or `None` if the request has none.
        args: Option<Raw<'a>>,
    },
    /// A request for an element whose program reads the messages itself.
    Raw {
        /// The number that [`Engine::own`](super::Engine::own) was given.
        element: u32,
        /// The id to answer with, or `None` for a notification.
        id: Option<Raw<'a>>,
        /// The whole message.
        message: Raw<'a>,
    },
    /// A request or notification for an element that this peer does not have. The engine has
    /// answered a request already.
    Unknown {
        /// The whole message.
        message: Raw<'a>,
    },
    /// The login failed, which ends the connection. The engine is closed.
    LoginFailed {
        /// The reason, for people.
        reason: String,
        /// The error object, as JSON text.
        error: String,
    },
    /// A line for the log.
    Note(String),
}

impl Event<'_> {
    /// Returns the same notification with texts of its own. Only notifications of fetches are ever
    /// kept, so any other event becomes a note.
    pub fn into_owned(self) -> Event<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Event::Notification(Notification { fetcher, event, path, value }) => {
                let (path, value) = (owned(path), value.map(owned));
                Event::Notification(Notification { fetcher, event, path, value })
            }
            Event::Sorted { fetcher, changes, n } => Event::Sorted { fetcher, changes: owned(changes), n },
            other => Event::Note(format!("{other:?}")),
        }
    }
}

/// Lines for the log that are reported once.
#[derive(Debug, Default)]
pub struct Notes {
    known: Vec<&'static str>,
    unreported: Vec<&'static str>,
}

impl Notes {
    /// Adds a line, unless it was added before.
    pub fn add(&mut self, text: &'static str) {
        if !self.known.contains(&text) {
            self.known.push(text);
            self.unreported.push(text);
        }
    }

    /// Reports the lines that have not been reported.
    pub fn report(&mut self, events: &mut Vec<Event<'_>>) {
        events.extend(self.unreported.drain(..).map(|text| Event::Note(text.into())));
    }
}

/// Returns the beginning of a text, cut to a length that suits a log.
pub fn shortened(text: &str) -> &str {
    text.char_indices().nth(200).map_or(text, |(end, _)| &text[..end])
}
