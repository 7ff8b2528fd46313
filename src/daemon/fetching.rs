//! The services about what others have added: fetch, unfetch, get.

use crate::json::{write, Raw};
use crate::protocol::changes::push_entry;
use crate::protocol::error::{INTERNAL_ERROR, INVALID_PARAMS};
use crate::protocol::text::shown;
use crate::rules::{Expression, SortedView};

use super::access::Permission;
use super::bus::{Bus, Level};
use super::client::ClientKey;
use super::elements::Element;
use super::fetchers::Fetcher;
use super::publish::fetch_only_marker;
use super::reply::{into_text, Outcome};
use super::routing::require_object;
use super::services::{missing, Params};

impl Bus {
    /// Begins a live query.
    pub(super) fn fetch(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        params: Params,
    ) -> Result<Outcome, Outcome> {
        let params = require_object(params)?;
        let Some(fetch_id) = params.get("id").filter(|id| !id.is_null()) else {
            return Err(missing("id", Some(params)));
        };
        let expression = self.expression(client, params)?;
        let id_key = fetch_key(fetch_id);
        let known = self.clients.get_mut(client).and_then(|client| client.fetchers.remove(&id_key));
        if let Some(replaced) = known {
            self.end_fetcher(replaced);
        }
        let sorts = self.clients.dialect(client).sorts();
        let key = self.fetchers.insert(Fetcher::new(client, fetch_id.text(), expression, sorts));
        if let Some(client) = self.clients.get_mut(client) {
            client.fetchers.insert(id_key, key);
        }
        // The answer comes first: many peers listen for adds only from then on.
        self.clients.reply(client, id, &Outcome::Done);
        self.publish_all(key);
        Ok(Outcome::Answered)
    }

    /// Reads a fetch expression; what is odd about it is logged.
    fn expression(&mut self, client: ClientKey, params: Raw) -> Result<Expression, Outcome> {
        let mut warnings = Vec::new();
        let expression = Expression::parse(params, &mut warnings);
        for warning in warnings {
            let text = format!("fetch of {}: {}", self.clients.title(client), shown(&warning));
            self.clients.log_about(Some(client), Level::Info, text);
        }
        expression.map_err(|reason| {
            let mut data = Vec::from(&b"{\"fetchParams\":"[..]);
            data.extend_from_slice(params.text().as_bytes());
            data.extend_from_slice(b",\"reason\":");
            write::string(&mut data, &reason);
            data.push(b'}');
            Outcome::Refused(INVALID_PARAMS, Some(into_text(data)))
        })
    }

    /// Ends a live query.
    pub(super) fn unfetch(&mut self, client: ClientKey, params: Params) -> Result<Outcome, Outcome> {
        let params = require_object(params)?;
        let Some(fetch_id) = params.get("id") else {
            return Err(missing("id", Some(params)));
        };
        let known =
            self.clients.get_mut(client).and_then(|client| client.fetchers.remove(&fetch_key(fetch_id)));
        let Some(key) = known else {
            let data = "\"unfetch of an unknown id\"".to_owned();
            return Err(Outcome::Refused(INTERNAL_ERROR, Some(data)));
        };
        self.end_fetcher(key);
        Ok(Outcome::Done)
    }

    /// All that matches now, as an array of what notifications would say.
    pub(super) fn get(&mut self, client: ClientKey, params: Params) -> Result<Outcome, Outcome> {
        let params = params.filter(|params| !params.is_null()).unwrap_or(Raw::trusted("{}"));
        let expression = self.expression(client, params)?;
        let rights = self.clients.rights(client);
        let gets_methods = self.clients.dialect(client).gets_methods();
        let keys = self.elements.candidates(expression.path_hint());
        let elements = keys.into_iter().filter_map(|key| self.elements.get(key)).filter(|element| {
            expression.matches_path(&element.path)
                && (element.is_state || gets_methods)
                && element.allows(rights, Permission::Fetch)
                && (!expression.needs_value() || expression.matches_value(element.raw()))
                && self.dependencies_hold(&expression, &element.path, client)
        });
        let mut json = vec![b'['];
        match expression.sort() {
            Some(sort) => {
                let mut view = SortedView::new(sort.clone());
                for element in elements {
                    view.set(&element.path, element.value.clone());
                }
                let is_fetch_only = fetch_only_marker(&self.elements, rights);
                for entry in view.snapshot().iter() {
                    let value = entry.value.map(|value| &**value);
                    push_entry(&mut json, entry.path, value, entry.index, is_fetch_only(entry.path));
                    json.push(b',');
                }
            }
            None => {
                for element in elements.take(expression.max().unwrap_or(usize::MAX)) {
                    write_item(&mut json, element, element.is_fetch_only(rights));
                }
            }
        }
        if json.last() == Some(&b',') {
            json.pop();
        }
        json.push(b']');
        Ok(Outcome::Value(into_text(json)))
    }
}

/// What fetch ids are compared by: the same string or number is the same id however it is spelled.
fn fetch_key(id: Raw<'_>) -> Box<str> {
    let mut key = Vec::new();
    match (id.as_str(), id.as_f64()) {
        (Some(text), _) => write::string(&mut key, &text),
        // As an integer where the text is one, so that large ones stay apart.
        (None, Some(number)) if id.text().contains(['.', 'e', 'E']) => {
            write::whole_or_float(&mut key, number)
        }
        _ => return id.text().into(),
    }
    into_text(key).into()
}

/// Appends an item of an unsorted `get` and a comma.
fn write_item(json: &mut Vec<u8>, element: &Element, fetch_only: bool) {
    json.extend_from_slice(b"{\"path\":");
    json.extend_from_slice(element.path_json.as_bytes());
    json.extend_from_slice(b",\"event\":\"add\"");
    if let Some(value) = &element.value {
        json.extend_from_slice(b",\"value\":");
        json.extend_from_slice(value.as_bytes());
    }
    if fetch_only {
        json.extend_from_slice(b",\"fetchOnly\":true");
    }
    json.extend_from_slice(b"},");
}
