//! Unix domain sockets: paths and abstract names.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::support::frames::{read_frame, write_frame};
use crate::support::net::*;
use crate::support::temp_dir::TempDir;
use jet::net::{Connection, ErrorKind, Options, Status};

fn talk(listener: UnixListener, options: Options) {
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let question = read_frame(&mut stream);
        write_frame(&mut stream, b"answer");
        question
    });
    let mut connection = dial(options).expect("connects");
    send(&mut connection, b"question");
    let (messages, _) = receive(&mut connection, 1);
    assert_eq!(messages, [b"answer"]);
    assert_eq!(server.join().expect("script"), b"question");
}

#[test]
fn a_path_is_connected_to() {
    let files = TempDir::new();
    let path = files.path("jet.socket");
    let listener = UnixListener::bind(&path).expect("binds");
    talk(listener, Options::unix(path.to_str().expect("UTF-8")));
}

#[test]
fn an_abstract_name_is_written_with_an_at_sign_or_a_nul() {
    for first in ["@", "\0"] {
        let name = format!("jet-net-unix-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        talk(UnixListener::bind_addr(&address).expect("binds"), Options::unix(format!("{first}{name}")));
    }
}

#[test]
fn a_missing_or_dead_socket_is_told_with_its_name() {
    let files = TempDir::new();
    let path = files.path("none").to_str().expect("UTF-8").to_owned();
    let error = dial_error(Options::unix(path.clone()));
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Unreachable, format!("no such socket ({path})"))
    );
    drop(UnixListener::bind(&path).expect("binds"));
    assert_eq!(dial_error(Options::unix(path.clone())).to_string(), format!("connection refused ({path})"));
    let directory = std::env::temp_dir().to_str().expect("UTF-8").to_owned();
    let error = dial_error(Options::unix(directory.clone()));
    assert_eq!(error.to_string(), format!("the file is not a socket ({directory})"));
    let error = dial_error(Options::unix("@jet-no-listener"));
    assert_eq!(error.to_string(), "connection refused (@jet-no-listener)");
}

/// Returns a listener whose queue of one is full, and the connection that fills it.
fn full(path: &std::path::Path) -> (UnixListener, Vec<Connection>) {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let fd = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
    bind(&fd, &SocketAddrUnix::new(path).expect("a path")).expect("binds");
    listen(&fd, 0).expect("listens");
    let filler = dial(Options::unix(path.to_str().expect("UTF-8"))).expect("the one");
    (UnixListener::from(fd), vec![filler])
}

#[test]
fn a_full_queue_is_waited_for() {
    let files = TempDir::new();
    let path = files.path("jet.socket");
    let (listener, _filler) = full(&path);
    let (refused, wait_for_refusal) = channel::<()>();
    let accepting = std::thread::spawn(move || {
        let _ = wait_for_refusal.recv();
        let accepted: Vec<_> = (0..2).map(|_| listener.accept().expect("a client")).collect();
        accepted.len()
    });
    let options = Options::unix(path.to_str().expect("UTF-8"));
    let mut connection = Connection::open(options, Instant::now()).expect("valid");
    assert_eq!(connection.drive(Instant::now()), Ok(Status::Dialling));
    drop(refused);
    drive_until_open(&mut connection).expect("connects when there is room");
    assert_eq!(accepting.join().expect("accepts"), 2);
}

#[test]
fn a_queue_that_stays_full_costs_the_deadline() {
    let files = TempDir::new();
    let path = files.path("jet.socket");
    let (_listener, _filler) = full(&path);
    let options = Options::unix(path.to_str().expect("UTF-8"));
    let error = dial_error(Options { connect_timeout: Duration::from_millis(100), ..options });
    assert_eq!(error.to_string(), format!("the daemon accepts no connection ({})", path.display()));
}
