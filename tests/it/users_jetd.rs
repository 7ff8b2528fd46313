//! `jetd passwd`: how it changes a users file, how it reads passwords, and its errors.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::temp_dir::TempDir;
use jet::users::{Auth, Password, Users, read};

const JETD: &str = env!("CARGO_BIN_EXE_jetd");

/// The name of the users file in the directory of a test.
const FILE: &str = "users.json";

/// Runs `jetd passwd FILE` with these arguments and this input. Returns its exit code and its output.
fn passwd(file: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = Command::new(JETD);
    command.arg("passwd").arg(file).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    // It may have ended without reading its input.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("ends");
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    (output.status.code().expect("a status"), text)
}

fn verifies(users: &Users, name: &str, password: &str) -> bool {
    users.get(name).expect("there").hash.verify(&Password::from(password.to_owned()))
}

fn auth(file: &Path, name: &str) -> Auth {
    read(file).expect("read").get(name).expect("there").auth.clone()
}

#[test]
fn it_makes_a_file_and_users_in_it() {
    let directory = TempDir::new();
    let file = directory.path(FILE);
    // An empty file may exist, with its owner and mode.
    fs::write(&file, "").expect("written");
    let (status, text) = passwd(&file, &["joe", "--fetch-groups", "a,b", "--admin"], "secret\nnot this\n");
    assert_eq!((status, text), (0, format!("{}: user 'joe' added\n", file.display())));
    assert_eq!(passwd(&file, &["ann", "--set-groups=c", "--call-groups", "d"], "öäü").0, 0);
    let users = read(&file).expect("read");
    assert!(verifies(&users, "joe", "secret") && verifies(&users, "ann", "öäü"));
    let joe = Auth { fetch_groups: vec!["a".into(), "b".into()], admin: true, ..Auth::default() };
    let ann = Auth { set_groups: vec!["c".into()], call_groups: vec!["d".into()], ..Auth::default() };
    assert_eq!((auth(&file, "joe"), auth(&file, "ann")), (joe, ann));
}

#[test]
fn it_changes_what_is_named_and_nothing_else() {
    let directory = TempDir::new();
    let file = directory.path(FILE);
    passwd(&file, &["joe", "--fetch-groups", "a", "--set-groups", "b", "--admin", "--readonly"], "first\n");
    let before = auth(&file, "joe");
    // The password changes and nothing else.
    let (status, text) = passwd(&file, &["joe"], "second\r\n");
    assert_eq!((status, text), (0, format!("{}: user 'joe' changed\n", file.display())));
    let users = read(&file).expect("read");
    assert!(verifies(&users, "joe", "second") && !verifies(&users, "joe", "first"));
    assert_eq!(auth(&file, "joe"), before);
    // The groups change, and no password is read.
    let arguments = ["joe", "--keep-password", "--fetch-groups", "", "--call-groups", "c", "--no-admin"];
    assert_eq!(passwd(&file, &arguments, "").0, 0);
    let after = Auth { fetch_groups: vec![], call_groups: vec!["c".into()], admin: false, ..before };
    assert_eq!(auth(&file, "joe"), after);
    assert_eq!(passwd(&file, &["joe", "-k", "--no-readonly"], "").0, 0);
    assert_eq!(auth(&file, "joe"), Auth { readonly: false, ..after });
    assert!(verifies(&read(&file).expect("read"), "joe", "second"));
}

#[test]
fn it_takes_users_out() {
    let directory = TempDir::new();
    let file = directory.path(FILE);
    for name in ["joe", "ann"] {
        passwd(&file, &[name], "secret\n");
    }
    assert_eq!(passwd(&file, &["joe", "--delete"], "").0, 0);
    let names: Vec<_> = read(&file).expect("read").iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["ann"]);
}

#[test]
fn it_says_what_is_wrong_and_changes_nothing() {
    let directory = TempDir::new();
    let file = directory.path(FILE);
    let too_long = "x".repeat(5000);
    for (arguments, input, expected) in [
        (&["joe", "--delete"][..], "", "cannot open "),
        (&["joe", "--keep-password", "--admin"], "", "there is no user 'joe'"),
        (&["joe"], "", "the password is empty"),
        (&["joe"], "\nsecret\n", "the password is empty"),
        (&["joe"], &too_long, "the password is longer than 4096 bytes"),
        (&[""], "secret\n", "the name of a user is empty"),
        (&["a\nb"], "secret\n", "the name of a user has control characters"),
    ] {
        let (status, text) = passwd(&file, arguments, input);
        assert!(text.starts_with(&format!("jetd passwd: {expected}")), "{arguments:?}: {text}");
        assert_eq!(status, 1);
        assert!(!file.exists());
    }
    for arguments in [&["joe", "--admin", "--no-admin"][..], &["joe", "--delete", "-k"], &[], &["joe", "-x"]]
    {
        assert_eq!(passwd(&file, arguments, "secret\n").0, 2, "{arguments:?}");
    }
    std::os::unix::fs::symlink(directory.path("nowhere"), &file).expect("made");
    assert!(passwd(&file, &["joe"], "secret\n").1.starts_with("jetd passwd: cannot read "));
    fs::remove_file(&file).expect("removed");
    fs::write(&file, "{\"users\":{\"ann\":{\"password\":\"x\"}}}").expect("written");
    let (status, text) = passwd(&file, &["joe"], "secret\n");
    assert_eq!(status, 1);
    assert!(text.contains("users.json: user 'ann': a 'password' is not to be in this file"), "{text}");
    assert_eq!(fs::read_to_string(&file).expect("read"), "{\"users\":{\"ann\":{\"password\":\"x\"}}}");
}

/// A shell script on its own terminal.
struct Terminal {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    seen: String,
}

impl Terminal {
    /// Starts a script with the variables `$JETD` and `$FILE`.
    fn run(file: &Path, script: &str) -> Terminal {
        let mut command = Command::new("script");
        command
            .args(["-qec", script, "/dev/null"])
            .env("JETD", JETD)
            .env("FILE", file)
            .env("SHELL", "/bin/bash");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Terminal { child, input, output, seen: String::new() }
    }

    /// Waits until the output after the last expected text contains `text`.
    fn expect(&mut self, text: &str) {
        let mut bytes = [0; 512];
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let count = self.output.read(&mut bytes).expect("read");
            assert_ne!(count, 0, "it ended without '{text}': {}", self.seen);
            self.seen += &String::from_utf8_lossy(&bytes[..count]);
        }
    }

    fn type_in(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).expect("written");
    }

    /// Waits for the end of the script. Returns its exit code and the rest of its output.
    fn end(mut self) -> (i32, String) {
        self.output.read_to_string(&mut self.seen).expect("text");
        (self.child.wait().expect("ends").code().expect("a status"), self.seen)
    }
}

#[test]
fn on_a_terminal_it_asks_twice_and_shows_nothing() {
    let directory = TempDir::new();
    let mut terminal = Terminal::run(&directory.path(FILE), "$JETD passwd $FILE joe && stty -a");
    terminal.expect("New password for joe: ");
    terminal.type_in("secret\n");
    // The prompts are separated by the end of the line alone.
    terminal.expect("\r\nThe same again: ");
    terminal.type_in("secret\n");
    terminal.expect("\r\n");
    let (status, rest) = terminal.end();
    assert_eq!(status, 0);
    assert!(!rest.contains("secret") && rest.contains("user 'joe' added"), "{rest}");
    assert!(rest.contains(" echo ") && rest.contains(" -echonl "), "{rest}");
    assert!(verifies(&read(&directory.path(FILE)).expect("read"), "joe", "secret"));
}

#[test]
fn two_passwords_are_no_password() {
    let directory = TempDir::new();
    let mut terminal = Terminal::run(&directory.path(FILE), "$JETD passwd $FILE joe");
    terminal.expect("New password for joe: ");
    terminal.type_in("secret\n");
    terminal.expect("The same again: ");
    terminal.type_in("Secret\n");
    let (status, rest) = terminal.end();
    assert_eq!((status, &*rest), (1, "\r\njetd passwd: the two are not the same\r\n"));
    assert!(!directory.path(FILE).exists());
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let directory = TempDir::new();
    for (key, status) in [("\u{3}", 130), ("\u{1c}", 131)] {
        // Without the trap the same signal would end the shell.
        let mut terminal = Terminal::run(
            &directory.path(FILE),
            "trap : INT QUIT; $JETD passwd $FILE joe; echo status $?; stty -a",
        );
        terminal.expect("New password for joe: ");
        terminal.type_in("half of it");
        terminal.type_in(key);
        terminal.expect(&format!("status {status}"));
        let (_, rest) = terminal.end();
        assert!(rest.contains(" echo ") && rest.contains(" -echonl "), "{rest}");
        assert!(!directory.path(FILE).exists());
    }
}

#[test]
fn it_can_be_put_aside_while_it_asks() {
    let directory = TempDir::new();
    let script = "set -m; $JETD passwd $FILE joe; stty -a; echo aside; fg";
    let mut terminal = Terminal::run(&directory.path(FILE), script);
    terminal.expect("New password for joe: ");
    terminal.type_in("half of it\u{1a}");
    terminal.expect(" echo ");
    terminal.expect("aside");
    terminal.expect("New password for joe: ");
    terminal.type_in("secret\n");
    terminal.expect("\r\nThe same again: ");
    terminal.type_in("secret\n");
    let (status, rest) = terminal.end();
    assert_eq!(status, 0);
    assert!(!rest.contains("secret"), "{rest}");
    assert!(verifies(&read(&directory.path(FILE)).expect("read"), "joe", "secret"));
}
