//! A close_notify of TLS ends the input although the socket stays open: at the daemon and at the peer, with both
//! framings, in TLS 1.2 and 1.3.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use crate::support::frames::{frame, read_frame};
use crate::support::net::*;
use crate::support::temp_dir::TempDir;
use jet::daemon::Config;
use jet::net::{ErrorKind, Options, TlsOptions, WebSocketOptions};
use jet::server::{Handle, Options as DaemonOptions, ServeOptions, ServerTls, bind, start};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A certificate for localhost.
struct Identity {
    files: TempDir,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    fn new() -> Identity {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let files = TempDir::new();
        files.file("cert.pem", made.cert.pem());
        files.file("key.pem", made.signing_key.serialize_pem());
        Identity { files, certificate: made.cert.der().clone(), key: made.signing_key.serialize_der() }
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

type Client = StreamOwned<ClientConnection, TcpStream>;

fn client(identity: &Identity, version: &'static SupportedProtocolVersion, port: u16) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate.clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a client");
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    StreamOwned::new(session, stream)
}

/// Starts a daemon with a TLS port for each framing, and a plain port.
fn daemon(identity: &Identity) -> (Handle, [u16; 3]) {
    let path = |name| identity.files.path(name);
    let tls = Some(ServerTls::new(&path("cert.pem"), &path("key.pem"), None).expect("valid"));
    let local = || bind(Some("127.0.0.1"), 0).expect("a free port");
    let speaking = |websocket| {
        local()
            .speaking(ServeOptions { websocket, tls: tls.clone(), ..ServeOptions::default() })
            .expect("built in")
    };
    let listeners = vec![speaking(false), speaking(true), local()];
    let ports = [0, 1, 2].map(|at: usize| listeners[at].address().expect("a port").port());
    let config = Config::default();
    let handle =
        start(DaemonOptions { config, listeners, log: Box::new(|_| {}), accounts: None }).expect("starts");
    (handle, ports)
}

/// Returns a masked frame; the mask is zero.
fn websocket_frame(message: &str) -> Vec<u8> {
    let length = u8::try_from(message.len()).expect("short");
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], message.as_bytes()].concat()
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_peer_that_says_close_notify_and_waits_is_answered_and_forgotten() {
    let identity = Identity::new();
    let (_daemon, [tls, wss, plain]) = daemon(&identity);
    let mut witness = dial(Options::tcp("127.0.0.1", plain)).expect("connects");
    send(&mut witness, br#"{"id":1,"method":"fetch","params":{"id":"f"}}"#);
    receive(&mut witness, 1);
    let add = r#"{"method":"add","params":{"path":"a","value":1}}"#;
    for version in VERSIONS {
        for (port, websocket) in [(tls, false), (wss, true)] {
            let mut peer = client(&identity, version, port);
            if websocket {
                peer.write_all(UPGRADE.as_bytes()).expect("sent");
                peer.write_all(&websocket_frame(add)).expect("sent");
            } else {
                peer.write_all(&frame(add.as_bytes())).expect("sent");
            }
            let (messages, _) = receive(&mut witness, 1);
            assert!(String::from_utf8_lossy(&messages[0]).contains("\"add\""));
            peer.conn.send_close_notify();
            peer.flush().expect("sent");
            // The socket stays open: without a close_notify this is an error.
            peer.read_to_end(&mut Vec::new()).expect("the daemon's close_notify");
            let (messages, _) = receive(&mut witness, 1);
            assert!(String::from_utf8_lossy(&messages[0]).contains("\"remove\""));
        }
    }
}

#[test]
fn answers_still_come_after_close_notify() {
    let identity = Identity::new();
    let (_daemon, [tls, _, plain]) = daemon(&identity);
    let mut owner = dial(Options::tcp("127.0.0.1", plain)).expect("connects");
    send(&mut owner, br#"{"id":1,"method":"add","params":{"path":"m"}}"#);
    receive(&mut owner, 1);
    for version in VERSIONS {
        let mut peer = client(&identity, version, tls);
        peer.write_all(&frame(br#"{"id":7,"method":"call","params":{"path":"m"}}"#)).expect("sent");
        peer.conn.send_close_notify();
        peer.flush().expect("sent");
        let (messages, _) = receive(&mut owner, 1);
        let request: serde_json::Value = serde_json::from_slice(&messages[0]).expect("JSON");
        send(&mut owner, format!(r#"{{"id":{},"result":"late"}}"#, request["id"]).as_bytes());
        assert_eq!(read_frame(&mut peer), br#"{"id":7,"result":"late"}"#);
        peer.read_to_end(&mut Vec::new()).expect("the daemon's close_notify");
    }
}

#[test]
fn our_peer_takes_close_notify_for_the_end_and_answers_it() {
    for version in VERSIONS {
        for websocket in [false, true] {
            let identity = Identity::new();
            let key = PrivateKeyDer::try_from(identity.key.clone()).expect("a key");
            let config = ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .expect("known")
                .with_no_client_auth()
                .with_single_cert(vec![identity.certificate.clone()], key)
                .expect("valid");
            let (address, script) = server(move |stream| {
                let session = ServerConnection::new(Arc::new(config)).expect("a server");
                let mut stream = StreamOwned::new(session, stream);
                if websocket {
                    let mut request = [0; 4096];
                    let length = stream.read(&mut request).expect("a request");
                    stream.write_all(&upgraded(&request[..length])).expect("sent");
                } else {
                    read_frame(&mut stream);
                }
                stream.conn.send_close_notify();
                stream.flush().expect("sent");
                // Fails unless the peer sends close_notify before it closes the socket.
                stream.read_to_end(&mut Vec::new()).map_err(|error| error.to_string())
            });
            let ca_file = Some(identity.files.path("cert.pem"));
            let mut options = Options::tcp("localhost", address.port());
            options.tls = Some(TlsOptions { ca_file, ..TlsOptions::default() });
            options.websocket = websocket.then(WebSocketOptions::default);
            let mut connection = dial(options).expect("connects");
            send(&mut connection, b"{}");
            let begun = Instant::now();
            let (_, error) = receive_to_end(&mut connection);
            assert_eq!(error.kind(), ErrorKind::Closed);
            assert!(begun.elapsed() < PATIENCE / 2, "it waits until the socket closes");
            script.join().expect("script").expect("the peer's close_notify");
        }
    }
}

/// Returns the response to an upgrade request.
fn upgraded(request: &[u8]) -> Vec<u8> {
    let request = String::from_utf8_lossy(request).into_owned();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}
