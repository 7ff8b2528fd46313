//! The daemon's own certificate: it is read again while the daemon runs, and its expiry is logged.

use std::sync::mpsc;

use crate::support::net::*;
use crate::support::temp_dir::TempDir;
use jet::daemon::Config;
use jet::daemon::LogLine;
use jet::net::{Options, TlsOptions};
use jet::server::{Handle, Options as DaemonOptions, ServeOptions, ServerTls, bind, start};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// Writes a certificate for localhost that expires in `last_year`, and its key. Returns its fingerprint.
fn certify(files: &TempDir, last_year: i32) -> String {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_after = date_time_ymd(last_year, 6, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed");
    files.file("cert.pem", certificate.pem());
    files.file("key.pem", key.serialize_pem());
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn daemon(files: &TempDir) -> (Handle, mpsc::Receiver<LogLine>) {
    let tls = ServerTls::new(&files.path("cert.pem"), &files.path("key.pem"), None).expect("valid");
    let listeners = [false, false].map(|websocket| {
        let bound = bind(Some("127.0.0.1"), 0).expect("a free port");
        bound
            .speaking(ServeOptions { websocket, tls: Some(tls.clone()), ..ServeOptions::default() })
            .expect("built in")
    });
    let (sender, log) = mpsc::channel();
    let options = DaemonOptions {
        config: Config::default(),
        listeners: listeners.into(),
        log: Box::new(move |line| {
            let _ = sender.send(line);
        }),
        accounts: None,
    };
    (start(options).expect("starts"), log)
}

/// Returns the next log line about the certificate, and skips those about refused handshakes.
fn next(log: &mpsc::Receiver<LogLine>) -> String {
    loop {
        let text = log.recv_timeout(PATIENCE).expect("a line of the log").text;
        if text.starts_with("the certificate") {
            return text;
        }
    }
}

/// Returns `true` if a listener presents the certificate with the fingerprint `pin`.
fn shows(daemon: &Handle, listener: usize, pin: &str) -> bool {
    let tls = TlsOptions { pins: vec![pin.to_owned()], ..TlsOptions::default() };
    let port = daemon.addresses()[listener].port();
    dial(Options { tls: Some(tls), ..Options::tcp("localhost", port) }).is_ok()
}

#[test]
fn new_connections_see_the_certificate_that_was_read_again() {
    let files = TempDir::new();
    let old = certify(&files, 2999);
    let (daemon, log) = daemon(&files);
    let mut connected = dial(Options {
        tls: Some(TlsOptions { pins: vec![old.clone()], ..TlsOptions::default() }),
        ..Options::tcp("localhost", daemon.addresses()[0].port())
    })
    .expect("connects");
    let new = certify(&files, 2999);
    assert!(shows(&daemon, 0, &old));
    daemon.reread();
    assert_eq!(next(&log), format!("the certificate is read again: {}", files.path("cert.pem").display()));
    for listener in [0, 1] {
        assert!(shows(&daemon, listener, &new) && !shows(&daemon, listener, &old));
    }
    // Existing connections stay open.
    send(&mut connected, br#"{"id":1,"method":"echo"}"#);
    assert_eq!(receive(&mut connected, 1).0.len(), 1);
    // Invalid files change nothing.
    files.file("cert.pem", "no certificate");
    daemon.reread();
    let text = next(&log);
    assert!(text.starts_with("the certificate stays as it was: ") && text.contains("cert.pem"), "{text}");
    assert!(shows(&daemon, 0, &new));
}

#[test]
fn a_certificate_that_has_expired_is_logged_once() {
    let files = TempDir::new();
    certify(&files, 2001);
    let (daemon, log) = daemon(&files);
    let expected = format!("the certificate in {} expired on 2001-06-01", files.path("cert.pem").display());
    assert_eq!(next(&log), expected);
    daemon.reread();
    assert!(next(&log).starts_with("the certificate is read again"));
    assert_eq!(next(&log), expected);
    certify(&files, 2999);
    daemon.reread();
    assert!(next(&log).starts_with("the certificate is read again"));
    drop(daemon);
    assert!(log.recv().is_err(), "a second line is logged");
}
