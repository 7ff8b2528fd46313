//! [`Request`]: what a program asks for, before it is written for the daemon at hand.
//!
//! A request borrows its texts from the caller. One that cannot be sent yet is kept with
//! [`into_owned`](Request::into_owned), so that nothing has to be read back from a message.
//!
//! Requests about a path are on the hot path of every program. [`PathRequest::write`] is their only
//! writer, written by hand; all others are written by serde.

use std::borrow::Cow;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::json::{Raw, write};

/// How long an owner may take for a request without a time limit. All daemons have the same default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestOptions {
    /// Whether the program wants the response. Without it the message is a notification.
    pub respond: bool,
    /// Seconds the owner of the path has to answer (for `add`: the default of that element).
    pub timeout: Option<f64>,
    /// Whether a set is answered with the new value.
    pub value_as_result: bool,
}

impl RequestOptions {
    /// Returns whether these options replace the member `key` of a request's params.
    fn replace(self, key: &str) -> bool {
        match key {
            "timeout" => self.timeout.is_some(),
            "valueAsResult" => self.value_as_result,
            _ => false,
        }
    }

    /// Adds the members that stand for these options.
    fn serialize<M: SerializeMap>(self, map: &mut M) -> Result<(), M::Error> {
        if let Some(seconds) = self.timeout {
            map.serialize_entry("timeout", &seconds)?;
        }
        if self.value_as_result {
            map.serialize_entry("valueAsResult", &true)?;
        }
        Ok(())
    }
}

/// A service whose params are a path and at most one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Adds an element of this peer.
    Add,
    /// Removes an element of this peer.
    Remove,
    /// Changes the value of a state of this peer.
    Change,
    /// Asks the owner of a state to set it.
    Set,
    /// Calls a method.
    Call,
}

impl Service {
    /// Returns the `method` of the message.
    pub fn name(self) -> &'static str {
        match self {
            Service::Add => "add",
            Service::Remove => "remove",
            Service::Change => "change",
            Service::Set => "set",
            Service::Call => "call",
        }
    }

    /// Returns the key of the value in the params.
    pub fn value_key(self) -> &'static str {
        match self {
            Service::Call => "args",
            _ => "value",
        }
    }

    /// Returns whether the daemon routes the request to the owner of its path.
    pub fn is_routed(self) -> bool {
        matches!(self, Service::Set | Service::Call)
    }
}

/// A destination of JSON text: a buffer, or a counter of bytes.
trait Sink {
    /// Appends text as it is.
    fn text(&mut self, text: &str);
    /// Appends text as a JSON string.
    fn string(&mut self, text: &str);
    /// Appends an integer.
    fn integer(&mut self, value: u32);
    /// Appends a number with a fraction.
    fn float(&mut self, value: f64);
}

impl Sink for Vec<u8> {
    fn text(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, text: &str) {
        write::string(self, text);
    }

    fn integer(&mut self, value: u32) {
        write::integer(self, i64::from(value));
    }

    fn float(&mut self, value: f64) {
        write::float(self, value);
    }
}

/// Counts the bytes of JSON text without writing it.
struct ByteCount(usize);

impl Sink for ByteCount {
    fn text(&mut self, text: &str) {
        self.0 += text.len();
    }

    fn string(&mut self, text: &str) {
        let escaped = |byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..=0x1f => 6,
            _ => 1,
        };
        self.0 += 2 + text.bytes().map(escaped).sum::<usize>();
    }

    fn integer(&mut self, value: u32) {
        self.0 += value.checked_ilog10().unwrap_or(0) as usize + 1;
    }

    fn float(&mut self, value: f64) {
        let mut digits = Vec::new();
        write::float(&mut digits, value);
        self.0 += digits.len();
    }
}

/// A request whose params are a path and at most one value.
#[derive(Debug, Clone)]
pub struct PathRequest<'a> {
    /// The service that is asked.
    pub service: Service,
    /// The path of the element.
    pub path: Cow<'a, str>,
    /// The value of a state or the arguments of a call, as JSON text.
    pub value: Option<Cow<'a, str>>,
    /// Whether an element without a value is a state. Without that mark it would be a method.
    pub is_empty_state: bool,
    /// The groups that may use an added element, as JSON text.
    pub access: Option<Cow<'a, str>>,
}

impl<'a> PathRequest<'a> {
    /// Creates a request for `path`.
    pub fn new(service: Service, path: &'a str, value: Option<Raw<'a>>) -> PathRequest<'a> {
        let value = value.map(|value| Cow::Borrowed(value.text()));
        PathRequest { service, path: Cow::Borrowed(path), value, is_empty_state: false, access: None }
    }

    /// Returns the bytes of its texts.
    pub fn text_length(&self) -> usize {
        let length = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
        self.path.len() + length(&self.value) + length(&self.access)
    }

    /// Appends the request, or a notification if there is no id:
    /// `{"id":1,"method":"set","params":{"path":"a","value":5,"timeout":2.5,"valueAsResult":true}}`.
    pub fn write(&self, out: &mut Vec<u8>, id: Option<u32>, options: RequestOptions) {
        self.write_to(out, id, options);
    }

    /// Returns the bytes that [`write`](Self::write) appends.
    pub fn written_length(&self, id: Option<u32>, options: RequestOptions) -> usize {
        let mut count = ByteCount(0);
        self.write_to(&mut count, id, options);
        count.0
    }

    fn write_to(&self, out: &mut impl Sink, id: Option<u32>, options: RequestOptions) {
        out.text("{");
        if let Some(id) = id {
            out.text("\"id\":");
            out.integer(id);
            out.text(",");
        }
        out.text("\"method\":\"");
        out.text(self.service.name());
        out.text("\",\"params\":{\"path\":");
        out.string(&self.path);
        if let Some(value) = &self.value {
            out.text(",\"");
            out.text(self.service.value_key());
            out.text("\":");
            out.text(value);
        }
        if self.is_empty_state {
            out.text(",\"kind\":\"state\"");
        }
        if let Some(access) = &self.access {
            out.text(",\"access\":");
            out.text(access);
        }
        if let Some(seconds) = options.timeout {
            out.text(",\"timeout\":");
            out.float(seconds);
        }
        if options.value_as_result {
            out.text(",\"valueAsResult\":true");
        }
        out.text("}}");
    }

    /// Returns what the program expects as the result.
    pub fn expected_result(&self, options: RequestOptions) -> ResultKind {
        match self.service {
            Service::Add | Service::Remove | Service::Change => ResultKind::Done,
            Service::Set if options.value_as_result => ResultKind::NewValue,
            Service::Set => ResultKind::Set,
            Service::Call => ResultKind::Returned,
        }
    }

    /// Returns the same request with texts of its own.
    pub fn into_owned(self) -> PathRequest<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        PathRequest {
            service: self.service,
            path: owned(self.path),
            value: self.value.map(owned),
            is_empty_state: self.is_empty_state,
            access: self.access.map(owned),
        }
    }
}

/// A request about a path with its options, kept after it was sent.
#[derive(Debug, Clone)]
pub struct SentRequest {
    request: PathRequest<'static>,
    options: RequestOptions,
}

impl SentRequest {
    /// Keeps a request.
    pub fn new(request: PathRequest<'static>, options: RequestOptions) -> SentRequest {
        SentRequest { request, options }
    }

    /// Returns the request.
    pub fn request(&self) -> &PathRequest<'static> {
        &self.request
    }

    /// Returns the options of the request.
    pub fn options(&self) -> RequestOptions {
        self.options
    }

    /// Returns the path of the request.
    pub fn path(&self) -> &str {
        &self.request.path
    }

    /// Returns the bytes of the request's texts.
    pub fn text_length(&self) -> usize {
        self.request.text_length()
    }

    /// Returns how long the owner of the path has to answer.
    pub fn time_limit(&self) -> Duration {
        let seconds = self.options.timeout.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)));
        seconds.map_or(DEFAULT_TIMEOUT, |time| time.unwrap_or(Duration::MAX))
    }

    /// Adds the params of the request, for the data of an error.
    ///
    /// # Errors
    /// As the map.
    pub fn serialize_params<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("path", &self.request.path)?;
        if let Some(value) = &self.request.value {
            map.serialize_entry(self.request.service.value_key(), &Raw::trusted(value))?;
        }
        self.options.serialize(map)
    }
}

/// One start of a fetch. A fetcher that is started again keeps its number and gets another round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchKey {
    /// The number of the fetcher.
    pub fetcher: u32,
    /// Counts the starts of all fetchers.
    pub round: u32,
}

/// A request of the program.
#[derive(Debug, Clone)]
pub enum Request<'a> {
    /// A request about one path.
    Path(PathRequest<'a>),
    /// Starts a fetch. Its expression, of so many bytes, is kept with the fetcher.
    Fetch(FetchKey, usize),
    /// Ends a fetch.
    Unfetch {
        /// The number of the fetcher.
        fetcher: u32,
        /// Whether the daemon may know the fetch.
        was_sent: bool,
    },
    /// Configures the connection. The params are a JSON object.
    Config(Cow<'a, str>),
    /// Any other service with its params, a JSON object.
    Other(Cow<'a, str>, Cow<'a, str>),
}

impl Request<'_> {
    /// Returns the same request with texts of its own.
    pub fn into_owned(self) -> Request<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Request::Path(request) => Request::Path(request.into_owned()),
            Request::Fetch(key, length) => Request::Fetch(key, length),
            Request::Unfetch { fetcher, was_sent } => Request::Unfetch { fetcher, was_sent },
            Request::Config(params) => Request::Config(owned(params)),
            Request::Other(service, params) => Request::Other(owned(service), owned(params)),
        }
    }
}

/// What a program expects as the result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultKind {
    /// `true`, whatever the daemon answers: `add`, `remove`, `config`, `fetch`.
    Done,
    /// `true` or what the owner reports: `set`.
    Set,
    /// The new value: `set` with `valueAsResult`.
    NewValue,
    /// What the method returns: `call`.
    Returned,
    /// Whatever the service returns.
    Any,
}

/// The members of a JSON object, without some of them, and those that stand for options.
///
/// The members keep their order. Options replace members of the same name.
pub struct Members<'a, F> {
    /// The id of a fetch, which comes first.
    id: Option<&'a str>,
    object: Raw<'a>,
    /// Returns whether a member is kept.
    keeps: F,
    options: RequestOptions,
}

impl<'a> Members<'a, fn(&str) -> bool> {
    /// Returns the members of an object, and those that stand for options.
    pub fn all(object: Raw<'a>, options: RequestOptions) -> Self {
        Members { id: None, object, keeps: |_| true, options }
    }

    /// Returns the params of a fetch of that id, or of its end.
    pub fn of_fetch(id: &'a str, object: Raw<'a>, options: RequestOptions) -> Self {
        Members { id: Some(id), object, keeps: |key| key != "id", options }
    }
}

impl<'a, F: Fn(&str) -> bool> Members<'a, F> {
    /// Returns the members that `keeps` accepts, and those that stand for options.
    pub fn filtered(object: Raw<'a>, keeps: F, options: RequestOptions) -> Self {
        Members { id: None, object, keeps, options }
    }
}

impl<F: Fn(&str) -> bool> Serialize for Members<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", id)?;
        }
        for (key, value) in self.object.members() {
            if (self.keeps)(&key) && !self.options.replace(&key) {
                map.serialize_entry(&*key, &value)?;
            }
        }
        self.options.serialize(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_text;
    use serde_json::{Value, json};

    fn written(request: &PathRequest, id: Option<u32>, options: RequestOptions) -> Value {
        let mut out = Vec::new();
        request.write(&mut out, id, options);
        assert_eq!(request.written_length(id, options), out.len());
        serde_json::from_slice(&out).expect("valid JSON")
    }

    #[test]
    fn requests_about_a_path_are_written_by_hand() {
        let (all, value) =
            (RequestOptions { respond: true, timeout: Some(2.5), value_as_result: true }, "[1]");
        let path = "a\"\\\n\u{1}é";
        let set = PathRequest::new(Service::Set, path, Some(Raw::trusted(value)));
        let params = json!({"path": path, "value": [1], "timeout": 2.5, "valueAsResult": true});
        for id in [1, 9, 10, 12345] {
            assert_eq!(written(&set, Some(id), all), json!({"id": id, "method": "set", "params": params}));
        }
        let remove = PathRequest::new(Service::Remove, "a", None);
        let message = json!({"method": "remove", "params": {"path": "a"}});
        assert_eq!(written(&remove, None, RequestOptions::default()), message);
        let access = Some(r#"{"setGroups":[]}"#.into());
        let add = PathRequest { is_empty_state: true, access, ..PathRequest::new(Service::Add, "a", None) };
        let params = json!({"path": "a", "kind": "state", "access": {"setGroups": []}});
        let message = json!({"method": "add", "params": params});
        assert_eq!(written(&add, None, RequestOptions::default()), message);
    }

    #[test]
    fn options_replace_members_of_the_same_name_and_all_keep_their_order() {
        let object = Raw::trusted(r#"{"z":1,"timeout":"mine","id":9,"a":[]}"#);
        let options = RequestOptions { timeout: Some(1.0), ..RequestOptions::default() };
        assert_eq!(to_text(&Members::all(object, options)), r#"{"z":1,"id":9,"a":[],"timeout":1.0}"#);
        let fetch = Members::of_fetch("f", object, RequestOptions::default());
        assert_eq!(to_text(&fetch), r#"{"id":"f","z":1,"timeout":"mine","a":[]}"#);
        let filtered = Members::filtered(object, |key| key == "a", RequestOptions::default());
        assert_eq!(to_text(&filtered), r#"{"a":[]}"#);
    }
}
