//! The users file: which files are accepted, the errors for the rest, and changes that keep everything else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};

use crate::support::temp_dir::TempDir;
use jet::users::{Auth, Cost, Error, Hash, MAX_FILE_BYTES, Password, User, Users, exposure, read, update};

const HASH: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// The name of the users file in the directory of a test.
const FILE: &str = "users.json";

fn somebody() -> User {
    User { hash: Hash::parse(HASH).expect("a hash"), auth: Auth::default() }
}

fn add(path: &Path, name: &str) -> Result<Users, Error> {
    update(path, true, |users| users.insert(name, somebody())).map(|(_, users)| users)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o777
}

/// Returns the error for a file with this text, without the file's name.
fn refusal(text: &str) -> String {
    let directory = TempDir::new();
    directory.file(FILE, text);
    let error = read(&directory.path(FILE)).map(|_| ()).expect_err(text).to_string();
    let prefix = format!("{}: ", directory.path(FILE).display());
    error
        .strip_prefix(&prefix)
        .unwrap_or_else(|| panic!("the error does not name the file: {error}"))
        .to_owned()
}

#[test]
fn what_is_written_is_read_again() {
    let directory = TempDir::new();
    let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    let hash = Hash::with_cost(&Password::from("secret".to_owned()), cost).expect("hashed");
    let auth = Auth {
        fetch_groups: vec!["viewers".into(), "\"quoted\" \\ grün".into()],
        set_groups: vec!["operators".into()],
        call_groups: Vec::new(),
        admin: true,
        readonly: true,
    };
    let written = update(&directory.path(FILE), true, |users| {
        users.insert("joe \"the\" user", User { hash: hash.clone(), auth: auth.clone() })?;
        users.insert("ann", somebody())
    });
    assert_eq!(written.expect("written").1.len(), 2);
    let users = read(&directory.path(FILE)).expect("read");
    let joe = users.get("joe \"the\" user").expect("there");
    assert_eq!(joe.auth, auth);
    assert!(joe.hash.verify(&Password::from("secret".to_owned())));
    assert_eq!(users.get("ann").expect("there").auth, Auth::default());
    assert_eq!(directory.names(), ["users.json"]);
    serde_json::from_slice::<serde_json::Value>(&fs::read(directory.path(FILE)).expect("read"))
        .expect("JSON");
}

#[test]
fn most_members_may_be_missing() {
    let directory = TempDir::new();
    directory.file(FILE, format!(r#"{{"users":{{"a":{{"hash":"{HASH}"}}}}}}"#));
    assert_eq!(read(&directory.path(FILE)).expect("read").get("a").expect("there").auth, Auth::default());
    directory.file(FILE, "{\"users\":{}}");
    assert!(read(&directory.path(FILE)).expect("read").is_empty());
}

#[test]
fn an_error_says_where_it_is() {
    let user = |members: &str| format!(r#"{{"users":{{"joe":{{"hash":"{HASH}"{members}}}}}}}"#);
    let cases = [
        (String::new(), "line 1, column 1: "),
        ("{\n  \"users\": {}\n".into(), "line 3, column 1: unexpected end"),
        ("{\"users\":\n  {\"grün\" 1}}".into(), "line 2, column 11: "),
        ("[]".into(), "the file has to be an object, it is an array"),
        ("{}".into(), "there is no member 'users'"),
        (r#"{"user":{}}"#.into(), "'user' means nothing here; is 'users' meant?"),
        (r#"{"users":[]}"#.into(), "users has to be an object, it is an array"),
        (r#"{"users":{},"users":{}}"#.into(), "'users' is there twice"),
        (r#"{"users":{"joe":5}}"#.into(), "user 'joe': a user has to be an object, it is a number"),
        (r#"{"users":{"joe":{}}}"#.into(), "user 'joe': there is no member 'hash'; take this user out"),
        (r#"{"users":{"a\nb":{"hash":1}}}"#.into(), "user 'a\\nb': hash has to be a string"),
        (user("").replace("joe", ""), "user '': the name of a user is empty"),
        (user("").replace("$argon2id", "$6"), "user 'joe': hash: no argon2 hash"),
        (user("").replace("m=256", "m=99999999"), "user 'joe': hash: a hash that costs too much"),
        (user(r#","password":"x""#), "user 'joe': a 'password' is not to be in this file"),
        (user(r#","hash":"x""#), "user 'joe': 'hash' is there twice"),
        (user(r#","Admin":true"#), "user 'joe': 'Admin' means nothing here; is 'admin' meant?"),
        (user(r#","admin":1"#), "user 'joe': admin has to be true or false, it is a number"),
        (user(r#","readonly":null"#), "user 'joe': readonly has to be true or false, it is null"),
        (user(r#","auth":[]"#), "user 'joe': auth has to be an object, it is an array"),
        (
            user(r#","auth":{"fetchgroups":[]}"#),
            "user 'joe': 'fetchgroups' means nothing here; is 'fetchGroups'",
        ),
        (user(r#","auth":{"setGroups":"a"}"#), "user 'joe': auth.setGroups has to be an array of strings"),
        (
            user(r#","auth":{"callGroups":["a",true]}"#),
            "user 'joe': auth.callGroups[1] has to be the name of a group, it is a boolean",
        ),
        (
            user(r#","auth":{"callGroups":[""]}"#),
            "user 'joe': auth.callGroups[0] has to be the name of a group, it is an empty string",
        ),
    ];
    for (text, expected) in cases {
        let error = refusal(&text);
        assert!(error.starts_with(expected), "{text}: {error}");
        assert!(!error.contains("nf65"), "{error}");
    }
    assert!(refusal(&"[".repeat(20)).contains("nested too deep"));
}

#[test]
fn what_is_no_text_file_is_refused() {
    let directory = TempDir::new();
    let error = |path: &Path| read(path).map(|_| ()).expect_err("refused").to_string();
    assert!(error(&directory.path(FILE)).starts_with("cannot read "));
    assert!(error(&directory.path("")).starts_with("cannot read "));
    directory.file(FILE, b"{\"users\":{\"\xff\":1}}");
    assert!(error(&directory.path(FILE)).ends_with("not UTF-8"));
    // This file has no end.
    assert!(error(Path::new("/dev/zero")).ends_with(&format!("larger than {MAX_FILE_BYTES} bytes")));
}

#[test]
fn a_new_file_is_for_its_owner_only() {
    let directory = TempDir::new();
    add(&directory.path(FILE), "joe").expect("written");
    assert_eq!(mode(&directory.path(FILE)), 0o600);
    assert_eq!(exposure(&directory.path(FILE)), None);
    let missing = directory.path("missing.json");
    assert!(update(&missing, false, |_| Ok(())).is_err() && !missing.exists());
    assert_eq!(exposure(&missing), None);
}

#[test]
fn others_lose_their_access_and_the_group_keeps_it() {
    let directory = TempDir::new();
    add(&directory.path(FILE), "joe").expect("written");
    for (before, warning, after) in [
        (0o644, Some("can read /"), 0o640),
        (0o666, Some("can read and change /"), 0o660),
        (0o602, Some("can change /"), 0o600),
        (0o640, None, 0o640),
    ] {
        fs::set_permissions(directory.path(FILE), Permissions::from_mode(before)).expect("set");
        let text = exposure(&directory.path(FILE));
        let text = text.map(|text| text.replace("everybody on this machine ", ""));
        assert_eq!(text.is_some(), warning.is_some(), "{before:o}");
        assert!(text.unwrap_or_default().starts_with(warning.unwrap_or("")), "{before:o}");
        add(&directory.path(FILE), "jim").expect("written");
        assert_eq!(mode(&directory.path(FILE)), after);
    }
}

#[test]
fn a_change_that_fails_leaves_the_file_alone() {
    let directory = TempDir::new();
    add(&directory.path(FILE), "joe").expect("written");
    let before = fs::metadata(directory.path(FILE)).expect("there").ino();
    let error = update(&directory.path(FILE), true, |users| {
        users.remove("joe");
        Err::<(), _>(Error::new("changed my mind"))
    });
    assert_eq!(error.map(|_| ()).expect_err("refused").to_string(), "changed my mind");
    assert_eq!(fs::metadata(directory.path(FILE)).expect("there").ino(), before);
    // An invalid file is not overwritten.
    directory.file(FILE, "{");
    assert!(add(&directory.path(FILE), "joe").is_err());
    assert_eq!(fs::read(directory.path(FILE)).expect("read"), b"{");
    assert_eq!(directory.names(), ["users.json"]);
}

#[test]
fn a_link_stays_one() {
    let directory = TempDir::new();
    let link = directory.path("link.json");
    symlink("users.json", &link).expect("made");
    // The target of a dangling link is not created.
    assert!(add(&link, "joe").map(|_| ()).expect_err("refused").to_string().starts_with("cannot find "));
    add(&directory.path(FILE), "joe").expect("written");
    add(&link, "jim").expect("written");
    assert!(fs::symlink_metadata(&link).expect("there").file_type().is_symlink());
    assert_eq!(read(&directory.path(FILE)).expect("read").len(), 2);
    assert_eq!(directory.names(), ["link.json", "users.json"]);
}

#[test]
fn what_an_ended_program_left_is_no_obstacle() {
    let directory = TempDir::new();
    let elsewhere = directory.file("elsewhere", "mine");
    symlink(&elsewhere, directory.path(".users.json.new")).expect("made");
    add(&directory.path(FILE), "joe").expect("written");
    assert_eq!(fs::read(&elsewhere).expect("read"), b"mine");
    assert_eq!(directory.names(), ["elsewhere", "users.json"]);
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    const WRITERS: usize = 8;
    let directory = TempDir::new();
    let start = Arc::new(Barrier::new(WRITERS));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (file, start) = (directory.path(FILE), start.clone());
            std::thread::spawn(move || {
                start.wait();
                for round in 0..5 {
                    add(&file, &format!("user {writer} {round}")).expect("written");
                    // A reader always gets a complete file.
                    read(&file).expect("read");
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    assert_eq!(read(&directory.path(FILE)).expect("read").len(), WRITERS * 5);
}

#[test]
fn a_lock_of_another_program_is_waited_for_and_given_up() {
    let directory = TempDir::new();
    add(&directory.path(FILE), "joe").expect("written");
    let hold = |seconds: &str| {
        let flock = || Command::new("flock");
        let holder =
            flock().arg("-F").arg(directory.path(FILE)).args(["sleep", seconds]).spawn().expect("runs");
        while flock().arg("-n").arg(directory.path(FILE)).arg("true").status().expect("runs").success() {}
        holder
    };
    let mut short = hold("0.5");
    add(&directory.path(FILE), "jim").expect("written");
    short.wait().expect("ended");
    let mut long = hold("30");
    let error = add(&directory.path(FILE), "ann").map(|_| ()).expect_err("refused").to_string();
    assert!(error.starts_with("cannot open ") && error.contains("another program"), "{error}");
    // Reading does not wait for the lock.
    assert_eq!(read(&directory.path(FILE)).expect("read").len(), 2);
    long.kill().expect("ended");
    long.wait().expect("ended");
}

#[test]
fn an_empty_file_is_one_to_be_filled() {
    let directory = TempDir::new();
    directory.file(FILE, "");
    assert!(update(&directory.path(FILE), false, |_| Ok(())).is_err());
    assert!(update(&directory.path(FILE), true, |_| Err::<(), _>(Error::new("no"))).is_err());
    assert!(directory.path(FILE).exists());
    add(&directory.path(FILE), "joe").expect("written");
    assert_eq!(read(&directory.path(FILE)).expect("read").len(), 1);
}

#[test]
fn a_file_that_would_be_new_is_not_there_after_a_failure() {
    let directory = TempDir::new();
    let refused = update(&directory.path(FILE), true, |_| Err::<(), _>(Error::new("no")));
    assert!(refused.is_err());
    assert_eq!(directory.names(), [""; 0]);
}
