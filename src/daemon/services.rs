//! What each request does: elements of one's own and the own connection here, the rest by name.

use std::borrow::Cow;
use std::time::Instant;

use crate::json::{Kind, Raw};
use crate::rules::Event;
use crate::wire::encoding::Encoding;
use crate::wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::wire::latin1::shown;

use super::access::{Access, Fault};
use super::bus::{Bus, Config};
use super::clients::Outcome;
use super::elements::Description;
use super::keys::{ClientKey, ElementKey};
use super::peer_kind::PeerKind;
use super::routing::{Action, require_object};

/// The params of a request, if it had any.
pub(super) type Params<'a> = Option<Raw<'a>>;

/// What `info` says of this daemon. `match` is our own mark: fetches of the first generation and
/// Lua patterns are understood. The rest is what peers in the field look for.
const FEATURES: &str = r#""batches":true,"asNotification":true,"match":true"#;

impl Bus {
    /// Carries out a request and says what to answer.
    pub(super) fn serve(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        method: Raw,
        params: Params,
        now: Instant,
    ) -> Outcome {
        let name = method.as_str().unwrap_or_default();
        let result = match &*name {
            "add" => self.add(client, params),
            "remove" => self.remove(client, params),
            "change" => self.change(client, params),
            "set" => self.route(client, id, params, Action::Set, now),
            "call" => self.route(client, id, params, Action::Call, now),
            "fetch" if self.config().simple_fetch => self.fetch_simple(client, id, now),
            "unfetch" if self.config().simple_fetch => self.unfetch_simple(client),
            "fetch" => self.fetch(client, id, params, now),
            "unfetch" => self.unfetch(client, params),
            "get" => self.get(client, id, params, now),
            "config" | "configure" => self.configure(client, params),
            "info" => Ok(Outcome::Value(info(self.config()))),
            "authenticate" => self.authenticate(client, id, params),
            "passwd" => self.passwd(client, id, params),
            "addUser" => self.add_user(client, id, params),
            "echo" => Ok(Outcome::Value(params.unwrap_or(Raw::TRUE).text().to_owned())),
            _ => Err(Outcome::Refused(METHOD_NOT_FOUND, Some(method.text().to_owned()))),
        };
        result.unwrap_or_else(|refused| refused)
    }

    fn add(&mut self, client: ClientKey, params: Params) -> Result<Outcome, Outcome> {
        let [path, value, timeout, kind, fetch_only, access] =
            members(params, ["path", "value", "timeout", "kind", "fetchOnly", "access"]);
        let path = path_of(path, params)?;
        let access = self.access_of(access, params)?;
        let timeout = timeout_of(timeout, params)?;
        self.make_way(&path);
        if self.elements.find(&path).is_some() {
            return Err(Outcome::refused("pathAlreadyExists", &path));
        }
        let fetchers = self.fetchers_of(&path, access.as_ref());
        let description = Description {
            path: &path,
            value,
            // Peers of this crate say so, as a state may come without a value.
            is_state: value.is_some() || kind.and_then(Raw::as_str).as_deref() == Some("state"),
            fetch_only: fetch_only.is_some_and(Raw::is_truthy),
            access,
            timeout,
            set: self.sets.acquire(&fetchers),
        };
        let Some((key, serial)) = self.elements.insert(description, client) else {
            return Ok(Outcome::Done);
        };
        if let Some(client) = self.clients.get_mut(client) {
            client.elements.insert(serial, key);
        }
        for fetcher in fetchers {
            self.register_dependencies(fetcher, key, &path);
        }
        self.publish(key, Event::Add);
        Ok(Outcome::Done)
    }

    /// Takes an element off the bus whose owner is gone, if it is still there.
    fn make_way(&mut self, path: &str) {
        let Some(key) = self.elements.find(path) else {
            return;
        };
        if self.elements.get(key).is_some_and(|element| self.clients.is_leaving(element.owner)) {
            self.take_off(key);
        }
    }

    /// What `access` says. It is read in any case, so that a mistake is found before there are users.
    fn access_of(&mut self, access: Option<Raw>, params: Params) -> Result<Option<Access>, Outcome> {
        let read = access.map(|access| Access::read(access, &mut self.groups)).transpose();
        match read {
            Ok(access) => Ok(access.flatten().filter(|_| self.config().authentication)),
            Err(Fault::WrongType(place)) => Err(wrong_type(place, params)),
            Err(Fault::Unknown(place)) => Err(Outcome::refused("unknownMember", &place)),
        }
    }

    /// The element of a path, if it is that client's.
    fn own_element(&self, client: ClientKey, path: &str) -> Result<ElementKey, Outcome> {
        let Some(key) = self.elements.find(path) else {
            return Err(Outcome::refused("pathNotExists", path));
        };
        match self.elements.get(key) {
            Some(element) if element.owner == client => Ok(key),
            _ => Err(Outcome::refused("foreignPath", path)),
        }
    }

    fn remove(&mut self, client: ClientKey, params: Params) -> Result<Outcome, Outcome> {
        let [path] = members(params, ["path"]);
        let path = path_of(path, params)?;
        let key = self.own_element(client, &path)?;
        self.take_off(key);
        Ok(Outcome::Done)
    }

    fn change(&mut self, client: ClientKey, params: Params) -> Result<Outcome, Outcome> {
        let [path, value] = members(params, ["path", "value"]);
        let path = path_of(path, params)?;
        let key = self.own_element(client, &path)?;
        if let Some(element) = self.elements.get_mut(key) {
            element.is_state |= value.is_some();
            element.value = value.map(|value| value.text().into());
        }
        self.publish(key, Event::Change);
        Ok(Outcome::Done)
    }

    /// Settings of the own connection; keys that mean nothing here are fine.
    fn configure(&mut self, client: ClientKey, params: Params) -> Result<Outcome, Outcome> {
        let member = |key| params.and_then(|params| params.get(key));
        let Some(settings) = self.clients.get_mut(client) else {
            return Ok(Outcome::Done);
        };
        if let Some(peer) = member("peer")
            && settings.name.as_deref() != Some(&*shown(&name_text(peer)))
        {
            let data = r#"{"reason":"a connection can only configure itself"}"#.to_owned();
            return Err(Outcome::Refused(INVALID_PARAMS, Some(data)));
        }
        if let Some(name) = member("name") {
            settings.name = Some(shown(&name_text(name)).into());
        }
        if let Some(dialect) = member("dialect").and_then(Raw::as_str).and_then(|name| PeerKind::named(&name))
        {
            settings.kind = dialect;
            settings.is_known = true;
        }
        if let Some(encoding) =
            member("encoding").and_then(Raw::as_str).and_then(|name| Encoding::named(&name))
        {
            settings.next_encoding = encoding;
        }
        if let Some(debug) = member("debug") {
            settings.debug = debug.is_truthy();
        }
        Ok(Outcome::Done)
    }
}

/// A name for the log; any value may be one.
fn name_text(name: Raw<'_>) -> Cow<'_, str> {
    name.as_str().unwrap_or(Cow::Borrowed(name.text()))
}

fn info(config: &Config) -> String {
    let version = env!("CARGO_PKG_VERSION");
    // One name is node-jet 1's and 2's, the other node-jet 3's.
    let users = config.authentication;
    let users = format!(r#""authentication":{users},"authenticate":{users}"#);
    let fetch = if config.simple_fetch { "simple" } else { "full" };
    format!(
        r#"{{"name":"lua-jet-rs","version":"{version}","protocolVersion":"1.1.0","features":{{{users},"fetch":"{fetch}",{FEATURES}}}}}"#
    )
}

/// Refuses params in which something is missing.
pub(super) fn missing(key: &str, params: Params) -> Outcome {
    fault("missingParam", key, params)
}

fn wrong_type(key: &str, params: Params) -> Outcome {
    fault("wrongType", key, params)
}

fn fault(tag: &str, key: &str, params: Params) -> Outcome {
    let got = params.map_or("{}", Raw::text);
    let data = format!("{{\"{tag}\":\"{key}\",\"got\":{got}}}");
    Outcome::Refused(INVALID_PARAMS, Some(data))
}

/// Members of params by their keys, found in one pass: a value may be long.
pub(super) fn members<'a, const N: usize>(params: Params<'a>, keys: [&str; N]) -> [Option<Raw<'a>>; N] {
    let mut found = [None; N];
    for (key, value) in params.into_iter().flat_map(Raw::members) {
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            found[place] = Some(value);
        }
    }
    found
}

/// The path that params name.
pub(super) fn path_of<'a>(path: Option<Raw<'a>>, params: Params<'a>) -> Result<Cow<'a, str>, Outcome> {
    if params.is_some_and(|params| params.kind() != Kind::Object) {
        require_object(params)?;
    }
    let path = path.ok_or_else(|| missing("path", params))?;
    path.as_str().ok_or_else(|| wrong_type("path", params))
}

/// The seconds that params name, if they do.
pub(super) fn timeout_of(timeout: Option<Raw>, params: Params) -> Result<Option<f64>, Outcome> {
    timeout.map(|number| number.as_f64().ok_or_else(|| wrong_type("timeout", params))).transpose()
}
