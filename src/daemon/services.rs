//! [`Services`]: what the requests that the daemon answers itself do.

use std::borrow::Cow;

use serde::Serialize;

use crate::json::{Raw, to_text, write};
use crate::rules::Expression;
use crate::wire::encoding::Encoding;
use crate::wire::error::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::wire::latin1::shown;

use super::accounts::Accounts;
use super::client::Settings;
use super::config::Config;
use super::elements::Description;
use super::fetchers::Fetcher;
use super::first_look::FirstLook;
use super::get::Get;
use super::job::Job;
use super::keys::{ClientKey, ElementKey};
use super::live::Live;
use super::log::Level;
use super::params::{members, missing, path_of, require_object, timeout_of};
use super::peer_kind::PeerKind;
use super::reply::{Outcome, Refusal, Reply};
use super::request::Request;
use super::routes::Routes;
use super::routing::{Action, Router};

/// The id of the only fetch of a peer in "simple" mode, as JSON text.
const FETCH_ALL: &str = "\"fetch_all\"";

/// The components that services use.
#[derive(Debug)]
pub struct Services<'a> {
    /// The connections, elements and fetchers.
    pub live: &'a mut Live,
    /// The open requests.
    pub routes: &'a mut Routes,
    /// The logins.
    pub accounts: &'a mut Accounts,
}

/// What a service answers, at once or by a job.
#[derive(Debug)]
pub enum Answer {
    /// The reply.
    Reply(Reply),
    /// The job that replies. The messages of the connection are held until it is finished.
    Job(Job),
}

impl Services<'_> {
    /// Carries out a request.
    pub fn serve(&mut self, method: Raw, request: Request) -> Answer {
        let name = method.as_str().unwrap_or_default();
        let is_simple = self.live.clients.config().simple_fetch;
        let begun = match &*name {
            "fetch" if is_simple => self.fetch_everything(request),
            "fetch" => self.fetch(request),
            "get" => self.get(request),
            _ => return Answer::Reply(self.reply(&name, method, request, is_simple)),
        };
        begun.map_or_else(|refusal| Answer::Reply(Err(refusal)), Answer::Job)
    }

    /// Carries out a request that is answered without a job.
    fn reply(&mut self, name: &str, method: Raw, request: Request, is_simple: bool) -> Reply {
        let client = request.client;
        match name {
            "add" => self.add(request),
            "remove" => self.remove(request),
            "change" => self.change(request),
            "set" => self.router().forward(request, Action::Set),
            "call" => self.router().forward(request, Action::Call),
            "unfetch" if is_simple => self.unfetch_everything(client),
            "unfetch" => self.unfetch(request),
            "config" | "configure" => self.configure(request),
            "info" => Ok(Outcome::Value(info(self.live.clients.config()))),
            "authenticate" if !self.live.clients.config().authentication => Ok(Outcome::Done),
            "authenticate" => self.accounts.authenticate(request, self.live.fetchers.has_any(client)),
            "passwd" => self.accounts.passwd(request, self.live.clients.rights(client)),
            "addUser" => self.accounts.add_user(request, self.live.clients.rights(client)),
            "echo" => Ok(Outcome::Value(request.params.unwrap_or(Raw::TRUE).text().to_owned())),
            _ => Err(Refusal::with(METHOD_NOT_FOUND, &method)),
        }
    }

    fn router(&mut self) -> Router<'_> {
        Router { live: self.live, routes: self.routes }
    }

    // --- Elements.

    fn add(&mut self, request: Request) -> Reply {
        let params = request.params;
        let [path, value, timeout, kind, fetch_only, access] =
            members(params, ["path", "value", "timeout", "kind", "fetchOnly", "access"]);
        let path = path_of(path, params)?;
        // It is read even if there are no users, so that a mistake is found early.
        let access = self.accounts.read_access(access, params)?;
        let description = Description {
            path: &path,
            value,
            // Peers of this crate send the kind, as a state may have no value.
            is_state: value.is_some() || kind.and_then(Raw::as_str).as_deref() == Some("state"),
            fetch_only: fetch_only.is_some_and(Raw::is_truthy),
            access: access.filter(|_| self.live.clients.config().authentication),
            timeout: timeout_of(timeout, params)?,
        };
        match self.live.add(request.client, description) {
            true => Ok(Outcome::Done),
            false => Err(Refusal::params("pathAlreadyExists", path)),
        }
    }

    fn remove(&mut self, request: Request) -> Reply {
        let [path] = members(request.params, ["path"]);
        let path = path_of(path, request.params)?;
        let key = self.own_element(request.client, &path)?;
        self.live.take_off(key);
        Ok(Outcome::Done)
    }

    fn change(&mut self, request: Request) -> Reply {
        let [path, value] = members(request.params, ["path", "value"]);
        let path = path_of(path, request.params)?;
        let key = self.own_element(request.client, &path)?;
        self.live.change(key, value);
        Ok(Outcome::Done)
    }

    /// Returns the element with that path, if the client is its owner.
    fn own_element(&self, client: ClientKey, path: &str) -> Result<ElementKey, Refusal> {
        let elements = &self.live.elements;
        let Some(key) = elements.find(path) else {
            return Err(Refusal::params("pathNotExists", path));
        };
        match elements.get(key) {
            Some(element) if element.owner == client => Ok(key),
            _ => Err(Refusal::params("foreignPath", path)),
        }
    }

    // --- Fetches.

    fn fetch(&mut self, request: Request) -> Result<Job, Refusal> {
        let client = request.client;
        let params = require_object(request.params)?;
        let Some(fetch_id) = params.get("id").filter(|id| !id.is_null()) else {
            return Err(missing("id", Some(params)));
        };
        let expression = self.expression(client, params)?;
        self.check_weight(client, &expression)?;
        self.live.units.spend(expression.words() as u64);
        let cursor = self.live.elements.cursor(expression.path_hint());
        let sorts = self.live.clients.kind(client).sorts();
        let fetcher = self.live.fetchers.insert(Fetcher::new(client, fetch_id.text(), expression, sorts));
        let job = FirstLook::new(client, fetcher, fetch_key(fetch_id), request.id, cursor);
        Ok(Job::FirstLook(job))
    }

    fn unfetch(&mut self, request: Request) -> Reply {
        let params = require_object(request.params)?;
        let Some(fetch_id) = params.get("id") else {
            return Err(missing("id", Some(params)));
        };
        let Some(key) = self.live.fetchers.take(request.client, &fetch_key(fetch_id)) else {
            return Err(Refusal::with(INTERNAL_ERROR, &"unfetch of an unknown id"));
        };
        self.live.end_fetcher(key);
        Ok(Outcome::Done)
    }

    /// Starts the only fetch of a peer in node-jet's "simple" mode: of all elements that it may fetch. The params are
    /// ignored, and the response is the method of the notifications. Peers filter and sort themselves.
    fn fetch_everything(&mut self, request: Request) -> Result<Job, Refusal> {
        let client = request.client;
        if self.live.fetchers.has(client, FETCH_ALL) {
            return Err(Refusal::with(INVALID_PARAMS, &"already fetching"));
        }
        let everything = Expression::default();
        let cursor = self.live.elements.cursor(everything.path_hint());
        let fetcher = self.live.fetchers.insert(Fetcher::new(client, FETCH_ALL, everything, false));
        let job = FirstLook::new(client, fetcher, FETCH_ALL.into(), request.id, cursor);
        Ok(Job::FirstLook(job.answered_with(FETCH_ALL)))
    }

    fn unfetch_everything(&mut self, client: ClientKey) -> Reply {
        let Some(key) = self.live.fetchers.take(client, FETCH_ALL) else {
            return Err(Refusal::with(INVALID_PARAMS, &"not fetching"));
        };
        self.live.end_fetcher(key);
        Ok(Outcome::Done)
    }

    /// Starts to collect all matches for a response, each as its notification would report it.
    fn get(&mut self, request: Request) -> Result<Job, Refusal> {
        let params = request.params.filter(|params| !params.is_null()).unwrap_or(Raw::trusted("{}"));
        let expression = self.expression(request.client, params)?;
        let cursor = self.live.elements.cursor(expression.path_hint());
        let packs = self.live.clients.packs(request.client);
        Ok(Job::Get(Box::new(Get::new(request.client, request.id, expression, cursor, packs))))
    }

    /// Returns an error if the client would have too many fetches with this one.
    fn check_weight(&self, client: ClientKey, expression: &Expression) -> Result<(), Refusal> {
        let limit = self.live.clients.config().max_fetches;
        if self.live.fetchers.weight_of(client) + expression.weight() <= limit {
            return Ok(());
        }
        let reason = format!(
            "a connection may fetch {limit} times; each pattern counts as 100 times, each value rule as 10"
        );
        Err(Refusal::params("tooManyFetches", reason))
    }

    /// Reads a fetch expression. Warnings are logged.
    fn expression(&mut self, client: ClientKey, params: Raw) -> Result<Expression, Refusal> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Data<'a> {
            fetch_params: Raw<'a>,
            reason: String,
        }
        let mut warnings = Vec::new();
        let expression = Expression::parse(params, &mut warnings);
        for warning in warnings {
            let text = format!("fetch of {}: {}", self.live.clients.title(client), shown(&warning));
            self.live.clients.log_about(Some(client), Level::Info, text);
        }
        expression.map_err(|reason| Refusal::with(INVALID_PARAMS, &Data { fetch_params: params, reason }))
    }

    // --- The connection.

    /// Changes settings of the connection. Unknown keys are ignored.
    fn configure(&mut self, request: Request) -> Reply {
        let [peer, name, kind, encoding, debug] =
            members(request.params, ["peer", "name", "dialect", "encoding", "debug"]);
        let Some(client) = self.live.clients.get_mut(request.client) else {
            return Ok(Outcome::Done);
        };
        if let Some(peer) = peer
            && !client.is_named(&shown(&name_text(peer)))
        {
            #[derive(Serialize)]
            struct Data {
                reason: &'static str,
            }
            let data = Data { reason: "a connection can only configure itself" };
            return Err(Refusal::with(INVALID_PARAMS, &data));
        }
        let settings = Settings {
            name: name.map(|name| shown(&name_text(name)).into()),
            kind: kind.and_then(Raw::as_str).and_then(|name| PeerKind::named(&name)),
            encoding: encoding.and_then(Raw::as_str).and_then(|name| Encoding::named(&name)),
            debug: debug.map(Raw::is_truthy),
        };
        client.configure(settings);
        Ok(Outcome::Done)
    }
}

/// Returns a name for the log. Any value is accepted as one.
fn name_text(name: Raw<'_>) -> Cow<'_, str> {
    name.as_str().unwrap_or(Cow::Borrowed(name.text()))
}

/// Returns the key that identifies the id of a fetch: equal strings and numbers have equal keys, however they are
/// written.
fn fetch_key(id: Raw<'_>) -> Box<str> {
    match (id.as_str(), id.as_f64()) {
        (Some(text), _) => to_text(&text).into(),
        // Integers are compared as text, so that large ones differ.
        (None, Some(number)) if id.text().contains(['.', 'e', 'E']) => {
            let mut key = Vec::new();
            write::whole_or_float(&mut key, number);
            String::from_utf8(key).unwrap_or_default().into()
        }
        _ => id.text().into(),
    }
}

/// Returns the response to `info`.
fn info(config: &Config) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        name: &'static str,
        version: &'static str,
        protocol_version: &'static str,
        features: Features,
    }
    /// What peers of several generations look for.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Features {
        /// The name in node-jet 1 and 2.
        authentication: bool,
        /// The name in node-jet 3.
        authenticate: bool,
        fetch: &'static str,
        batches: bool,
        as_notification: bool,
        /// Only this daemon has it: it understands fetches of the first generation and Lua patterns.
        r#match: bool,
    }
    let features = Features {
        authentication: config.authentication,
        authenticate: config.authentication,
        fetch: if config.simple_fetch { "simple" } else { "full" },
        batches: true,
        as_notification: true,
        r#match: true,
    };
    let version = env!("CARGO_PKG_VERSION");
    to_text(&Info { name: "lua-jet-rs", version, protocol_version: "1.1.0", features })
}
