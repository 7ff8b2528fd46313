//! Reads a password: twice and without echo from a terminal, as one line from anything else.

use std::io::{self, IsTerminal, Stdin, Write};
use std::os::fd::AsRawFd;

use jet::sys::poll::{Polled, poll};
use jet::sys::signals::Signals;
use jet::users::{Error, MAX_PASSWORD_BYTES, Password};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Signals that end the program, and the one of Ctrl-Z. The terminal must not stay as it is while asking.
const SIGNALS: [i32; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP];

/// Why there is no password.
pub enum Failure {
    /// Something is wrong with it, or with the terminal.
    Error(Error),
    /// This signal came; the terminal is as it was.
    Signal(i32),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Error(Error::new(format!("cannot read the password: {error}")))
    }
}

/// Returns the new password of that user.
pub fn new_password(user: &str) -> Result<Password, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return password(read_line(&stdin, || Ok(()))?);
    }
    let mut terminal = Terminal::take(&stdin)?;
    let first = terminal.ask(&format!("New password for {user}: "))?;
    let second = terminal.ask("The same again: ")?;
    if *first != *second {
        return Err(Error::new("the two are not the same").into());
    }
    password(first)
}

fn password(line: Zeroizing<Vec<u8>>) -> Result<Password, Failure> {
    let text = std::str::from_utf8(&line).map_err(|_| Error::new("the password is not UTF-8"))?;
    Ok(Password::from(text.to_owned()))
}

/// Reads a line without its end; the end of the input ends it as well. Takes single bytes: what is behind the line is for
/// the next reader of the same stdin. `ready` waits until there is something.
fn read_line(
    stdin: &Stdin,
    mut ready: impl FnMut() -> Result<(), Failure>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Never grows, so no copy of it stays behind in memory.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 1));
    loop {
        ready()?;
        let mut byte = [0];
        match rustix::io::read(stdin, &mut byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() == MAX_PASSWORD_BYTES => {
                return Err(
                    Error::new(format!("the password is longer than {MAX_PASSWORD_BYTES} bytes")).into()
                );
            }
            Ok(_) => line.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Terminal<'s> {
    stdin: &'s Stdin,
    before: Termios,
    signals: Signals,
}

impl<'s> Terminal<'s> {
    fn take(stdin: &'s Stdin) -> io::Result<Terminal<'s>> {
        // First, so that no signal ends the program with the terminal mute.
        let signals = Signals::new(&SIGNALS)?;
        let terminal = Terminal { stdin, before: tcgetattr(stdin)?, signals };
        terminal.mute()?;
        Ok(terminal)
    }

    fn mute(&self) -> io::Result<()> {
        let mut muted = self.before.clone();
        muted.local_modes.remove(LocalModes::ECHO);
        // The Enter key is seen.
        muted.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // What was typed before the question is no answer to it.
        Ok(tcsetattr(self.stdin, OptionalActions::Flush, &muted)?)
    }

    fn restore(&self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(self.stdin, OptionalActions::Flush, &self.before);
    }

    fn ask(&mut self, question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        show(question);
        read_line(self.stdin, || self.wait(question))
    }

    /// Waits for a line, or for a signal.
    fn wait(&self, question: &str) -> Result<(), Failure> {
        loop {
            let mut polled =
                [self.stdin.as_raw_fd(), self.signals.fd()].map(|fd| Polled::new(fd, true, false));
            match poll(&mut polled, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            match self.signals.read() {
                Some(libc::SIGTSTP) => self.pause(question)?,
                Some(number) => {
                    show("\n");
                    return Err(Failure::Signal(number));
                }
                None if polled[0].readable() => return Ok(()),
                None => {}
            }
        }
    }

    /// Stops as Ctrl-Z does, with the terminal as it was, and asks again when the shell goes on with this program.
    fn pause(&self, question: &str) -> io::Result<()> {
        show("\n");
        self.restore();
        kill_process(getpid(), Signal::STOP)?;
        self.mute()?;
        show(question);
        Ok(())
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Writes to stderr, as stdout may be a file.
fn show(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
