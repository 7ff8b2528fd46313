//! Certificates and keys in PEM files, and what is wrong with files that are no good.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::error::{Error, ErrorKind};

/// What marks an encrypted key, in PKCS #8 and in older files.
const ENCRYPTED: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// Returns the certificates in a file, at least one.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let list = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match list {
        Ok(list) if list.is_empty() => Err(in_file(file, &"no certificate in it")),
        Ok(list) => Ok(list),
        Err(error) => Err(in_file(file, &error)),
    }
}

/// Returns the certificates as authorities to trust.
pub fn roots(file: &Path, certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| in_file(file, &error))?;
    }
    Ok(roots)
}

/// Returns the private key in a file.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = std::fs::read(file).map_err(|error| in_file(file, &error))?;
    let is_encrypted = |text: &str| ENCRYPTED.iter().any(|mark| text.contains(mark));
    if is_encrypted(&String::from_utf8_lossy(&text)) {
        let path = file.display();
        let text = format!("the key is encrypted; `openssl pkey -in {path}` decrypts it");
        return Err(in_file(file, &text));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => in_file(file, &"no private key in it"),
        error => in_file(file, &error),
    })
}

/// Returns an error of the caller's options.
pub fn bad(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Options, format!("TLS: {error}"))
}

/// Returns an error that names the file.
pub fn in_file(file: &Path, error: &dyn std::fmt::Display) -> Error {
    bad(&format_args!("{}: {error}", file.display()))
}
