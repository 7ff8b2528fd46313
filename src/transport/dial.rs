//! Dialling: the addresses of a daemon, one after the other, within one deadline.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::error::{reason, Error, ErrorKind};
use super::retired::Retired;
use super::socket::Socket;

/// One attempt that failed.
#[derive(Debug)]
struct Failure {
    reason: String,
    address: String,
}

/// Tries addresses in turn until one connects.
#[derive(Debug)]
pub(super) struct Dial {
    addresses: VecDeque<SocketAddr>,
    attempt: Option<Attempt>,
    deadline: Instant,
    failures: Vec<Failure>,
}

#[derive(Debug)]
struct Attempt {
    socket: Socket,
    address: SocketAddr,
    until: Instant,
}

impl Dial {
    pub fn new(addresses: Vec<SocketAddr>, deadline: Instant) -> Self {
        Dial { addresses: addresses.into(), attempt: None, deadline, failures: Vec::new() }
    }

    /// As [`new`](Self::new), for one port of several addresses.
    pub fn to(addresses: &[IpAddr], port: u16, deadline: Instant) -> Self {
        Dial::new(addresses.iter().map(|&address| SocketAddr::new(address, port)).collect(), deadline)
    }

    /// Goes on as far as it can now. `None`: not connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] with every reason, when there is nothing left to try.
    pub fn drive(&mut self, now: Instant, retired: &mut Retired) -> Result<Option<Socket>, Error> {
        loop {
            if let Some(attempt) = self.attempt.take() {
                match attempt.socket.is_connected() {
                    Ok(true) => return Ok(Some(attempt.socket)),
                    Ok(false) if now < attempt.until => {
                        self.attempt = Some(attempt);
                        return Ok(None);
                    }
                    Ok(false) => self.fail("connection timed out".to_owned(), attempt.address),
                    Err(error) => self.fail(reason(&error), attempt.address),
                }
                retired.keep(attempt.socket);
            }
            let Some(address) = self.addresses.pop_front() else {
                return Err(self.error());
            };
            self.begin(address, now);
        }
    }

    fn begin(&mut self, address: SocketAddr, now: Instant) {
        let left = self.deadline.saturating_duration_since(now);
        // An attempt gets its share of what is left: one black hole must not use up the time of
        // the addresses after it.
        let share = left / u32::try_from(self.addresses.len() + 1).unwrap_or(u32::MAX);
        match Socket::connect_tcp(address) {
            Ok(socket) => self.attempt = Some(Attempt { socket, address, until: now + share }),
            Err(error) => self.fail(reason(&error), address),
        }
    }

    fn fail(&mut self, reason: String, address: SocketAddr) {
        self.failures.push(Failure { reason, address: address.to_string() });
    }

    /// The socket to watch for 'writable'.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.attempt.as_ref().map(|attempt| attempt.socket.as_fd())
    }

    /// When to call [`drive`](Self::drive) even if nothing happens.
    pub fn deadline(&self) -> Instant {
        self.attempt.as_ref().map_or(self.deadline, |attempt| attempt.until)
    }

    /// Every reason once, each with the addresses it holds for.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    fn drive_to_end(mut dial: Dial) -> Result<Socket, Error> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(socket) = dial.drive(Instant::now(), &mut Retired::default())? {
                return Ok(socket);
            }
            assert!(Instant::now() < end, "still dialling");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn refused(count: u8) -> Vec<SocketAddr> {
        // Nobody listens on the discard port of these loopback addresses.
        (1..=count).map(|last| SocketAddr::from(([127, 7, 7, last], 9))).collect()
    }

    #[test]
    fn of_many_addresses_the_one_that_works_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let mut addresses = refused(60);
        addresses.push(listener.local_addr().expect("bound"));
        let dial = Dial::new(addresses, Instant::now() + Duration::from_secs(10));
        drive_to_end(dial).expect("the last one answers");
    }

    #[test]
    fn every_reason_is_told_once_with_its_addresses() {
        let mut addresses = refused(2);
        addresses.insert(1, SocketAddr::from(([255, 255, 255, 255], 9)));
        let dial = Dial::new(addresses, Instant::now() + Duration::from_secs(10));
        let text = drive_to_end(dial).expect_err("nobody listens").to_string();
        assert!(text.starts_with("connection refused (127.7.7.1:9, 127.7.7.2:9); "), "{text}");
        assert!(text.ends_with(" (255.255.255.255:9)"), "{text}");
    }
}
