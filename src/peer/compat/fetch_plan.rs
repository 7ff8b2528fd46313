//! What of a fetch a daemon is asked for, and what is done on this side.
//!
//! A daemon is asked for the least that holds all the program wants to see. Where that is more
//! than the program wants, or where the daemon tells it differently, a [`LocalFetch`] does the
//! rest with the rules our own daemon has. Only what is known to give the same result is left to
//! the daemon alone.

mod literal;
mod path;
mod value;

use crate::json::Raw;
use crate::rules::Expression;

use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::compat::local_fetch::LocalFetch;

/// How a fetch is carried out.
#[derive(Debug)]
pub struct Plan {
    /// The params for the daemon, a JSON object; none if they are the program's own.
    pub wire: Option<String>,
    /// What remains to be done here.
    pub local: Option<LocalFetch>,
}

/// What the fetch of a daemon can do.
#[derive(Debug)]
struct Ability {
    /// Path rules with one word that it has.
    words: &'static [&'static str],
    /// Path rules with a list of words that it has.
    lists: &'static [&'static str],
    /// Rules of these that find more than they should.
    loose: &'static [&'static str],
    fold: Fold,
    /// Most words in all path rules together.
    max_words: usize,
    /// Most bytes of the params.
    max_bytes: usize,
    /// Whether a fetch of everything has to be put as a path rule.
    needs_path: bool,
    values: Values,
    /// Whether a removal comes with the last value.
    tells_last_value: bool,
}

/// How a daemon takes `caseInsensitive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    /// Not in a way that is of use.
    Unusable,
    /// As the rules here: ASCII letters.
    Ascii,
    /// Letters of all languages.
    Unicode,
    /// As `Ascii`, and without it what is found depends on an index that misses elements.
    AsciiOrIndex,
}

/// What a daemon makes of value rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    /// Nothing of use.
    Unusable,
    /// As the rules here, but only beside path rules; else what does not match at first is lost.
    BesidePaths,
    /// Finds at least what the rules here find, as JavaScript compares more than Lua does.
    Javascript,
}

const NO_LIMIT: usize = usize::MAX;

/// node-jet 1 and 2. To them a path ends with any word that is longer by one character, so their
/// `endsWith` finds too much and `endsNotWith` too little.
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

/// The Lua daemon has the same rules; what it finds is looked at again in any case.
const LUA: Ability = Ability { fold: Fold::AsciiOrIndex, values: Values::BesidePaths, ..NODE_JET };

/// node-jet 3 has negated rules that never match. Its value rules are applied to new elements
/// only, so what begins to match later is lost.
const NODE_JET_3: Ability = Ability {
    words: &["equals", "contains", "startsWith", "endsWith"],
    lists: &["containsAllOf", "containsOneOf", "equalsOneOf"],
    fold: Fold::Unusable,
    needs_path: true,
    values: Values::Unusable,
    tells_last_value: false,
    ..NODE_JET
};

/// The C daemon takes twelve matchers. As delivered it closes the connection on messages beyond
/// 512 bytes; the rest of the message needs some of them.
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

/// What all daemons have.
const UNKNOWN: Ability = Ability { lists: &["containsAllOf"], max_words: 12, max_bytes: 400, ..NODE_JET_3 };

impl Ability {
    /// None for our own daemon: it can do everything.
    fn of(dialect: Dialect) -> Option<&'static Ability> {
        match dialect {
            Dialect::Own => None,
            Dialect::Lua => Some(&LUA),
            Dialect::NodeJet => Some(&NODE_JET),
            Dialect::NodeJet3 => Some(&NODE_JET_3),
            Dialect::Cjet => Some(&CJET),
            Dialect::Unknown => Some(&UNKNOWN),
        }
    }
}

/// Plans a fetch for a daemon. `shared`: it has one fetch of everything for each peer.
///
/// # Errors
/// Why the expression means nothing. Our own daemon is asked to judge by itself.
pub fn make(dialect: Dialect, shared: bool, expression: Raw) -> Result<Plan, String> {
    // The program has been warned when it made the fetch.
    let parsed = |expression| Expression::parse(expression, &mut Vec::new());
    if shared {
        // Whoever keeps the shared fetch knows the last values.
        return Ok(Plan { wire: None, local: Some(LocalFetch::new(parsed(expression)?, false)) });
    }
    let Some(ability) = Ability::of(dialect) else {
        return Ok(Plan { wire: None, local: None });
    };
    let expression = parsed(expression)?;
    let (wire, exact) = wire(ability, &expression);
    let does_all = exact
        && ability.tells_last_value
        && expression.sort().is_none()
        && expression.max().is_none()
        && expression.deps().is_empty();
    let local = (!does_all).then(|| LocalFetch::new(expression, !ability.tells_last_value));
    Ok(Plan { wire: Some(wire), local })
}

/// The params for the daemon, and whether they find exactly what path and value rules want.
fn wire(ability: &Ability, expression: &Expression) -> (String, bool) {
    if !expression.deps().is_empty() {
        // What elements hang on can be anywhere.
        return (everything(ability), false);
    }
    let paths = path::plan(ability, expression.path_rules());
    let values = value::plan(ability, expression, !paths.members.is_empty());
    let mut members: Vec<String> = Vec::new();
    if !paths.members.is_empty() {
        members.push(format!("\"path\":{{{}}}", paths.members.join(",")));
    }
    if !values.members.is_empty() {
        members.push(format!("\"value\":{{{}}}", values.members.join(",")));
    }
    let params = format!("{{{}}}", members.join(","));
    if members.is_empty() || params.len() > ability.max_bytes {
        return (everything(ability), paths.exact && values.exact && members.is_empty());
    }
    (params, paths.exact && values.exact)
}

fn everything(ability: &Ability) -> String {
    let text = if ability.needs_path { r#"{"path":{"startsWith":""}}"# } else { "{}" };
    text.to_owned()
}

/// Members of a rules object, and whether they say all there is to say.
#[derive(Debug)]
struct Part {
    members: Vec<String>,
    exact: bool,
}
