//! From bytes to messages and back, without a socket: TLS, then WebSocket or length prefixes.
//!
//! A [`Wire`] is one end of one connection. The owner of the socket puts received bytes in with
//! [`fill`](Wire::fill), processes them with [`process`](Wire::process), takes the messages
//! and sends what [`output`](Wire::output) and [`pack`](Wire::pack) give. The peer's connection and the
//! daemon's server use the same one. Plain TCP passes through without a copy.
//!
//! Files: `tls` the encryption, `tls_config` whom to trust, `tls_files` and `x509` reading certificates, `tls_words` why
//! one is refused, `server_tls` a daemon's certificate, `greeting` other protocols on the port, `websocket` WebSocket messages, `upgrade` the
//! HTTP before them; the two `*_absent` stand in where a Cargo feature is off.

mod greeting;
#[cfg(feature = "tls")]
mod server_tls;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
mod tls;
#[cfg(feature = "tls")]
mod tls_config;
#[cfg(feature = "tls")]
mod tls_files;
#[cfg(feature = "tls")]
mod tls_words;
#[cfg(feature = "websocket")]
mod upgrade;
#[cfg_attr(not(feature = "websocket"), path = "websocket_absent.rs")]
mod websocket;
#[cfg(feature = "tls")]
mod x509;

use std::ops::Range;
use std::sync::Arc;

use super::error::{Error, ErrorKind};
use super::options::Options;
use super::upgrade_policy::UpgradePolicy;
use crate::wire::KEPT_BUFFER;
use crate::wire::frame::{Decoder, TooLong};
use greeting::{End, Spoken};
pub use tls::ServerTls;
use tls::Tls;
use websocket::Web;

/// The check of upgrade requests at a daemon's end of a WebSocket.
#[derive(Debug, Clone)]
pub struct UpgradeGuard {
    /// Which requests are accepted.
    pub policy: Arc<UpgradePolicy>,
    /// Whether the connection came to a loopback listener.
    pub on_loopback: bool,
}

/// The layers of one end of a connection.
#[derive(Debug)]
pub struct Wire {
    tls: Option<Box<Tls>>,
    web: Option<Box<Web>>,
    /// Length prefixes, where there is no `web`.
    decoder: Decoder,
    /// Encrypted bytes that came, where there is `tls`.
    received: Vec<u8>,
    /// Bytes to send that are no copy of what was written.
    sealed: Vec<u8>,
    messages: Vec<Range<usize>>,
    end: End,
    /// Whether encrypted bytes have been recognised as such.
    is_greeted: bool,
}

/// A daemon's answer to unencrypted bytes on an encrypted port: a fatal alert, unexpected_message.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 10];

impl Wire {
    fn new(is_client: bool, tls: Option<Tls>, web: Option<Web>, max_message: usize) -> Wire {
        let mut wire = Wire {
            end: End { is_client, tls: tls.is_some(), websocket: web.is_some() },
            is_greeted: false,
            tls: tls.map(Box::new),
            web: web.map(Box::new),
            decoder: Decoder::new(max_message),
            received: Vec::new(),
            sealed: Vec::new(),
            messages: Vec::new(),
        };
        wire.seal();
        wire
    }

    /// Returns the peer's end. Its [`output`](Self::output) begins the handshakes.
    ///
    /// # Errors
    /// [`ErrorKind::Options`]: a certificate file that cannot be read, a header that is none, or a
    /// layer that this build does not have.
    pub fn client(options: &Options) -> Result<Wire, Error> {
        let default_port = if options.tls.is_some() { 443 } else { 80 };
        let host = options.target.host_header(default_port);
        let tls = options.tls.as_ref().map(|tls| Tls::client(tls, &options.target)).transpose()?;
        let web = options.websocket.as_ref();
        let web = web.map(|web| Web::client(web, &host, options.max_message)).transpose()?;
        Ok(Wire::new(true, tls, web, options.max_message))
    }

    /// Returns the daemon's end: of a WebSocket, or of the trivial protocol; over TLS with this configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if this build does not have such a layer.
    pub fn server(tls: Option<&ServerTls>, websocket: bool, max_message: usize) -> Result<Wire, Error> {
        let tls = tls.map(Tls::server).transpose()?;
        let web = websocket.then(|| Web::server(max_message)).transpose()?;
        Ok(Wire::new(false, tls, web, max_message))
    }

    /// Sets the check of upgrade requests at the daemon's end of a WebSocket. Without, every one is accepted.
    pub fn guard(&mut self, guard: UpgradeGuard) {
        if let Some(web) = &mut self.web {
            web.guard(guard);
        }
    }

    /// Takes the line for the log about an upgrade request that was accepted.
    pub fn take_notice(&mut self) -> Option<String> {
        self.web.as_mut().and_then(|web| web.take_notice())
    }

    /// Lets `append` put received bytes behind those in the buffer. The messages so far are invalid.
    pub fn fill<R>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.messages.clear();
        match (&self.tls, &mut self.web) {
            (Some(_), _) => append(&mut self.received),
            (None, Some(web)) => web.fill(append),
            (None, None) => self.decoder.fill(append),
        }
    }

    /// Processes the bytes that were filled in: [`messages`](Self::messages) has the complete ones now, and
    /// [`output`](Self::output) what has to be answered.
    ///
    /// # Errors
    /// The other side has ended the connection or broken a protocol. Messages before that are there
    /// all the same, and the output (with the reason for the other side) should still be sent.
    pub fn process(&mut self) -> Result<(), Error> {
        let decrypted = self.decrypt();
        let cut = self.cut();
        self.seal();
        decrypted.and(cut)
    }

    fn decrypt(&mut self) -> Result<(), Error> {
        self.greet()?;
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let received = &mut self.received;
        match &mut self.web {
            Some(web) => web.fill(|plain| tls.open(received, plain)),
            None => self.decoder.fill(|plain| tls.open(received, plain)),
        }
    }

    /// Refuses unencrypted bytes where TLS is spoken, which TLS itself would do with less helpful words.
    fn greet(&mut self) -> Result<(), Error> {
        if self.tls.is_none() || self.is_greeted || self.received.is_empty() {
            return Ok(());
        }
        self.is_greeted = true;
        let Some(text) = Spoken::of(&self.received).and_then(|spoken| self.end.mismatch(spoken)) else {
            return Ok(());
        };
        self.received.clear();
        if !self.end.is_client {
            self.sealed.extend_from_slice(&ALERT);
        }
        Err(Error::new(ErrorKind::Unreachable, format!("TLS: {text}")))
    }

    fn cut(&mut self) -> Result<(), Error> {
        self.messages.clear();
        if let Some(web) = &mut self.web {
            let spoken = web.opening().and_then(Spoken::of);
            let mismatch = spoken.and_then(|spoken| self.end.mismatch(spoken));
            return web.cut(&mut self.messages).map_err(|error| match mismatch {
                Some(text) => Error::new(ErrorKind::Unreachable, format!("WebSocket: {text}")),
                None => error,
            });
        }
        let end = self.end;
        while let Some(range) = self.decoder.next_range().map_err(|error| refused(end, error))? {
            self.messages.push(range);
        }
        Ok(())
    }

    /// Moves the output of the layers into `sealed`.
    fn seal(&mut self) {
        match (&mut self.tls, &mut self.web) {
            (Some(tls), Some(web)) => tls.seal(web.output(), &mut self.sealed),
            (Some(tls), None) => tls.seal(&mut Vec::new(), &mut self.sealed),
            (None, Some(web)) => self.sealed.append(web.output()),
            (None, None) => {}
        }
    }

    /// Returns the complete messages since the last [`process`](Self::process), without lengths. They stay in
    /// place until the next [`fill`](Self::fill). A WebSocket's may be empty.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let at = |range: &Range<usize>| match &self.web {
            Some(web) => web.bytes(range.clone()),
            None => self.decoder.bytes(range.clone()),
        };
        self.messages.iter().map(at)
    }

    /// Returns whether that message came in a binary frame of a WebSocket.
    pub fn is_binary(&self, message: usize) -> bool {
        self.web.as_ref().is_some_and(|web| web.is_binary(message))
    }

    /// Whether messages are sent in binary frames of a WebSocket from now on; else in text frames.
    pub fn set_binary(&mut self, binary: bool) {
        if let Some(web) = &mut self.web {
            web.set_binary(binary);
        }
    }

    /// Drops the messages. Large buffers return their memory.
    pub fn clear(&mut self) {
        self.messages.clear();
        match &mut self.web {
            Some(web) => web.release(),
            None => self.decoder.release(),
        }
    }

    /// Returns whether all handshakes are done. Nothing may be [packed](Self::pack) before.
    pub fn is_open(&self) -> bool {
        !self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
            && self.web.as_ref().is_none_or(|web| web.is_open())
    }

    /// Returns whether the other side has ended its stream by TLS's close_notify, which counts as the end of
    /// input whether or not the socket ends as well.
    pub fn has_ended(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_ended())
    }

    /// Returns whether a message has begun and is not complete.
    pub fn is_inside_message(&self) -> bool {
        match &self.web {
            Some(web) => web.is_inside_message(),
            None => !self.decoder.is_empty(),
        }
    }

    /// Returns the bytes that the layers have to send: handshakes, pongs, closing messages. The caller
    /// empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.sealed
    }

    /// Turns whole frames with 4-byte lengths into what goes over the socket, behind what was in the
    /// [`output`](Self::output), and returns the buffer to take it from; `frames` is empty after that.
    pub fn pack<'a>(&'a mut self, frames: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
        match (&mut self.tls, &mut self.web) {
            (None, None) => return frames,
            (Some(tls), None) => tls.seal(frames, &mut self.sealed),
            (_, Some(web)) => {
                web.send(frames);
                self.seal();
            }
        }
        frames.clear();
        frames.shrink_to(KEPT_BUFFER);
        &mut self.sealed
    }

    /// Returns whether messages are framed by a WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.web.is_some()
    }

    /// Sends a ping on a WebSocket, and nothing elsewhere.
    pub fn ping(&mut self) {
        if let Some(web) = &mut self.web {
            web.ping();
        }
        self.seal();
    }

    /// Closes every layer; the closing messages are in the [`output`](Self::output).
    pub fn close(&mut self) {
        if let Some(web) = &mut self.web {
            web.close();
        }
        self.seal();
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.sealed);
        }
    }
}

/// Returns the error of a frame that is too long, or none: where its length are letters of another protocol.
fn refused(end: End, error: TooLong) -> Error {
    let first = u32::try_from(error.length).unwrap_or_default().to_be_bytes();
    match Spoken::of(&first).and_then(|spoken| end.mismatch(spoken)) {
        Some(text) => Error::new(ErrorKind::Protocol, text),
        None => error.into(),
    }
}

/// Returns the error of a layer that was left out of this build.
#[cfg(not(all(feature = "tls", feature = "websocket")))]
fn absent(what: &str) -> Error {
    Error::new(ErrorKind::Options, format!("this build has no {what}"))
}
