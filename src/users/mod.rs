//! Users: names, passwords and rights.
//!
//! This module has users and their groups; [`struct@Hash`] and [`Password`] in `hash`; the users file in `file`,
//! its format in `format`. What a group may do with an element is up to the daemon. Nothing here
//! keeps a password, and neither Debug nor an error shows one, or a hash.

mod error;
mod file;
mod format;
mod hash;

use std::collections::btree_map::{BTreeMap, Iter};
use std::ops::Bound;

pub use error::Error;
pub use file::{MAX_FILE_BYTES, exposure, read, update};
pub use hash::{Cost, Hash, MAX_PASSWORD_BYTES};

pub use crate::util::password::Password;
pub use crate::wire::auth::Auth;

/// Longest name of a user in bytes. It is a word that people type and that every log line may hold.
pub const MAX_NAME_BYTES: usize = 256;

/// A user who may log in.
#[derive(Debug, Clone)]
pub struct User {
    /// What the password is compared with.
    pub hash: Hash,
    /// What a login allows.
    pub auth: Auth,
}

/// All users, by name.
#[derive(Debug, Clone, Default)]
pub struct Users(BTreeMap<String, User>);

impl Users {
    /// Returns the user of that name.
    pub fn get(&self, name: &str) -> Option<&User> {
        self.0.get(name)
    }

    /// Returns the user of that name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut User> {
        self.0.get_mut(name)
    }

    /// Adds a user, and returns the one of that name that it replaces.
    ///
    /// # Errors
    /// As [`check_name`].
    pub fn insert(&mut self, name: &str, user: User) -> Result<Option<User>, Error> {
        check_name(name)?;
        Ok(self.0.insert(name.to_owned(), user))
    }

    /// Removes a user.
    pub fn remove(&mut self, name: &str) -> Option<User> {
        self.0.remove(name)
    }

    /// Returns the users, in the order of their names.
    pub fn iter(&self) -> Iter<'_, String, User> {
        self.0.iter()
    }

    /// Returns whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many users there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the hash to verify a password for that name with: the hash of that user,
    /// or one that costs as much and that no password matches. So the time that an answer takes
    /// does not reveal which names are users.
    pub fn hash_for(&self, name: &str) -> Hash {
        if let Some(user) = self.get(name) {
            return user.hash.clone();
        }
        // Hashes may differ in cost. The next user's is always the same one for this name, and all
        // costs there are come up among names that are no users.
        let behind = (Bound::Excluded(name), Bound::Unbounded);
        let next = self.0.range::<str, _>(behind).next().or_else(|| self.0.iter().next());
        next.map_or_else(Hash::default_decoy, |(_, user)| user.hash.decoy())
    }
}

impl<'u> IntoIterator for &'u Users {
    type Item = (&'u String, &'u User);
    type IntoIter = Iter<'u, String, User>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Checks the name of a user. Names are shown in logs and on terminals.
///
/// # Errors
/// The name is empty, longer than [`MAX_NAME_BYTES`] or has control characters.
pub fn check_name(name: &str) -> Result<(), Error> {
    let fault = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > MAX_NAME_BYTES {
        format!("is longer than {MAX_NAME_BYTES} bytes")
    } else if name.chars().any(char::is_control) {
        "has control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(format!("the name of a user {fault}")))
}
