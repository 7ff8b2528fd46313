//! Results and errors of all daemons as one: the codes and the keys of `data` are the same
//! whichever daemon answers. What it said itself is kept as `data.original`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::json::{Kind, Raw};
use crate::protocol::error::{self, INTERNAL_ERROR, INVALID_PARAMS, RESPONSE_TIMEOUT};

use super::dialect::Dialect;
use super::engine::Engine;
use super::event::Event;
use super::requests::{Purpose, Service};

/// The error of ending a fetch that is over.
pub(super) const NOT_FETCHING: &str = r#"{"code":-32603,"message":"Internal error","data":"no such fetch"}"#;

/// How long an owner may take for a request that does not say. All daemons have the same.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    /// The outcome of a program's request.
    pub(super) fn normalised<'a>(
        &mut self,
        id: u32,
        service: Service,
        outcome: Result<Raw<'a>, Raw<'a>>,
    ) -> Result<Cow<'a, str>, Cow<'a, str>> {
        let params = self.requests.kept(id);
        match outcome {
            Ok(result) => Ok(self::result(service, result)),
            Err(error) => Err(self::error(self.dialect, error, params.as_deref())),
        }
    }

    /// Sees to it that a routed request ends although the daemon may leave it open, and with an
    /// error that says what was asked.
    pub(super) fn watch_over(&mut self, id: u32, params: &str) {
        self.requests.keep(id, params);
        let seconds = Raw::trusted(params).get("timeout").and_then(Raw::as_f64);
        let time = match seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0))) {
            None => DEFAULT_TIMEOUT,
            Some(time) => time.unwrap_or(Duration::MAX),
        };
        self.requests.limit(id, time.saturating_add(self.dialect.grace()));
    }

    /// Ends the requests whose time is over.
    pub(super) fn end_overdue(&mut self, now: Instant, events: &mut Vec<Event<'_>>) {
        // Nothing is due on daemons that have time-outs of their own.
        let _ = self.requests.next_due(now);
        while let Some(id) = self.requests.overdue(now) {
            match self.requests.end(id) {
                Some(Purpose::Settled(number, round)) => self.fetch_settled(number, round, events),
                _ => {
                    let params = self.requests.kept(id);
                    let error = timed_out(params.as_deref(), None);
                    events.push(Event::Response { id, outcome: Err(Cow::Owned(error)) });
                }
            }
        }
    }
}

/// The result of a request: `true` where there is nothing else to say. Some daemons say `{}`, and
/// so do some owners of states.
fn result(service: Service, result: Raw<'_>) -> Cow<'_, str> {
    let empty = || result.kind() == Kind::Object && result.members().next().is_none();
    match service {
        Service::Done => Cow::Borrowed("true"),
        Service::Set if empty() => Cow::Borrowed("true"),
        _ => Cow::Borrowed(result.text()),
    }
}

/// The error of a request, always an object with code and message. `params` are those of a set
/// or call.
pub(super) fn error<'a>(dialect: Dialect, error: Raw<'a>, params: Option<&str>) -> Cow<'a, str> {
    let has = |key| error.get(key).is_some_and(Raw::is_truthy);
    if !(has("code") && has("message")) {
        // An owner or a daemon that failed said only why.
        let data = (!error.is_null()).then_some(error);
        return Cow::Owned(written(|out| error::object(out, INTERNAL_ERROR, data)));
    }
    let _ = (dialect, params);
    Cow::Borrowed(error.text())
}

/// The error of a request nobody answered in time: its data are the params.
fn timed_out(params: Option<&str>, original: Option<Raw>) -> String {
    let mut data = Vec::from(*b"{");
    for (key, value) in Raw::trusted(params.unwrap_or("{}")).members() {
        super::outgoing::member(&mut data, &key, value.text());
    }
    if let Some(original) = original {
        super::outgoing::member(&mut data, "original", original.text());
    }
    if data.last() == Some(&b',') {
        data.pop();
    }
    data.push(b'}');
    let data = String::from_utf8_lossy(&data);
    written(|out| error::object(out, RESPONSE_TIMEOUT, Some(Raw::trusted(&data))))
}

/// The error of a request that this peer could not send after all.
pub(super) fn refused(reason: &str) -> String {
    let data = written(|out| error::tag(out, "reason", reason));
    written(|out| error::object(out, INVALID_PARAMS, Some(Raw::trusted(&data))))
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
