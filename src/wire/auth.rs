//! [`Auth`]: the rights of a user, as names of groups.

/// The rights that a login gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// Groups whose elements the user may fetch and get.
    pub fetch_groups: Vec<String>,
    /// Groups whose states the user may set.
    pub set_groups: Vec<String>,
    /// Groups whose methods the user may call.
    pub call_groups: Vec<String>,
    /// The user may add users and change their passwords.
    pub admin: bool,
    /// The password cannot be changed over the bus, not even by an admin.
    pub readonly: bool,
}
