//! WebSocket messages on one connection: bytes in, messages out, and back. The HTTP before them is
//! in `upgrade`, the frames are tungstenite's.

use std::io::{self, Read, Write};
use std::ops::Range;

use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Message};

use super::super::error::{Error, ErrorKind};
use super::super::options::WebSocketOptions;
use super::UpgradeGuard;
use super::upgrade::Upgrade;
use crate::util::byte_queue::ByteQueue;
use crate::wire::KEPT_BUFFER;
use crate::wire::frame::TooLong;

/// Bytes that tungstenite takes at a time, for which it keeps room. They come from memory, so more
/// would gain nothing.
const READ_CHUNK: usize = 16 * 1024;

/// One end of a WebSocket.
#[derive(Debug)]
pub struct Web {
    state: State,
    pipe: Pipe,
    role: Role,
    max_message: usize,
    /// The batch of messages, one behind the other, and which of them were binary.
    batch: Vec<u8>,
    binary: Vec<bool>,
    send_binary: bool,
    /// What the log should say about the upgrade.
    notice: Option<String>,
}

#[derive(Debug)]
enum State {
    Upgrading(Upgrade),
    Open(Box<WebSocketContext>),
}

/// Received bytes that tungstenite has not taken, and bytes it wants to send.
#[derive(Debug, Default)]
struct Pipe {
    input: ByteQueue,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waiting = self.input.rest();
        if waiting.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = waiting.len().min(buffer.len());
        buffer[..length].copy_from_slice(&waiting[..length]);
        self.input.consume(length);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Web {
    /// Returns the peer's end; its output begins with the request.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if path or headers cannot be part of a request.
    pub fn client(options: &WebSocketOptions, host: &str, max_message: usize) -> Result<Web, Error> {
        let (upgrade, request) = Upgrade::request(options, host)?;
        let mut web = Web::new(upgrade, max_message);
        web.pipe.output = request;
        Ok(web)
    }

    /// Returns the daemon's end. It cannot fail; a build without WebSockets can.
    pub fn server(max_message: usize) -> Result<Web, Error> {
        Ok(Web::new(Upgrade::Requested { guard: None }, max_message))
    }

    fn new(upgrade: Upgrade, max_message: usize) -> Web {
        Web {
            role: upgrade.role(),
            state: State::Upgrading(upgrade),
            pipe: Pipe::default(),
            max_message,
            batch: Vec::new(),
            binary: Vec::new(),
            send_binary: false,
            notice: None,
        }
    }

    /// Sets the check of the upgrade request.
    pub fn guard(&mut self, guard: UpgradeGuard) {
        if let State::Upgrading(Upgrade::Requested { guard: place }) = &mut self.state {
            *place = Some(guard);
        }
    }

    /// Takes the line for the log about an upgrade that was accepted.
    pub fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    /// Drops the batch. Large buffers return their memory.
    pub fn release(&mut self) {
        self.batch.clear();
        self.batch.shrink_to(KEPT_BUFFER);
        self.pipe.input.reclaim();
    }

    /// Lets `append` put received bytes behind those in the buffer.
    pub fn fill<R>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.pipe.input.reclaim();
        append(self.pipe.input.end())
    }

    /// What has been received, while it should be an HTTP head.
    pub fn opening(&self) -> Option<&[u8]> {
        match &self.state {
            State::Upgrading(_) => Some(self.pipe.input.rest()),
            State::Open(_) => None,
        }
    }

    /// Makes a new batch of the bytes filled in, and appends the ranges of its messages to `messages`.
    ///
    /// # Errors
    /// The upgrade was refused, the protocol broken or the connection closed. Messages before that are
    /// in the batch, and the output has the reason for the other side.
    pub fn cut(&mut self, messages: &mut Vec<Range<usize>>) -> Result<(), Error> {
        self.batch.clear();
        self.batch.shrink_to(KEPT_BUFFER);
        self.binary.clear();
        if let State::Upgrading(upgrade) = &self.state {
            let input = self.pipe.input.rest();
            let Some(length) = upgrade.read(input, &mut self.pipe.output, &mut self.notice)? else {
                return Ok(());
            };
            self.pipe.input.consume(length);
            self.state = State::Open(Box::new(context(self.role, self.max_message)));
        }
        loop {
            let State::Open(context) = &mut self.state else { return Ok(()) };
            match context.read(&mut self.pipe) {
                Ok(Message::Text(text)) => self.add(text.as_bytes(), false, messages),
                Ok(Message::Binary(bytes)) => self.add(&bytes, true, messages),
                Ok(Message::Close(frame)) => {
                    // Sends the answer; a server's context returns an error then.
                    let _ = context.flush(&mut self.pipe);
                    return Err(closed(self.role, frame.as_ref()));
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(());
                }
                Err(error) => return Err(self.fail(&error)),
            }
        }
    }

    fn add(&mut self, message: &[u8], binary: bool, messages: &mut Vec<Range<usize>>) {
        let start = self.batch.len();
        self.batch.extend_from_slice(message);
        messages.push(start..self.batch.len());
        self.binary.push(binary);
    }

    /// Tells the other side and us what is wrong.
    fn fail(&mut self, error: &tungstenite::Error) -> Error {
        use tungstenite::Error as E;
        let (code, error) = match error {
            E::ConnectionClosed | E::AlreadyClosed => return closed(self.role, None),
            E::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let error = TooLong { length: *size, limit: *max_size };
                self.say_goodbye(CloseCode::Size, &error.to_string());
                return error.into();
            }
            E::Utf8(_) => (CloseCode::Invalid, broken("text that is no UTF-8")),
            error => (CloseCode::Protocol, broken(&error.to_string())),
        };
        self.say_goodbye(code, "");
        error
    }

    /// Begins the closing handshake with a reason, which is shorter than 124 bytes.
    fn say_goodbye(&mut self, code: CloseCode, reason: &str) {
        if let State::Open(context) = &mut self.state {
            // Closed already: then it has been said.
            let _ = context.close(&mut self.pipe, Some(CloseFrame { code, reason: reason.into() }));
        }
    }

    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.batch.get(range).unwrap_or_default()
    }

    pub fn is_binary(&self, message: usize) -> bool {
        self.binary.get(message).copied().unwrap_or_default()
    }

    pub fn set_binary(&mut self, binary: bool) {
        self.send_binary = binary;
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Without the closing handshake there is no other kind of end.
    pub fn is_inside_message(&self) -> bool {
        false
    }

    /// Returns the bytes to send. The caller empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.pipe.output
    }

    /// Turns frames with 4-byte lengths into WebSocket messages in the output.
    pub fn send(&mut self, frames: &[u8]) {
        let State::Open(context) = &mut self.state else { return };
        let mut rest = frames;
        while let Some((header, tail)) = rest.split_first_chunk() {
            let length = (u32::from_be_bytes(*header) as usize).min(tail.len());
            let (message, tail) = tail.split_at(length);
            rest = tail;
            // Fails if it is closed already.
            let _ = context.write(&mut self.pipe, outgoing(message, self.send_binary));
        }
        let _ = context.flush(&mut self.pipe);
    }

    /// Sends a ping.
    pub fn ping(&mut self) {
        if let State::Open(context) = &mut self.state {
            let _ = context.write(&mut self.pipe, Message::Ping(Bytes::new()));
            let _ = context.flush(&mut self.pipe);
        }
    }

    /// Begins the closing handshake.
    pub fn close(&mut self) {
        self.say_goodbye(CloseCode::Normal, "");
    }
}

/// JSON goes as text; what is no text cannot.
fn outgoing(message: &[u8], binary: bool) -> Message {
    let bytes = Bytes::copy_from_slice(message);
    if binary {
        return Message::Binary(bytes);
    }
    match bytes.clone().try_into() {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

fn context(role: Role, max_message: usize) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_CHUNK)
        .write_buffer_size(0)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    WebSocketContext::new(role, Some(config))
}

fn closed(role: Role, frame: Option<&CloseFrame>) -> Error {
    let other = if role == Role::Client { "daemon" } else { "peer" };
    let text = match frame {
        Some(CloseFrame { code: CloseCode::Normal, reason }) if reason.is_empty() => String::new(),
        Some(frame) => format!(" ({} {})", u16::from(frame.code), frame.reason).replace(" )", ")"),
        None => String::new(),
    };
    Error::new(ErrorKind::Closed, format!("connection closed by the {other}{text}"))
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("WebSocket: {what}"))
}
