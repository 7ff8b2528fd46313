//! [`Ability`]: what the fetch of each kind of daemon can do.

use crate::peer::compat::daemon_kind::DaemonKind;

/// What the fetch of a daemon can do.
#[derive(Debug)]
pub struct Ability {
    /// The path rules with one word that it has.
    pub words: &'static [&'static str],
    /// The path rules with a list of words that it has.
    pub lists: &'static [&'static str],
    /// Those of them that match more than they should.
    pub loose: &'static [&'static str],
    /// How it treats letter case.
    pub fold: Fold,
    /// Most words in all path rules together.
    pub max_words: usize,
    /// Most bytes of the params.
    pub max_bytes: usize,
    /// Whether a fetch of everything needs a path rule.
    pub needs_path: bool,
    /// How it treats value rules.
    pub values: Values,
    /// Whether a removal comes with the last value.
    pub tells_last_value: bool,
}

/// How a daemon treats `caseInsensitive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// In no useful way.
    Unusable,
    /// As our own rules do: for ASCII letters.
    Ascii,
    /// For the letters of all languages.
    Unicode,
    /// As `Ascii`. Without the option, results depend on an index that misses elements.
    AsciiOrIndex,
}

/// How a daemon treats value rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// In no useful way.
    Unusable,
    /// As our own rules do, but only beside path rules. Otherwise elements that do not match at first
    /// are lost.
    BesidePaths,
    /// They match at least what our own rules match: JavaScript compares more than Lua does.
    Javascript,
}

const NO_LIMIT: usize = usize::MAX;

/// node-jet 1 and 2. To them a path ends with any word that is longer by one character, so their
/// `endsWith` matches too much and `endsNotWith` too little.
const NODE_JET: Ability = Ability {
    words: &["equals", "equalsNot", "contains", "containsNot", "startsWith", "startsNotWith", "endsWith"],
    lists: &["containsAllOf", "containsOneOf", "equalsOneOf", "equalsNotOneOf"],
    loose: &["endsWith"],
    fold: Fold::Unicode,
    max_words: NO_LIMIT,
    max_bytes: NO_LIMIT,
    needs_path: false,
    values: Values::Javascript,
    tells_last_value: true,
};

/// The Lua daemon has the same rules. This peer always checks its results.
const LUA: Ability = Ability { fold: Fold::AsciiOrIndex, values: Values::BesidePaths, ..NODE_JET };

/// node-jet 3 has negated rules that never match. Its value rules are applied to new elements only, so
/// elements that begin to match later are lost.
const NODE_JET_3: Ability = Ability {
    words: &["equals", "contains", "startsWith", "endsWith"],
    lists: &["containsAllOf", "containsOneOf", "equalsOneOf"],
    fold: Fold::Unusable,
    needs_path: true,
    values: Values::Unusable,
    tells_last_value: false,
    ..NODE_JET
};

/// The C daemon takes twelve matchers. As it is delivered, it closes the connection on messages of more
/// than 512 bytes, some of which the rest of the message needs.
const CJET: Ability = Ability {
    words: &["equals", "equalsNot", "contains", "startsWith", "endsWith"],
    lists: &["containsAllOf"],
    loose: &[],
    fold: Fold::Ascii,
    max_words: 12,
    max_bytes: 400,
    needs_path: false,
    values: Values::Unusable,
    tells_last_value: true,
};

/// The rules that all daemons have.
const UNKNOWN: Ability = Ability { lists: &["containsAllOf"], max_words: 12, max_bytes: 400, ..NODE_JET_3 };

impl Ability {
    /// Returns the ability of a daemon, or `None` for our own, which can do everything.
    pub fn of(kind: DaemonKind) -> Option<&'static Ability> {
        match kind {
            DaemonKind::Own => None,
            DaemonKind::Lua => Some(&LUA),
            DaemonKind::NodeJet => Some(&NODE_JET),
            DaemonKind::NodeJet3 => Some(&NODE_JET_3),
            DaemonKind::Cjet => Some(&CJET),
            DaemonKind::Unknown => Some(&UNKNOWN),
        }
    }
}
