//! Scripted servers on loopback, and functions that drive a connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jet::net::{Connection, Error, Interest, Options, Status};

use super::frames::frame;

/// A limit for waits, longer than any test takes, so that a hang becomes a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a server for one client and passes the accepted stream to `script`. The thread's result has its panics.
pub fn server<R: Send + 'static>(
    script: impl FnOnce(TcpStream) -> R + Send + 'static,
) -> (SocketAddr, JoinHandle<R>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(PATIENCE)).expect("settable");
        script(stream)
    });
    (address, thread)
}

/// Returns a port of 127.0.0.1 without a listener.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// Returns the default options for an address.
pub fn options(address: SocketAddr) -> Options {
    Options::tcp(address.ip().to_string(), address.port())
}

/// Opens a connection and drives it until it is usable or has failed.
pub fn dial(options: Options) -> Result<Connection, Error> {
    let mut connection = Connection::open(options, Instant::now())?;
    drive_until_open(&mut connection)?;
    Ok(connection)
}

/// Drives a connection until it is usable or has failed.
pub fn drive_until_open(connection: &mut Connection) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    while connection.drive(Instant::now())? == Status::Dialling {
        assert!(Instant::now() < end, "still dialling");
        connection.wait(connection.wants(), None).expect("poll");
    }
    Ok(())
}

/// Waits until the kernel knows that the other side has reset the connection. Nothing is read.
pub fn wait_for_reset(connection: &Connection) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let fd = connection.fd().expect("connected");
    // SAFETY: the connection keeps its descriptor open as long as it is borrowed.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let limit = Timespec::try_from(PATIENCE).expect("short");
    // Errors and hang-ups are always reported.
    let count = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::empty())], Some(&limit)).expect("poll");
    assert_eq!(count, 1, "no reset");
}

/// Returns the error of a connection that must not succeed.
pub fn dial_error(options: Options) -> Error {
    match dial(options) {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

/// Reads until there are `count` messages or the connection ends. Returns the messages and the error.
pub fn receive(connection: &mut Connection, count: usize) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut messages = Vec::new();
    let end = Instant::now() + PATIENCE;
    while messages.len() < count {
        assert!(Instant::now() < end, "only {} messages", messages.len());
        let interest = Interest { read: true, write: connection.wants().write };
        connection.wait(interest, Some(end)).expect("poll");
        connection.drive(Instant::now()).expect("drives");
        let result = connection.read();
        messages.extend(connection.messages().map(<[u8]>::to_vec));
        if let Err(error) = result {
            return (messages, Some(error));
        }
    }
    (messages, None)
}

/// Reads until the connection ends. Returns all messages and the error.
pub fn receive_to_end(connection: &mut Connection) -> (Vec<Vec<u8>>, Error) {
    let (messages, error) = receive(connection, usize::MAX);
    (messages, error.expect("an end"))
}

/// Writes one message.
pub fn send(connection: &mut Connection, message: &[u8]) {
    connection.write(&mut frame(message)).expect("written");
}

/// A daemon's end of a blocking stream, which sends and receives whole messages.
pub struct Remote<S> {
    pub stream: S,
    pub wire: jet::net::layers::Wire,
    waiting: std::collections::VecDeque<Vec<u8>>,
}

impl<S: Read + Write> Remote<S> {
    pub fn new(stream: S, wire: jet::net::layers::Wire) -> Self {
        Remote { stream, wire, waiting: Default::default() }
    }

    /// Waits for the next message. Fails if the stream ends or has an error.
    pub fn receive(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(message);
            }
            let mut buffer = [0; 4096];
            let length = self.stream.read(&mut buffer).map_err(|error| error.to_string())?;
            if length == 0 {
                return Err("end".to_owned());
            }
            self.wire.fill(|input| input.extend_from_slice(&buffer[..length]));
            let processed = self.wire.process();
            self.waiting.extend(self.wire.messages().map(<[u8]>::to_vec));
            self.flush();
            processed.map_err(|error| error.to_string())?;
        }
    }

    /// Reads until the handshakes are done.
    pub fn open(&mut self) -> Result<(), String> {
        while !self.wire.is_open() {
            let mut buffer = [0; 4096];
            let length = self.stream.read(&mut buffer).map_err(|error| error.to_string())?;
            self.wire.fill(|input| input.extend_from_slice(&buffer[..length]));
            let processed = self.wire.process();
            self.waiting.extend(self.wire.messages().map(<[u8]>::to_vec));
            self.flush();
            processed.map_err(|error| error.to_string())?;
            if length == 0 {
                return Err("end".to_owned());
            }
        }
        Ok(())
    }

    /// Sends one message.
    pub fn send(&mut self, message: &[u8]) {
        let mut frames = frame(message);
        let bytes = std::mem::take(self.wire.pack(&mut frames));
        self.stream.write_all(&bytes).expect("written");
    }

    /// Sends the output of the layers, such as handshakes.
    pub fn flush(&mut self) {
        let bytes = std::mem::take(self.wire.output());
        // The other side may have closed the stream.
        let _ = self.stream.write_all(&bytes);
    }
}
