//! Forks of the host process: counting them, knowing the processes this one was forked from, and handlers that run
//! around each fork.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};

/// Processes above this one that are known; more forks in a row than this are not followed.
const GENERATIONS: usize = 32;

/// Forks that this process and the processes above it have begun.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that has begun the latest fork.
static FORKING: AtomicU32 = AtomicU32::new(0);

/// The processes above this one since the handlers were installed, in a ring.
static ANCESTORS: [AtomicU32; GENERATIONS] = [const { AtomicU32::new(0) }; GENERATIONS];

/// How many processes there are above this one.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// The observers of forks.
static OBSERVERS: Mutex<Vec<Weak<dyn AtFork>>> = Mutex::new(Vec::new());

/// Runs around each fork, on the thread that forks.
pub trait AtFork: Send + Sync {
    /// Before the fork.
    fn prepare(&self);
    /// After the fork, in the process that forked.
    fn parent(&self);
    /// After the fork, in the new process, which has no other thread.
    fn child(&self);
}

/// What is held from before a fork until after it.
struct Fork {
    observers: Vec<Arc<dyn AtFork>>,
    /// Keeps other threads from changing the list meanwhile: in the child it has to be whole and unlocked.
    _list: MutexGuard<'static, Vec<Weak<dyn AtFork>>>,
}

thread_local! {
    /// The fork that this thread is in.
    static CURRENT: RefCell<Option<Fork>> = const { RefCell::new(None) };
}

/// Installs the handlers, once for the process.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the handlers are functions of this library, which stays loaded (see `library`), and what they do
        // is fit for a process with threads: see the comments of each. Failing to install them leaves forks unseen.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    });
}

/// Calls `observer` around all forks for as long as it exists.
pub fn observe(observer: &Arc<dyn AtFork>) {
    install();
    let mut observers = observers();
    observers.retain(|observer| observer.strong_count() > 0);
    observers.push(Arc::downgrade(observer));
}

fn observers() -> MutexGuard<'static, Vec<Weak<dyn AtFork>>> {
    // The list is whole whenever a panic could come.
    OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Before a fork: this thread takes the lock of the list, so that it is not another thread that has it in the child.
extern "C" fn prepare() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    FORKING.store(std::process::id(), Ordering::Relaxed);
    let list = observers();
    let observers: Vec<_> = list.iter().filter_map(Weak::upgrade).collect();
    observers.iter().for_each(|observer| observer.prepare());
    // A thread that forks while it ends has no place for this; its observers are not called afterwards.
    let _ = CURRENT.try_with(|current| *current.borrow_mut() = Some(Fork { observers, _list: list }));
}

extern "C" fn parent() {
    after(|observer| observer.parent());
}

/// In the new process: the thread is the one that ran `prepare`, so it has the lock that is given back here.
extern "C" fn child() {
    let depth = DEPTH.load(Ordering::Relaxed);
    ANCESTORS[depth % GENERATIONS].store(FORKING.load(Ordering::Relaxed), Ordering::Relaxed);
    DEPTH.store(depth + 1, Ordering::Relaxed);
    after(|observer| observer.child());
}

fn after(tell: impl Fn(&Arc<dyn AtFork>)) {
    let fork = CURRENT.try_with(|current| current.borrow_mut().take()).ok().flatten();
    fork.iter().flat_map(|fork| &fork.observers).for_each(tell);
}

/// Returns how many forks this process and those above it have begun. Another number means that there was one.
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Returns how many processes there are above this one since the handlers were installed. Another number than before means
/// that this is a new process.
pub fn depth() -> usize {
    DEPTH.load(Ordering::Relaxed)
}

/// Returns whether all processes above this one have ended, up to and with the one that had this depth.
pub fn have_ancestors_ended(since: usize) -> bool {
    let depth = depth();
    if depth - since > GENERATIONS {
        return false;
    }
    (since..depth).all(|level| {
        let process = ANCESTORS[level % GENERATIONS].load(Ordering::Relaxed);
        if level + 1 == depth { !is_parent(process) } else { has_ended(process) }
    })
}

/// Returns whether a process is the parent of this one. A parent that ends is replaced at once.
fn is_parent(process: u32) -> bool {
    // SAFETY: getppid has no arguments and cannot fail.
    u32::try_from(unsafe { libc::getppid() }) == Ok(process)
}

/// Returns whether a process has ended, also if it is a zombie.
pub fn has_ended(process: u32) -> bool {
    let Ok(number) = libc::pid_t::try_from(process) else {
        return true;
    };
    // SAFETY: signal 0 is never delivered: it asks whether the process exists.
    let exists = unsafe { libc::kill(number, 0) } == 0
        || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM);
    !exists || is_zombie(process)
}

fn is_zombie(process: u32) -> bool {
    let stat = fs::read(format!("/proc/{process}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may have any byte.
    let name_end = stat.iter().rposition(|byte| *byte == b')').unwrap_or(stat.len());
    matches!(stat.get(name_end + 2), Some(b'Z' | b'X'))
}

/// Closes a descriptor that this process has from the one it was forked from, and that is used by nothing in it: its
/// owner there was on another thread.
pub fn close_inherited(fd: RawFd) {
    // SAFETY: close(2) takes any number. The descriptor belongs to a value on the stack of a thread that this process
    // does not have, so nothing uses it again or closes it a second time.
    unsafe { libc::close(fd) };
}

/// Returns true the first time it is called in each process.
pub fn is_first_time() -> bool {
    static CALLED_BY: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    CALLED_BY.swap(process, Ordering::Relaxed) != process
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_processes_have_not_ended() {
        assert!(!has_ended(std::process::id()));
        let mut child = std::process::Command::new("true").spawn().expect("starts");
        // A zombie until it is waited for.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !has_ended(child.id()) {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert!(child.wait().expect("waited for").success());
        assert!(has_ended(child.id()) && has_ended(u32::MAX));
    }
}
