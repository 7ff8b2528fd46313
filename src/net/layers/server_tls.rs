//! A daemon's certificate and key, and reading them again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;

use super::super::error::Error;
use super::tls_config;
use super::tls_files::certificates;
use super::x509::{Validity, now};

/// A certificate that expires in fewer days is logged.
const DAYS_TO_EXPIRY: i64 = 30;

/// A daemon's certificate and key, ready for use. Clones are one: what one reads again, all have.
#[derive(Debug, Clone)]
pub struct ServerTls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    validity: Option<Validity>,
}

impl Loaded {
    fn read(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Loaded, Error> {
        let chain = certificates(certificate)?;
        let validity = chain.first().and_then(|own| Validity::of(own));
        Ok(Loaded { config: Arc::new(tls_config::server(certificate, chain, key, client_ca)?), validity })
    }
}

impl ServerTls {
    /// Reads PEM files: the certificate with its intermediates, its key, and if peers have to show a
    /// certificate the authorities that sign those.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](crate::net::ErrorKind::Options) with the file that is no good.
    pub fn new(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerTls, Error> {
        let loaded = Loaded::read(certificate, key, client_ca)?;
        Ok(ServerTls(Arc::new(Shared {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: client_ca.map(Path::to_owned),
            loaded: Mutex::new(loaded),
        })))
    }

    /// Reads the files again, for connections that are accepted from then on. Returns what came of it, for the
    /// log; files that are no good change nothing.
    pub fn reread(&self) -> String {
        let Shared { certificate, key, client_ca, .. } = &*self.0;
        match Loaded::read(certificate, key, client_ca.as_deref()) {
            Ok(loaded) => {
                *self.loaded() = loaded;
                format!("the certificate is read again: {}", certificate.display())
            }
            Err(error) => format!("the certificate stays as it was: {error}"),
        }
    }

    /// Returns a warning if the certificate is expired or will be soon.
    pub fn warning(&self) -> Option<String> {
        let validity = self.loaded().validity?;
        let what = validity.warning(now(), DAYS_TO_EXPIRY)?;
        Some(format!("the certificate in {} {what}", self.0.certificate.display()))
    }

    /// Returns whether only peers get in that show a certificate.
    pub fn knows_peers(&self) -> bool {
        self.0.client_ca.is_some()
    }

    /// What new connections use.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.loaded().config.clone()
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        // What the mutex guards is replaced as a whole.
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
