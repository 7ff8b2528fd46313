//! The format of the users file: JSON that people read and may edit. Reading and writing the file is in `file`.
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
//! `hash` is the output of `jetd passwd` and required; everything else is optional, and empty or false by default. The
//! lists under `auth` name the groups whose elements the user may fetch, set and call. An `admin` may add users and
//! change their passwords; the password of a `readonly` user cannot be changed over the bus. An unknown member is
//! rejected, as it may be a misspelled protection; so is a member that occurs twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Auth, Error, Hash, User, Users};
use crate::json::{self, Raw};
use crate::util::nearest::nearest;

/// The deepest nesting that is read, more than a users file needs.
const MAX_DEPTH: usize = 16;

/// The advice for a user without a usable hash. A file with one cannot be read, so that user has to go first.
const ADVICE: &str =
    "take this user out and make it with 'jetd passwd FILE USER', which asks for the password";

/// The members of the file. Their values are read one by one, for errors that name the user and the member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMembers<'t> {
    #[serde(borrow)]
    users: &'t RawValue,
}

/// The members of a user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserMembers<'t> {
    #[serde(borrow)]
    hash: &'t RawValue,
    #[serde(borrow, default, deserialize_with = "present")]
    auth: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    admin: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    readonly: Option<&'t RawValue>,
}

/// The members of `auth`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AuthMembers<'t> {
    #[serde(borrow, default, deserialize_with = "present")]
    fetch_groups: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    set_groups: Option<&'t RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    call_groups: Option<&'t RawValue>,
}

/// Reads a member that is there, which may not be null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The users in the order of the file, each once.
struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

/// Reads the text of a users file.
///
/// # Errors
/// The text is no users file. The error names the user and the member; the caller adds the file.
pub fn read(text: &str) -> Result<Users, Error> {
    let raw = Raw::parse(text, MAX_DEPTH).map_err(|error| not_json(text, error))?;
    let file: FileMembers = object(raw.text(), "the file")?;
    let Entries(entries) = object(file.users.get(), "users")?;
    let mut users = Users::default();
    for (name, value) in entries {
        let added = user(value.get()).and_then(|user| users.insert(&name, user));
        added.map_err(|error| error.at(format_args!("user '{}'", name.escape_debug())))?;
    }
    Ok(users)
}

fn user(text: &str) -> Result<User, Error> {
    let members: UserMembers = object(text, "a user")?;
    let hash: String = typed(members.hash, "hash", "a string")?;
    let hash = Hash::parse(&hash).map_err(|error| Error::new(format!("hash: {error}; {ADVICE}")))?;
    let mut auth = members.auth.map(groups).transpose()?.unwrap_or_default();
    let flag = |value: Option<&RawValue>, member| {
        value.map_or(Ok(false), |value| typed(value, member, "true or false"))
    };
    auth.admin = flag(members.admin, "admin")?;
    auth.readonly = flag(members.readonly, "readonly")?;
    Ok(User { hash, auth })
}

fn groups(value: &RawValue) -> Result<Auth, Error> {
    let members: AuthMembers = object(value.get(), "auth")?;
    let list = |value: Option<&RawValue>, member| {
        value.map_or(Ok(Vec::new()), |value| group_names(value, &format!("auth.{member}")))
    };
    Ok(Auth {
        fetch_groups: list(members.fetch_groups, "fetchGroups")?,
        set_groups: list(members.set_groups, "setGroups")?,
        call_groups: list(members.call_groups, "callGroups")?,
        ..Auth::default()
    })
}

fn group_names(value: &RawValue, member: &str) -> Result<Vec<String>, Error> {
    let names: Vec<&RawValue> = typed(value, member, "an array of strings")?;
    let name = |(index, value): (usize, &RawValue)| {
        let (member, expected) = (format!("{member}[{index}]"), "the name of a group");
        let name: String = typed(value, &member, expected)?;
        if name.is_empty() { Err(mistyped(&member, expected, value.get())) } else { Ok(name) }
    };
    names.into_iter().enumerate().map(name).collect()
}

/// Reads an object whose members are known ones, each at most once.
fn object<'t, T: Deserialize<'t>>(text: &'t str, name: &str) -> Result<T, Error> {
    if !text.starts_with('{') {
        return Err(mistyped(name, "an object", text));
    }
    serde_json::from_str(text).map_err(|error| explain(&error.to_string()))
}

fn typed<'t, T: Deserialize<'t>>(value: &'t RawValue, member: &str, expected: &str) -> Result<T, Error> {
    // The error of serde might show a secret.
    serde_json::from_str(value.get()).map_err(|_| mistyped(member, expected, value.get()))
}

/// Puts an error of serde about the members of an object into our words. It quotes names in backticks.
fn explain(error: &str) -> Error {
    let quoted = |prefix: &str| error.strip_prefix(prefix)?.rsplit_once('`').map(|(name, _)| name);
    if let Some((member, known)) = quoted("unknown field `").and_then(|rest| rest.split_once("`, expected "))
    {
        return unknown(member, known);
    }
    if let Some(member) = quoted("duplicate field `") {
        return Error::new(format!("'{}' is there twice", member.escape_debug()));
    }
    match quoted("missing field `") {
        Some("hash") => Error::new(format!("there is no member 'hash'; {ADVICE}")),
        Some(member) => Error::new(format!("there is no member '{member}'")),
        None => Error::new(error),
    }
}

/// Returns the error of an unknown member. `known` lists the others, with backticks between.
fn unknown(member: &str, known: &str) -> Error {
    if member == "password" {
        // Other daemons of Jet have one in their file.
        return Error::new(format!("a 'password' is not to be in this file, only its 'hash'; {ADVICE}"));
    }
    let is_name = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphabetic()) && !word.is_empty();
    let known: Vec<&str> = known.split('`').filter(is_name).collect();
    let hint = nearest(member, &known).map(|name| format!("; is '{name}' meant?")).unwrap_or_default();
    Error::new(format!("'{}' means nothing here{hint}", member.escape_debug()))
}

fn mistyped(member: &str, expected: &str, text: &str) -> Error {
    let got = match text.as_bytes() {
        b"null" => "null",
        b"\"\"" => "an empty string",
        [b'"', ..] => "a string",
        [b't' | b'f', ..] => "a boolean",
        [b'[', ..] => "an array",
        [b'{', ..] => "an object",
        _ => "a number",
    };
    Error::new(format!("{member} has to be {expected}, it is {got}"))
}

/// Returns the error of a text that is no JSON. Lines and columns count from 1, as editors do.
fn not_json(text: &str, error: json::Error) -> Error {
    let before = text.get(..error.at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Error::new(format!("line {line}, column {column}: {error}"))
}

/// The file as it is written.
#[derive(Serialize)]
struct FileText<'u> {
    users: BTreeMap<&'u str, UserText<'u>>,
}

#[derive(Serialize)]
struct UserText<'u> {
    hash: String,
    auth: AuthText<'u>,
    admin: bool,
    readonly: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthText<'u> {
    fetch_groups: &'u [String],
    set_groups: &'u [String],
    call_groups: &'u [String],
}

impl<'u> From<&'u User> for UserText<'u> {
    fn from(User { hash, auth }: &'u User) -> Self {
        let Auth { fetch_groups, set_groups, call_groups, admin, readonly } = auth;
        let groups = AuthText { fetch_groups, set_groups, call_groups };
        UserText { hash: hash.to_phc(), auth: groups, admin: *admin, readonly: *readonly }
    }
}

/// Returns the text of a users file.
pub fn write(users: &Users) -> Vec<u8> {
    let users = users.iter().map(|(name, user)| (name.as_str(), user.into())).collect();
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Lines::default());
    let written = FileText { users }.serialize(&mut serializer);
    written.expect("strings, lists and booleans in memory can always be written");
    out.push(b'\n');
    out
}

/// Writes a line for each member of a user, so that tools show what has changed; deeper values stay on its line.
#[derive(Default)]
struct Lines {
    depth: usize,
}

impl Lines {
    /// The depth of a user in the file.
    const USER: usize = 3;

    fn begin_line(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        write!(out, "\n{:1$}", "", 2 * self.depth)
    }
}

impl serde_json::ser::Formatter for Lines {
    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        out.write_all(b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.depth < Self::USER {
            self.begin_line(out)?;
        }
        out.write_all(b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if self.depth > Self::USER {
            return self.begin_array_value(out, first);
        }
        if !first {
            out.write_all(b",")?;
        }
        self.begin_line(out)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_has_a_line() {
        let mut users = Users::default();
        assert_eq!(write(&users), b"{\n  \"users\": {\n  }\n}\n");
        let phc = "$argon2id$v=19$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA";
        let hash = Hash::parse(phc).expect("a hash");
        let auth = Auth { fetch_groups: vec!["a".into(), "b".into()], admin: true, ..Auth::default() };
        users.insert("joe", User { hash: hash.clone(), auth }).expect("a name");
        users.insert("jim", User { hash, auth: Auth::default() }).expect("a name");
        let expected = format!(
            r#"{{
  "users": {{
    "jim": {{
      "hash": "{phc}",
      "auth": {{"fetchGroups": [], "setGroups": [], "callGroups": []}},
      "admin": false,
      "readonly": false
    }},
    "joe": {{
      "hash": "{phc}",
      "auth": {{"fetchGroups": ["a", "b"], "setGroups": [], "callGroups": []}},
      "admin": true,
      "readonly": false
    }}
  }}
}}
"#
        );
        assert_eq!(String::from_utf8(write(&users)).expect("UTF-8"), expected);
    }
}
