//! Which daemon answers, and what it can and cannot do.
//!
//! Told apart by the answer to `info`: an error is the Lua daemon, which has no `info`; the name
//! `cjet` is the C daemon; node-jet 1 and 2 have the feature `authentication`, node-jet 3 has
//! `asNotification` or `authenticate`; our own daemon names itself by the feature `match`.

use std::time::Duration;

use crate::json::Raw;

use crate::peer::outgoing::RequestOptions;

/// The family of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
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
    /// Did not say: only what every daemon understands is used.
    #[default]
    Unknown,
}

impl Dialect {
    /// Recognises a daemon by its answer to `info`.
    pub fn recognise(info: Result<Raw, Raw>) -> Dialect {
        let info = match info {
            Ok(info) => info,
            Err(error) if error.get("code").and_then(Raw::as_f64) == Some(-32601.0) => return Dialect::Lua,
            Err(_) => return Dialect::Unknown,
        };
        let feature = |name| info.get("features").and_then(|features| features.get(name));
        if feature("match").is_some_and(Raw::is_truthy) {
            Dialect::Own
        } else if info.get("name").and_then(Raw::as_str).as_deref() == Some("cjet") {
            Dialect::Cjet
        } else if feature("asNotification").is_some() || feature("authenticate").is_some() {
            Dialect::NodeJet3
        } else if feature("authentication").is_some() {
            Dialect::NodeJet
        } else {
            Dialect::Unknown
        }
    }

    /// The short name used in logs.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Own => "lua-jet-rs",
            Dialect::Lua => "lua-jet",
            Dialect::NodeJet => "node-jet 1/2",
            Dialect::NodeJet3 => "node-jet 3",
            Dialect::Cjet => "cjet",
            Dialect::Unknown => "unknown",
        }
    }

    /// What this peer does because the daemon cannot, or does it in another way, as words for
    /// people: rules of fetches it lacks, the order of sorted ones, …
    pub fn stand_ins(self) -> &'static [&'static str] {
        match self {
            Dialect::Own => &[],
            Dialect::Lua => &["path rules", "rules of 2013", "value rules", "sort"],
            Dialect::NodeJet => &["rules of 2013", "value rules", "sort"],
            Dialect::Cjet => &["path rules", "rules of 2013", "value rules", "sort", "errors", "time-outs"],
            Dialect::NodeJet3 | Dialect::Unknown => {
                &["path rules", "rules of 2013", "value rules", "sort", "errors", "time-outs", "last values"]
            }
        }
    }

    /// The service that takes the name of a peer.
    pub fn config_service(self) -> &'static str {
        match self {
            Dialect::NodeJet3 => "configure",
            _ => "config",
        }
    }

    /// Whether this daemon has msgpack, or refuses it in words. The C daemon says yes to any
    /// encoding and goes on with JSON.
    pub fn knows_msgpack(self) -> bool {
        matches!(self, Dialect::Own | Dialect::Lua)
    }

    /// Whether fetch ids have to differ from those of other peers.
    pub fn shares_fetch_ids(self) -> bool {
        matches!(self, Dialect::NodeJet3 | Dialect::Unknown)
    }

    /// Whether a fetch id that is in use may not be sent again: it is refused, or both go on.
    pub fn doubles_fetch_ids(self) -> bool {
        !matches!(self, Dialect::Own | Dialect::NodeJet)
    }

    /// Whether a change needs a value.
    pub fn lacks_cleared_values(self) -> bool {
        matches!(self, Dialect::NodeJet3 | Dialect::Cjet)
    }

    /// Whether a request may stay without an answer, or with one that does not say what it was.
    pub fn hides_timeouts(self) -> bool {
        matches!(self, Dialect::NodeJet3 | Dialect::Cjet | Dialect::Unknown)
    }

    /// How long after its own time a request is given up. Daemons that have time-outs go first.
    pub fn grace(self) -> Duration {
        match self {
            Dialect::NodeJet3 => Duration::ZERO,
            _ => Duration::from_secs(1),
        }
    }

    /// The options of fetch and its end. A time means nothing there, but programs may give one,
    /// and foreign daemons are not asked what they make of it.
    pub fn adapted_to_fetch(self, options: RequestOptions) -> RequestOptions {
        if self == Dialect::Own {
            options
        } else {
            RequestOptions { respond: options.respond, ..RequestOptions::default() }
        }
    }

    /// The options of a request as this daemon understands them: some take a time of 0 for none
    /// at all, or for a mistake. At once is the shortest time they know instead.
    pub fn adapted(self, mut options: RequestOptions) -> RequestOptions {
        const SHORTEST: f64 = 0.001;
        if matches!(self, Dialect::NodeJet | Dialect::Cjet) {
            options.timeout = options.timeout.map(|seconds| seconds.max(SHORTEST));
        }
        options
    }

    /// Whether the others on the bus are likely C++ peers, which die of a set that is answered
    /// with anything but an object.
    pub fn has_fragile_peers(self) -> bool {
        matches!(self, Dialect::Cjet | Dialect::Unknown)
    }

    /// The result of a request as this daemon takes it: the Lua daemon takes `false` for no
    /// result at all and lets the other peer wait.
    pub fn adapted_result(self, result: Raw<'_>) -> Raw<'_> {
        match result.as_bool() {
            Some(false) if self == Dialect::Lua => Raw::trusted("{}"),
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
            (r#"{"name":"lua-jet-rs","features":{"authenticate":false,"match":true}}"#, Dialect::Own),
            (r#"{"name":"cjet","features":{"batches":true,"authentication":true}}"#, Dialect::Cjet),
            (r#"{"name":"node-jet","features":{"authentication":true,"fetch":"full"}}"#, Dialect::NodeJet),
            (r#"{"name":"x","features":{"asNotification":false,"authenticate":false}}"#, Dialect::NodeJet3),
            (r#"{}"#, Dialect::Unknown),
        ];
        for (info, dialect) in cases {
            assert_eq!(Dialect::recognise(Ok(Raw::trusted(info))), dialect, "{info}");
        }
        let unknown_service = Raw::trusted(r#"{"code":-32601,"message":"Method not found","data":"info"}"#);
        assert_eq!(Dialect::recognise(Err(unknown_service)), Dialect::Lua);
        assert_eq!(Dialect::recognise(Err(Raw::trusted(r#"{"code":-32603}"#))), Dialect::Unknown);
    }
}
