//! `--pidfile`: a file with the number of the process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file. Dropping it removes it, unless another process has written its number there since.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    text: String,
}

impl PidFile {
    /// Writes the number of this process, in place of what the file had.
    ///
    /// # Errors
    /// The file cannot be written; the error names it.
    pub fn write(path: &Path) -> io::Result<PidFile> {
        let text = format!("{}\n", std::process::id());
        fs::write(path, &text).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
        })?;
        Ok(PidFile { path: path.to_owned(), text })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            // Fails only if the file is gone already or the directory has become read-only.
            let _ = fs::remove_file(&self.path);
        }
    }
}
