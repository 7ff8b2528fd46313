//! Signals: keeping them away from a thread, and getting them as bytes from a descriptor.
//!
//! Handlers belong to the process, so what is installed here is noted in one place for all: per
//! signal the old handler, and who wants to hear of it.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Signal numbers are below this on every system.
const SIGNALS: usize = 65;

/// How many may listen to one signal at a time: nested loops and watchers of a program, not more.
const LISTENERS: usize = 64;

/// Where the handler writes the number of each signal; -1 for nowhere.
static TARGETS: [[AtomicI32; LISTENERS]; SIGNALS] =
    [const { [const { AtomicI32::new(-1) }; LISTENERS] }; SIGNALS];

/// What is installed for each signal.
static INSTALLED: Mutex<[Option<Installed>; SIGNALS]> = Mutex::new([const { None }; SIGNALS]);

struct Installed {
    old: libc::sigaction,
    /// How many listen; all of them hear of it.
    listeners: usize,
}

/// Blocks all signals in the calling thread: the host's handlers run on its other threads.
pub fn block_all_here() {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set it is given; pthread_sigmask only reads it and takes
    // null for the place of the old mask.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
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

/// Some signals as a descriptor: it is readable when one has come. Until this is dropped, the
/// old handlers of these signals do not run; then they are back.
#[derive(Debug)]
pub struct Signals {
    reader: UnixStream,
    writer: UnixStream,
    numbers: Vec<i32>,
}

impl Signals {
    /// Listens to these signals.
    ///
    /// # Errors
    /// A number is no signal, or one that cannot be caught; or there is no descriptor left.
    pub fn new(numbers: &[i32]) -> io::Result<Signals> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let mut signals = Signals { reader, writer, numbers: Vec::new() };
        for &number in numbers {
            listen(number, signals.writer.as_raw_fd())?;
            signals.numbers.push(number);
        }
        Ok(signals)
    }

    /// The descriptor to watch.
    pub fn fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// The next signal that has come.
    pub fn read(&self) -> Option<i32> {
        let mut byte = [0];
        match (&self.reader).read(&mut byte) {
            Ok(1) => Some(i32::from(byte[0])),
            _ => None,
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for &number in &self.numbers {
            stop_listening(number, self.writer.as_raw_fd());
        }
    }
}

fn installed() -> MutexGuard<'static, [Option<Installed>; SIGNALS]> {
    // What the mutex guards is whole whenever a panic could come.
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place(number: i32) -> io::Result<usize> {
    let place = usize::try_from(number).ok().filter(|place| (1..SIGNALS).contains(place));
    place.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{number} is no signal")))
}

fn listen(number: i32, fd: RawFd) -> io::Result<()> {
    let place = place(number)?;
    let mut all = installed();
    let free = TARGETS[place].iter().find(|target| target.load(Ordering::Relaxed) < 0);
    let free = free.ok_or_else(|| io::Error::other(format!("too many listen to signal {number}")))?;
    match &mut all[place] {
        Some(installed) => installed.listeners += 1,
        empty => *empty = Some(Installed { old: install(number)?, listeners: 1 }),
    }
    free.store(fd, Ordering::Release);
    Ok(())
}

fn stop_listening(number: i32, fd: RawFd) {
    let Ok(place) = place(number) else { return };
    let mut all = installed();
    let Some(installed) = &mut all[place] else { return };
    if let Some(target) = TARGETS[place].iter().find(|target| target.load(Ordering::Relaxed) == fd) {
        target.store(-1, Ordering::Release);
        installed.listeners -= 1;
    }
    if installed.listeners == 0 {
        restore(number, &installed.old);
        all[place] = None;
    }
}

/// The handler of this module.
fn ours() -> libc::sighandler_t {
    on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t
}

/// Runs in whatever thread gets the signal, in the middle of anything.
extern "C" fn on_signal(number: libc::c_int) {
    let byte = number as u8;
    let targets = TARGETS.get(number as usize).into_iter().flatten();
    for target in targets.map(|target| target.load(Ordering::Acquire)).filter(|target| *target >= 0) {
        // SAFETY: write and errno's place may be used in signal handlers. A descriptor that was
        // just closed makes write fail, and a full one has enough to wake its reader; errno is put
        // back for the code that was interrupted.
        unsafe {
            let errno = errno_place();
            let before = *errno;
            libc::write(target, ptr::from_ref(&byte).cast(), 1);
            *errno = before;
        }
    }
}

/// Where this thread's errno is.
///
/// # Safety
/// The place is valid for the calling thread only.
unsafe fn errno_place() -> *mut libc::c_int {
    unsafe { libc::__errno_location() }
}

/// Installs the handler and gives the old one.
fn install(number: i32) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zero is a valid value of every field of sigaction; sigemptyset initialises the mask;
    // the handler does only what handlers may do; sigaction initialises `old` if it succeeds.
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

/// Puts the old handler back, unless somebody has installed another one since.
fn restore(number: i32, old: &libc::sigaction) {
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction initialises `current` if it succeeds, and only reads `old`, which it gave.
    unsafe {
        if libc::sigaction(number, ptr::null(), current.as_mut_ptr()) == 0
            && current.assume_init().sa_sigaction == ours()
        {
            libc::sigaction(number, old, ptr::null_mut());
        }
    }
}
