//! The messages a program sends: requests, notifications and answers.
//!
//! Values are JSON text already and are copied as they are. What cannot be sent leaves no trace.

use crate::json::Raw;
use crate::wire::error::{self, Code};
use crate::wire::frame::{self, TooLong};

use super::encoding::Encoder;
use super::engine::{Engine, Phase};
use super::messages::{end_params, write_members, write_path, write_request};
use super::requests::{Purpose, Service};

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The connection is gone.
    Closed,
    /// The message exceeds the limit.
    TooLong(TooLong),
    /// The message exceeds the limit of the daemon, as the program gave it.
    TooLongForDaemon(TooLong),
    /// More bytes wait to be sent than the limit allows (limit in bytes).
    Unsent(usize),
    /// More requests wait for a response than the limit allows.
    Requests(usize),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Closed => f.write_str("Connection closed"),
            Failure::TooLong(error) => error.fmt(f),
            Failure::TooLongForDaemon(TooLong { length, limit }) => {
                write!(
                    f,
                    "message of {length} bytes exceeds the daemon's limit of {limit} (daemon_limits.message)"
                )
            }
            Failure::Unsent(limit) => write!(f, "more than {limit} bytes wait to be sent (max_unsent)"),
            Failure::Requests(limit) => write!(f, "more than {limit} requests are open (max_requests)"),
        }
    }
}

impl std::error::Error for Failure {}

/// What goes along with any request.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestOptions {
    /// Whether the program wants the response; without, the message is a notification.
    pub respond: bool,
    /// Seconds the owner of the path has to answer (for `add`: the default of that element).
    pub timeout: Option<f64>,
    /// Whether a set shall answer with the new value.
    pub value_as_result: bool,
}

/// What a program sends and gets: the id of the request, or none for a notification.
pub type Sent = Result<Option<u32>, Failure>;

impl Engine {
    /// Adds a state (with a value) or a method (without).
    ///
    /// # Errors
    /// [`Failure`], as all functions that send.
    pub fn add(&mut self, path: &str, value: Option<Raw>, options: RequestOptions) -> Sent {
        self.send_path(Service::Done, "add", path, value.map(|value| ("value", value)), options)
    }

    /// Adds a state that has no value yet. Without a value it looks like a method, so our own
    /// daemon is told what it is; others ignore that.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn add_empty_state(&mut self, path: &str, options: RequestOptions) -> Sent {
        let kind = ("kind", Raw::trusted("\"state\""));
        self.send_path(Service::Done, "add", path, Some(kind), options)
    }

    /// Removes an element of this peer.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn remove(&mut self, path: &str, options: RequestOptions) -> Sent {
        self.send_path(Service::Done, "remove", path, None, options)
    }

    /// Posts a new value of a state of this peer; none clears it (some daemons know no such
    /// thing, there it is null). Nobody answers.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn change(&mut self, path: &str, value: Option<Raw>) -> Result<(), Failure> {
        let cleared = self.dialect.lacks_cleared_values().then_some(Raw::NULL);
        let value = value.or(cleared).map(|value| ("value", value));
        self.send_path(Service::Done, "change", path, value, RequestOptions::default()).map(drop)
    }

    /// Asks the owner of a state to set it.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn set(&mut self, path: &str, value: Option<Raw>, options: RequestOptions) -> Sent {
        let service = if options.value_as_result { Service::SetValue } else { Service::Set };
        self.send_path(service, "set", path, value.map(|value| ("value", value)), options)
    }

    /// Calls a method; `args` is an array or object.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn call(&mut self, path: &str, args: Raw, options: RequestOptions) -> Sent {
        self.send_path(Service::Value, "call", path, Some(("args", args)), options)
    }

    /// Sends a request of any other service, `params` being an object that is sent as it is but
    /// for the options, which win over members of the same name.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn request(&mut self, service: &str, params: Raw, options: RequestOptions) -> Sent {
        if service == "config" {
            return self.config(params, options);
        }
        self.send(Purpose::Program(Service::Other), service, options, |out| {
            write_members(out, params.members(), options);
        })
    }

    fn send_path(
        &mut self,
        service: Service,
        method: &str,
        path: &str,
        extra: Option<(&str, Raw)>,
        options: RequestOptions,
    ) -> Sent {
        let options = self.dialect.adapted(options);
        if let Some(sent) = self.wait_in_line(service, path, extra, options)? {
            return Ok(sent);
        }
        let sent = self.send(Purpose::Program(service), method, options, |out| {
            write_path(out, path, extra);
        })?;
        if let (Some(id), Service::Set | Service::SetValue | Service::Value) = (sent, service)
            && self.knows_daemon()
            && self.dialect.hides_timeouts()
        {
            self.watch_over(id, &whole_params(path, extra, options));
        }
        Ok(sent)
    }

    /// Keeps a request whose path others wait for. Returns what sending returns, or `None` if nothing waits.
    fn wait_in_line(
        &mut self,
        service: Service,
        path: &str,
        extra: Option<(&str, Raw)>,
        options: RequestOptions,
    ) -> Result<Option<Option<u32>>, Failure> {
        let method = match service {
            Service::Set | Service::SetValue => "set",
            Service::Value => "call",
            _ => return Ok(None),
        };
        if self.routes.is_empty() {
            return Ok(None);
        }
        let params = whole_params(path, extra, options);
        if !self.is_held(&params) {
            return Ok(None);
        }
        self.check_limits(options.respond)?;
        let id = options.respond.then(|| self.requests.begin(Purpose::Program(service)));
        self.wait_behind(id, method, &params);
        Ok(Some(id))
    }

    /// Writes one message of the program's, or keeps it until the daemon is known. `params`
    /// appends members, each with a comma behind it.
    pub(super) fn send(
        &mut self,
        purpose: Purpose,
        method: &str,
        options: RequestOptions,
        params: impl FnOnce(&mut Vec<u8>),
    ) -> Sent {
        self.check_limits(options.respond)?;
        let id = options.respond.then(|| self.requests.begin(purpose));
        self.write(id, method, options, params)?;
        Ok(id)
    }

    /// Writes a message whose id is known. If it is too long, the request is over.
    pub(super) fn write(
        &mut self,
        id: Option<u32>,
        method: &str,
        options: RequestOptions,
        params: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Failure> {
        let max_message = self.max_outgoing();
        let (out, encoder) = self.message_buffer();
        let mark = frame::begin(out);
        write_request(out, id, method, options, params);
        encoder.end(out, mark, max_message).map_err(|error| {
            id.map(|id| self.requests.end(id));
            self.too_long(error)
        })
    }

    /// Returns the largest message that this peer sends, in bytes.
    pub(super) fn max_outgoing(&self) -> usize {
        let own = self.options.max_message;
        self.options.daemon_message.map_or(own, |daemon| daemon.min(own))
    }

    /// Says whose limit a message exceeds.
    pub(super) fn too_long(&self, error: TooLong) -> Failure {
        match error.limit < self.options.max_message {
            true => Failure::TooLongForDaemon(error),
            false => Failure::TooLong(error),
        }
    }

    pub(super) fn check_limits(&self, respond: bool) -> Result<(), Failure> {
        if self.phase == Phase::Closed {
            return Err(Failure::Closed);
        }
        if self.is_full() || self.routes.len() > self.options.max_unsent {
            return Err(Failure::Unsent(self.options.max_unsent));
        }
        if respond && self.requests.len() >= self.options.max_requests {
            return Err(Failure::Requests(self.options.max_requests));
        }
        Ok(())
    }

    /// Where messages of the program go now, and who ends their frames.
    fn message_buffer(&mut self) -> (&mut Vec<u8>, &mut Encoder) {
        match self.phase {
            Phase::Ready => (&mut self.out, &mut self.encoder),
            _ => (&mut self.early.frames, &mut self.encoder),
        }
    }

    /// Answers a request with a result. `id` is the one of the event, as JSON text.
    ///
    /// # Errors
    /// [`Failure::Closed`], [`Failure::TooLong`]; [`Failure::Unsent`], which ends the connection
    pub fn answer(&mut self, id: &str, result: Raw) -> Result<(), Failure> {
        let is_fragile = self.fragile_sets.contains(id);
        let result = match is_fragile && result == Raw::TRUE {
            true => Raw::trusted("{}"),
            false => self.dialect.adapted_result(result),
        };
        self.respond(id, |out| {
            out.extend_from_slice(b"\"result\":");
            out.extend_from_slice(result.text().as_bytes());
        })
    }

    /// Answers a request with an error object that the program made.
    ///
    /// # Errors
    /// [`Failure::Closed`], [`Failure::TooLong`]; [`Failure::Unsent`], which ends the connection
    pub fn refuse(&mut self, id: &str, error: Raw) -> Result<(), Failure> {
        self.respond(id, |out| {
            out.extend_from_slice(b"\"error\":");
            out.extend_from_slice(error.text().as_bytes());
        })
    }

    /// Answers a request with an error of the protocol.
    ///
    /// # Errors
    /// [`Failure::Closed`], [`Failure::TooLong`]; [`Failure::Unsent`], which ends the connection
    pub fn refuse_with(&mut self, id: &str, code: Code, data: Option<Raw>) -> Result<(), Failure> {
        self.respond(id, |out| {
            out.extend_from_slice(b"\"error\":");
            error::object(out, code, data);
        })
    }

    fn respond(&mut self, id: &str, body: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        self.fragile_sets.remove(id);
        if self.phase == Phase::Closed {
            return Err(Failure::Closed);
        }
        if self.is_full() {
            // An answer cannot be sent again later, and the other side waits for it.
            self.overflow();
            return Err(Failure::Unsent(self.options.max_unsent));
        }
        let max_message = self.max_outgoing();
        let out = match self.phase {
            Phase::Switching => &mut self.early.frames,
            _ => &mut self.out,
        };
        let mark = frame::begin(out);
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(id.as_bytes());
        out.push(b',');
        body(out);
        out.push(b'}');
        let ended = self.encoder.end(out, mark, max_message);
        ended.map_err(|error| self.too_long(error))
    }
}

/// Returns the params of a request as an object.
fn whole_params(path: &str, extra: Option<(&str, Raw)>, options: RequestOptions) -> String {
    let mut params = Vec::from(*b"{");
    write_path(&mut params, path, extra);
    end_params(&mut params, options);
    String::from_utf8_lossy(&params).into_owned()
}
