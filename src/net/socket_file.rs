//! The file of a Unix socket that a daemon listens on: it replaces nothing but a dead socket, and has
//! its mode from the moment it appears.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::net::{self, SocketAddrUnix};
use rustix::rand::{GetRandomFlags, getrandom};

use super::address::Address;
use super::socket::Socket;

/// The socket file of a listener. It is removed on drop, unless another file has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode of the socket.
    identity: (u64, u64),
}

impl SocketFile {
    /// Binds `socket` to a new socket file at `path` with these permissions, and calls `listen` before the
    /// file appears there.
    ///
    /// # Errors
    /// There is a file that is no socket, a daemon answers on it, the directory is missing, or what the
    /// system says.
    pub fn bind(
        path: &[u8],
        mode: u32,
        socket: &OwnedFd,
        listen: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<SocketFile> {
        let path = Path::new(OsStr::from_bytes(path));
        // A name like `dir/` has no file name; neither has `..`.
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let is_dead = check_replaceable(path)?;
        let private = PrivateDir::beside(path)?;
        let hidden = private.0.join(name);
        bind(socket, &private.0, &hidden)?;
        let file = Hidden(&hidden);
        fs::set_permissions(&hidden, Permissions::from_mode(mode))?;
        listen()?;
        let identity = identity(&fs::symlink_metadata(&hidden)?);
        if is_dead {
            fs::remove_file(path)?;
        }
        publish(&hidden, path)?;
        std::mem::forget(file);
        Ok(SocketFile { path: path.to_owned(), identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been removed, or replaced, since.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Returns whether `path` is a socket without a listener; `false` if it does not exist.
fn check_replaceable(path: &Path) -> io::Result<bool> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let text = "the file exists and is not a socket; it is not replaced";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match Socket::connect(&Address::Unix(SocketAddrUnix::new(path)?)) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        // Removed since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // Also when its queue is full: the daemon is alive.
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Binds to `path`, also where it is too long for a socket address: then by way of its directory's descriptor.
fn bind(socket: &OwnedFd, directory: &Path, path: &Path) -> io::Result<()> {
    if let Ok(address) = SocketAddrUnix::new(path) {
        return Ok(net::bind(socket, &address)?);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    let name = path.file_name().unwrap_or_default();
    let short = Path::new("/proc/self/fd").join(directory.as_fd().as_raw_fd().to_string()).join(name);
    Ok(net::bind(socket, &SocketAddrUnix::new(short.as_path())?)?)
}

/// Moves the socket to where it can be found, without replacing a file that has appeared there.
fn publish(hidden: &Path, path: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, hidden, CWD, path, RenameFlags::NOREPLACE) {
        // Not every file system can refuse to replace.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(hidden, path),
        Err(Errno::EXIST) => Err(io::ErrorKind::AddrInUse.into()),
        moved => Ok(moved?),
    }
}

/// A socket that is not yet where it can be found; removed on drop.
struct Hidden<'a>(&'a Path);

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

/// A directory that only its owner can enter, removed on drop if it is empty.
struct PrivateDir(PathBuf);

impl PrivateDir {
    /// Makes one in the directory of `path`.
    fn beside(path: &Path) -> io::Result<PrivateDir> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let mut random = [0; 4];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let directory = parent.join(format!(".jet-{:08x}", u32::from_ne_bytes(random)));
        DirBuilder::new().mode(0o700).create(&directory).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::new(error.kind(), format!("there is no directory '{}'", parent.display()))
            }
            _ => error,
        })?;
        Ok(PrivateDir(directory))
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
