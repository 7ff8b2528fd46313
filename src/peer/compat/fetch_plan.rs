//! [`make`]: what a daemon is asked for instead of a fetch, and what this peer does itself.
//!
//! A daemon is asked for the smallest set that holds everything the program wants. Where that is more than
//! the program wants, or where the daemon reports it differently, a [`LocalFetch`] does the rest with the
//! rules of our own daemon. Only what is known to give the same result is left to the daemon alone.

mod ability;
mod literal;
mod path;
mod rules;
mod value;

use serde::Serialize;

use crate::json::{Raw, to_text};
use crate::peer::compat::daemon_kind::DaemonKind;
use crate::peer::compat::local_fetch::LocalFetch;
use crate::rules::Expression;

use ability::Ability;
use rules::{RuleOperand, Rules};

/// How a fetch is carried out.
#[derive(Debug)]
pub struct Plan {
    /// The params for the daemon, or `None` for those of the program.
    pub params: Option<Params>,
    /// What this peer does itself.
    pub local: Option<LocalFetch>,
}

/// Plans a fetch for a daemon. `is_shared`: the daemon has one fetch of everything for each peer.
///
/// # Errors
/// The reason why the expression means nothing. Our own daemon judges that itself.
pub fn make(kind: DaemonKind, is_shared: bool, expression: Raw) -> Result<Plan, String> {
    // The program got the warnings when it made the fetch.
    let parse = |expression| Expression::parse(expression, &mut Vec::new());
    if is_shared {
        // The last values are kept with the shared fetch.
        return Ok(Plan { params: None, local: Some(LocalFetch::new(parse(expression)?, false)) });
    }
    let Some(ability) = Ability::of(kind) else {
        return Ok(Plan { params: None, local: None });
    };
    let expression = parse(expression)?;
    let (params, exact) = params(ability, &expression);
    let does_all = exact
        && ability.tells_last_value
        && expression.sort().is_none()
        && expression.max().is_none()
        && expression.deps().is_empty();
    let local = (!does_all).then(|| LocalFetch::new(expression, !ability.tells_last_value));
    Ok(Plan { params: Some(params), local })
}

/// The params of a fetch as a foreign daemon gets them, without the id.
#[derive(Debug, Serialize)]
pub struct Params {
    #[serde(skip_serializing_if = "Rules::is_empty")]
    path: Rules,
    #[serde(skip_serializing_if = "Rules::is_empty")]
    value: Rules,
}

impl Params {
    /// Returns the params of a fetch of everything. Some daemons need a path rule for that.
    pub fn everything(needs_path: bool) -> Params {
        let rule = ("startsWith", RuleOperand::Word(String::new()));
        let path = Rules { members: needs_path.then_some(rule).into_iter().collect(), exact: true };
        Params { path, value: Rules { members: Vec::new(), exact: true } }
    }

    fn is_empty(&self) -> bool {
        self.path.is_empty() && self.value.is_empty()
    }
}

/// Returns the params for the daemon, and whether they match exactly what path and value rules match.
fn params(ability: &Ability, expression: &Expression) -> (Params, bool) {
    let everything = Params::everything(ability.needs_path);
    if !expression.deps().is_empty() {
        // The elements that others depend on can be anywhere.
        return (everything, false);
    }
    let path = path::plan(ability, expression.path_rules());
    let value = value::plan(ability, expression, !path.is_empty());
    let exact = path.exact && value.exact;
    let params = Params { path, value };
    match params.is_empty() {
        true => (everything, exact),
        false if to_text(&params).len() > ability.max_bytes => (everything, false),
        false => (params, exact),
    }
}
