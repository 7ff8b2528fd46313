//! What TLS refuses, in words that say what to do.

use std::fmt::Write;

use rustls::CertificateError;

use super::x509::rsa_bits;

/// Bits of an RSA key that is long enough.
pub const LEAST_RSA_BITS: usize = 2048;

/// Explains an error; `shown` is the certificate that the other side has shown.
pub fn explain(error: &rustls::Error, shown: Option<&[u8]>) -> String {
    let (rustls::Error::InvalidCertificate(reason), Some(shown)) = (error, shown) else {
        return error.to_string();
    };
    let pin = fingerprint(shown);
    if let Some(text) = short_key(shown) {
        return format!("invalid peer certificate: {text}");
    }
    let advice = format!("in ca_file, or its fingerprint: pins = {{'{pin}'}}");
    match reason {
        CertificateError::ApplicationVerificationFailure => {
            format!("invalid peer certificate: it is none of those in pins, its fingerprint is {pin}")
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!(
                "{error}: it is not signed by a trusted authority; name the authority's certificate {advice}"
            )
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            format!(
                "invalid peer certificate: it is self-signed (CaUsedAsEndEntity); name this certificate {advice}"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("{error}: it has expired")
        }
        _ => format!("{error}; pins = {{'{pin}'}} accepts this certificate whatever it says"),
    }
}

/// Returns the reason why a certificate cannot be used if its RSA key is too short.
pub fn short_key(certificate: &[u8]) -> Option<String> {
    let bits = rsa_bits(certificate).filter(|bits| *bits < LEAST_RSA_BITS)?;
    Some(format!("its RSA key of {bits} bits is too short, {LEAST_RSA_BITS} are needed"))
}

/// SHA-256 of a certificate, as pins are written.
fn fingerprint(certificate: &[u8]) -> String {
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, certificate);
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
