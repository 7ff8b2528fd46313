//! The encoding of a peer's messages: agreeing on msgpack, and translating at the edge.

use std::borrow::Cow;

use crate::json::Raw;
use crate::wire::encoding::Encoding;
use crate::wire::frame::{self, Decoder, Mark, TooLong};
use crate::wire::message::Message;
use crate::wire::msgpack::{self, Limits, Packer};
use crate::wire::{ENVELOPE_LEVELS, latin1};

use super::engine::Engine;
use super::event::Event;

/// The encoding of a connection, and what writing it needs.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    encoding: Encoding,
    packer: Packer,
}

impl Encoder {
    /// Ends a frame that was written as JSON.
    pub fn end(&mut self, out: &mut Vec<u8>, mark: Mark, max_message: usize) -> Result<(), TooLong> {
        match self.encoding {
            Encoding::Json => frame::end(out, mark, max_message),
            Encoding::Msgpack => self.packer.end_frame(out, mark, max_message),
        }
    }
}

/// A received message as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text, not checked yet.
    pub json: Cow<'a, str>,
    /// Whether bytes of it were no UTF-8 and taken as Latin-1.
    pub repaired: bool,
}

impl Engine {
    /// What this connection's messages are written in now. What is in the output is all of it.
    pub fn encoding(&self) -> Encoding {
        self.encoder.encoding
    }

    /// The JSON text of a received message, for [`receive`](Self::receive). The daemon changes the
    /// encoding between two messages that may come in one piece; where msgpack was asked for, the
    /// first byte tells which one it is.
    ///
    /// # Errors
    /// Why it is no msgpack that JSON can express within the limits.
    pub fn text_of<'a>(&self, bytes: &'a [u8]) -> Result<Text<'a>, msgpack::Error> {
        if self.options.encoding == Encoding::Msgpack && msgpack::is_message(bytes) {
            let max_depth = self.options.max_depth.saturating_add(ENVELOPE_LEVELS);
            let limits = Limits { max_depth, max_text: self.options.max_message };
            let decoded = msgpack::to_json(bytes, limits)?;
            return Ok(Text { json: Cow::Owned(decoded.text), repaired: decoded.repaired });
        }
        let json = latin1::from_bytes(bytes);
        let repaired = matches!(json, Cow::Owned(_));
        Ok(Text { json, repaired })
    }

    /// The daemon took the encoding, or not. Without it everything works as well, only in more
    /// bytes, so a refusal is just noted.
    pub(super) fn encoding_answered(&mut self, outcome: Result<Raw, Raw>, events: &mut Vec<Event<'_>>) {
        match outcome {
            Ok(_) => {
                // The output is empty: what was written since the question waits beside it.
                self.encoder.encoding = Encoding::Msgpack;
                self.become_ready(events);
            }
            Err(error) => {
                events.push(stays_json(&format!("refuses it: {}", error.text())));
                // What else was asked for in the same request was not done either.
                self.introduce(Encoding::Json, events);
            }
        }
    }

    /// Whether this daemon is to be asked for msgpack. Some say yes and mean no.
    pub(super) fn wants_msgpack(&self, events: &mut Vec<Event<'_>>) -> bool {
        if self.options.encoding == Encoding::Json {
            return false;
        }
        let knows = self.dialect.knows_msgpack();
        if !knows {
            events.push(stays_json(&format!("({}) does not know it", self.dialect.name())));
        }
        knows
    }

    /// Puts frames of JSON that were written before into the output.
    pub(super) fn send_frames(&mut self, frames: &[u8], events: &mut Vec<Event<'_>>) {
        if self.encoder.encoding == Encoding::Json {
            return self.out.extend_from_slice(frames);
        }
        let mut decoder = Decoder::new(usize::MAX);
        decoder.push(frames);
        while let Ok(Some(range)) = decoder.next_range() {
            let mark = frame::begin(&mut self.out);
            self.out.extend_from_slice(decoder.bytes(range.clone()));
            let max_message = self.max_outgoing();
            if let Err(error) = self.encoder.end(&mut self.out, mark, max_message) {
                let text = String::from_utf8_lossy(decoder.bytes(range));
                let message = Message::read(Raw::trusted(&text)).unwrap_or_default();
                let id = message.method.and(message.id).and_then(|id| id.text().parse().ok());
                let failure = self.too_long(error);
                events.push(self.failed(id, &failure));
            }
        }
    }
}

fn stays_json(why: &str) -> Event<'static> {
    Event::Note(format!("no msgpack, the connection stays with JSON: the daemon {why}"))
}
