//! [`Outbound`]: what is sent and what waits to be sent, with its limits.
//!
//! Messages are written straight into the output, in the encoding of the connection. Requests that
//! the program makes before they can be written wait as [`Deferred`] requests.

use std::collections::VecDeque;

use serde::Serialize;

use crate::json::{self, Raw};
use crate::wire::encoding::Encoding;
use crate::wire::frame::{self, TooLong};
use crate::wire::message::{self, write_response};
use crate::wire::msgpack::Packer;

use super::options::Options;
use super::request::{PathRequest, Request, RequestOptions};

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The connection is closed.
    Closed,
    /// The message exceeds the limit.
    TooLong(TooLong),
    /// The message exceeds the limit of the daemon that the program has set.
    TooLongForDaemon(TooLong),
    /// More bytes wait to be sent than this limit.
    Unsent(usize),
    /// More requests wait for a response than this limit.
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

/// A message that waits until the daemon is known, or until it has changed the encoding.
#[derive(Debug)]
pub enum Deferred {
    /// A request of the program.
    Request {
        /// The id, or `None` for a notification.
        id: Option<u32>,
        /// The request.
        request: Request<'static>,
        /// Its options.
        options: RequestOptions,
    },
    /// A response to a routed request.
    Response {
        /// The id, as JSON text.
        id: Box<str>,
        /// The result or the error object, as JSON text.
        outcome: Result<Box<str>, Box<str>>,
    },
}

/// The output of a peer.
#[derive(Debug)]
pub struct Outbound {
    max_message: usize,
    /// The largest message that the daemon accepts, if the program has set it.
    daemon_message: Option<usize>,
    max_unsent: usize,
    /// Frames that leave with the next write.
    out: Vec<u8>,
    encoding: Encoding,
    packer: Packer,
    deferred: VecDeque<Deferred>,
    /// Bytes of the deferred messages.
    deferred_bytes: usize,
    /// Bytes that were taken out of `out` and have not left.
    backlog: usize,
    /// Whether a response did not fit into `max_unsent`.
    overflowed: bool,
}

impl Outbound {
    /// Creates an empty output. Messages are JSON.
    pub fn new(options: &Options) -> Outbound {
        Outbound {
            max_message: options.max_message,
            daemon_message: options.daemon_message,
            max_unsent: options.max_unsent,
            out: Vec::new(),
            encoding: Encoding::Json,
            packer: Packer::default(),
            deferred: VecDeque::new(),
            deferred_bytes: 0,
            backlog: 0,
            overflowed: false,
        }
    }

    /// Drops everything that has not been sent.
    pub fn clear(&mut self) {
        self.out = Vec::new();
        self.deferred = VecDeque::new();
        self.deferred_bytes = 0;
    }

    /// Returns the frames to send now. The caller removes what it takes.
    pub fn frames(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Returns whether there are frames to send now.
    pub fn has_frames(&self) -> bool {
        !self.out.is_empty()
    }

    /// Sets the number of bytes that were taken out of the output and have not left.
    pub fn set_backlog(&mut self, bytes: usize) {
        self.backlog = bytes;
    }

    /// Returns whether more bytes wait to be sent than `max_unsent` allows.
    pub fn is_full(&self) -> bool {
        self.check_room().is_err()
    }

    /// Fails if nothing more may be queued.
    pub fn check_room(&self) -> Result<(), Failure> {
        self.check_bytes(self.out.len() + self.deferred_bytes + self.backlog)
    }

    /// Fails if that many waiting bytes are more than `max_unsent` allows.
    pub fn check_bytes(&self, bytes: usize) -> Result<(), Failure> {
        match bytes > self.max_unsent {
            true => Err(Failure::Unsent(self.max_unsent)),
            false => Ok(()),
        }
    }

    /// Marks the connection as failed because the daemon does not read.
    pub fn overflow(&mut self) {
        self.overflowed = true;
    }

    /// Returns whether the program has set the limit of the daemon.
    pub fn knows_daemon_limit(&self) -> bool {
        self.daemon_message.is_some()
    }

    /// Returns whether the connection failed because the daemon does not read.
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Returns why the connection has to be closed, or `None` while it can be used.
    pub fn fault(&self) -> Option<String> {
        let limit = self.max_unsent;
        let reason =
            || format!("the daemon does not read: more than {limit} bytes wait to be sent (max_unsent)");
        self.overflowed.then(reason)
    }

    /// Returns the encoding of the connection.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Changes the encoding of the messages written from now on.
    pub fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    /// Writes a request about a path.
    pub fn request(
        &mut self,
        id: Option<u32>,
        request: &PathRequest,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        self.frame(|out| request.write(out, id, options))
    }

    /// Writes a request of any other service, or a notification if there is no id.
    pub fn message(&mut self, id: Option<u32>, method: &str, params: &impl Serialize) -> Result<(), Failure> {
        self.frame(|out| json::append(out, &message::Request { id, method, params }))
    }

    /// Writes a response. Without room for it the connection fails: a response cannot be sent later,
    /// and the other peer waits for it.
    pub fn response(&mut self, id: &str, outcome: Result<Raw, Raw>) -> Result<(), Failure> {
        self.check_room_or_overflow()?;
        self.frame(|out| write_outcome(out, id, outcome))
    }

    /// Writes a response that was deferred.
    pub fn deferred_response(
        &mut self,
        id: &str,
        outcome: &Result<Box<str>, Box<str>>,
    ) -> Result<(), Failure> {
        let outcome = match outcome {
            Ok(result) => Ok(Raw::trusted(result)),
            Err(error) => Err(Raw::trusted(error)),
        };
        self.frame(|out| write_outcome(out, id, outcome))
    }

    /// Keeps a request until it can be written.
    ///
    /// # Errors
    /// The message is too long for any daemon. Messages that are adapted to the daemon are checked
    /// when they are written.
    pub fn defer(
        &mut self,
        id: Option<u32>,
        request: Request,
        options: RequestOptions,
    ) -> Result<(), Failure> {
        self.deferred_bytes += match &request {
            Request::Path(request) if request.access.is_none() => {
                self.check_length(request.written_length(id, options))?
            }
            Request::Other(method, params) => {
                let params = Raw::trusted(params);
                self.check_length(json::to_text(&message::Request { id, method, params }).len())?
            }
            Request::Path(request) => request.text_length(),
            Request::Fetch(_, length) => *length,
            Request::Config(params) => params.len(),
            Request::Unfetch { .. } => 0,
        };
        self.deferred.push_back(Deferred::Request { id, request: request.into_owned(), options });
        Ok(())
    }

    /// Keeps a response until it can be written.
    pub fn defer_response(&mut self, id: &str, outcome: Result<Raw, Raw>) -> Result<(), Failure> {
        self.check_room_or_overflow()?;
        let mut message = Vec::new();
        write_outcome(&mut message, id, outcome);
        self.deferred_bytes += self.check_length(message.len())?;
        let owned = |value: Raw| value.text().into();
        let outcome = outcome.map(owned).map_err(owned);
        self.deferred.push_back(Deferred::Response { id: id.into(), outcome });
        Ok(())
    }

    /// Removes and returns the deferred messages, in the order they were made.
    pub fn take_deferred(&mut self) -> VecDeque<Deferred> {
        self.deferred_bytes = 0;
        std::mem::take(&mut self.deferred)
    }

    fn check_room_or_overflow(&mut self) -> Result<(), Failure> {
        let room = self.check_room();
        self.overflowed |= room.is_err();
        room
    }

    /// Writes one frame. A message that is too long leaves no trace.
    fn frame(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        let max_message = self.max_message();
        let mark = frame::begin(&mut self.out);
        write(&mut self.out);
        let ended = match self.encoding {
            Encoding::Json => frame::end(&mut self.out, mark, max_message),
            Encoding::Msgpack => self.packer.end_frame(&mut self.out, mark, max_message),
        };
        ended.map_err(|error| self.too_long(error))
    }

    /// Returns the bytes of a frame for a message of that length.
    fn check_length(&self, length: usize) -> Result<usize, Failure> {
        match self.max_message() {
            limit if length > limit => Err(self.too_long(TooLong { length, limit })),
            _ => Ok(frame::HEADER + length),
        }
    }

    /// Returns the largest message that may be sent, in bytes.
    fn max_message(&self) -> usize {
        self.daemon_message.map_or(self.max_message, |daemon| daemon.min(self.max_message))
    }

    /// Returns the failure that names the limit which a message exceeds.
    fn too_long(&self, error: TooLong) -> Failure {
        match error.limit < self.max_message {
            true => Failure::TooLongForDaemon(error),
            false => Failure::TooLong(error),
        }
    }
}

fn write_outcome(out: &mut Vec<u8>, id: &str, outcome: Result<Raw, Raw>) {
    match outcome {
        Ok(result) => write_response(out, id, result.text()),
        Err(error) => json::append(out, &message::ErrorResponse { id: Some(Raw::trusted(id)), error }),
    }
}
