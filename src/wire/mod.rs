//! The messages of a Jet bus as bytes, without I/O.
//!
//! From the bytes of a connection inwards: [`frame`] cuts the stream into messages, [`encoding`] makes JSON text of a
//! message, be it [`msgpack`] or JSON with bytes that are [`latin1`], and [`message`] reads its envelope. [`error`] has
//! the error objects of responses, and [`auth`] the rights of a user.
//!
//! ```
//! use jet::json::{Raw, append};
//! use jet::wire::error::Tag;
//! use jet::wire::frame::{self, Decoder};
//! use jet::wire::message::{Message, Request};
//!
//! let mut bytes = Vec::new();
//! let mark = frame::begin(&mut bytes);
//! append(&mut bytes, &Request { id: Some(1), method: "remove", params: Tag("path", "a/b") });
//! frame::end(&mut bytes, mark, 1000)?;
//!
//! let mut decoder = Decoder::new(1000);
//! decoder.push(&bytes);
//! let text = decoder.next().expect("a message")?;
//! let message = Message::read(Raw::parse(std::str::from_utf8(text)?, 10)?).expect("an object");
//! assert_eq!(message.method.map(Raw::text), Some("\"remove\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod auth;
pub mod encoding;
pub mod error;
pub mod frame;
pub mod latin1;
pub mod message;
pub mod msgpack;

pub use crate::util::byte_queue::KEPT_BUFFER;

/// The largest message that either side accepts, in bytes without the length prefix. The daemons in the field accept
/// ten million at most, so a larger message could not travel on.
pub const DEFAULT_MAX_MESSAGE: usize = 10_000_000;

/// Levels of nesting that an owner puts around a value that it sends to the daemon:
/// `{"params":{"value":…}}`. The daemon accepts that many more than the depth it allows values.
pub const REQUEST_LEVELS: usize = 2;

/// Levels that the daemon puts around a value at most, with some to spare for other daemons:
/// `{"params":{"changes":[{"value":…}]}}`. A peer accepts that many more.
pub const ENVELOPE_LEVELS: usize = 8;
