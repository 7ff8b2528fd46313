//! Trust in TLS: certificates, keys, fingerprints.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
};

use super::super::error::Error;
use super::super::options::{Target, TlsOptions};
use super::tls_files::{bad, certificates, in_file, private_key, roots};
use super::tls_words;
use super::x509::{Validity, now};

/// SHA-256 of a certificate as it goes over the wire.
type Fingerprint = [u8; 32];

/// Returns the name that the daemon's certificate has to be for.
pub fn server_name(options: &TlsOptions, target: &Target) -> Result<ServerName<'static>, Error> {
    let name = options.server_name.as_deref().or_else(|| target.host());
    let Some(name) = name else {
        return Err(bad(&"a Unix socket has no name a certificate could be for: server_name is needed"));
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(name.to_owned()).map_err(|_| bad(&format_args!("'{name}' is no server name")))
}

/// What a peer needs.
pub fn client(options: &TlsOptions) -> Result<(ClientConfig, Shown), Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(options, &provider)?;
    let shown = verifier.shown.clone();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?
        .dangerous() // rustls calls every verifier but its own so; ours only adds fingerprints
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let short = short_key(certificate, &chain);
            config
                .with_client_auth_cert(chain, private_key(key)?)
                .map_err(|error| short.unwrap_or(bad(&error)))?
        }
        (None, None) => config.with_no_client_auth(),
        _ => return Err(bad(&"certificate and key are needed together")),
    };
    Ok((config, shown))
}

/// Returns the reason of a certificate that cannot be used, if that is its RSA key.
fn short_key(file: &Path, chain: &[CertificateDer<'static>]) -> Option<Error> {
    chain.first().and_then(|own| tls_words::short_key(own)).map(|text| in_file(file, &text))
}

/// What a daemon needs.
pub fn server(
    certificate: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<ServerConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?;
    let config = match client_ca {
        None => config.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(roots(file, certificates(file)?)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            config.with_client_cert_verifier(verifier.map_err(|error| bad(&error))?)
        }
    };
    let short = short_key(certificate, &chain);
    config.with_single_cert(chain, private_key(key)?).map_err(|error| short.unwrap_or(bad(&error)))
}

fn verifier(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Verifier, Error> {
    let listed = options.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let roots = match &options.ca_file {
        Some(file) => Some(roots(file, listed.clone())?),
        None if options.pins.is_empty() => Some(system_roots()?),
        None => None,
    };
    let chain = match roots {
        Some(roots) => {
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            Some(built.map_err(|error| bad(&error))?)
        }
        None => None,
    };
    let pins = options.pins.iter().map(|pin| fingerprint(pin)).collect::<Result<Vec<_>, _>>()?;
    Ok(Verifier { chain, listed, pins, provider: provider.clone(), shown: Shown::default() })
}

fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store with some certificates that cannot be read is still a store.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(bad(&"this system has no certificate authorities: ca_file or pins are needed"));
    }
    Ok(roots)
}

/// 64 hexadecimal digits, with or without colons between the bytes.
fn fingerprint(pin: &str) -> Result<Fingerprint, Error> {
    let digits: Vec<u8> =
        pin.chars().filter(|&c| c != ':').map_while(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let is_whole = pin.chars().filter(|&c| c != ':').count() == 64;
    Fingerprint::try_from(bytes)
        .ok()
        .filter(|_| is_whole)
        .ok_or_else(|| bad(&format_args!("'{pin}' is no SHA-256 fingerprint of 64 hexadecimal digits")))
}

/// Trusts by authorities, by fingerprints, or both.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// The certificates of `ca_file`. A daemon that shows one of them is trusted, however it is signed.
    listed: Vec<CertificateDer<'static>>,
    pins: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
    shown: Shown,
}

/// The certificate that was shown last, for the error if it is refused.
#[derive(Debug, Clone, Default)]
pub struct Shown(Arc<Mutex<Option<Vec<u8>>>>);

impl Shown {
    /// Takes it out.
    pub fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, certificate: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.to_vec());
    }
}

/// Accepts a certificate that is listed itself, where its name and its time fit.
fn verify_listed(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), rustls::Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    match Validity::of(certificate) {
        Some(validity) if validity.includes(now()) => Ok(()),
        Some(_) => Err(CertificateError::Expired.into()),
        None => Err(CertificateError::BadEncoding.into()),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.shown.set(end_entity);
        let digest = ::ring::digest::digest(&::ring::digest::SHA256, end_entity);
        if !self.pins.is_empty() && !self.pins.iter().any(|pin| digest.as_ref() == pin) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        match &self.chain {
            Some(_) if self.listed.contains(end_entity) => {
                verify_listed(end_entity, server_name).map(|()| ServerCertVerified::assertion())
            }
            Some(chain) => {
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let bytes = [0xab; 32];
        assert_eq!(fingerprint(&"ab".repeat(32)), Ok(bytes));
        assert_eq!(fingerprint(&["AB"; 32].join(":")), Ok(bytes));
        for wrong in ["", "ab", &"ab".repeat(33), &"zz".repeat(32), &format!("{}z", "ab".repeat(32))] {
            assert!(fingerprint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_name_is_the_hosts_unless_said_otherwise() {
        let name = |target: &Target, server_name: Option<&str>| {
            let options = TlsOptions { server_name: server_name.map(str::to_owned), ..TlsOptions::default() };
            super::server_name(&options, target).map(|name| name.to_str().into_owned())
        };
        let tcp = Target::Tcp { host: "[::1]".to_owned(), port: 1 };
        assert_eq!(name(&tcp, None), Ok("::1".to_owned()));
        assert_eq!(name(&tcp, Some("rig.example.")), Ok("rig.example".to_owned()));
        let unix = Target::Unix(b"@jet".to_vec());
        assert!(name(&unix, None).expect_err("no name").to_string().contains("server_name"));
        assert_eq!(name(&unix, Some("a b")).expect_err("bad").to_string(), "TLS: 'a b' is no server name");
    }
}
