//! [`PeerKind`]: which peer this is, as far as it needs to be spoken to in its own way. How each
//! differs is in here; everybody else is spoken to in the classic way.

use crate::json::Raw;
use crate::rules::Event;
use crate::wire::error::{Code, INTERNAL_ERROR, RESPONSE_TIMEOUT};

/// The largest message that peers of the C++ library take; they close the connection otherwise.
const CPP_MAX_MESSAGE: usize = 256 * 1024;

/// The dialect of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerKind {
    /// The peers of Lua and of node-jet 1 and 2, and whoever says nothing else.
    #[default]
    Classic,
    /// The peers of node-jet 3: other requests to owners, events in capitals, no sorting.
    NodeJet3,
    /// The peers of the C++ library: results of set are objects, and messages short.
    Cpp,
}

impl PeerKind {
    /// The dialect of that name, for peers that say what they want.
    pub fn named(name: &str) -> Option<PeerKind> {
        match name {
            "classic" => Some(PeerKind::Classic),
            "node-jet-3" => Some(PeerKind::NodeJet3),
            "cpp" => Some(PeerKind::Cpp),
            _ => None,
        }
    }

    /// The dialect of a peer by its first request: peers of node-jet 3 begin with `info` under
    /// the string "1", those of the C++ library write the version of JSON-RPC into everything.
    pub fn recognised(message: Raw, method: Raw, id: Option<Raw>) -> Option<PeerKind> {
        if message.get("jsonrpc").and_then(Raw::as_str).as_deref() == Some("2.0") {
            return Some(PeerKind::Cpp);
        }
        let begins = method.text() == "\"info\"" && id.is_some_and(|id| id.text() == "\"1\"");
        begins.then_some(PeerKind::NodeJet3)
    }

    /// The name of an event as the peer compares it.
    pub fn event_name(self, event: Event) -> &'static str {
        match (self, event) {
            (PeerKind::NodeJet3, Event::Add) => "Add",
            (PeerKind::NodeJet3, Event::Change) => "Change",
            (PeerKind::NodeJet3, Event::Remove) => "Remove",
            _ => event.name(),
        }
    }

    /// Whether a sorted fetch gets what has changed in its window; else it gets single events.
    pub fn sorts(self) -> bool {
        self != PeerKind::NodeJet3
    }

    /// Whether requests for its elements name the service and carry the path in their params.
    pub fn is_asked_by_service(self) -> bool {
        self == PeerKind::NodeJet3
    }

    /// Whether only an object will do as the result of a set.
    pub fn wants_objects_from_set(self) -> bool {
        self == PeerKind::Cpp
    }

    /// Returns whether `get` lists methods beside states. Tools of the C++ library cannot tell a method
    /// from a state that is null.
    pub fn gets_methods(self) -> bool {
        self != PeerKind::Cpp
    }

    /// Returns whether the response to fetch comes after the initial adds: peers of the C++ library take what
    /// follows the response for later news.
    pub fn wants_adds_first(self) -> bool {
        self == PeerKind::Cpp
    }

    /// The error for an owner that does not answer in time.
    pub fn timeout_error(self) -> Code {
        match self {
            PeerKind::Cpp => INTERNAL_ERROR,
            _ => RESPONSE_TIMEOUT,
        }
    }

    /// The largest message it takes, in bytes.
    pub fn max_message(self, limit: usize) -> usize {
        match self {
            PeerKind::Cpp => limit.min(CPP_MAX_MESSAGE),
            _ => limit,
        }
    }
}
