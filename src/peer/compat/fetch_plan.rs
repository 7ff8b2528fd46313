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
use rules::Rules;

/// How a fetch is carried out.
#[derive(Debug)]
pub struct Plan {
    /// The params for the daemon, a JSON object, or `None` for those of the program.
    pub wire: Option<String>,
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
        return Ok(Plan { wire: None, local: Some(LocalFetch::new(parse(expression)?, false)) });
    }
    let Some(ability) = Ability::of(kind) else {
        return Ok(Plan { wire: None, local: None });
    };
    let expression = parse(expression)?;
    let (wire, exact) = wire(ability, &expression);
    let does_all = exact
        && ability.tells_last_value
        && expression.sort().is_none()
        && expression.max().is_none()
        && expression.deps().is_empty();
    let local = (!does_all).then(|| LocalFetch::new(expression, !ability.tells_last_value));
    Ok(Plan { wire: Some(wire), local })
}

/// The params for the daemon.
#[derive(Serialize)]
struct Params {
    #[serde(skip_serializing_if = "Rules::is_empty")]
    path: Rules,
    #[serde(skip_serializing_if = "Rules::is_empty")]
    value: Rules,
}

/// Returns the params for the daemon, and whether they match exactly what path and value rules match.
fn wire(ability: &Ability, expression: &Expression) -> (String, bool) {
    if !expression.deps().is_empty() {
        // The elements that others depend on can be anywhere.
        return (everything(ability), false);
    }
    let path = path::plan(ability, expression.path_rules());
    let value = value::plan(ability, expression, !path.is_empty());
    let (is_empty, exact) = (path.is_empty() && value.is_empty(), path.exact && value.exact);
    let params = to_text(&Params { path, value });
    match is_empty || params.len() > ability.max_bytes {
        true => (everything(ability), exact && is_empty),
        false => (params, exact),
    }
}

fn everything(ability: &Ability) -> String {
    let text = if ability.needs_path { r#"{"path":{"startsWith":""}}"# } else { "{}" };
    text.to_owned()
}
