//! TLS over real sockets: which certificates the peer and the daemon trust, with both framings.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::support::frames::frame;
use crate::support::net::*;
use crate::support::temp_dir::TempDir;
use jet::net::layers::{ServerTls, Wire};
use jet::net::{Bound, Connection, ErrorKind, Options, ServeOptions, TlsOptions, WebSocketOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

const LIMIT: usize = 10_000_000;

/// A certificate authority and the certificates it signed, as files.
struct Authority {
    files: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    ca: PathBuf,
}

impl Authority {
    fn new() -> Authority {
        let files = TempDir::new();
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let ca = files.file("ca.pem", issuer.pem());
        Authority { files, issuer, ca }
    }

    /// Signs a certificate for `name`. Returns the certificate's file, its key and its fingerprint.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        let fingerprint =
            digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        let file = |kind: &str, pem: String| self.files.file(&format!("{name}.{kind}"), pem);
        (file("cert", certificate.pem()), file("key", key.serialize_pem()), fingerprint)
    }
}

/// Starts a server with a certificate for one client. It echoes a message, and its thread returns the message or the
/// error.
fn daemon(
    (certificate, key, _): &(PathBuf, PathBuf, String),
    client_ca: Option<&PathBuf>,
    websocket: bool,
) -> (u16, JoinHandle<Result<Vec<u8>, String>>) {
    let tls = ServerTls::new(certificate, key, client_ca.map(PathBuf::as_path)).expect("valid");
    let (address, thread) = server(move |stream| {
        let mut remote = Remote::new(stream, Wire::server(Some(&tls), websocket, LIMIT).expect("built in"));
        remote.open()?;
        let message = remote.receive()?;
        remote.send(&message);
        let _ = remote.receive();
        Ok(message)
    });
    (address.port(), thread)
}

fn options(port: u16, tls: TlsOptions) -> Options {
    Options { tls: Some(tls), ..Options::tcp("localhost", port) }
}

/// Connects, sends a message and waits for its echo.
fn talk(options: Options) -> Result<(), String> {
    let mut connection = dial(options).map_err(|error| error.to_string())?;
    let message = vec![b'x'; 1_000_000];
    connection.write(&mut frame(&message)).map_err(|error| error.to_string())?;
    let (messages, error) = receive(&mut connection, 1);
    connection.close();
    match error {
        None => assert!(messages == [message]),
        Some(error) => return Err(error.to_string()),
    }
    Ok(())
}

#[test]
fn an_authority_of_ones_own_is_trusted_under_either_framing() {
    let authority = Authority::new();
    let identity = authority.sign("localhost");
    for websocket in [false, true] {
        let (port, daemon) = daemon(&identity, None, websocket);
        let tls = TlsOptions { ca_file: Some(authority.ca.clone()), ..TlsOptions::default() };
        let mut options = options(port, tls);
        options.websocket = websocket.then(WebSocketOptions::default);
        assert_eq!(talk(options), Ok(()));
        assert_eq!(daemon.join().expect("script").expect("a message").len(), 1_000_000);
    }
}

#[test]
fn a_stranger_is_refused_with_the_reason() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (port, daemon) = daemon(&theirs.sign("localhost"), None, false);
    let error =
        dial_error(options(port, TlsOptions { ca_file: Some(ours.ca.clone()), ..TlsOptions::default() }));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("invalid peer certificate: "), "{error}");
    assert!(error.to_string().contains("not signed by a trusted authority; name the authority's"), "{error}");
    assert!(error.to_string().contains("ca_file"), "{error}");
    let told = daemon.join().expect("script").expect_err("refused");
    assert!(told.contains("alert"), "no alert: {told}");
}

#[test]
fn the_name_has_to_be_right_or_said_otherwise() {
    let authority = Authority::new();
    let identity = authority.sign("rig.example");
    let tls = TlsOptions { ca_file: Some(authority.ca.clone()), ..TlsOptions::default() };
    let (port, _daemon) = daemon(&identity, None, false);
    let error = dial_error(options(port, tls.clone()));
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let (port, _daemon) = daemon(&identity, None, false);
    let named = TlsOptions { server_name: Some("rig.example".to_owned()), ..tls };
    assert_eq!(talk(options(port, named)), Ok(()));
}

#[test]
fn a_pinned_certificate_needs_no_authority() {
    let authority = Authority::new();
    let identity = authority.sign("other.example");
    let pinned =
        |pin: &str| TlsOptions { pins: vec!["00".repeat(32), pin.to_owned()], ..TlsOptions::default() };
    let (port, _daemon) = daemon(&identity, None, false);
    assert_eq!(talk(options(port, pinned(&identity.2))), Ok(()));
    let (port, _daemon) = daemon(&identity, None, false);
    let error = dial_error(options(port, pinned(&"11".repeat(32))));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    // With a pin and an authority, both have to match.
    let (port, _daemon) = daemon(&identity, None, false);
    let both = TlsOptions { ca_file: Some(authority.ca.clone()), ..pinned(&identity.2) };
    let error = dial_error(options(port, both));
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[test]
fn a_daemon_can_ask_for_certificates() {
    let authority = Authority::new();
    let identity = authority.sign("localhost");
    let (certificate, key, _) = authority.sign("peer");
    let anonymous = TlsOptions { ca_file: Some(authority.ca.clone()), ..TlsOptions::default() };
    let named = TlsOptions { certificate: Some(certificate), key: Some(key), ..anonymous.clone() };
    let (port, served) = daemon(&identity, Some(&authority.ca), false);
    assert_eq!(talk(options(port, named)), Ok(()));
    served.join().expect("script").expect("a message");
    let (port, refused) = daemon(&identity, Some(&authority.ca), false);
    let error = talk(options(port, anonymous)).expect_err("refused");
    assert!(error.contains("alert") || error.contains("reset"), "{error}");
    assert!(refused.join().expect("script").is_err());
}

#[test]
fn strangers_are_kept_out_by_asking_for_certificates_and_by_nothing_else_of_tls() {
    let authority = Authority::new();
    let (certificate, key, _) = authority.sign("localhost");
    for (client_ca, host, expected) in
        [(None, "0.0.0.0", true), (Some(&*authority.ca), "0.0.0.0", false), (None, "127.0.0.2", false)]
    {
        let tls = Some(ServerTls::new(&certificate, &key, client_ca).expect("valid"));
        let bound = Bound::tcp(Some(host), 0).expect("listens");
        let bound = bound.speaking(ServeOptions { tls, ..ServeOptions::default() }).expect("built in");
        assert_eq!(bound.is_open_to_strangers(), expected, "{host}");
    }
}

#[test]
fn no_tls_on_the_other_side_is_told_at_once() {
    let (address, _server) = server(|mut stream| {
        use std::io::{Read, Write};
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(&frame(b"{\"id\":1}")).expect("written");
        let _ = stream.read(&mut [0]);
    });
    let pins = vec!["00".repeat(32)];
    let error = dial_error(options(address.port(), TlsOptions { pins, ..TlsOptions::default() }));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().starts_with("TLS: "), "{error}");
}

#[test]
fn files_and_options_that_are_no_good_are_named() {
    let authority = Authority::new();
    let (certificate, key, _) = authority.sign("x");
    let missing = PathBuf::from("/does/not/exist.pem");
    let base = TlsOptions { ca_file: Some(authority.ca.clone()), ..TlsOptions::default() };
    let cases = [
        (TlsOptions { ca_file: Some(missing.clone()), ..base.clone() }, "/does/not/exist.pem"),
        (TlsOptions { ca_file: Some(key.clone()), ..base.clone() }, "no certificate in it"),
        (TlsOptions { certificate: Some(certificate.clone()), ..base.clone() }, "needed together"),
        (
            TlsOptions { certificate: Some(certificate.clone()), key: Some(certificate), ..base.clone() },
            "x.cert: ",
        ),
        (TlsOptions { pins: vec!["abc".to_owned()], ..base.clone() }, "'abc' is no SHA-256 fingerprint"),
        (TlsOptions { server_name: Some("a b".to_owned()), ..base }, "'a b' is no server name"),
    ];
    for (tls, text) in cases {
        let error = Connection::open(options(1, tls), Instant::now()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().starts_with("TLS: ") && error.to_string().contains(text), "{error}");
    }
    let error = ServerTls::new(&missing, &key, None).expect_err("refused");
    assert!(error.to_string().contains("/does/not/exist.pem"), "{error}");
}
