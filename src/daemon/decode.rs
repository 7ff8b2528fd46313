//! From the bytes of a received message to its JSON text, in the encoding of the connection.

use std::borrow::Cow;

use crate::wire::encoding::{self, Encoding};
use crate::wire::error::PARSE_ERROR;
use crate::wire::latin1::shown;
use crate::wire::msgpack::Limits;

use super::clients::Clients;
use super::keys::ClientKey;
use super::log::Level;
use super::reply::Refusal;

/// Maximum length of the part of an unreadable message that the error repeats, in characters.
const SHOWN_OF_GARBAGE: usize = 1000;

/// Returns the text of a received message, or `None` if it was refused. A peer that has just asked for msgpack may
/// have sent JSON before it read the response, so JSON is always accepted.
pub fn text_of<'b>(clients: &mut Clients, key: ClientKey, bytes: &'b [u8]) -> Option<Cow<'b, str>> {
    match decode(clients, key, bytes) {
        Ok((json, repaired)) => {
            if repaired {
                clients.log_latin1(key);
            }
            Some(json)
        }
        Err(reason) => {
            refuse_garbage(clients, key, &reason, &reason);
            None
        }
    }
}

/// Returns the text of a message, and whether bytes that are no UTF-8 were replaced.
///
/// # Errors
/// The reason why the message cannot be read.
pub fn decode<'b>(
    clients: &Clients,
    key: ClientKey,
    bytes: &'b [u8],
) -> Result<(Cow<'b, str>, bool), String> {
    let config = clients.config();
    let limits = Limits { max_depth: config.max_message_depth(), max_text: config.max_message };
    let text = encoding::decode(clients.encoding(key), bytes, limits).map_err(|error| error.to_string())?;
    Ok((text.json, text.repaired))
}

/// Refuses a message that cannot be read. The error repeats the beginning of `text`.
pub fn refuse_garbage(clients: &mut Clients, key: ClientKey, text: &str, reason: &str) {
    let expected = match clients.encoding(key) {
        Encoding::Json => "JSON",
        Encoding::Msgpack => "msgpack",
    };
    let line = format!("{} sent no {expected}: {}", clients.title(key), shown(reason));
    clients.log_about(Some(key), Level::Info, line);
    let text = text.char_indices().nth(SHOWN_OF_GARBAGE).map_or(text, |(end, _)| &text[..end]);
    clients.refuse(key, None, &Refusal::with(PARSE_ERROR, &text));
}
