//! The rules of foreign daemons, made from recordings.

use jet::json::{Kind, Raw};

use super::foreign::Family;
use super::json;

/// Returns `true` if the path rules hold on a daemon. Rules that it does not have fail the test.
pub fn path_fits(family: Family, rules: Raw, path: &str) -> bool {
    const NEGATIVE: [&str; 3] = ["containsNot", "startsNotWith", "equalsNotOneOf"];
    const LISTS: [&str; 2] = ["equalsOneOf", "containsOneOf"];
    let fold = rules.get("caseInsensitive").is_some();
    let has_more = matches!(family, Family::Lua | Family::NodeJet);
    assert!(!fold || has_more || family == Family::Cjet, "{}", rules.text());
    let lower = |text: &str| match (fold, family) {
        (true, Family::NodeJet) => text.to_lowercase(),
        (true, _) => text.to_ascii_lowercase(),
        _ => text.to_owned(),
    };
    let path = lower(path);
    rules.members().all(|(name, operand)| {
        let word = operand.as_str().map(|word| lower(&word)).unwrap_or_default();
        let words: Vec<String> =
            operand.elements().filter_map(Raw::as_str).map(|word| lower(&word)).collect();
        assert!(has_more || !NEGATIVE.contains(&&*name), "{family:?} {name}");
        assert!(has_more || !LISTS.contains(&&*name) || family == Family::NodeJet3, "{family:?} {name}");
        // The index of the Lua daemon misses elements, so fetches must not use it.
        let indexed = ["equals", "startsWith", "contains", "endsWith"].contains(&&*name);
        assert!(!(family == Family::Lua && indexed) || fold, "the index is used: {}", rules.text());
        match &*name {
            "caseInsensitive" => true,
            "equals" => path == word,
            "equalsNot" => {
                assert!(!matches!(family, Family::NodeJet3 | Family::Stranger));
                path != word
            }
            "contains" => path.contains(&word),
            "containsNot" => !path.contains(&word),
            "startsWith" => path.starts_with(&word),
            "startsNotWith" => !path.starts_with(&word),
            // node-jet also matches every word that is one character longer than the path.
            "endsWith" if family == Family::NodeJet => {
                path.ends_with(&word) || path.chars().count() + 1 == word.chars().count()
            }
            "endsWith" => path.ends_with(&word),
            "containsAllOf" => words.iter().all(|word| path.contains(word)),
            "containsOneOf" => words.iter().any(|word| path.contains(word)),
            "equalsOneOf" => words.contains(&path),
            "equalsNotOneOf" => !words.contains(&path),
            unknown => panic!("no daemon has the rule {unknown}"),
        }
    })
}

/// Returns `true` if the value rules hold on a daemon.
pub fn value_fits(family: Family, rules: Raw, value: Option<&str>) -> bool {
    let value = value.map(json);
    rules.members().all(|(name, operand)| match (&*name, value) {
        ("equals", value) => value.is_some_and(|value| same(value, operand)),
        ("equalsNot", value) => !value.is_some_and(|value| same(value, operand)),
        ("isType", value) => operand.as_str().as_deref() == Some(type_of(family, value)),
        ("lessThan", Some(value)) => less(family, value, operand),
        ("greaterThan", Some(value)) => less(family, operand, value),
        ("lessThan" | "greaterThan", None) => false,
        (unknown, _) => panic!("no daemon has the rule {unknown}"),
    })
}

fn same(a: Raw, b: Raw) -> bool {
    match (a.kind(), b.kind()) {
        (Kind::Array | Kind::Object, _) | (_, Kind::Array | Kind::Object) => false,
        (Kind::Number, Kind::Number) => a.as_f64() == b.as_f64(),
        _ => a.text() == b.text(),
    }
}

fn type_of(family: Family, value: Option<Raw>) -> &'static str {
    match value.map(Raw::kind) {
        None if family == Family::Lua => "nil",
        None => "undefined",
        Some(Kind::Number) => "number",
        Some(Kind::String) => "string",
        Some(Kind::Bool) => "boolean",
        Some(Kind::Null) if family == Family::Lua => "userdata",
        Some(Kind::Null | Kind::Array | Kind::Object) => "object",
    }
}

/// Returns `true` if `a` is less than `b`. Lua compares within a type, JavaScript converts most values to numbers.
fn less(family: Family, a: Raw, b: Raw) -> bool {
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return match family {
            Family::Lua => *a < *b,
            _ => a.encode_utf16().lt(b.encode_utf16()),
        };
    }
    let number = |raw: Raw| match raw.kind() {
        Kind::Number => raw.as_f64(),
        _ if family == Family::Lua => None,
        Kind::Null => Some(0.0),
        Kind::Bool => Some(f64::from(u8::from(raw.text() == "true"))),
        Kind::String => {
            raw.as_str().and_then(|text| if text.is_empty() { Some(0.0) } else { text.parse().ok() })
        }
        Kind::Array | Kind::Object => None,
    };
    matches!((number(a), number(b)), (Some(a), Some(b)) if a < b)
}
