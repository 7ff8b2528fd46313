//! The users file on the disk: read whole, changed under a lock, and replaced in one step.
//!
//! What lives here is all I/O of users. A reader sees the old file or the new one, never half of one. Two programs
//! that change it at a time, say `jetd passwd` and a daemon whose user has chosen a new password, wait for
//! each other with a lock on the file, which only programs that may read it can take. The program that gets it checks
//! whether the file has been replaced meanwhile, and then wants the lock on the new one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Error, Users, format};

/// Largest file that is read: tens of thousands of users. Whatever is larger is another file, or endless.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// The mode of a new file: for its owner only.
const NEW_MODE: u32 = 0o600;

/// The bits of a mode that are for users that neither own the file nor are in its group.
const OTHERS: u32 = 0o007;

/// How long another program may hold the lock. It reads and writes one file meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How often to look whether the lock is free.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Reads a users file.
///
/// # Errors
/// It cannot be read, or is no users file; the text names the file, the user and the member.
pub fn read(path: &Path) -> Result<Users, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| io_error("cannot read", path, &error))?;
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| io_error("cannot read", path, &error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::new(format!("larger than {MAX_FILE_BYTES} bytes")).at(path.display()));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::new("not UTF-8").at(path.display()))?;
    format::read(&text).map_err(|error| error.at(path.display()))
}

/// What to warn of if others on this machine can read or change the file; `None` if they cannot, or if
/// there is no file.
pub fn exposure(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode() & OTHERS;
    let what = match (mode & 0o4 != 0, mode & 0o2 != 0) {
        (false, false) => return None,
        (true, false) => "read",
        (false, true) => "change",
        (true, true) => "read and change",
    };
    Some(format!("everybody on this machine can {what} {0}: 'chmod o= {0}' ends that", path.display()))
}

/// Changes a users file: reads it, calls `change` with the users and writes them, under a lock. A file
/// that is missing is made, for its owner only, if `may_create`; one that is there keeps its owner and group
/// and loses what others may do with it. Returns the result of `change`, and the users as they are in the file now.
///
/// # Errors
/// What [`read`] and `change` say, or that it cannot be written; then the file is as it was.
pub fn update<T>(
    path: &Path,
    may_create: bool,
    change: impl FnOnce(&mut Users) -> Result<T, Error>,
) -> Result<(T, Users), Error> {
    let location = Location::of(path)?;
    let lock = location.lock(may_create).map_err(|error| io_error("cannot open", path, &error))?;
    let mut users = if lock.is_empty && may_create { Users::default() } else { read(path)? };
    let changed = change(&mut users).and_then(|result| {
        let written = location.replace(&format::write(&users));
        written.map(|()| result).map_err(|error| io_error("cannot write", path, &error))
    });
    if changed.is_err() && lock.is_made {
        let _ = fs::remove_file(&location.target);
    }
    Ok((changed?, users))
}

/// A lock on the file, until this is dropped.
struct Lock {
    _file: File,
    is_empty: bool,
    /// It was not there before.
    is_made: bool,
}

/// Where a file really is.
struct Location {
    /// The file, behind all symbolic links.
    target: PathBuf,
    directory: PathBuf,
}

impl Location {
    fn of(path: &Path) -> Result<Location, Error> {
        let target = match fs::canonicalize(path) {
            // The file may be made; but not where a link leads that leads nowhere.
            Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let directory = fs::canonicalize(directory.unwrap_or(Path::new(".")));
                directory
                    .map(|directory| path.file_name().map_or(directory.clone(), |name| directory.join(name)))
            }
            found => found,
        };
        let target = target.map_err(|error| io_error("cannot find", path, &error))?;
        let directory = target.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Location { target, directory })
    }

    /// Waits for the lock on the file. A file that is missing is made, without anything in it, if
    /// `may_create`.
    fn lock(&self, may_create: bool) -> io::Result<Lock> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        let mut is_made = false;
        loop {
            let file = match File::open(&self.target) {
                Err(error) if error.kind() == ErrorKind::NotFound && may_create => {
                    is_made = true;
                    OpenOptions::new().append(true).create(true).mode(NEW_MODE).open(&self.target)?
                }
                opened => opened?,
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if self.is(&file)? => {
                    let is_empty = file.metadata()?.len() == 0;
                    return Ok(Lock { _file: file, is_empty, is_made: is_made && is_empty });
                }
                Ok(()) => {}
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                    thread::sleep(LOCK_INTERVAL)
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(io::Error::other("another program does not let go of it"));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns whether it is still that file, and not one in its place.
    fn is(&self, file: &File) -> io::Result<bool> {
        let ours = file.metadata()?;
        match fs::metadata(&self.target) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a file with that content in the place of what is there.
    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.target.file_name().unwrap_or_default());
        name.push(".new");
        let new = self.directory.join(name);
        // Left by a program that was ended in here. Only one is here at a time.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let replaced = self.write_beside(&new, content).and_then(|()| fs::rename(&new, &self.target));
        if replaced.is_err() {
            // What counts is the error that was there first.
            let _ = fs::remove_file(&new);
        }
        // There are file systems on which a directory cannot be synced; the file is replaced all the same.
        let _ = File::open(&self.directory).and_then(|directory| directory.sync_all());
        replaced
    }

    fn write_beside(&self, new: &Path, content: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(NEW_MODE).open(new)?;
        let (made, old) = (file.metadata()?, fs::metadata(&self.target)?);
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            // Programs that read it, perhaps a daemon with fewer rights, must still be able to.
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(old.mode() & 0o777 & !OTHERS))?;
        file.write_all(content)?;
        file.sync_all()
    }
}

fn io_error(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(format!("{what} {}: {error}", path.display()))
}
