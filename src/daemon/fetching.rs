//! The services about what others have added: fetch, unfetch, get.

use crate::json::{write, Raw};
use crate::protocol::error::{INTERNAL_ERROR, INVALID_PARAMS};
use crate::rules::{Expression, SortedView};

use super::access::Permission;
use super::bus::{Bus, Level};
use super::client::ClientKey;
use super::fetchers::Fetcher;
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
            let text = format!("fetch of {}: {warning}", self.clients.title(client));
            self.clients.log(Level::Info, text);
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
        let keys = self.elements.candidates(expression.path_hint());
        let elements = keys.into_iter().filter_map(|key| self.elements.get(key)).filter(|element| {
            expression.matches_path(&element.path)
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
                for entry in view.snapshot().iter() {
                    write_item(&mut json, entry.path, entry.value.map(|value| &**value), Some(entry.index));
                }
            }
            None => {
                for element in elements.take(expression.max().unwrap_or(usize::MAX)) {
                    write_item(&mut json, &element.path, element.value.as_deref(), None);
                    if element.is_fetch_only(rights) {
                        mark_fetch_only(&mut json);
                    }
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

/// Appends an item of `get` and a comma.
fn write_item(json: &mut Vec<u8>, path: &str, value: Option<&str>, index: Option<usize>) {
    json.extend_from_slice(b"{\"path\":");
    write::string(json, path);
    if index.is_none() {
        json.extend_from_slice(b",\"event\":\"add\"");
    }
    if let Some(value) = value {
        json.extend_from_slice(b",\"value\":");
        json.extend_from_slice(value.as_bytes());
    }
    if let Some(index) = index {
        json.extend_from_slice(b",\"index\":");
        write::integer(json, index as i64);
    }
    json.extend_from_slice(b"},");
}

/// Adds the mark of an element that can only be fetched to the item written last.
fn mark_fetch_only(json: &mut Vec<u8>) {
    json.truncate(json.len() - 2);
    json.extend_from_slice(b",\"fetchOnly\":true},");
}
