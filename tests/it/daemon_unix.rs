//! The files of the Unix sockets that a daemon listens on: which files they replace, their modes, and their removal.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::support::temp_dir::TempDir;
use jet::server::{BoundListener, bind_unix};

fn listen(path: &Path, mode: u32) -> std::io::Result<BoundListener> {
    bind_unix(path.to_str().expect("UTF-8").as_bytes(), mode)
}

fn refusal(path: &Path) -> String {
    listen(path, 0o660).expect_err("refused").to_string()
}

#[test]
fn only_sockets_are_replaced() {
    let files = TempDir::new();
    let file = files.file("file", "precious");
    let directory = files.path("directory");
    fs::create_dir(&directory).expect("made");
    let link = files.path("link");
    std::os::unix::fs::symlink(&file, &link).expect("made");
    for path in [&file, &directory, &link] {
        let text = refusal(path);
        assert!(text.contains("is not a socket") && text.contains(&path.display().to_string()), "{text}");
    }
    assert_eq!(fs::read(&file).expect("there"), b"precious");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert_eq!(files.names().len(), 3, "a temporary file is left");
}

#[test]
fn only_a_dead_socket_is_replaced() {
    let files = TempDir::new();
    let path = files.path("jet.socket");
    let alive = UnixListener::bind(&path).expect("binds");
    assert!(refusal(&path).contains("address already in use"));
    drop(alive);
    let listener = listen(&path, 0o660).expect("replaces it");
    UnixStream::connect(&path).expect("listens");
    assert!(refusal(&path).contains("address already in use"));
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn the_mode_is_the_one_asked_for_whatever_the_umask() {
    let files = TempDir::new();
    let path = files.path("jet.socket");
    for mode in [0o600, 0o660, 0o777] {
        let _listener = listen(&path, mode).expect("listens");
        let found = fs::metadata(&path).expect("there");
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_missing_directory_is_named() {
    let files = TempDir::new();
    let text = refusal(&files.path("none").join("jet.socket"));
    let expected = format!("there is no directory '{}'", files.path("none").display());
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn the_longest_name_is_taken() {
    let files = TempDir::new();
    let room = 107 - files.path("").as_os_str().len();
    let path = files.path(&"x".repeat(room));
    let _listener = listen(&path, 0o660).expect("listens");
    UnixStream::connect(&path).expect("connects");
}

#[test]
fn what_has_taken_its_place_stays() {
    let files = TempDir::new();
    let path = files.path("jet.socket");
    let listener = listen(&path, 0o660).expect("listens");
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "precious").expect("written");
    drop(listener);
    assert_eq!(fs::read(&path).expect("there"), b"precious");
}
