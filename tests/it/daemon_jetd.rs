//! The program `jetd`: its command line, its log, signals and its end.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::frames::{read_frame, write_frame};
use crate::support::resident_kib;
use crate::support::temp_dir::TempDir;

/// A running jetd, which is killed on drop.
struct Jetd(Child);

impl Drop for Jetd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn jetd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetd"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs jetd to its end.
fn run(arguments: &[&str]) -> (Output, String) {
    let output = jetd(arguments).output().expect("runs");
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    (output, text)
}

/// Starts jetd. Returns the `count` addresses that its log names, and the rest of its log.
fn started(arguments: &[&str], count: usize) -> (Jetd, Vec<String>, impl BufRead + use<>) {
    let mut child = Jetd(jetd(arguments).spawn().expect("starts"));
    let mut log = BufReader::new(child.0.stderr.take().expect("piped"));
    let mut addresses = Vec::new();
    for _ in 0..count {
        let mut line = String::new();
        log.read_line(&mut line).expect("a line");
        let address =
            line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("not an address: {line}"));
        addresses.push(address.to_owned());
    }
    (child, addresses, log)
}

fn ask(stream: &mut TcpStream, message: &str) -> String {
    write_frame(stream, message);
    read(stream)
}

fn read(stream: &mut TcpStream) -> String {
    String::from_utf8(read_frame(stream)).expect("UTF-8")
}

#[test]
fn it_serves_until_it_is_told_to_end() {
    for signal in ["-TERM", "-INT"] {
        let (mut jetd, addresses, mut log) = started(&["-p0", "--listen", "127.0.0.1"], 1);
        let mut stream = TcpStream::connect(&addresses[0]).expect("connects");
        assert_eq!(ask(&mut stream, r#"{"id":1,"method":"echo"}"#), r#"{"id":1,"result":true}"#);
        let id = jetd.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("runs").success());
        assert!(jetd.0.wait().expect("ends").success(), "{signal}");
        assert_eq!(stream.read(&mut [0; 1]).expect("the end"), 0);
        let mut rest = String::new();
        log.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "");
    }
}

#[test]
fn every_address_gets_the_same_port() {
    let (_jetd, addresses, _) = started(&["-p", "0", "-l", "127.0.0.1", "-l", "127.0.0.2"], 2);
    let port = |address: &String| address.rsplit_once(':').map(|(_, port)| port.to_owned());
    assert_eq!(port(&addresses[0]), port(&addresses[1]));
    assert!(addresses[0].starts_with("127.0.0.1:") && addresses[1].starts_with("127.0.0.2:"));
}

#[test]
fn all_interfaces_of_both_families_can_be_asked_for() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return eprintln!("skipped: this machine has no IPv6");
    }
    let reaches = |address: &str, port: &str| TcpStream::connect(format!("{address}:{port}")).is_ok();
    for arguments in [&["-l", "0.0.0.0", "-l", "::"][..], &["-l", "::", "-l", "0.0.0.0"], &["-l", "::"]] {
        let (_jetd, lines) = lines_until(&[&["-p0", "-w0"], arguments].concat(), arguments.len());
        let ports: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("listening on ")).collect();
        let addresses = ports.iter().filter_map(|place| place.split(' ').next());
        let ports: Vec<_> = addresses.filter_map(|address| address.rsplit_once(':')).collect();
        for (_, port) in ports {
            assert!(reaches("127.0.0.1", port) && reaches("[::1]", port), "{arguments:?}");
        }
    }
    // With an IPv4 address beside it, `::` stands for IPv6 alone.
    let (_jetd, lines) = lines_until(&["-p0", "-l", "::", "-l", "127.0.0.2"], 2);
    let port = lines[lines.len() - 1].rsplit_once(':').expect("a port").1;
    assert!(reaches("127.0.0.2", port) && reaches("[::1]", port) && !reaches("127.0.0.1", port));
}

/// Starts jetd. Returns its log up to the last of `count` lines that name an address.
fn lines_until(arguments: &[&str], count: usize) -> (Jetd, Vec<String>) {
    let mut child = Jetd(jetd(arguments).spawn().expect("starts"));
    let log = BufReader::new(child.0.stderr.take().expect("piped"));
    let mut listening = 0;
    let mut lines = Vec::new();
    for line in log.lines().map(|line| line.expect("a line")) {
        listening += usize::from(line.starts_with("listening on "));
        lines.push(line);
        if listening == count {
            return (child, lines);
        }
    }
    panic!("it ended: {lines:?}")
}

#[test]
fn messages_of_debugged_peers_are_shown_with_verbose_only() {
    for (flags, expected) in [(&["-p0", "-l127.0.0.1", "-v"][..], true), (&["-p0", "-l127.0.0.1"][..], false)]
    {
        let (mut jetd, addresses, mut log) = started(flags, 1);
        let mut stream = TcpStream::connect(&addresses[0]).expect("connects");
        ask(&mut stream, r#"{"id":1,"method":"config","params":{"name":"me","debug":true}}"#);
        ask(&mut stream, r#"{"id":2,"method":"echo"}"#);
        let id = jetd.0.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("runs");
        jetd.0.wait().expect("ends");
        let mut text = String::new();
        log.read_to_string(&mut text).expect("text");
        assert_eq!(text.contains(r#"me <- {"id":2,"result":true}"#), expected, "{text}");
    }
}

#[test]
fn it_says_why_it_cannot_start() {
    let (_jetd, addresses, _) = started(&["-p0", "-l127.0.0.1"], 1);
    let port = addresses[0].rsplit_once(':').expect("a port").1;
    let (output, text) = run(&["-p", port, "-l127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("jetd: cannot listen") && text.contains("address already in use"), "{text}");
    let (output, text) = run(&["-p0", "-l", ""]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.ends_with(": the address to listen on is empty\n"), "{text}");
    for arguments in [
        &["-p", "65536"][..],
        &["--no-such-flag"],
        &["-p", "abc"],
        &["--timeout", "nan"],
        &["--timeout", "inf"],
        &["--timeout", "-1"],
        &["--timeout=0"],
        &["--max-message", "0"],
        &["--max-message", "-1"],
        &["--max-unsent=0"],
    ] {
        let (output, text) = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text.contains(arguments[0].split('=').next().expect("a flag")), "{text}");
    }
}

/// Starts jetd in a shell that runs `limits` first.
fn limited(limits: &str) -> (Jetd, String, impl BufRead + use<>) {
    let script = format!("{limits}; exec '{}' -p0 -l127.0.0.1", env!("CARGO_BIN_EXE_jetd"));
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = Jetd(command.spawn().expect("starts"));
    let mut log = BufReader::new(child.0.stderr.take().expect("piped"));
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    let address =
        line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("not an address: {line}"));
    (child, address.to_owned(), log)
}

#[test]
fn out_of_descriptors_it_says_so_once_and_goes_on_when_there_are_some() {
    let (jetd, address, mut log) = limited("ulimit -n 40");
    let connect = || TcpStream::connect(&address).expect("connects");
    let peers: Vec<_> = (0..60).map(|_| connect()).collect();
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    assert!(line.starts_with("new peers have to wait until others leave: "), "{line}");
    // The last connection is accepted when others end.
    let mut last = connect();
    drop(peers);
    assert!(ask(&mut last, r#"{"id":1,"method":"echo"}"#).contains("result"));
    Command::new("kill").args(["-TERM", &jetd.0.id().to_string()]).status().expect("runs");
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "");
}

#[test]
fn the_soft_limit_of_descriptors_is_raised() {
    let (jetd, _, _log) = limited("ulimit -Sn 30; ulimit -Hn 300");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", jetd.0.id())).expect("read");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("there");
    assert_eq!(line.split_whitespace().nth(3), Some("300"), "{line}");
}

#[test]
fn large_messages_cost_a_connection_no_memory_afterwards() {
    const PEERS: u64 = 50;
    let (jetd, addresses, _log) = started(&["-p0", "-l127.0.0.1"], 1);
    let connect = || TcpStream::connect(&addresses[0]).expect("connects");
    let large = "x".repeat(1_000_000);
    let mut owner = connect();
    ask(&mut owner, &format!(r#"{{"id":1,"method":"add","params":{{"path":"a","value":"{large}"}}}}"#));
    let mut peers: Vec<_> = (0..PEERS).map(|_| connect()).collect();
    for peer in &mut peers {
        ask(peer, r#"{"id":1,"method":"info"}"#);
    }
    let before = resident_kib(jetd.0.id());
    for peer in &mut peers {
        assert!(ask(peer, r#"{"id":1,"method":"get","params":{}}"#).len() > large.len());
        assert!(ask(peer, &format!(r#"{{"id":1,"method":"echo","params":"{large}"}}"#)).len() > large.len());
    }
    // The memory of the last responses may be freed after they have been read here.
    let until = Instant::now() + Duration::from_secs(20);
    let mut grown = u64::MAX;
    while grown >= PEERS * 250 {
        assert!(Instant::now() < until, "{grown} KiB for {PEERS} connections");
        std::thread::sleep(Duration::from_millis(20));
        grown = resident_kib(jetd.0.id()).saturating_sub(before);
    }
}

#[test]
fn a_file_that_is_not_a_socket_is_left_alone() {
    let file = UsersFile::new();
    let before = std::fs::read(&file.file).expect("read");
    let (output, text) = run(&["-p0", "-l127.0.0.1", "-u", file.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("is not a socket") && text.contains(file.path()), "{text}");
    assert_eq!(std::fs::read(&file.file).expect("read"), before);
    let (output, text) = run(&["-p0", "-l127.0.0.1", "-u", "/no/such/folder/socket"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("there is no directory '/no/such/folder'"), "{text}");
    assert!(run(&["--unix-mode", "888"]).1.contains("three octal digits expected"));
}

#[test]
fn it_goes_into_the_background_when_its_ports_are_bound() {
    let directory = TempDir::new();
    let pidfile = directory.path("pid");
    let pidfile_name = pidfile.to_str().expect("UTF-8");
    let mut parent = jetd(&["-d", "-p0", "-l127.0.0.1", "--pidfile", pidfile_name]).spawn().expect("starts");
    assert!(parent.wait().expect("ends").success());
    let mut log = BufReader::new(parent.stderr.take().expect("piped"));
    let process = std::fs::read_to_string(&pidfile).expect("written");
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on ").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    assert_eq!(ask(&mut stream, r#"{"id":1,"method":"echo"}"#), r#"{"id":1,"result":true}"#);
    assert!(Command::new("kill").arg(process.trim()).status().expect("runs").success());
    // The log ends with the process.
    log.read_to_string(&mut line).expect("text");
    assert!(!pidfile.exists());

    let port = &stream.peer_addr().expect("connected").port().to_string();
    let (_jetd, _, _) = started(&["-p", port, "-l127.0.0.1"], 1);
    for arguments in
        [&["--daemonize", "-p", port, "-l127.0.0.1"][..], &["-d", "-p0", "--pidfile", "/nowhere/pid"]]
    {
        let (output, text) = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("already in use") || text.contains("cannot write /nowhere/pid"), "{text}");
    }
}

/// Returns the log lines of jetd before the first address, and ends it.
fn warnings(arguments: &[&str]) -> String {
    let mut child = Jetd(jetd(arguments).spawn().expect("starts"));
    let log = BufReader::new(child.0.stderr.take().expect("piped"));
    let lines = log.lines().map(|line| line.expect("a line"));
    lines.take_while(|line| !line.starts_with("listening on ")).collect::<Vec<_>>().join("\n")
}

/// A users file with ann, whose password is 'secret'. It is deleted on drop.
struct UsersFile {
    file: PathBuf,
    _directory: TempDir,
}

impl UsersFile {
    fn new() -> UsersFile {
        // The hash has the lowest cost.
        const ANN: &str = r#"{"users":{"ann":{"hash":"$argon2id$v=19$m=8,t=1,p=1$juVur+M5azaY0xtjoZ1dHw$nAzBNPbeaqpgma7CF9rr0rQD7yJKW8gtBJkw47546bo","auth":{"fetchGroups":["a"]}}}}"#;
        let directory = TempDir::new();
        let file = UsersFile { file: directory.file("users.json", ANN), _directory: directory };
        file.set_mode(0o600);
        file
    }

    fn set_mode(&self, mode: u32) {
        std::fs::set_permissions(&self.file, Permissions::from_mode(mode)).expect("set");
    }

    fn path(&self) -> &str {
        self.file.to_str().expect("UTF-8")
    }
}

#[test]
fn users_of_a_file_log_in() {
    let file = UsersFile::new();
    let (_jetd, addresses, _) = started(&["-p0", "-l127.0.0.1", "--users", file.path()], 1);
    let mut stream = TcpStream::connect(&addresses[0]).expect("connects");
    let login = |password: &str| {
        format!(r#"{{"id":1,"method":"authenticate","params":{{"user":"ann","password":"{password}"}}}}"#)
    };
    assert!(ask(&mut stream, &login("Secret")).contains(r#""error""#));
    let answer = ask(&mut stream, &login("secret"));
    assert!(answer.contains(r#""fetchGroups":["a"]"#), "{answer}");
}

#[test]
fn a_hang_up_has_it_read_its_users_again() {
    let file = UsersFile::new();
    let (mut jetd, addresses, mut log) = started(&["-p0", "-l127.0.0.1", "--users", file.path()], 1);
    let mut next_line = || {
        let mut line = String::new();
        log.read_line(&mut line).expect("a line");
        line
    };
    let hang_up = |id: u32| Command::new("kill").args(["-HUP", &id.to_string()]).status().expect("runs");
    let mut stream = TcpStream::connect(&addresses[0]).expect("connects");
    let login = r#"{"id":1,"method":"authenticate","params":{"user":"bob","password":"secret"}}"#;
    assert!(ask(&mut stream, login).contains("invalidUser"));
    assert!(next_line().contains("127.0.0.1"));
    let text = std::fs::read_to_string(&file.file).expect("read");
    std::fs::write(&file.file, text.replace("ann", "bob")).expect("written");
    hang_up(jetd.0.id());
    assert_eq!(next_line(), "the users are read again: 1 may log in now\n");
    assert!(ask(&mut stream, login).contains("fetchGroups"));
    // An invalid file changes nothing.
    std::fs::write(&file.file, "{").expect("written");
    hang_up(jetd.0.id());
    assert!(next_line().starts_with(&format!("the users stay as they were: {}: line 1", file.path())));
    assert!(ask(&mut stream, login).contains("fetchGroups"));
    assert!(jetd.0.try_wait().expect("a status").is_none());
}

#[test]
fn a_hang_up_without_anything_to_read_again_changes_nothing() {
    let (mut jetd, addresses, mut log) = started(&["-p0", "-l127.0.0.1"], 1);
    Command::new("kill").args(["-HUP", &jetd.0.id().to_string()]).status().expect("runs");
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    assert_eq!(line, "there are no users and certificates to read again\n");
    let mut stream = TcpStream::connect(&addresses[0]).expect("connects");
    assert!(ask(&mut stream, r#"{"id":1,"method":"echo"}"#).contains("result"));
    assert!(jetd.0.try_wait().expect("a status").is_none());
}

#[test]
fn signals_that_were_ignored_stay_ignored() {
    let program = env!("CARGO_BIN_EXE_jetd");
    let script = format!("trap '' HUP INT; exec '{program}' -p0 -l127.0.0.1");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = Jetd(command.spawn().expect("starts"));
    let mut log = BufReader::new(child.0.stderr.take().expect("piped"));
    log.read_line(&mut String::new()).expect("a line");
    let id = child.0.id().to_string();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("read");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask");
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a number");
    assert_eq!(ignored & 0b11, 0b11, "SIGHUP is 1 and SIGINT 2");
    for signal in ["-HUP", "-INT", "-TERM"] {
        assert!(Command::new("kill").args([signal, &id]).status().expect("runs").success());
    }
    assert!(child.0.wait().expect("ends").success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "");
}

#[test]
fn a_users_file_that_is_no_good_keeps_it_from_starting() {
    let file = UsersFile::new();
    std::fs::write(&file.file, r#"{"users":{"ann":{"hash":"secret"}}}"#).expect("written");
    for (path, expected) in [
        (file.path(), "user 'ann': hash: no argon2 hash"),
        ("/nonexistent/users.json", "cannot read /nonexistent/users.json"),
    ] {
        let (output, text) = run(&["-p0", "-l127.0.0.1", "--users", path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text.starts_with("jetd: ") && text.contains(expected) && text.contains(path), "{text}");
        assert!(!text.contains("secret") && !text.contains("listening"), "{text}");
    }
}

#[test]
fn it_warns_when_other_machines_reach_it_and_there_are_no_users() {
    let file = UsersFile::new();
    let text = warnings(&["-p0", "-l0.0.0.0"]);
    assert!(
        text.starts_with("without users, whoever reaches 0.0.0.0:") && text.contains("--listen"),
        "{text}"
    );
    // One line names all addresses but those that other machines cannot reach.
    let text = warnings(&["-p0", "-w0", "-l0.0.0.0", "--unix", "@jetd-warns"]);
    assert!(text.contains(" or 0.0.0.0:") && text.lines().count() == 1, "{text}");
    assert_eq!(warnings(&["-p0", "-l127.0.0.1"]), "");
    assert_eq!(warnings(&["-p0", "-l0.0.0.0", "--users", file.path()]), "");
}

#[test]
fn it_warns_when_everybody_can_read_the_hashes() {
    let file = UsersFile::new();
    file.set_mode(0o644);
    let text = warnings(&["-p0", "-l127.0.0.1", "--users", file.path()]);
    assert!(text.starts_with("everybody on this machine can read ") && text.contains(file.path()), "{text}");
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let (mut jetd, addresses, mut log) = started(&["-p0", "-l127.0.0.1", "-v"], 1);
    let mut stream = TcpStream::connect(&addresses[0]).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    ask(&mut stream, r#"{"id":1,"method":"config","params":{"name":"me","debug":true}}"#);
    // The messages exceed what a pipe and the queue hold, in both directions.
    let echo = format!(r#"{{"id":2,"method":"echo","params":"{}"}}"#, "x".repeat(50_000));
    for _ in 0..150 {
        assert!(ask(&mut stream, &echo).ends_with(r#"xxx"}"#));
    }
    let mut found = false;
    let mut line = String::new();
    while !found && log.read_line(&mut line).expect("a line") > 0 {
        found = line.contains(" lines dropped");
        line.clear();
        ask(&mut stream, r#"{"id":1,"method":"config","params":{"debug":false}}"#);
    }
    assert!(found);
    // It still ends, although the rest of the log is not read.
    let id = jetd.0.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().expect("runs");
    assert!(jetd.0.wait().expect("ends").success());
}

#[test]
fn an_answer_that_came_in_time_counts_even_if_jetd_was_stopped_meanwhile() {
    let (jetd, addresses, _log) = started(&["-p0", "-l", "127.0.0.1"], 1);
    let connect = || TcpStream::connect(&addresses[0]).expect("connects");
    let (mut owner, mut requester) = (connect(), connect());
    ask(&mut owner, r#"{"id":1,"method":"add","params":{"path":"m"}}"#);
    let call = r#"{"id":2,"method":"call","params":{"path":"m","timeout":3}}"#;
    let signal = |name: &str| {
        let process = jetd.0.id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().expect("runs").success());
    };
    // On a busy machine the call may time out before the response is sent; the test then tries again.
    for _ in 0..10 {
        let begun = Instant::now();
        write_frame(&mut requester, call);
        let routed = read(&mut owner);
        let id = routed.split('"').nth(3).expect("an id").to_owned();
        signal("-STOP");
        let answer = format!(r#"{{"id":"{id}","result":"in time"}}"#);
        write_frame(&mut owner, &answer);
        let is_in_time = begun.elapsed() < Duration::from_secs(3);
        // The sleep is needed: the deadline of the call has to pass while jetd is stopped.
        std::thread::sleep(Duration::from_millis(3200));
        signal("-CONT");
        let answer = read(&mut requester);
        if is_in_time {
            return assert_eq!(answer, r#"{"id":2,"result":"in time"}"#);
        }
    }
    panic!("this machine is too slow for an answer within 3 s");
}
