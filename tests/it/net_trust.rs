//! Which certificates are trusted, which files are accepted, and the errors for the rest.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::net::*;
use crate::support::temp_dir::TempDir;
use jet::daemon::Config;
use jet::net::{Options, TlsOptions};
use jet::server::{Handle, Options as DaemonOptions, ServeOptions, ServerTls, bind, start};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

/// A certificate as `openssl req -x509` makes it: self-signed, and marked as a certificate authority.
struct SelfSigned {
    files: TempDir,
    fingerprint: String,
}

impl SelfSigned {
    fn new(name: &str, last_year: i32) -> SelfSigned {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(last_year, 6, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let files = TempDir::new();
        files.file("cert.pem", certificate.pem());
        files.file("key.pem", key.serialize_pem());
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        SelfSigned { files, fingerprint: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    fn daemon(&self) -> Handle {
        let tls = ServerTls::new(&self.files.path("cert.pem"), &self.files.path("key.pem"), None);
        let options = ServeOptions { tls: Some(tls.expect("valid")), ..ServeOptions::default() };
        let listener = bind(Some("127.0.0.1"), 0).expect("a free port").speaking(options).expect("built in");
        let (config, listeners) = (Config::default(), vec![listener]);
        start(DaemonOptions { config, listeners, log: Box::new(|_| {}), accounts: None }).expect("starts")
    }

    fn listed(&self) -> TlsOptions {
        TlsOptions { ca_file: Some(self.files.path("cert.pem")), ..TlsOptions::default() }
    }
}

fn connect(daemon: &Handle, tls: TlsOptions) -> Result<(), String> {
    let options = Options { tls: Some(tls), ..Options::tcp("localhost", daemon.addresses()[0].port()) };
    dial(options).map(drop).map_err(|error| error.to_string())
}

fn pinned(pin: &str) -> TlsOptions {
    TlsOptions { pins: vec![pin.to_owned()], ..TlsOptions::default() }
}

#[test]
fn a_certificate_that_is_listed_itself_is_trusted_where_name_and_time_fit() {
    let good = SelfSigned::new("localhost", 2999);
    assert_eq!(connect(&good.daemon(), good.listed()), Ok(()));
    let elsewhere = SelfSigned::new("rig.example", 2999);
    let error = connect(&elsewhere.daemon(), elsewhere.listed()).expect_err("another name");
    assert!(error.contains("not valid for name") && error.contains(&elsewhere.fingerprint), "{error}");
    let old = SelfSigned::new("localhost", 2001);
    let error = connect(&old.daemon(), old.listed()).expect_err("too old");
    assert!(error.contains("it has expired"), "{error}");
    // A certificate with the same name and another key is not trusted.
    assert!(connect(&good.daemon(), SelfSigned::new("localhost", 2999).listed()).is_err());
}

#[test]
fn who_is_not_trusted_is_told_with_what_to_do() {
    let daemon = SelfSigned::new("localhost", 2999);
    let other = SelfSigned::new("other.example", 2999);
    let error = connect(&daemon.daemon(), other.listed()).expect_err("unknown");
    let advice = format!("pins = {{'{}'}}", daemon.fingerprint);
    assert!(
        error.contains("it is self-signed") && error.contains("ca_file") && error.contains(&advice),
        "{error}"
    );
    assert_eq!(connect(&daemon.daemon(), pinned(&daemon.fingerprint)), Ok(()));
    let error = connect(&daemon.daemon(), pinned(&other.fingerprint)).expect_err("another");
    let told = format!("it is none of those in pins, its fingerprint is {}", daemon.fingerprint);
    assert!(error.contains(&told), "{error}");
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/support", name].iter().collect()
}

#[test]
fn files_that_are_no_good_say_why() {
    let good = SelfSigned::new("localhost", 2999);
    let path = |name| good.files.path(name);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHs\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = good.files.file("encrypted.key", encrypted);
    let older =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIHs\n-----END RSA PRIVATE KEY-----\n";
    let older = good.files.file("older.key", older);
    let cases = [
        (path("cert.pem"), encrypted, "encrypted.key: the key is encrypted"),
        (path("cert.pem"), older, "older.key: the key is encrypted"),
        (path("cert.pem"), path("cert.pem"), "cert.pem: no private key in it"),
        (path("key.pem"), path("key.pem"), "key.pem: no certificate in it"),
        (
            fixture("rsa-1024.pem"),
            fixture("rsa-1024.key"),
            "rsa-1024.pem: its RSA key of 1024 bits is too short, 2048 are needed",
        ),
    ];
    for (certificate, key, expected) in cases {
        let error = ServerTls::new(&certificate, &key, None).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_short_rsa_key_of_the_daemon_is_named() {
    let mut command = Command::new("openssl");
    // openssl chooses a port and prints it.
    command.args([
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-naccept",
        "1",
        "-cipher",
        "ALL:@SECLEVEL=0",
        "-cert",
    ]);
    command.arg(fixture("rsa-1024.pem")).arg("-key").arg(fixture("rsa-1024.key"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut server) = command.spawn() else {
        return eprintln!("skipped: there is no openssl");
    };
    let lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let port =
        lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok());
    if let Some(port) = port {
        let listed = TlsOptions { ca_file: Some(fixture("rsa-1024.pem")), ..TlsOptions::default() };
        let error = dial_error(Options { tls: Some(listed), ..Options::tcp("localhost", port) });
        assert!(error.to_string().contains("RSA key of 1024 bits is too short"), "{error}");
    } else {
        eprintln!("skipped: this openssl does not serve");
    }
    let _ = server.kill();
    let _ = server.wait();
}
