//! TLS on one connection: encrypted bytes in, plain bytes out, and back. Whom to trust is
//! decided in `tls_config`.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::{ClientConnection, Connection, ServerConnection};

use super::super::error::{Error, ErrorKind};
use super::super::options::{Target, TlsOptions};
pub use super::server_tls::ServerTls;
use super::tls_config::{self, Shown};
use super::tls_files::bad;
use super::tls_words::explain;
use crate::wire::KEPT_BUFFER;

/// One end of an encrypted connection.
#[derive(Debug)]
pub struct Tls {
    session: Connection,
    /// Whether the other side's close_notify has come.
    has_ended: bool,
    /// The certificate that the daemon has shown, at the peer's end.
    shown: Shown,
}

impl Tls {
    /// Returns the peer's end.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](crate::net::ErrorKind::Options): files that are no good, or no
    /// name that a certificate could be for.
    pub fn client(options: &TlsOptions, target: &Target) -> Result<Tls, Error> {
        let name = tls_config::server_name(options, target)?;
        let (config, shown) = tls_config::client(options)?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(|error| bad(&error))?;
        Ok(Tls::new(session.into(), shown))
    }

    /// Returns the daemon's end.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn server(config: &ServerTls) -> Result<Tls, Error> {
        let session = ServerConnection::new(config.config()).map_err(|error| bad(&error))?;
        Ok(Tls::new(session.into(), Shown::default()))
    }

    fn new(mut session: Connection, shown: Shown) -> Tls {
        // The buffers in front of it are the ones that are limited.
        session.set_buffer_limit(None);
        Tls { session, has_ended: false, shown }
    }

    pub fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Returns whether the other side has sent close_notify, after which it sends no data.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Decrypts all of `received` to the end of `plain`.
    ///
    /// # Errors
    /// The handshake failed, or a record was not what TLS allows. What could be decrypted before is
    /// there.
    pub fn open(&mut self, received: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), Error> {
        let mut input = received.as_slice();
        let mut result = Ok(());
        while !input.is_empty() && result.is_ok() {
            result = self.open_some(&mut input, plain);
        }
        received.clear();
        received.shrink_to(KEPT_BUFFER);
        result
    }

    fn open_some(&mut self, input: &mut &[u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        // The same failure is a refusal before the end of the handshake, a broken protocol after it.
        let kind = if self.session.is_handshaking() { ErrorKind::Unreachable } else { ErrorKind::Protocol };
        let fail = |text: String| Error::new(kind, format!("TLS: {text}"));
        let before = input.len();
        self.session.read_tls(input).map_err(|error| fail(error.to_string()))?;
        if input.len() == before {
            // Nothing is taken after the other side's close_notify.
            *input = &[];
            return Ok(());
        }
        let processed = self.session.process_new_packets();
        match self.session.reader().read_to_end(plain) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(fail(error.to_string())),
            _ => {}
        }
        let state = processed.map_err(|error| fail(explain(&error, self.shown.take().as_deref())))?;
        self.has_ended |= state.peer_has_closed();
        Ok(())
    }

    /// Encrypts all of `plain`, which is empty then, and appends what has to be sent to `out`: that,
    /// and what the handshake has to say. Before its end `plain` is kept inside.
    pub fn seal(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        // Without a limit it takes everything.
        let _ = self.session.writer().write_all(plain);
        plain.clear();
        while self.session.wants_write() {
            // A vector takes everything.
            if self.session.write_tls(out).is_err() {
                return;
            }
        }
    }

    /// Tells the other side that nothing more will come.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.session.send_close_notify();
        self.seal(&mut Vec::new(), out);
    }
}
