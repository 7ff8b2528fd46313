//! Puts a program into the background: a fork whose parent waits until the child works.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// The exit code of the parent if the child ended without one.
const FAILURE: libc::c_int = 1;

/// The child's side. Dropping it without [`ready`](Self::ready) leaves the parent waiting for the child to end.
#[derive(Debug)]
pub struct Background(UnixStream);

/// Forks. Returns in the child only, which leads a session of its own; working directory and open files stay as
/// they are. The parent ends with exit code 0 when the child reports [`ready`](Background::ready), and with the
/// child's exit code if the child ends before. To be called before there are other threads, which a fork does not have.
///
/// # Errors
/// The system refuses to fork; then there is no child.
pub fn background() -> io::Result<Background> {
    let (parent, child) = UnixStream::pair()?;
    // SAFETY: fork has no arguments. Its child goes on in a copy of this thread; what that finds locked by other
    // threads is the C library's own, which takes care of its locks.
    let process = unsafe { libc::fork() };
    match process {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(parent);
            // SAFETY: setsid has no arguments. It fails only in the leader of a process group, which a child is not.
            unsafe { libc::setsid() };
            Ok(Background(child))
        }
        _ => {
            drop(child);
            let code = wait(parent, process);
            // SAFETY: ends the process without running exit handlers and without flushing buffers: the child has
            // copies of both and goes on with them.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Waits until the child is ready or has ended; returns the exit code for the parent.
fn wait(mut from_child: UnixStream, process: libc::pid_t) -> libc::c_int {
    match from_child.read_exact(&mut [0]) {
        Ok(()) => 0,
        Err(_) => exit_code(process),
    }
}

fn exit_code(process: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call, and the process is a child of this one.
        let ended = unsafe { libc::waitpid(process, &mut status, 0) };
        if ended == process && libc::WIFEXITED(status) {
            return match libc::WEXITSTATUS(status) {
                0 => FAILURE,
                code => code,
            };
        }
        if ended == process || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return FAILURE;
        }
    }
}

impl Background {
    /// Lets the parent end with exit code 0.
    pub fn ready(mut self) {
        // Fails only if the parent is gone already.
        let _ = self.0.write_all(&[1]);
    }
}
