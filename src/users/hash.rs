//! Passwords and what is kept of them: argon2 hashes as PHC strings, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
//!
//! A hash takes tens of milliseconds and the memory its string names, which is the point of it. The caller of
//! [`Hash::of`] and [`Hash::verify`] has to do this on a thread that nothing else waits for, and
//! not many times at once.

use std::fmt;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use super::Error;
use crate::sys::pages::Blocks;
use crate::util::password::Password;

/// Longest password in bytes. People do not type more, and hashing megabytes would be a load on the daemon.
pub const MAX_PASSWORD_BYTES: usize = 4096;

/// Bytes of salt, as the PHC string format recommends: enough that no two are the same by chance.
const SALT_BYTES: usize = 16;

/// Bytes of a hash of ours: the 256 bits that RFC 9106 recommends.
const OUTPUT_BYTES: usize = 32;

/// The cost of making and verifying a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// How often that memory is gone through.
    pub passes: u32,
    /// Independent parts of the memory. They are worked on one after the other here.
    pub lanes: u32,
}

impl Cost {
    /// For hashes of ours: the least that OWASP's Password Storage Cheat Sheet allows, 19 MiB twice. A small device
    /// has that much for a moment, and a login should not take it a second.
    pub const DEFAULT: Cost = Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// The most that a hash from elsewhere may cost, since each login makes the daemon pay it.
    /// RFC 9106 recommends 64 MiB, 3 passes and 4 lanes where memory is scarce; this is twice
    /// the memory and a little more of the rest.
    pub const MAX: Cost = Cost { memory_kib: 128 * 1024, passes: 6, lanes: 16 };

    fn is_bearable(self) -> bool {
        let max = Cost::MAX;
        self.memory_kib <= max.memory_kib && self.passes <= max.passes && self.lanes <= max.lanes
    }

    fn hasher(self) -> Result<Argon2<'static>, Error> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT_BYTES));
        let params = params.map_err(|error| Error::new(format!("no such cost of a hash: {error}")))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// Checks the length of a new password.
fn check(password: &Password) -> Result<(), Error> {
    match password.text().len() {
        0 => Err(Error::new("the password is empty")),
        1..=MAX_PASSWORD_BYTES => Ok(()),
        _ => Err(Error::new(format!("the password is longer than {MAX_PASSWORD_BYTES} bytes"))),
    }
}

/// What is kept of a password.
#[derive(Clone)]
pub struct Hash(PasswordHash);

impl Hash {
    /// Hashes a password with a salt of its own, at [`Cost::DEFAULT`].
    ///
    /// # Errors
    /// The password is empty or longer than [`MAX_PASSWORD_BYTES`]; there is no memory or no random salt.
    pub fn of(password: &Password) -> Result<Hash, Error> {
        Hash::with_cost(password, Cost::DEFAULT)
    }

    /// Hashes a password at another cost.
    ///
    /// # Errors
    /// As [`of`](Self::of); argon2 knows no such cost, or it is above [`Cost::MAX`].
    pub fn with_cost(password: &Password, cost: Cost) -> Result<Hash, Error> {
        check(password)?;
        if !cost.is_bearable() {
            return Err(too_costly());
        }
        let salt = random_salt()?;
        let hasher = cost.hasher()?;
        let hash = output(&hasher, password, &salt)?;
        let params = ParamsString::try_from(hasher.params()).map_err(|error| unhashable(&error))?;
        let salt = Salt::new(&salt).map_err(|error| unhashable(&error))?;
        Ok(Hash(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params,
            salt: Some(salt),
            hash: Some(hash),
        }))
    }

    /// Reads a hash: a PHC string of argon2id, argon2i or argon2d, version 19 (1.3).
    ///
    /// # Errors
    /// It is something else, or costs more than [`Cost::MAX`].
    pub fn parse(text: &str) -> Result<Hash, Error> {
        if !text.starts_with("$argon2") {
            return Err(Error::new("no argon2 hash ($argon2id$…), and no other kind is supported"));
        }
        let broken = |what: &str| Error::new(format!("a broken argon2 hash: {what}"));
        let hash = PasswordHash::new(text).map_err(|_| broken("no PHC string"))?;
        Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| broken("an unknown variant"))?;
        if hash.version != Some(Version::V0x13.into()) {
            return Err(broken("a version other than 19"));
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(broken("it has no salt or no hash"));
        }
        if hash.params.iter().any(|(name, _)| !["m", "t", "p"].contains(&name.as_str())) {
            return Err(broken("a parameter other than m, t and p"));
        }
        let params = Params::try_from(&hash).map_err(|_| broken("impossible parameters"))?;
        let hash = Hash(hash);
        if !cost_of(&params).is_bearable() {
            return Err(too_costly());
        }
        Ok(hash)
    }

    /// Returns whether it is the hash of that password. Takes as long for a wrong one.
    pub fn verify(&self, password: &Password) -> bool {
        password.text().len() <= MAX_PASSWORD_BYTES
            && self.output_for(password).is_some_and(|output| {
                // Compared in constant time.
                self.0.hash == Some(output)
            })
    }

    /// What that password comes to with this salt and cost; none without memory.
    fn output_for(&self, password: &Password) -> Option<Output> {
        let algorithm = Algorithm::try_from(self.0.algorithm.as_str()).ok()?;
        let params = Params::try_from(&self.0).ok()?;
        output(&Argon2::new(algorithm, Version::V0x13, params), password, self.0.salt.as_ref()?).ok()
    }

    /// Returns the PHC string.
    pub fn to_phc(&self) -> String {
        self.0.to_string()
    }

    /// Returns a hash that costs as much as this one and that no password is known to match.
    pub(crate) fn decoy(&self) -> Hash {
        let mut decoy = self.clone();
        decoy.0.hash = Output::new(&[0; OUTPUT_BYTES]).ok();
        decoy
    }

    /// Returns a decoy that costs as much as a hash of ours.
    pub(crate) fn default_decoy() -> Hash {
        let Cost { memory_kib, passes, lanes } = Cost::DEFAULT;
        let zeros = "A".repeat(22);
        let text = format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${zeros}${zeros}");
        Hash::parse(&text).expect("a string of our own making, which a test reads as well")
    }
}

/// What a password comes to. The memory it takes goes back to the kernel, see [`Blocks`].
fn output(hasher: &Argon2, password: &Password, salt: &[u8]) -> Result<Output, Error> {
    let params = hasher.params();
    let blocks = Blocks::new(params.block_count()).map_err(|error| unhashable(&error))?;
    let length = params.output_len().unwrap_or(OUTPUT_BYTES);
    let mut bytes = [0; Output::MAX_LENGTH];
    let bytes = bytes.get_mut(..length).ok_or_else(|| unhashable(&"its hash would be too long"))?;
    let password = password.text().as_bytes();
    let hashed = hasher.hash_password_into_with_memory(password, salt, bytes, blocks);
    hashed.map_err(|error| unhashable(&error))?;
    Output::new(bytes).map_err(|error| unhashable(&error))
}

fn unhashable(error: &dyn fmt::Display) -> Error {
    Error::new(format!("the password cannot be hashed: {error}"))
}

fn cost_of(params: &Params) -> Cost {
    Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() }
}

fn too_costly() -> Error {
    let Cost { memory_kib, passes, lanes } = Cost::MAX;
    Error::new(format!("a hash that costs too much: the most is m={memory_kib}, t={passes}, p={lanes}"))
}

fn random_salt() -> Result<[u8; SALT_BYTES], Error> {
    let mut salt = [0; SALT_BYTES];
    let mut filled = 0;
    while filled < SALT_BYTES {
        let got = rustix::rand::getrandom(&mut salt[filled..], rustix::rand::GetRandomFlags::empty());
        filled += got.map_err(|error| Error::new(format!("no random salt: {error}")))?;
    }
    Ok(salt)
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}
