//! Results and errors of all daemons as one: the codes and the keys of `data` are the same
//! whichever daemon answers. What it said itself is kept as `data.original`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::json::{Kind, Raw, write};
use crate::wire::error::{self, CONNECTION_CLOSED, Code, INTERNAL_ERROR, INVALID_PARAMS, RESPONSE_TIMEOUT};

use crate::peer::compat::daemon_kind::Dialect;
use crate::peer::engine::Engine;
use crate::peer::event::Event;
use crate::peer::messages::member;
use crate::peer::requests::{Purpose, Service};

/// The C daemon answers the same to every login that it refuses.
const CJET_REFUSES: &str = "unknown user or wrong password, or the daemon has no users: cjet refuses every login without a password file";

/// How long an owner may take for a request that does not say. All daemons have the same.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    /// The outcome of a program's request.
    pub fn normalised<'a>(
        &mut self,
        id: u32,
        service: Service,
        outcome: Result<Raw<'a>, Raw<'a>>,
    ) -> Result<Cow<'a, str>, Cow<'a, str>> {
        let params = self.requests.kept(id);
        match outcome {
            Ok(result) => Ok(self::result(service, result)),
            Err(error) if service == Service::Fetch => Err(as_object(error)),
            Err(error) => Err(self::error(self.dialect, error, params.as_deref())),
        }
    }

    /// Sees to it that a routed request ends although the daemon may leave it open, and with an
    /// error that says what was asked.
    pub fn watch_over(&mut self, id: u32, params: &str) {
        self.requests.keep(id, params);
        let seconds = Raw::trusted(params).get("timeout").and_then(Raw::as_f64);
        let time = match seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0))) {
            None => DEFAULT_TIMEOUT,
            Some(time) => time.unwrap_or(Duration::MAX),
        };
        self.requests.limit(id, time.saturating_add(self.dialect.grace()));
    }

    /// Ends the requests whose time is over.
    pub fn end_overdue(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        while let Some(id) = self.requests.overdue(now) {
            match self.requests.end(id) {
                Some(Purpose::Settled(number, round)) => self.fetch_settled(number, round, events),
                // It is done, only its value did not come.
                Some(Purpose::Done) => {
                    events.push(Event::Response { id, outcome: Ok(Cow::Borrowed("true")) })
                }
                _ => {
                    let params = self.requests.kept(id);
                    let refused = self.routes.give_up(id).filter(|error| !error.is_empty());
                    if let Some(error) = refused {
                        events.push(Event::Response { id, outcome: Err(Cow::Owned(error.into())) });
                        continue;
                    }
                    let error = known_error(RESPONSE_TIMEOUT, Data::Params(params.as_deref()), None);
                    events.push(Event::Response { id, outcome: Err(Cow::Owned(error)) });
                }
            }
        }
    }
}

/// The result of a request: `true` where there is nothing else to say. Some daemons say `{}`, and
/// so do some owners of states; whoever wants the new value of a state may get `{}` for one.
fn result(service: Service, result: Raw<'_>) -> Cow<'_, str> {
    let is_empty = || result.kind() == Kind::Object && result.members().next().is_none();
    match service {
        Service::Done | Service::Fetch => Cow::Borrowed("true"),
        Service::Set if is_empty() => Cow::Borrowed("true"),
        _ => Cow::Borrowed(result.text()),
    }
}

/// Whether an error has that code.
pub fn has_code(error: Raw, code: Code) -> bool {
    error.get("code").and_then(Raw::as_f64) == Some(code.code as f64)
}

/// Why a daemon refuses a login, for people, and its error for programs. Of data that is not known
/// nothing is left, as it may repeat what was sent.
pub fn login_error(dialect: Dialect, refusal: Raw) -> (String, String) {
    let known = error(dialect, refusal, None);
    let text = Raw::trusted(&known);
    let has = |key| text.get("data").is_some_and(|data| data.get(key).is_some_and(Raw::is_truthy));
    let reason = match () {
        () if has("invalidUser") => "unknown user",
        () if has("invalidPassword") && dialect == Dialect::Cjet => {
            return (CJET_REFUSES.to_owned(), with_reason(text, CJET_REFUSES));
        }
        // Those that have texts of their own do not tell which it is.
        () if has("invalidPassword") && has("original") => "unknown user or wrong password",
        () if has("invalidPassword") => "wrong password",
        () => {
            let message = text.get("message").and_then(Raw::as_str).unwrap_or_default();
            let code = Raw::trusted(text.get("code").map_or("0", Raw::text));
            return (message.to_string(), without_data(code, &message));
        }
    };
    (reason.to_owned(), known.into_owned())
}

/// Returns an error with one more member in its data.
fn with_reason(error: Raw, reason: &str) -> String {
    let data = written(|out| {
        out.push(b'{');
        let members = error.get("data").into_iter().flat_map(Raw::members);
        members.for_each(|(key, value)| member(out, &key, value.text()));
        out.extend_from_slice(b"\"reason\":");
        write::string(out, reason);
        out.push(b'}');
    });
    written(|out| error::object(out, INVALID_PARAMS, Some(Raw::trusted(&data))))
}

fn without_data(code: Raw, message: &str) -> String {
    written(|out| {
        out.extend_from_slice(b"{\"code\":");
        out.extend_from_slice(code.text().as_bytes());
        out.extend_from_slice(b",\"message\":");
        write::string(out, message);
        out.push(b'}');
    })
}

/// An error of which there is no more to say.
pub fn plain(code: Code) -> String {
    written(|out| error::object(out, code, None))
}

/// The data of an error that is known.
enum Data<'e> {
    /// One key with a value.
    Tag(&'static str, Raw<'e>),
    /// The params of the request.
    Params(Option<&'e str>),
}

/// The error of a request. `params` are those of a set or call.
pub fn error<'a>(dialect: Dialect, error: Raw<'a>, params: Option<&str>) -> Cow<'a, str> {
    let known = match dialect {
        Dialect::Own | Dialect::NodeJet => None,
        Dialect::Lua => of_2013(error),
        Dialect::Cjet => of_cjet(error, params),
        Dialect::NodeJet3 => of_node_jet_3(error, params),
        Dialect::Unknown => of_cjet(error, params).or_else(|| of_node_jet_3(error, params)),
    };
    match known {
        Some((code, data)) => Cow::Owned(known_error(code, data, Some(error))),
        None => as_object(error),
    }
}

/// An error, always an object with code and message. An owner or a daemon that failed may have
/// said only why.
fn as_object(error: Raw<'_>) -> Cow<'_, str> {
    let has = |key| error.get(key).is_some_and(Raw::is_truthy);
    if has("code") && has("message") {
        return Cow::Borrowed(error.text());
    }
    let data = (!error.is_null()).then_some(error);
    Cow::Owned(written(|out| error::object(out, INTERNAL_ERROR, data)))
}

/// The only member of an error's data, if the error has that code.
fn tag<'a>(error: Raw<'a>, code: Code) -> Option<(Cow<'a, str>, Raw<'a>)> {
    let mut members = error.get("data").filter(|_| has_code(error, code))?.members();
    members.next().filter(|_| members.next().is_none())
}

/// The Lua daemon of 2013 had other keys than its successor.
fn of_2013<'e>(error: Raw<'e>) -> Option<(Code, Data<'e>)> {
    let (key, value) = tag(error, INVALID_PARAMS)?;
    let key = match &*key {
        "exists" => "pathAlreadyExists",
        "notExists" | "invalid_path" => "pathNotExists",
        _ => return None,
    };
    Some((INVALID_PARAMS, Data::Tag(key, value)))
}

/// The C daemon has texts for keys, and hides what happened to routed requests in one code.
fn of_cjet<'e>(error: Raw<'e>, params: Option<&'e str>) -> Option<(Code, Data<'e>)> {
    if let Some((key, value)) = tag(error, INTERNAL_ERROR) {
        let reason = value.as_str().filter(|_| key == "reason")?;
        return match &*reason {
            "timeout for routed request" => Some((RESPONSE_TIMEOUT, Data::Params(params))),
            "peer shuts down" => {
                let path = Raw::trusted(params?).get("path")?;
                Some((CONNECTION_CLOSED, Data::Tag("ownerGone", path)))
            }
            _ => None,
        };
    }
    let (key, value) = tag(error, INVALID_PARAMS)?;
    let data = match &*key {
        "exists" => Data::Tag("pathAlreadyExists", value),
        "not exists" => Data::Tag("pathNotExists", value),
        "not owner of state" => Data::Tag("foreignPath", value),
        "set/call on element not possible" => Data::Tag("wrongKind", value),
        "request not authorized" => Data::Tag("noAccess", value),
        "invalid credentials" => Data::Tag("invalidPassword", Raw::TRUE),
        "fetched before authenticate" => Data::Tag("alreadyFetching", Raw::TRUE),
        _ => return None,
    };
    Some((INVALID_PARAMS, data))
}

/// node-jet 3 names its errors and puts the path, mostly, into the details.
fn of_node_jet_3<'e>(error: Raw<'e>, params: Option<&'e str>) -> Option<(Code, Data<'e>)> {
    let text = |raw: Option<Raw<'e>>| raw.and_then(Raw::as_str).unwrap_or_default();
    let name = text(error.get("name").or_else(|| error.get("data")?.get("name")));
    let details = || error.get("data").and_then(|data| data.get("details"));
    let data = match (&*name, &*text(error.get("message"))) {
        ("jet.NotFound", _) => Data::Tag("pathNotExists", details()?),
        ("jet.Occupied", _) => Data::Tag("pathAlreadyExists", details()?),
        (_, "Missing authorization" | "Requested group does not exist") => {
            Data::Tag("noAccess", Raw::trusted(params?).get("path")?)
        }
        (_, "invalid credentials") => Data::Tag("invalidPassword", Raw::TRUE),
        _ => return None,
    };
    Some((INVALID_PARAMS, data))
}

/// The error object of something known, with what the daemon said.
fn known_error(code: Code, data: Data<'_>, original: Option<Raw<'_>>) -> String {
    let mut out = Vec::from(*b"{");
    match data {
        Data::Tag(key, value) => member(&mut out, key, value.text()),
        Data::Params(params) => Raw::trusted(params.unwrap_or("{}"))
            .members()
            .for_each(|(key, value)| member(&mut out, &key, value.text())),
    }
    if let Some(original) = original {
        member(&mut out, "original", original.text());
    }
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
    let data = String::from_utf8_lossy(&out);
    written(|out| error::object(out, code, Some(Raw::trusted(&data))))
}

/// The error of ending a fetch, where the daemon refused that.
pub fn unfetch_error(dialect: Dialect, error: Raw<'_>) -> Cow<'_, str> {
    match dialect {
        Dialect::Own => as_object(error),
        _ => {
            let data = format!(r#"{{"original":{}}}"#, error.text());
            Cow::Owned(written(|out| error::object(out, INTERNAL_ERROR, Some(Raw::trusted(&data)))))
        }
    }
}

/// The error of a request that this peer could not send after all.
pub fn refused(reason: &str) -> String {
    let data = written(|out| error::tag(out, "reason", reason));
    written(|out| error::object(out, INVALID_PARAMS, Some(Raw::trusted(&data))))
}

/// The error of a fetch whose expression means nothing.
pub fn refused_fetch(expression: Raw<'_>, reason: &str) -> String {
    let data = written(|out| {
        out.extend_from_slice(b"{\"fetchParams\":");
        out.extend_from_slice(expression.text().as_bytes());
        out.extend_from_slice(b",\"reason\":");
        write::string(out, reason);
        out.push(b'}');
    });
    written(|out| error::object(out, INVALID_PARAMS, Some(Raw::trusted(&data))))
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
