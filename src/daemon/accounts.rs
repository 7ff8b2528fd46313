//! [`Accounts`]: logins and changes of users, and the names of groups.
//!
//! Hashing a password takes long, so the engine does not do it: it hands out a [`Job`] and receives a [`Verdict`].
//! Meanwhile the messages of the connection are held, so all messages behind a login have its rights, and responses
//! keep their order.

use std::borrow::Cow;

use serde::Serialize;
use slotmap::SecondaryMap;

use crate::json::{Kind, Raw, to_text};
use crate::util::password::Password;
use crate::wire::auth::Auth;
use crate::wire::error::{INTERNAL_ERROR, INVALID_PARAMS, TOO_MANY_LOGINS, Tag};

use super::access::{Access, Fault, Groups, Rights};
use super::keys::ClientKey;
use super::params::{Params, members, wrong_type};
use super::reply::{Outcome, Refusal, Reply};
use super::request::Request;

/// A task about users that takes long.
#[derive(Debug)]
pub struct Job {
    /// Identifies the job.
    pub ticket: Ticket,
    /// The task.
    pub task: Task,
}

/// Identifies a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The connection that waits for the job.
    pub client: ClientKey,
    number: u64,
}

/// A task. The connection has the right to ask for it.
#[derive(Debug)]
pub enum Task {
    /// Check the password of a user.
    Verify {
        /// The name of the user.
        user: String,
        /// The password to check.
        password: Password,
    },
    /// Change the password of a user.
    SetPassword {
        /// The name of the user.
        user: String,
        /// The new password.
        password: Password,
    },
    /// Add a user.
    AddUser {
        /// The name of the user, which must be new.
        user: String,
        /// The password.
        password: Password,
        /// The groups of the user.
        auth: Auth,
    },
}

/// The result of a task.
#[derive(Debug)]
pub enum Verdict {
    /// The password is right. The user has these groups.
    Verified(Auth),
    /// The change is made.
    Changed,
    /// There is no such user.
    InvalidUser,
    /// The user has another password.
    InvalidPassword,
    /// The user cannot be changed.
    ReadOnly,
    /// There is a user of that name.
    UserExists,
    /// Too many logins wait. The peer may try again after that many seconds.
    TooMany(u64),
    /// The name or password is not possible, for this reason.
    Unfit(String),
    /// The task failed, for this reason.
    Failed(String),
}

/// A request that waits for a job.
#[derive(Debug)]
pub struct Pending {
    number: u64,
    user: String,
    is_login: bool,
    /// The id of the request, as JSON text.
    id: Option<Box<str>>,
}

impl Pending {
    /// Returns the id of the request.
    pub fn id(&self) -> Option<Raw<'_>> {
        self.id.as_deref().map(Raw::trusted)
    }

    /// Returns `true` if the request is a login, which changes the rights of its connection.
    pub fn is_login(&self) -> bool {
        self.is_login
    }
}

/// The requests that wait for jobs, the jobs that have not been taken, and the groups.
#[derive(Debug, Default)]
pub struct Accounts {
    groups: Groups,
    pending: SecondaryMap<ClientKey, Pending>,
    jobs: Vec<Job>,
    last: u64,
}

impl Accounts {
    /// Removes and returns the jobs.
    pub fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Returns `true` if a connection waits for a job.
    pub fn is_pending(&self, client: ClientKey) -> bool {
        self.pending.contains_key(client)
    }

    /// Forgets that a connection waits for a job.
    pub fn forget(&mut self, client: ClientKey) {
        self.pending.remove(client);
    }

    /// Removes and returns the request that waits for a job, unless its connection is gone.
    pub fn finish(&mut self, ticket: Ticket) -> Option<Pending> {
        let pending = self.pending.get(ticket.client);
        pending.filter(|pending| pending.number == ticket.number)?;
        self.pending.remove(ticket.client)
    }

    /// Returns the response to a request that waited, and the rights of a login that succeeded.
    pub fn conclude(&mut self, pending: &Pending, verdict: Verdict) -> (Reply, Option<Box<Rights>>) {
        let user = &*pending.user;
        let reply = match verdict {
            Verdict::Verified(auth) => {
                let rights = Box::new(self.groups.rights(user, &auth));
                return (Ok(Outcome::Value(auth_object(&auth))), Some(rights));
            }
            Verdict::Changed => Ok(Outcome::Done),
            Verdict::InvalidUser => Err(flag("invalidUser")),
            Verdict::InvalidPassword => Err(flag("invalidPassword")),
            Verdict::TooMany(seconds) => Err(Refusal::with(TOO_MANY_LOGINS, &Tag("retryAfter", seconds))),
            Verdict::ReadOnly => Err(Refusal::params("noAccess", user)),
            Verdict::UserExists => Err(Refusal::params("userExists", user)),
            Verdict::Unfit(reason) => Err(Refusal::params("reason", reason)),
            Verdict::Failed(reason) => Err(Refusal::with(INTERNAL_ERROR, &reason)),
        };
        (reply, None)
    }

    /// Reads `access` of `add`.
    ///
    /// # Errors
    /// It has an unknown member, or one of the wrong type.
    pub fn read_access(&mut self, access: Option<Raw>, params: Params) -> Result<Option<Access>, Refusal> {
        let read = access.map(|access| Access::read(access, &mut self.groups)).transpose();
        read.map(Option::flatten).map_err(|fault| match fault {
            Fault::WrongType(place) => wrong_type(place, params),
            Fault::Unknown(place) => Refusal::params("unknownMember", place),
        })
    }

    /// Logs a connection in. Its rights change while it fetches nothing, as fetches were checked with the old ones.
    pub fn authenticate(&mut self, request: Request, is_fetching: bool) -> Reply {
        let (user, password) = credentials(request.params)?;
        if is_fetching {
            return Err(flag("alreadyFetching"));
        }
        Ok(self.begin(request, Task::Verify { user, password }))
    }

    /// Changes the password of the user that is logged in, or of any user for an administrator.
    pub fn passwd(&mut self, request: Request, rights: Option<&Rights>) -> Reply {
        let (user, password) = credentials(request.params)?;
        if !rights.is_some_and(|rights| rights.admin || *rights.user == *user) {
            return Err(Refusal::params("noAccess", user));
        }
        Ok(self.begin(request, Task::SetPassword { user, password }))
    }

    /// Adds a user for an administrator, as peers of node-jet 3 do. The groups are for all actions.
    pub fn add_user(&mut self, request: Request, rights: Option<&Rights>) -> Reply {
        let (user, password) = credentials(request.params)?;
        if !rights.is_some_and(|rights| rights.admin) {
            return Err(Refusal::params("noAccess", user));
        }
        let [groups] = members(request.params, ["groups"]);
        let groups = groups.filter(|groups| !groups.is_null());
        let names = groups.map_or(Some(Vec::new()), |groups| {
            let is_list = groups.kind() == Kind::Array || groups.text() == "{}";
            let names = groups.elements().map(|name| name.as_str().map(Cow::into_owned));
            is_list.then(|| names.collect::<Option<Vec<String>>>()).flatten()
        });
        let names = names.ok_or_else(|| Refusal::params("wrongType", "groups"))?;
        let auth = Auth {
            fetch_groups: names.clone(),
            set_groups: names.clone(),
            call_groups: names,
            ..Auth::default()
        };
        Ok(self.begin(request, Task::AddUser { user, password, auth }))
    }

    /// Hands out a job and lets the request wait for it.
    fn begin(&mut self, request: Request, task: Task) -> Outcome {
        self.last += 1;
        let number = self.last;
        let (user, is_login) = match &task {
            Task::Verify { user, .. } => (user.clone(), true),
            Task::SetPassword { user, .. } | Task::AddUser { user, .. } => (user.clone(), false),
        };
        let id = request.id.map(|id| id.text().into());
        self.pending.insert(request.client, Pending { number, user, is_login, id });
        self.jobs.push(Job { ticket: Ticket { client: request.client, number }, task });
        Outcome::Answered
    }
}

/// Returns the user and password in params. Errors do not repeat the params, as there may be a password in them.
fn credentials(params: Params) -> Result<(String, Password), Refusal> {
    if params.is_none_or(|params| params.kind() != Kind::Object) {
        return Err(Refusal::params("wrongType", "params"));
    }
    let [user, password] = members(params, ["user", "password"]);
    let text = |member: Option<Raw>, key: &str| {
        let member = member.ok_or_else(|| Refusal::params("missingParam", key))?;
        member.as_str().map(Cow::into_owned).ok_or_else(|| Refusal::params("wrongType", key))
    };
    Ok((text(user, "user")?, text(password, "password")?.into()))
}

/// Returns an error whose data has one member, which is `true`.
fn flag(tag: &str) -> Refusal {
    Refusal::with(INVALID_PARAMS, &Tag(tag, true))
}

/// Returns the response to a login: the groups of the user.
fn auth_object(auth: &Auth) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Object<'a> {
        fetch_groups: &'a [String],
        set_groups: &'a [String],
        call_groups: &'a [String],
    }
    to_text(&Object {
        fetch_groups: &auth.fetch_groups,
        set_groups: &auth.set_groups,
        call_groups: &auth.call_groups,
    })
}
