//! Signals: threads that handle none, and signals as bytes that can be read from a descriptor.
//!
//! Signal handlers belong to the process. The handler of this module writes the number of the signal to a socket for
//! each [`Signals`] that listens to it. A handler may run on another thread and be interrupted between loading the
//! number of a socket and writing to it, for any time. Therefore sockets are never closed: they return to a pool, and
//! whatever is written late goes to a socket that expects it.

use std::io::{self, Read};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Signal numbers are below this on every system.
const SIGNALS: usize = 65;

/// The most listeners of one signal at a time: nested loops and watchers of a program.
const LISTENERS: usize = 64;

/// The sockets to which the handler writes each signal; -1 for none.
static TARGETS: [[AtomicI32; LISTENERS]; SIGNALS] =
    [const { [const { AtomicI32::new(-1) }; LISTENERS] }; SIGNALS];

/// What this module has installed in the process.
static PROCESS: Mutex<Process> =
    Mutex::new(Process { handlers: [const { None }; SIGNALS], free: Vec::new() });

struct Process {
    /// Our handler, for each signal that has one.
    handlers: [Option<Handler>; SIGNALS],
    /// Pairs of sockets without a listener.
    free: Vec<Pair>,
}

struct Handler {
    /// The handler that ours replaced.
    old: libc::sigaction,
    /// The count of listeners.
    listeners: usize,
}

/// Two connected sockets. They are never closed, as a handler may still write to one.
#[derive(Debug)]
struct Pair {
    reader: ManuallyDrop<UnixStream>,
    writer: ManuallyDrop<UnixStream>,
    /// The process that made it.
    process: u32,
}

/// Calls `start` with all signals blocked in the calling thread. A thread that it starts inherits that and never runs
/// a signal handler: the host's handlers run on the host's threads.
pub fn with_all_blocked<R>(start: impl FnOnce() -> R) -> R {
    let _unblocked_again = Mask::block_all();
    start()
}

/// The signals that a thread blocked before. Dropping it blocks just these again.
struct Mask(libc::sigset_t);

impl Mask {
    fn block_all() -> Mask {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: sigfillset initialises the set that it is given. pthread_sigmask reads it and writes `before`, whose
        // zeros are a valid set as well.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Mask(before.assume_init())
        }
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        // SAFETY: the set was initialised by `block_all`, and null is allowed in place of the old set.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// Returns whether this process ignores a signal.
pub fn is_ignored(number: i32) -> bool {
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zero is a valid value of every field of sigaction, and the call changes nothing but `current`, which
    // stays zero (the default action) if the number is no signal.
    unsafe {
        libc::sigaction(number, ptr::null(), current.as_mut_ptr());
        current.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Some signals as a descriptor, which is readable when one has come. The handlers that these signals had before do not
/// run until this is dropped.
#[derive(Debug)]
pub struct Signals {
    /// Taken on drop only.
    pair: Option<Pair>,
    numbers: Vec<i32>,
}

impl Signals {
    /// Listens to these signals.
    ///
    /// # Errors
    /// A number is no signal, or one that cannot be caught; or there is no descriptor left.
    pub fn new(numbers: &[i32]) -> io::Result<Signals> {
        let mut process = process();
        let pair = match process.free.pop() {
            Some(free) => free.of_this_process()?,
            None => Pair::new()?,
        };
        let writer = pair.writer.as_raw_fd();
        let mut signals = Signals { pair: Some(pair), numbers: Vec::new() };
        for &number in numbers {
            if let Err(error) = process.listen(number, writer) {
                // Dropping `signals` takes the lock.
                drop(process);
                return Err(error);
            }
            signals.numbers.push(number);
        }
        Ok(signals)
    }

    /// Returns the descriptor to watch.
    pub fn fd(&self) -> RawFd {
        self.pair.as_ref().map_or(-1, |pair| pair.reader.as_raw_fd())
    }

    /// Returns the next signal that has come.
    pub fn read(&self) -> Option<i32> {
        let pair = self.pair.as_ref()?;
        // Another number was written late, for an earlier listener with this pair.
        std::iter::from_fn(|| pair.read()).find(|number| self.numbers.contains(number))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let Some(pair) = self.pair.take() else { return };
        let mut process = process();
        for &number in &self.numbers {
            process.stop_listening(number, pair.writer.as_raw_fd());
        }
        process.free.push(pair);
    }
}

impl Pair {
    fn new() -> io::Result<Pair> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let [reader, writer] = [reader, writer].map(ManuallyDrop::new);
        Ok(Pair { reader, writer, process: std::process::id() })
    }

    /// Returns the pair without what was written to it before. In a fork, the numbers get new sockets, as the process
    /// above uses the old ones.
    ///
    /// # Errors
    /// There is no descriptor left.
    fn of_this_process(self) -> io::Result<Pair> {
        if self.process == std::process::id() {
            while self.read().is_some() {}
            return Ok(self);
        }
        let new = Pair::new()?;
        let [reader, writer] = [(new.reader, self.reader), (new.writer, self.writer)].map(|(new, old)| {
            let new = OwnedFd::from(ManuallyDrop::into_inner(new));
            let mut old = ManuallyDrop::new(OwnedFd::from(ManuallyDrop::into_inner(old)));
            // Replaces the file behind the number in one step: no handler finds the number free.
            let replaced = rustix::io::dup3(&new, &mut old, rustix::io::DupFlags::CLOEXEC);
            replaced.map(|()| ManuallyDrop::new(UnixStream::from(ManuallyDrop::into_inner(old))))
        });
        Ok(Pair { reader: reader?, writer: writer?, process: new.process })
    }

    fn read(&self) -> Option<i32> {
        let mut byte = [0];
        match (&*self.reader).read(&mut byte) {
            Ok(1) => Some(i32::from(byte[0])),
            _ => None,
        }
    }
}

fn process() -> MutexGuard<'static, Process> {
    // What the mutex guards is whole whenever a panic could come.
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn index(number: i32) -> io::Result<usize> {
    let index = usize::try_from(number).ok().filter(|index| (1..SIGNALS).contains(index));
    index.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{number} is no signal")))
}

impl Process {
    fn listen(&mut self, number: i32, writer: RawFd) -> io::Result<()> {
        let index = index(number)?;
        let free = TARGETS[index].iter().find(|target| target.load(Ordering::Relaxed) < 0);
        let free = free.ok_or_else(|| io::Error::other(format!("too many listen to signal {number}")))?;
        match &mut self.handlers[index] {
            Some(handler) => handler.listeners += 1,
            empty => *empty = Some(Handler { old: install(number)?, listeners: 1 }),
        }
        free.store(writer, Ordering::Release);
        Ok(())
    }

    fn stop_listening(&mut self, number: i32, writer: RawFd) {
        let Ok(index) = index(number) else { return };
        let Some(handler) = &mut self.handlers[index] else { return };
        if let Some(target) = TARGETS[index].iter().find(|target| target.load(Ordering::Relaxed) == writer) {
            target.store(-1, Ordering::Release);
            handler.listeners -= 1;
        }
        if handler.listeners == 0 {
            restore(number, &handler.old);
            self.handlers[index] = None;
        }
    }
}

/// Returns the handler of this module.
fn ours() -> libc::sighandler_t {
    on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t
}

/// Runs in whatever thread gets the signal, in the middle of anything.
extern "C" fn on_signal(number: libc::c_int) {
    let targets = TARGETS.get(number as usize).into_iter().flatten();
    for target in targets.map(|target| target.load(Ordering::Acquire)).filter(|target| *target >= 0) {
        deliver(number, target);
    }
}

/// Writes the number of a signal to a socket. The rest of a handler, which may be late.
fn deliver(number: libc::c_int, target: RawFd) {
    let byte = number as u8;
    // SAFETY: send and errno's place may be used in signal handlers. The descriptor is one of a pair, which is never
    // closed; send takes any number, does not raise SIGPIPE and does not block, and fails on what is no socket. A full
    // socket has enough to wake its reader. errno is put back for the code that was interrupted.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::send(target, ptr::from_ref(&byte).cast(), 1, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);
        *errno = before;
    }
}

/// Installs the handler and returns the one that it replaces.
fn install(number: i32) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zero is a valid value of every field of sigaction; sigemptyset initialises the mask; the handler does only
    // what handlers may do; sigaction initialises `old` if it succeeds.
    unsafe {
        let mut new = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        new.sa_sigaction = ours();
        // The host's own system calls go on afterwards; poll(2) ends all the same.
        new.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut new.sa_mask);
        if libc::sigaction(number, &new, old.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(old.assume_init())
    }
}

/// Puts the old handler back, unless the program has installed another one since.
fn restore(number: i32, old: &libc::sigaction) {
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction initialises `current` if it succeeds, and only reads `old`, which it returned before.
    unsafe {
        if libc::sigaction(number, ptr::null(), current.as_mut_ptr()) == 0
            && current.assume_init().sa_sigaction == ours()
        {
            libc::sigaction(number, old, ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_handler_writes_to_no_other_file() {
        let signals = Signals::new(&[libc::SIGUSR2]).expect("a signal");
        let target = TARGETS[libc::SIGUSR2 as usize][0].load(Ordering::Acquire);
        assert!(target >= 0);
        // Another thread's handler is interrupted here. Meanwhile the listener goes and its numbers could be used again.
        drop(signals);
        let others: Vec<_> = (0..8).map(|_| UnixStream::pair().expect("descriptors")).collect();
        deliver(libc::SIGUSR2, target);
        for socket in others.iter().flat_map(|(one, other)| [one, other]) {
            socket.set_nonblocking(true).expect("settable");
            let received = (&*socket).read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(received, Err(io::ErrorKind::WouldBlock), "descriptor {}", socket.as_raw_fd());
        }
        // The next listener has other signals.
        let next = Signals::new(&[libc::SIGURG]).expect("a signal");
        deliver(libc::SIGUSR2, target);
        assert_eq!(next.read(), None);
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for number in [0, -1, 65, libc::SIGKILL] {
            assert!(Signals::new(&[libc::SIGURG, number]).is_err(), "{number}");
        }
    }

    #[test]
    fn blocked_signals_are_unblocked_again() {
        let mask = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux");
            status.lines().find(|line| line.starts_with("SigBlk:")).expect("a mask").to_owned()
        };
        let before = mask();
        let inside = with_all_blocked(|| std::thread::spawn(mask)).join().expect("no panic");
        assert_ne!(inside, before);
        assert_eq!(mask(), before);
    }
}
