//! Messages with their length in front, as streams carry them.

use std::io::{Read, Write};

/// Returns `message` as a frame.
pub fn frame(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    let length = u32::try_from(message.len()).expect("short");
    [&length.to_be_bytes(), message].concat()
}

/// Reads one frame from a blocking stream and returns its message.
pub fn read_frame(stream: &mut impl Read) -> Vec<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).expect("a header");
    let mut message = vec![0; u32::from_be_bytes(header) as usize];
    stream.read_exact(&mut message).expect("a message");
    message
}

/// Writes one frame to a blocking stream.
pub fn write_frame(stream: &mut impl Write, message: impl AsRef<[u8]>) {
    stream.write_all(&frame(message)).expect("written");
}

/// Removes the first complete frame from `bytes` and returns its message.
pub fn next_message<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (header, body) = bytes.split_first_chunk()?;
    let (message, rest) = body.split_at_checked(u32::from_be_bytes(*header) as usize)?;
    *bytes = rest;
    Some(message)
}

/// Returns the messages in a sequence of complete frames.
pub fn messages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let messages = std::iter::from_fn(|| next_message(&mut bytes)).collect();
    assert!(bytes.is_empty(), "{} bytes of an incomplete frame", bytes.len());
    messages
}
