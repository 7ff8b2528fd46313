//! Which daemon answers, and what it can and cannot do.
//!
//! Told apart by the answer to `info`: an error is the Lua daemon, which has no `info`; the name
//! `cjet` is the C daemon; node-jet 1 and 2 have the feature `authentication`, node-jet 3 has
//! `asNotification` or `authenticate`; our own daemon names itself by the feature `match`.

use crate::json::Raw;

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
        let Ok(info) = info else {
            return Dialect::Lua;
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

    /// The service that takes the name of a peer.
    pub fn config_service(self) -> &'static str {
        match self {
            Dialect::NodeJet3 => "configure",
            _ => "config",
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
        assert_eq!(Dialect::recognise(Err(Raw::NULL)), Dialect::Lua);
    }
}
