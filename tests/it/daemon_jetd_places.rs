//! `jetd` logs its addresses, prints help and version, and closes the standard output in the background.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::temp_dir::TempDir;

fn jetd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetd"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn it_says_what_is_spoken_where() {
    let unix = format!("@jetd-says-{}", std::process::id());
    let mut jetd =
        jetd(&["-p0", "-w0", "-u", &unix, "-l127.0.0.1"]).stderr(Stdio::piped()).spawn().expect("starts");
    let log = BufReader::new(jetd.stderr.take().expect("piped"));
    let lines: Vec<_> = log.lines().take(3).map(|line| line.expect("a line")).collect();
    jetd.kill().expect("ends");
    jetd.wait().expect("ends");
    let places: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("listening on ")).collect();
    assert!(places[0].starts_with("127.0.0.1:") && !places[0].contains(' '), "{places:?}");
    assert_eq!(places[1], format!("{unix} (Unix socket)"));
    assert!(places[2].starts_with("127.0.0.1:") && places[2].ends_with(" (WebSocket)"), "{places:?}");
}

#[test]
fn in_the_background_it_does_not_keep_stdout_open() {
    let directory = TempDir::new();
    let pidfile = directory.path("pid");
    let pidfile_name = pidfile.to_str().expect("UTF-8");
    let arguments = ["-d", "-p0", "-l127.0.0.1", "--pidfile", pidfile_name];
    let mut parent = jetd(&arguments).stdout(Stdio::piped()).spawn().expect("starts");
    let mut stdout = parent.stdout.take().expect("piped");
    assert!(parent.wait().expect("ends").success());
    let process = std::fs::read_to_string(&pidfile).expect("written");
    let link = std::fs::read_link(format!("/proc/{}/fd/1", process.trim())).expect("a descriptor");
    assert!(Command::new("kill").arg(process.trim()).status().expect("runs").success());
    assert_eq!(link, PathBuf::from("/dev/null"));
    assert_eq!(stdout.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn help_and_version() {
    let output = jetd(&["--help"]).stdout(Stdio::piped()).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for flag in
        ["--port", "--listen", "--ws-port", "--verbose", "--daemonize", "--pidfile", "11122", "127.0.0.1"]
    {
        assert!(text.contains(flag), "{flag} is not in:\n{text}");
    }
    let output = jetd(&["--version"]).stdout(Stdio::piped()).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), concat!("jetd ", env!("CARGO_PKG_VERSION"), "\n"));
}
