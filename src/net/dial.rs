//! Dialling: the addresses of a daemon, one after the other, within one deadline.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::address::Address;
use super::error::{Error, ErrorKind, reason};
use super::lingering_fd::LingeringFd;
use super::socket::Socket;

/// When to try a Unix socket again whose queue of connections is full: unlike TCP there is no event
/// for that. Short against what a person notices, long against what it costs.
const QUEUE_PAUSE: Duration = Duration::from_millis(10);

/// One attempt that failed.
#[derive(Debug)]
struct Failure {
    reason: String,
    address: String,
}

/// Tries addresses in turn until one connects.
#[derive(Debug)]
pub struct Dial {
    addresses: VecDeque<Address>,
    attempt: Option<Attempt>,
    deadline: Instant,
    failures: Vec<Failure>,
    /// When to go on after a full queue.
    pause: Option<Instant>,
}

#[derive(Debug)]
struct Attempt {
    socket: Socket,
    address: Address,
    until: Instant,
}

impl Dial {
    pub fn new(addresses: impl IntoIterator<Item = Address>, deadline: Instant) -> Self {
        let addresses = addresses.into_iter().collect();
        Dial { addresses, attempt: None, deadline, failures: Vec::new(), pause: None }
    }

    /// Goes on as far as possible now. Returns `None` while it is not connected.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] with every reason, when there is nothing left to try.
    pub fn drive(&mut self, now: Instant, lingering: &mut LingeringFd) -> Result<Option<Socket>, Error> {
        loop {
            if let Some(attempt) = self.attempt.take() {
                match attempt.socket.is_connected() {
                    Ok(true) => return Ok(Some(attempt.socket)),
                    Ok(false) if now < attempt.until => {
                        self.attempt = Some(attempt);
                        return Ok(None);
                    }
                    Ok(false) => self.fail("connection timed out".to_owned(), &attempt.address),
                    Err(error) => self.fail(reason(&error), &attempt.address),
                }
                lingering.keep(attempt.socket);
            }
            if self.pause.is_some_and(|until| now < until) {
                return Ok(None);
            }
            self.pause = None;
            let Some(address) = self.addresses.pop_front() else {
                return Err(self.error());
            };
            self.begin(address, now);
        }
    }

    fn begin(&mut self, address: Address, now: Instant) {
        let left = self.deadline.saturating_duration_since(now);
        // An attempt gets its share of what is left: one black hole must not use up the time of
        // the addresses after it.
        let share = left / u32::try_from(self.addresses.len() + 1).unwrap_or(u32::MAX);
        match Socket::connect(&address) {
            Ok(socket) => self.attempt = Some(Attempt { socket, address, until: now + share }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !left.is_zero() => {
                self.pause = Some(self.deadline.min(now + QUEUE_PAUSE));
                self.addresses.push_front(address);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.fail("the daemon accepts no connection".to_owned(), &address);
            }
            Err(error) => self.fail(refusal(&error, &address), &address),
        }
    }

    fn fail(&mut self, reason: String, address: &Address) {
        self.failures.push(Failure { reason, address: address.to_string() });
    }

    /// Returns the socket to watch until it is writable.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.attempt.as_ref().map(|attempt| attempt.socket.as_fd())
    }

    /// Returns the time at which to call [`drive`](Self::drive) even if nothing happens.
    pub fn deadline(&self) -> Instant {
        let until = self.attempt.as_ref().map(|attempt| attempt.until);
        until.or(self.pause).unwrap_or(self.deadline)
    }

    /// Returns every reason once, with its addresses.
    fn error(&self) -> Error {
        let mut groups: Vec<(&str, String)> = Vec::new();
        for failure in &self.failures {
            match groups.iter_mut().find(|(reason, _)| *reason == failure.reason) {
                Some((_, addresses)) => {
                    addresses.push_str(", ");
                    addresses.push_str(&failure.address);
                }
                None => groups.push((&failure.reason, failure.address.clone())),
            }
        }
        let texts: Vec<String> =
            groups.iter().map(|(reason, addresses)| format!("{reason} ({addresses})")).collect();
        Error::new(ErrorKind::Unreachable, texts.join("; "))
    }
}

/// Returns the reason why connecting to an address failed. The system calls a file that is no socket refused.
fn refusal(error: &io::Error, address: &Address) -> String {
    let is_refused = error.kind() == io::ErrorKind::ConnectionRefused;
    if is_refused && address.file().is_some_and(|file| !is_socket(file)) {
        return "the file is not a socket".to_owned();
    }
    reason(error)
}

fn is_socket(file: &Path) -> bool {
    // If that is unknown, the system's words stand.
    file.metadata().map_or(true, |found| found.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    fn drive_to_end(mut dial: Dial) -> Result<Socket, Error> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(socket) = dial.drive(Instant::now(), &mut LingeringFd::default())? {
                return Ok(socket);
            }
            assert!(Instant::now() < end, "still dialling");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn refused(count: u8) -> Vec<Address> {
        // There is no listener on the discard port of these loopback addresses.
        (1..=count).map(|last| Address::Tcp(([127, 7, 7, last], 9).into())).collect()
    }

    #[test]
    fn of_many_addresses_the_one_that_works_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let mut addresses = refused(60);
        addresses.push(Address::Tcp(listener.local_addr().expect("bound")));
        let dial = Dial::new(addresses, Instant::now() + Duration::from_secs(10));
        drive_to_end(dial).expect("the last one answers");
    }

    #[test]
    fn every_reason_is_told_once_with_its_addresses() {
        let mut addresses = refused(2);
        addresses.insert(1, Address::Tcp(([255, 255, 255, 255], 9).into()));
        let dial = Dial::new(addresses, Instant::now() + Duration::from_secs(10));
        let text = drive_to_end(dial).expect_err("nobody listens").to_string();
        assert!(text.starts_with("connection refused (127.7.7.1:9, 127.7.7.2:9); "), "{text}");
        assert!(text.ends_with(" (255.255.255.255:9)"), "{text}");
    }
}
