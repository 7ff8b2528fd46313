//! Models of foreign daemons: what the recordings say of their fetches, shortcomings included.
//! Only elements and fetches, no routing. What a real one would refuse or get wrong beyond that
//! fails the test.

use jet::json::{Kind, Raw};

use super::json;

/// The families of foreign daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Lua,
    NodeJet,
    NodeJetSimple,
    NodeJet3,
    NodeJet3Simple,
    Cjet,
    /// Does not answer `info` with anything known; has what all have.
    Stranger,
}

pub const FAMILIES: [Family; 7] = [
    Family::Lua,
    Family::NodeJet,
    Family::NodeJetSimple,
    Family::NodeJet3,
    Family::NodeJet3Simple,
    Family::Cjet,
    Family::Stranger,
];

/// A daemon with one peer that fetches.
pub struct Foreign {
    pub family: Family,
    elements: Vec<(String, Option<String>)>,
    fetches: Vec<Fetch>,
}

struct Fetch {
    id: String,
    path: Option<String>,
    value: Option<String>,
    /// Paths that were told.
    told: Vec<String>,
    /// Paths that are not looked at any more.
    lost: Vec<String>,
}

/// What happens to an element.
#[derive(Debug, Clone)]
pub enum Step {
    Add(String, Option<String>),
    Change(String, Option<String>),
    Remove(String),
}

impl Foreign {
    pub fn new(family: Family) -> Foreign {
        Foreign { family, elements: Vec::new(), fetches: Vec::new() }
    }

    /// The answer to `info`.
    pub fn info(&self) -> &'static str {
        match self.family {
            Family::Lua => r#""error":{"code":-32601,"message":"Method not found","data":"info"}"#,
            Family::NodeJet => {
                r#""result":{"name":"node-jet","features":{"authentication":true,"fetch":"full"}}"#
            }
            Family::NodeJetSimple => {
                r#""result":{"name":"node-jet","features":{"authentication":true,"fetch":"simple"}}"#
            }
            Family::NodeJet3 => {
                r#""result":{"name":"node-jet","features":{"authenticate":false,"fetch":"full"}}"#
            }
            Family::NodeJet3Simple => {
                r#""result":{"name":"node-jet","features":{"authenticate":false,"fetch":"simple"}}"#
            }
            Family::Cjet => r#""result":{"name":"cjet","features":{"authentication":true,"fetch":"full"}}"#,
            Family::Stranger => r#""result":{}"#,
        }
    }

    fn is_3(&self) -> bool {
        matches!(self.family, Family::NodeJet3 | Family::NodeJet3Simple)
    }

    /// Takes a message of the peer; what it sends back.
    pub fn hear(&mut self, message: &str) -> Vec<String> {
        let message = json(message);
        let id = message.get("id").map(Raw::text);
        let params = message.get("params").expect("params");
        let answer = |result: &str| id.map(|id| format!(r#"{{"id":{id},{result}}}"#));
        match message.get("method").and_then(Raw::as_str).as_deref() {
            Some("info") => answer(self.info()).into_iter().collect(),
            Some("unfetch") => {
                let id = params.get("id").and_then(Raw::as_str).expect("an id");
                self.fetches.retain(|fetch| fetch.id != id);
                answer(r#""result":true"#).into_iter().collect()
            }
            Some("fetch") => {
                let response = answer(if self.is_3() { r#""result":{}"# } else { r#""result":true"# });
                let adds = self.fetch(params);
                self.together(response, adds)
            }
            other => panic!("{other:?} is not for this test"),
        }
    }

    /// The response and the initial adds in the daemon's order and frames.
    fn together(&self, response: Option<String>, adds: Vec<String>) -> Vec<String> {
        let mut messages: Vec<String> = match self.family {
            Family::NodeJet3 | Family::NodeJet3Simple | Family::Cjet => {
                adds.into_iter().chain(response).collect()
            }
            _ => response.into_iter().chain(adds).collect(),
        };
        if self.family == Family::Lua && messages.len() > 1 {
            messages = vec![format!("[{}]", messages.join(","))];
        }
        messages
    }

    fn fetch(&mut self, params: Raw) -> Vec<String> {
        let text = |key: &str| params.get(key).map(|raw| raw.text().to_owned());
        let mut id = params.get("id").and_then(Raw::as_str).expect("an id").into_owned();
        assert!(self.fetches.iter().all(|fetch| fetch.id != id), "fetch id in use");
        let (mut path, mut value) = (text("path"), text("value"));
        match self.family {
            Family::NodeJet3 | Family::Stranger => {
                assert!(path.is_some() && value.is_none(), "{}", params.text())
            }
            Family::Cjet => {
                assert!(params.text().len() < 450 && value.is_none() && path.as_deref() != Some("{}"))
            }
            Family::NodeJetSimple | Family::NodeJet3Simple => {
                assert!(self.fetches.is_empty(), "only one fetch");
                (path, value) = (None, None);
                if self.family == Family::NodeJetSimple {
                    id = "fetch_all".to_owned();
                }
            }
            Family::Lua | Family::NodeJet => {}
        }
        self.fetches.push(Fetch { id, path, value, told: Vec::new(), lost: Vec::new() });
        let last = self.fetches.len() - 1;
        let elements = self.elements.clone();
        elements.iter().filter_map(|(path, value)| self.tell(last, "add", path, value.as_deref())).collect()
    }

    /// Something happens to an element; what the peer is sent.
    pub fn step(&mut self, step: &Step) -> Vec<String> {
        let (event, path, value) = match step {
            Step::Add(path, value) => {
                self.elements.push((path.clone(), value.clone()));
                ("add", path, value.clone())
            }
            Step::Change(path, value) => {
                let element = self.elements.iter_mut().find(|(known, _)| known == path).expect("there");
                element.1.clone_from(value);
                ("change", path, value.clone())
            }
            Step::Remove(path) => {
                let at = self.elements.iter().position(|(known, _)| known == path).expect("there");
                ("remove", path, self.elements.remove(at).1)
            }
        };
        let fetches = 0..self.fetches.len();
        let messages = fetches.filter_map(|fetch| self.tell(fetch, event, path, value.as_deref())).collect();
        self.together(None, messages)
    }

    /// The notification for one fetch.
    fn tell(&mut self, fetch: usize, event: &str, path: &str, value: Option<&str>) -> Option<String> {
        let (family, is_3) = (self.family, self.is_3());
        let fetch = &mut self.fetches[fetch];
        // node-jet 3 tells nobody of methods.
        if is_3 && value.is_none() {
            return None;
        }
        if !fetch.path.as_deref().is_none_or(|rules| path_fits(family, json(rules), path)) {
            return None;
        }
        let fits = fetch.value.as_deref().is_none_or(|rules| value_fits(family, json(rules), value));
        let was_told = fetch.told.iter().any(|told| told == path);
        if event == "add" {
            fetch.lost.retain(|lost| lost != path);
        }
        // The Lua daemon never looks again at what did not fit a value rule without a path rule.
        if family == Family::Lua && fetch.path.is_none() && !fits && !was_told {
            fetch.lost.push(path.to_owned());
        }
        if fetch.lost.iter().any(|lost| lost == path) {
            return None;
        }
        let event = match (was_told, event, fits) {
            (true, "remove", _) | (true, _, false) => "remove",
            (false, "remove", _) | (false, _, false) => return None,
            (false, _, true) => "add",
            (true, event, true) => event,
        };
        fetch.told.retain(|told| told != path);
        if event != "remove" {
            fetch.told.push(path.to_owned());
        }
        let value = value.filter(|_| !(is_3 && event == "remove"));
        let value = value.map(|value| format!(r#","value":{value}"#)).unwrap_or_default();
        let event = if is_3 { capital(event) } else { event.to_owned() };
        let id = &fetch.id;
        Some(format!(r#"{{"method":"{id}","params":{{"path":"{path}","event":"{event}"{value}}}}}"#))
    }
}

fn capital(event: &str) -> String {
    event[..1].to_uppercase() + &event[1..]
}

/// Whether the path rules of a daemon hold. Rules it does not have fail the test.
fn path_fits(family: Family, rules: Raw, path: &str) -> bool {
    const NEGATIVE: [&str; 4] = ["containsNot", "startsNotWith", "endsNotWith", "equalsNotOneOf"];
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
        // The index of the Lua daemon misses elements; what is asked for must not use it.
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
            "endsWith" => path.ends_with(&word),
            "endsNotWith" => !path.ends_with(&word),
            "containsAllOf" => words.iter().all(|word| path.contains(word)),
            "containsOneOf" => words.iter().any(|word| path.contains(word)),
            "equalsOneOf" => words.contains(&path),
            "equalsNotOneOf" => !words.contains(&path),
            unknown => panic!("no daemon has the rule {unknown}"),
        }
    })
}

/// Whether the value rules of a daemon hold.
fn value_fits(family: Family, rules: Raw, value: Option<&str>) -> bool {
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

/// Lua compares within a type, JavaScript makes numbers of nearly everything.
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
