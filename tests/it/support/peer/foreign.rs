//! Models of foreign daemons, made from recordings: their elements and fetches with all shortcomings, without
//! routing. A request that the real daemon would refuse or handle wrongly fails the test.

use jet::json::Raw;

use super::foreign_rules::{path_fits, value_fits};
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
    /// A daemon whose result of `info` is unknown. It has only the features that all daemons have.
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
    /// The paths that the peer knows.
    told: Vec<String>,
    /// The paths that the daemon does not compare any more.
    lost: Vec<String>,
}

/// An event of an element.
#[derive(Debug, Clone)]
pub enum Step {
    Add(String, Option<String>),
    Change(String, Option<String>),
    Remove(String),
}

impl Step {
    /// Returns the notification with which the owner causes the event.
    pub fn message(&self) -> String {
        let (method, path, value) = match self {
            Step::Add(path, value) => ("add", path, value.as_deref()),
            Step::Change(path, value) => ("change", path, value.as_deref()),
            Step::Remove(path) => ("remove", path, None),
        };
        let value = value.map(|value| format!(r#","value":{value}"#)).unwrap_or_default();
        format!(r#"{{"method":"{method}","params":{{"path":"{path}"{value}}}}}"#)
    }
}

impl Foreign {
    pub fn new(family: Family) -> Foreign {
        Foreign { family, elements: Vec::new(), fetches: Vec::new() }
    }

    /// Returns the outcome of `info`.
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

    /// Handles a message of the peer, and returns the messages for it.
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

    /// Returns the response and the initial adds in the daemon's order and frames.
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

    /// Adds, changes or removes an element, and returns the messages for the peer.
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

    /// Returns the notification for one fetch.
    fn tell(&mut self, fetch: usize, event: &str, path: &str, value: Option<&str>) -> Option<String> {
        let (family, is_3) = (self.family, self.is_3());
        let fetch = &mut self.fetches[fetch];
        // node-jet 3 sends no notifications about methods.
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
        // Without a path rule, the Lua daemon never compares an element again that did not match a value rule.
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
