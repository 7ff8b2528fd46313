//! The format of the users file: JSON that people read and may edit.
//!
//! ```json
//! {
//!   "users": {
//!     "joe": {
//!       "hash": "$argon2id$v=19$m=19456,t=2,p=1$…$…",
//!       "auth": {"fetchGroups": ["viewers"], "setGroups": ["operators"], "callGroups": []},
//!       "admin": false,
//!       "readonly": false
//!     }
//!   }
//! }
//! ```
//!
//! `hash` is what `jetd passwd` makes and has to be there; everything else may be missing and is then
//! empty or false. The lists under `auth` name the groups whose elements the user may fetch, set and call. An `admin`
//! may add users and change their passwords; the password of a `readonly` user is changed by nobody over the bus.
//! A member that is not named here is refused, as it may be a protection with a slip in its name; so is one that
//! comes twice.
//!
//! What lives here: from text to [`Users`] and back. Reading and writing the file is in `file`.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Auth, Error, Hash, User, Users};
use crate::json::{self, Kind, Raw, write};
use crate::util::nearest::nearest;

/// What the file needs, and a little more: a list in a table in a user in the users.
const MAX_DEPTH: usize = 16;

const USER_MEMBERS: [&str; 4] = ["hash", "auth", "admin", "readonly"];
const AUTH_MEMBERS: [&str; 3] = ["fetchGroups", "setGroups", "callGroups"];

/// How to come by a hash. A file with a user that has none cannot be read, so the user has to go first.
const ADVICE: &str =
    "take this user out and make it with 'jetd passwd FILE USER', which asks for the password";

/// Reads the text of a users file.
///
/// # Errors
/// What is wrong, with the user and the member; the file is the caller's to name.
pub fn read(text: &str) -> Result<Users, Error> {
    let raw = Raw::parse(text, MAX_DEPTH).map_err(|error| not_json(text, error))?;
    let members = object(raw, "the file", &["users"])?;
    let (_, listed) = members.into_iter().next().ok_or_else(|| Error::new("there is no member 'users'"))?;
    let mut users = Users::default();
    for (name, value) in all_members(listed, "users")? {
        let added = user(value).and_then(|user| users.insert(&name, user));
        added.map_err(|error| error.at(format_args!("user '{}'", name.escape_debug())))?;
    }
    Ok(users)
}

fn user(raw: Raw) -> Result<User, Error> {
    let mut hash = None;
    let mut auth = Auth::default();
    for (member, value) in object(raw, "a user", &USER_MEMBERS)? {
        match &*member {
            "hash" => hash = Some(read_hash(value)?),
            "auth" => read_groups(value, &mut auth)?,
            "admin" => auth.admin = boolean(value, "admin")?,
            // `object` has let nothing else through.
            _ => auth.readonly = boolean(value, "readonly")?,
        }
    }
    let hash = hash.ok_or_else(|| Error::new(format!("there is no member 'hash'; {ADVICE}")))?;
    Ok(User { hash, auth })
}

fn read_hash(value: Raw) -> Result<Hash, Error> {
    let text = value.as_str().ok_or_else(|| mistyped("hash", "a string", value))?;
    Hash::parse(&text).map_err(|error| Error::new(format!("hash: {error}; {ADVICE}")))
}

fn read_groups(raw: Raw, auth: &mut Auth) -> Result<(), Error> {
    for (member, value) in object(raw, "auth", &AUTH_MEMBERS)? {
        let groups = groups(value, &member)?;
        match &*member {
            "fetchGroups" => auth.fetch_groups = groups,
            "setGroups" => auth.set_groups = groups,
            // `object` has let nothing else through.
            _ => auth.call_groups = groups,
        }
    }
    Ok(())
}

fn groups(list: Raw, member: &str) -> Result<Vec<String>, Error> {
    if list.kind() != Kind::Array {
        return Err(mistyped(&format!("auth.{member}"), "an array of strings", list));
    }
    let name = |(index, value): (usize, Raw)| {
        let name = value.as_str().filter(|name| !name.is_empty());
        let place = || format!("auth.{member}[{index}]");
        name.map(Cow::into_owned).ok_or_else(|| mistyped(&place(), "the name of a group", value))
    };
    list.elements().enumerate().map(name).collect()
}

fn boolean(value: Raw, member: &str) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| mistyped(member, "true or false", value))
}

/// The members of an object, which are known ones, each at most once.
fn object<'a>(raw: Raw<'a>, place: &str, known: &[&str]) -> Result<Vec<(Cow<'a, str>, Raw<'a>)>, Error> {
    let members = all_members(raw, place)?;
    match members.iter().find(|(member, _)| !known.contains(&&**member)) {
        None => Ok(members),
        // What other daemons of Jet have in theirs.
        Some((member, _)) if member == "password" => {
            Err(Error::new(format!("a 'password' is not to be in this file, only its 'hash'; {ADVICE}")))
        }
        Some((member, _)) => Err(unknown(member, known)),
    }
}

/// The members of an object, each of which comes once.
fn all_members<'a>(raw: Raw<'a>, place: &str) -> Result<Vec<(Cow<'a, str>, Raw<'a>)>, Error> {
    if raw.kind() != Kind::Object {
        return Err(mistyped(place, "an object", raw));
    }
    let members: Vec<_> = raw.members().collect();
    let mut seen = HashSet::new();
    match members.iter().find(|(member, _)| !seen.insert(member)) {
        None => Ok(members),
        Some((member, _)) => Err(Error::new(format!("'{}' is there twice", member.escape_debug()))),
    }
}

fn unknown(member: &str, known: &[&str]) -> Error {
    let hint = nearest(member, known).map(|name| format!("; is '{name}' meant?")).unwrap_or_default();
    Error::new(format!("'{}' means nothing here{hint}", member.escape_debug()))
}

fn mistyped(place: &str, expected: &str, got: Raw) -> Error {
    let got = match got.kind() {
        Kind::Null => "null",
        Kind::Bool => "a boolean",
        Kind::Number => "a number",
        Kind::String if got.text() == "\"\"" => "an empty string",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    };
    Error::new(format!("{place} has to be {expected}, it is {got}"))
}

/// Where a text is no JSON, as editors count.
fn not_json(text: &str, error: json::Error) -> Error {
    let before = text.get(..error.at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Error::new(format!("line {line}, column {column}: {error}"))
}

/// The text of a users file: a line for each member, so that tools show what has changed.
pub fn write(users: &Users) -> Vec<u8> {
    let mut out = Vec::from("{\n  \"users\": {");
    let mut separator = "\n";
    for (name, User { hash, auth }) in users {
        out.extend_from_slice(separator.as_bytes());
        separator = ",\n";
        out.extend_from_slice(b"    ");
        write::string(&mut out, name);
        out.extend_from_slice(b": {\n      \"hash\": ");
        write::string(&mut out, &hash.to_phc());
        out.extend_from_slice(b",\n      \"auth\": {");
        let lists = [&auth.fetch_groups, &auth.set_groups, &auth.call_groups];
        for (index, (member, groups)) in AUTH_MEMBERS.iter().zip(lists).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            out.extend_from_slice(format!("{separator}\"{member}\": ").as_bytes());
            write_groups(&mut out, groups);
        }
        let (admin, readonly) = (auth.admin, auth.readonly);
        let rest = format!("}},\n      \"admin\": {admin},\n      \"readonly\": {readonly}\n    }}");
        out.extend_from_slice(rest.as_bytes());
    }
    out.extend_from_slice(b"\n  }\n}\n");
    out
}

fn write_groups(out: &mut Vec<u8>, groups: &[String]) {
    out.push(b'[');
    for (index, group) in groups.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        write::string(out, group);
    }
    out.push(b']');
}
