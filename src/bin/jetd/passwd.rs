//! `jetd passwd`: makes and changes the file that `jetd --users` reads.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jet::users::{self, Auth, Error, Hash, User, Users};

use crate::prompt::{Failure, new_password};

/// The exit code of a program that a signal has ended is this and the number of the signal, as in shells.
const ENDED_BY_SIGNAL: u8 = 128;

/// Gives a user a password and groups, in a file for `jetd --users`
///
/// Makes the file if it is missing, and the user too. On a terminal it asks for the password, twice; else it reads one
/// line of its input. What is not named here stays as it is.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The users file
    file: PathBuf,

    /// The name of the user
    user: String,

    /// Groups whose elements the user may fetch, with commas between; '' for none
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    fetch_groups: Option<Vec<String>>,

    /// Groups whose states the user may set
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    set_groups: Option<Vec<String>>,

    /// Groups whose methods the user may call
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    call_groups: Option<Vec<String>>,

    /// The user may add users and change their passwords, over the bus
    #[arg(long, conflicts_with = "no_admin")]
    admin: bool,

    /// The user may no longer do so
    #[arg(long)]
    no_admin: bool,

    /// Nobody can change the password of the user over the bus
    #[arg(long, conflicts_with = "no_readonly")]
    readonly: bool,

    /// The password can be changed over the bus again
    #[arg(long)]
    no_readonly: bool,

    /// Change only the rest: ask for no password
    #[arg(short, long)]
    keep_password: bool,

    /// Take the user out of the file
    #[arg(
        long,
        conflicts_with_all = [
            "fetch_groups", "set_groups", "call_groups", "admin", "no_admin", "readonly", "no_readonly",
            "keep_password",
        ]
    )]
    delete: bool,
}

/// Runs the command, and prints the result to stdout.
pub fn run(arguments: &Arguments) -> ExitCode {
    let done = if arguments.delete { delete(arguments) } else { change(arguments) };
    match done {
        Ok(done) => {
            println!("{}: user '{}' {done}", arguments.file.display(), arguments.user);
            ExitCode::SUCCESS
        }
        Err(Failure::Error(error)) => {
            eprintln!("jetd passwd: {error}");
            ExitCode::FAILURE
        }
        Err(Failure::Signal(number)) => {
            ExitCode::from(u8::try_from(number).unwrap_or(0).saturating_add(ENDED_BY_SIGNAL))
        }
    }
}

fn delete(arguments: &Arguments) -> Result<&'static str, Failure> {
    let Arguments { file, user, .. } = arguments;
    users::update(file, false, |users| users.remove(user).ok_or_else(|| nobody(user)))?;
    Ok("deleted")
}

fn change(arguments: &Arguments) -> Result<&'static str, Failure> {
    let Arguments { file, user: name, .. } = arguments;
    users::check_name(name)?;
    // Before a password is typed in vain.
    let before = if is_new(file) { Users::default() } else { users::read(file)? };
    if arguments.keep_password {
        before.get(name).ok_or_else(|| nobody(name))?;
        users::update(file, false, |users| {
            let user = users.get_mut(name).ok_or_else(|| nobody(name))?;
            grant(arguments, &mut user.auth);
            Ok(())
        })?;
        return Ok("changed");
    }
    let hash = Hash::of(&new_password(name)?)?;
    let (was_there, _) = users::update(file, true, |users| {
        let mut auth = users.get(name).map(|user| user.auth.clone()).unwrap_or_default();
        grant(arguments, &mut auth);
        users.insert(name, User { hash, auth }).map(|before| before.is_some())
    })?;
    Ok(if was_there { "changed" } else { "added" })
}

/// Returns whether there is no file, or nothing in it.
fn is_new(file: &Path) -> bool {
    match file.symlink_metadata() {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(_) => file.metadata().is_ok_and(|metadata| metadata.len() == 0 && metadata.is_file()),
    }
}

/// Puts what the arguments name in the place of what was there.
fn grant(arguments: &Arguments, auth: &mut Auth) {
    let lists = [
        (&arguments.fetch_groups, &mut auth.fetch_groups),
        (&arguments.set_groups, &mut auth.set_groups),
        (&arguments.call_groups, &mut auth.call_groups),
    ];
    for (given, list) in lists {
        if let Some(given) = given {
            *list = given.iter().filter(|group| !group.is_empty()).cloned().collect();
        }
    }
    auth.admin = (auth.admin || arguments.admin) && !arguments.no_admin;
    auth.readonly = (auth.readonly || arguments.readonly) && !arguments.no_readonly;
}

fn nobody(name: &str) -> Error {
    Error::new(format!("there is no user '{}'", name.escape_debug()))
}
