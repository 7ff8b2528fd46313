//! Daemons on loopback sockets, and plain connections to them.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use jet::daemon::{Config, LogLine};
use jet::server::{Handle, Options, Registry, bind, start};
use serde_json::{Value, json};

use super::frames::{read_frame, write_frame};

/// How long a connection waits for a message: longer than any test takes, so that a hang becomes a failure.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A running daemon with its log.
pub struct Daemon {
    pub handle: Handle,
    pub log: mpsc::Receiver<LogLine>,
}

impl Daemon {
    /// Starts a daemon on a free port.
    pub fn start(config: Config, accounts: Option<Registry>) -> Daemon {
        let (sender, log) = mpsc::channel();
        let options = Options {
            config,
            listeners: vec![bind(Some("127.0.0.1"), 0).expect("a free port")],
            log: Box::new(move |line| {
                let _ = sender.send(line);
            }),
            accounts,
        };
        Daemon { handle: start(options).expect("started"), log }
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.address())
    }
}

/// A connection to a daemon.
pub struct Peer(pub TcpStream);

impl Peer {
    pub fn connect(address: SocketAddr) -> Peer {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("set");
        stream.set_nodelay(true).expect("set");
        Peer(stream)
    }

    pub fn send(&mut self, message: &Value) {
        write_frame(&mut self.0, message.to_string());
    }

    /// Waits for the next message.
    pub fn read(&mut self) -> Value {
        serde_json::from_slice(&read_frame(&mut self.0)).expect("JSON")
    }

    /// Sends a request with the id 1 and returns the next message.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"id": 1, "method": method, "params": params}));
        self.read()
    }

    /// Waits for the end of the connection. Returns `false` if more bytes arrive first.
    pub fn is_ended(&mut self) -> bool {
        match self.0.read(&mut [0; 1024]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Returns the messages up to the end of the connection.
    pub fn rest(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while matches!(self.0.peek(&mut [0; 1]), Ok(1)) {
            messages.push(self.read());
        }
        assert!(self.is_ended());
        messages
    }
}
