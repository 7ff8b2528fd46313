//! [`PeerKind`]: the kinds of foreign peers, and what each expects that others do not.
//!
//! On the wire the member `dialect` of `config` names the kind.

use crate::json::Raw;
use crate::rules::Event;
use crate::wire::error::{Code, INTERNAL_ERROR, RESPONSE_TIMEOUT};

/// Maximum size of a message for peers of the C++ library. They close the connection if it is exceeded.
const CPP_MAX_MESSAGE: usize = 256 * 1024;

/// The kind of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerKind {
    /// Peers in Lua, peers of node-jet 1 and 2, and all that are not recognised.
    #[default]
    Classic,
    /// Peers of node-jet 3. They expect other requests to owners, events in capitals, and no sorting.
    NodeJet3,
    /// Peers of the C++ library. They expect objects as results of sets, and short messages.
    Cpp,
}

impl PeerKind {
    /// Returns the kind with that name, as peers request it.
    pub fn named(name: &str) -> Option<PeerKind> {
        match name {
            "classic" => Some(PeerKind::Classic),
            "node-jet-3" => Some(PeerKind::NodeJet3),
            "cpp" => Some(PeerKind::Cpp),
            _ => None,
        }
    }

    /// Recognises a peer by its first request. Peers of node-jet 3 start with `info` under the id `"1"`, peers of the C++
    /// library send the version of JSON-RPC in each message.
    pub fn recognised(message: Raw, method: Raw, id: Option<Raw>) -> Option<PeerKind> {
        if message.get("jsonrpc").and_then(Raw::as_str).as_deref() == Some("2.0") {
            return Some(PeerKind::Cpp);
        }
        let begins = method.text() == "\"info\"" && id.is_some_and(|id| id.text() == "\"1\"");
        begins.then_some(PeerKind::NodeJet3)
    }

    /// Returns the name of an event as the peer compares it.
    pub fn event_name(self, event: Event) -> &'static str {
        match (self, event) {
            (PeerKind::NodeJet3, Event::Add) => "Add",
            (PeerKind::NodeJet3, Event::Change) => "Change",
            (PeerKind::NodeJet3, Event::Remove) => "Remove",
            _ => event.name(),
        }
    }

    /// Returns `true` if a sorted fetch is notified of changes in its window, and not of single events.
    pub fn sorts(self) -> bool {
        self != PeerKind::NodeJet3
    }

    /// Returns `true` if requests for its elements have the service as their method and the path in their params.
    pub fn is_asked_by_service(self) -> bool {
        self == PeerKind::NodeJet3
    }

    /// Returns `true` if the result of a set must be an object.
    pub fn wants_objects_from_set(self) -> bool {
        self == PeerKind::Cpp
    }

    /// Returns `true` if the response to `get` has methods as well as states. Tools of the C++ library take a method for
    /// a state that is null.
    pub fn gets_methods(self) -> bool {
        self != PeerKind::Cpp
    }

    /// Returns `true` if the initial adds precede the response to a fetch. Peers of the C++ library take adds behind the
    /// response for elements that are new.
    pub fn wants_adds_first(self) -> bool {
        self == PeerKind::Cpp
    }

    /// Returns the error for an owner that does not answer in time.
    pub fn timeout_error(self) -> Code {
        match self {
            PeerKind::Cpp => INTERNAL_ERROR,
            _ => RESPONSE_TIMEOUT,
        }
    }

    /// Returns the maximum size of a message in bytes.
    pub fn max_message(self, limit: usize) -> usize {
        match self {
            PeerKind::Cpp => limit.min(CPP_MAX_MESSAGE),
            _ => limit,
        }
    }
}
