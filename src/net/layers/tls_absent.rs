//! Stands in for `tls` in a build without it: nothing of this can be made.
#![allow(unused_variables, clippy::ptr_arg)]

use super::super::error::Error;
use super::super::options::{Target, TlsOptions};
use super::absent;

/// A daemon's certificate and key; there are none in a build without TLS.
#[derive(Debug, Clone)]
pub enum ServerTls {}

impl ServerTls {
    /// Always refuses.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](crate::net::ErrorKind::Options): this build has no TLS.
    pub fn new(
        certificate: &std::path::Path,
        key: &std::path::Path,
        client_ca: Option<&std::path::Path>,
    ) -> Result<ServerTls, Error> {
        Err(absent("TLS"))
    }

    /// Never called, as there is no value of this type.
    pub fn reread(&self) -> String {
        match *self {}
    }

    /// Never called, as there is no value of this type.
    pub fn warning(&self) -> Option<String> {
        match *self {}
    }

    /// Never called, as there is no value of this type.
    pub fn knows_peers(&self) -> bool {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Tls {}

impl Tls {
    pub fn client(options: &TlsOptions, target: &Target) -> Result<Tls, Error> {
        Err(absent("TLS"))
    }

    pub fn server(config: &ServerTls) -> Result<Tls, Error> {
        match *config {}
    }

    pub fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub fn has_ended(&self) -> bool {
        match *self {}
    }

    pub fn open(&mut self, received: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), Error> {
        match *self {}
    }

    pub fn seal(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        match *self {}
    }

    pub fn close(&mut self, out: &mut Vec<u8>) {
        match *self {}
    }
}
