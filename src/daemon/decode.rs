//! From the bytes of a received message to its JSON text, whatever the connection's encoding.

use std::borrow::Cow;

use crate::json::write;
use crate::wire::encoding::Encoding;
use crate::wire::error::PARSE_ERROR;
use crate::wire::msgpack::{self, Limits};
use crate::wire::{REQUEST_LEVELS, latin1};

use super::bus::{Bus, Level};
use super::clients::into_text;
use super::keys::ClientKey;

/// How much of a message that cannot be read goes back with the error.
const SHOWN_OF_GARBAGE: usize = 1000;

impl Bus {
    /// The text of a message; none if it had to be refused. A peer that has just asked for msgpack
    /// may have sent JSON before it read the answer, so that is taken all the same.
    pub(super) fn text_of<'a>(&mut self, key: ClientKey, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        match self.decoded(key, bytes) {
            Ok((json, repaired)) => {
                if repaired {
                    self.note_latin1(key);
                }
                Some(json)
            }
            Err(reason) => {
                self.refuse_garbage(key, &reason, &reason);
                None
            }
        }
    }

    /// Returns the text of a message and whether bytes of it had to be replaced.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub(super) fn decoded<'a>(
        &self,
        key: ClientKey,
        bytes: &'a [u8],
    ) -> Result<(Cow<'a, str>, bool), String> {
        let speaks_msgpack = self.clients.get(key).is_some_and(|client| client.encoding == Encoding::Msgpack);
        if speaks_msgpack && msgpack::is_message(bytes) {
            let limits = Limits { max_depth: self.max_depth(), max_text: self.config().max_message };
            let decoded = msgpack::to_json(bytes, limits).map_err(|error| error.to_string())?;
            return Ok((Cow::Owned(decoded.text), decoded.repaired));
        }
        let json = latin1::from_bytes(bytes);
        let repaired = matches!(json, Cow::Owned(_));
        Ok((json, repaired))
    }

    /// How deep messages may nest.
    pub(super) fn max_depth(&self) -> usize {
        self.config().max_depth.saturating_add(REQUEST_LEVELS)
    }

    fn note_latin1(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key).filter(|client| !client.latin1_noted) else {
            return;
        };
        client.latin1_noted = true;
        let line = format!("{} sends invalid UTF-8, read as Latin-1", client.title());
        self.clients.log_about(Some(key), Level::Info, line);
    }

    /// Refuses a message that cannot be read; `shown` says to the peer which one.
    pub(super) fn refuse_garbage(&mut self, key: ClientKey, shown: &str, reason: &str) {
        let encoding = self.clients.get(key).map_or(Encoding::Json, |client| client.encoding);
        let expected = match encoding {
            Encoding::Json => "JSON",
            Encoding::Msgpack => "msgpack",
        };
        let line = format!("{} sent no {expected}: {}", self.clients.title(key), latin1::shown(reason));
        self.clients.log_about(Some(key), Level::Info, line);
        let shown = shown.char_indices().nth(SHOWN_OF_GARBAGE).map_or(shown, |(end, _)| &shown[..end]);
        let mut data = Vec::new();
        write::string(&mut data, shown);
        self.clients.refuse(key, None, PARSE_ERROR, Some(&into_text(data)));
    }
}
