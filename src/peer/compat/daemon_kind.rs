//! [`DaemonKind`]: which daemon answers, and what it can and cannot do.
//!
//! Daemons are recognised by their response to `info`. An error is the Lua daemon, which has no `info`;
//! the name `cjet` is the C daemon; node-jet 1 and 2 have the feature `authentication`, node-jet 3 has
//! `asNotification` or `authenticate`; our own daemon has the feature `match`.

use std::time::Duration;

use crate::json::Raw;
use crate::peer::request::RequestOptions;
use crate::peer::response::has_code;
use crate::wire::error::METHOD_NOT_FOUND;

/// The note about an element with access rights on a daemon without users.
pub const NO_USERS: &str = "the daemon has no users: access protects nothing";

/// The hint in the error of a login: the C daemon answers the same to every login that it refuses.
const CJET_REFUSES: &str = "unknown user or wrong password, or the daemon has no users: cjet refuses every login without a password file";

/// The kind of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DaemonKind {
    /// The daemon of this crate: every rule, Lua patterns included.
    Own,
    /// The daemon of the earlier Lua module.
    Lua,
    /// node-jet 1.x and 2.x.
    NodeJet,
    /// node-jet 3.x.
    NodeJet3,
    /// The C daemon in devices.
    Cjet,
    /// A daemon that did not say what it is: only what every daemon understands is used.
    #[default]
    Unknown,
}

impl DaemonKind {
    /// Recognises a daemon by its response to `info`.
    pub fn recognise(info: Result<Raw, Raw>) -> DaemonKind {
        let info = match info {
            Ok(info) => info,
            Err(error) if has_code(error, METHOD_NOT_FOUND) => return DaemonKind::Lua,
            Err(_) => return DaemonKind::Unknown,
        };
        let feature = |name| info.get("features").and_then(|features| features.get(name));
        if feature("match").is_some_and(Raw::is_truthy) {
            DaemonKind::Own
        } else if info.get("name").and_then(Raw::as_str).as_deref() == Some("cjet") {
            DaemonKind::Cjet
        } else if feature("asNotification").is_some() || feature("authenticate").is_some() {
            DaemonKind::NodeJet3
        } else if feature("authentication").is_some() {
            DaemonKind::NodeJet
        } else {
            DaemonKind::Unknown
        }
    }

    /// Returns the short name used in logs.
    pub fn name(self) -> &'static str {
        match self {
            DaemonKind::Own => "lua-jet-rs",
            DaemonKind::Lua => "lua-jet",
            DaemonKind::NodeJet => "node-jet 1/2",
            DaemonKind::NodeJet3 => "node-jet 3",
            DaemonKind::Cjet => "cjet",
            DaemonKind::Unknown => "unknown",
        }
    }

    /// Returns what this peer does because the daemon cannot, or does in another way, as words for
    /// people: rules of fetches, the order of sorted ones, …
    pub fn stand_ins(self) -> &'static [&'static str] {
        match self {
            DaemonKind::Own => &[],
            DaemonKind::Lua => &["path rules", "rules of 2013", "value rules", "sort"],
            DaemonKind::NodeJet => &["rules of 2013", "value rules", "sort"],
            DaemonKind::Cjet => {
                &["path rules", "rules of 2013", "value rules", "sort", "errors", "time-outs"]
            }
            DaemonKind::NodeJet3 | DaemonKind::Unknown => {
                &["path rules", "rules of 2013", "value rules", "sort", "errors", "time-outs", "last values"]
            }
        }
    }

    /// Returns whether the daemon has no users: it is known for that, or says so in its response to
    /// `info`.
    pub fn lacks_users(self, info: Option<Raw>) -> bool {
        let features = info.and_then(|info| info.get("features"));
        let denies = |name| features.and_then(|features| features.get(name)?.as_bool()) == Some(false);
        self == DaemonKind::Lua || denies("authenticate") || denies("authentication")
    }

    /// Returns whether a login is answered with the groups of the user. A mere `true` is the response of
    /// such a daemon that has no users.
    pub fn answers_logins_with_groups(self) -> bool {
        matches!(self, DaemonKind::Own | DaemonKind::Unknown)
    }

    /// Returns the explanation of a refused login, if the error of this daemon does not explain it.
    pub fn login_hint(self) -> Option<&'static str> {
        (self == DaemonKind::Cjet).then_some(CJET_REFUSES)
    }

    /// Returns the service that configures the connection. One that changes nothing stands in where
    /// the daemon would take none of the params.
    pub fn config_service(self, has_name: bool) -> &'static str {
        match self {
            DaemonKind::NodeJet3 if has_name => "configure",
            DaemonKind::NodeJet3 => "info",
            _ => "config",
        }
    }

    /// Returns whether the daemon accepts more in a `config` than the name of the peer.
    pub fn takes_all_config(self) -> bool {
        matches!(self, DaemonKind::Own | DaemonKind::Lua)
    }

    /// Returns whether the daemon has msgpack, or refuses it with an error. The C daemon accepts any
    /// encoding and goes on with JSON.
    pub fn has_msgpack(self) -> bool {
        matches!(self, DaemonKind::Own | DaemonKind::Lua)
    }

    /// Returns whether fetch ids have to differ from those of other peers.
    pub fn shares_fetch_ids(self) -> bool {
        matches!(self, DaemonKind::NodeJet3 | DaemonKind::Unknown)
    }

    /// Returns whether a fetch has to be ended before its id is used again: the daemon refuses the
    /// second fetch, or both go on.
    pub fn doubles_fetch_ids(self) -> bool {
        !matches!(self, DaemonKind::Own | DaemonKind::NodeJet)
    }

    /// Returns whether a change needs a value.
    pub fn lacks_cleared_values(self) -> bool {
        matches!(self, DaemonKind::NodeJet3 | DaemonKind::Cjet)
    }

    /// Returns whether a request may stay unanswered, or its error does not say what was asked.
    pub fn hides_timeouts(self) -> bool {
        matches!(self, DaemonKind::NodeJet3 | DaemonKind::Cjet | DaemonKind::Unknown)
    }

    /// Returns how long after its own time limit a request ends. Daemons that have time limits go
    /// first.
    pub fn grace(self) -> Duration {
        match self {
            DaemonKind::NodeJet3 => Duration::ZERO,
            _ => Duration::from_secs(1),
        }
    }

    /// Returns the options of a fetch and of its end. A time limit means nothing there, but programs may
    /// give one; only our own daemon gets it.
    pub fn fetch_options(self, options: RequestOptions) -> RequestOptions {
        match self {
            DaemonKind::Own => options,
            _ => RequestOptions { respond: options.respond, ..RequestOptions::default() },
        }
    }

    /// Returns the options of a request as this daemon understands them. Some read a time limit of 0 as
    /// none at all, or as a mistake: they get the shortest one they know.
    pub fn request_options(self, mut options: RequestOptions) -> RequestOptions {
        const SHORTEST: f64 = 0.001;
        if matches!(self, DaemonKind::NodeJet | DaemonKind::Cjet) {
            options.timeout = options.timeout.map(|seconds| seconds.max(SHORTEST));
        }
        options
    }

    /// Returns whether other peers of this daemon are likely C++ peers, which die of a set that is
    /// answered with anything but an object.
    pub fn has_fragile_peers(self) -> bool {
        matches!(self, DaemonKind::Cjet | DaemonKind::Unknown)
    }

    /// Returns the result of a request as this daemon takes it. To the Lua daemon `false` is no result
    /// at all, and the other peer waits.
    pub fn result(self, result: Raw<'_>) -> Raw<'_> {
        match result.as_bool() {
            Some(false) if self == DaemonKind::Lua => Raw::trusted("{}"),
            _ => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_told_apart_by_their_info() {
        let cases = [
            (r#"{"name":"lua-jet-rs","features":{"authenticate":false,"match":true}}"#, DaemonKind::Own),
            (r#"{"name":"cjet","features":{"batches":true,"authentication":true}}"#, DaemonKind::Cjet),
            (r#"{"name":"node-jet","features":{"authentication":true,"fetch":"full"}}"#, DaemonKind::NodeJet),
            (
                r#"{"name":"x","features":{"asNotification":false,"authenticate":false}}"#,
                DaemonKind::NodeJet3,
            ),
            (r#"{}"#, DaemonKind::Unknown),
        ];
        for (info, kind) in cases {
            assert_eq!(DaemonKind::recognise(Ok(Raw::trusted(info))), kind, "{info}");
        }
        let unknown_service = Raw::trusted(r#"{"code":-32601,"message":"Method not found","data":"info"}"#);
        assert_eq!(DaemonKind::recognise(Err(unknown_service)), DaemonKind::Lua);
        assert_eq!(DaemonKind::recognise(Err(Raw::trusted(r#"{"code":-32603}"#))), DaemonKind::Unknown);
    }
}
