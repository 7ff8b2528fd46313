//! The services about users: authenticate, passwd, addUser.
//!
//! Passwords are costly to hash, so the engine does not do it: it says what is to be done as a [`Job`]
//! and is told how that went. Until then the messages of that connection wait (`waiting`), so all that was
//! sent after a login happens with its rights, and answers keep their order.

use std::borrow::Cow;
use std::time::Instant;

use crate::json::{Kind, Raw, write};
use crate::util::password::Password;
use crate::wire::auth::Auth;
use crate::wire::error::{INTERNAL_ERROR, INVALID_PARAMS, TOO_MANY_LOGINS};

use super::access::{GroupSet, Rights};
use super::bus::Bus;
use super::clients::{Outcome, into_text};
use super::held_messages::Waiting;
use super::keys::ClientKey;
use super::services::{Params, members};
use super::work::{AT_ONCE, Job as WorkJob, Progress};

/// Something about users that takes time.
#[derive(Debug)]
pub struct Job {
    /// Who waits for it.
    pub ticket: Ticket,
    /// What is to be done.
    pub task: Task,
}

/// Names a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The connection that waits.
    pub client: ClientKey,
    number: u64,
}

/// What is to be done. The right to ask for it has been looked at.
#[derive(Debug)]
pub enum Task {
    /// Look whether that is the password of that user.
    Verify {
        /// The name of the user.
        user: String,
        /// What is claimed to be the password.
        password: Password,
    },
    /// Give a user another password.
    SetPassword {
        /// The name of the user.
        user: String,
        /// The new one.
        password: Password,
    },
    /// Add a user.
    AddUser {
        /// The name of the user, which must be new.
        user: String,
        /// The password.
        password: Password,
        /// What the user may do.
        auth: Auth,
    },
}

/// How a job went.
#[derive(Debug)]
pub enum Verdict {
    /// It was the password; this is what the user may do.
    Verified(Auth),
    /// What had to be changed is changed.
    Changed,
    /// There is no such user.
    InvalidUser,
    /// The user has another password.
    InvalidPassword,
    /// Nobody may change this user.
    ReadOnly,
    /// There is a user of that name already.
    UserExists,
    /// Too many wait; the seconds after which to come again.
    TooMany(u64),
    /// It cannot be done with that name or password; why, for people.
    Unfit(String),
    /// It could not be done; why, for people.
    Failed(String),
}

impl Bus {
    /// What is to be done since this was last asked. Each job wants to be
    /// [concluded](Self::conclude), unless its connection has ended.
    pub fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Takes the outcome of a job, then what its connection has sent meanwhile. Nothing happens if that
    /// has ended.
    pub fn conclude(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) {
        self.clients.now = now;
        let Some(client) = self.clients.get_mut(ticket.client) else {
            return;
        };
        let Some(waiting) = client.waiting.take_if(|waiting| waiting.number == ticket.number) else {
            return;
        };
        let outcome = self.outcome(ticket.client, &waiting, verdict);
        self.answer(ticket.client, waiting.id.as_deref(), &outcome);
        let until = self.work.spent() + AT_ONCE;
        if self.catch_up(ticket.client, until, now) == Progress::Unfinished {
            self.work.push(WorkJob::Held(ticket.client));
        }
    }

    /// What is answered; a login changes the rights of its connection. A refused one leaves none: who
    /// wanted to be somebody else does not go on as who it was.
    fn outcome(&mut self, key: ClientKey, waiting: &Waiting, verdict: Verdict) -> Outcome {
        let mut rights = None;
        let outcome = match verdict {
            Verdict::Verified(auth) => {
                rights = Some(Box::new(self.rights_of(&waiting.user, &auth)));
                Outcome::Value(auth_object(&auth))
            }
            Verdict::InvalidUser => flag("invalidUser"),
            Verdict::InvalidPassword => flag("invalidPassword"),
            Verdict::TooMany(seconds) => {
                Outcome::Refused(TOO_MANY_LOGINS, Some(format!("{{\"retryAfter\":{seconds}}}")))
            }
            Verdict::Changed => Outcome::Done,
            Verdict::ReadOnly => Outcome::refused("noAccess", &waiting.user),
            Verdict::UserExists => Outcome::refused("userExists", &waiting.user),
            Verdict::Unfit(reason) => Outcome::refused("reason", &reason),
            Verdict::Failed(reason) => {
                let mut data = Vec::new();
                write::string(&mut data, &reason);
                Outcome::Refused(INTERNAL_ERROR, Some(into_text(data)))
            }
        };
        if let Some(client) = self.clients.get_mut(key).filter(|_| waiting.is_login) {
            client.rights = rights;
        }
        outcome
    }

    fn rights_of(&mut self, user: &str, auth: &Auth) -> Rights {
        let mut set = |names: &[String]| -> GroupSet { self.groups.set(names.iter().map(String::as_str)) };
        Rights {
            fetch: set(&auth.fetch_groups),
            set: set(&auth.set_groups),
            call: set(&auth.call_groups),
            user: user.into(),
            admin: auth.admin,
        }
    }

    /// Logs a connection in.
    pub(super) fn authenticate(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        params: Params,
    ) -> Result<Outcome, Outcome> {
        if !self.config().authentication {
            return Ok(Outcome::Done);
        }
        let (user, password) = credentials(params)?;
        // What it is shown would have to change under its feet.
        if self.clients.get(client).is_some_and(|client| !client.fetchers.is_empty()) {
            return Err(flag("alreadyFetching"));
        }
        Ok(self.begin(client, id, Task::Verify { user, password }))
    }

    /// Changes the own password, or as an admin that of anybody.
    pub(super) fn passwd(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        params: Params,
    ) -> Result<Outcome, Outcome> {
        let (user, password) = credentials(params)?;
        let may = |rights: &Rights| rights.admin || *rights.user == *user;
        if !self.clients.rights(client).is_some_and(may) {
            return Err(Outcome::refused("noAccess", &user));
        }
        Ok(self.begin(client, id, Task::SetPassword { user, password }))
    }

    /// Adds a user as peers of node-jet 3 do, whose groups are for every action. For admins.
    pub(super) fn add_user(
        &mut self,
        client: ClientKey,
        id: Option<Raw>,
        params: Params,
    ) -> Result<Outcome, Outcome> {
        let (user, password) = credentials(params)?;
        if !self.clients.rights(client).is_some_and(|rights| rights.admin) {
            return Err(Outcome::refused("noAccess", &user));
        }
        let [groups] = members(params, ["groups"]);
        let groups = groups.filter(|groups| !groups.is_null());
        let names = groups.map_or(Some(Vec::new()), |groups| {
            let is_list = groups.kind() == Kind::Array || groups.text() == "{}";
            let names = groups.elements().map(|name| name.as_str().map(Cow::into_owned));
            is_list.then(|| names.collect::<Option<Vec<String>>>()).flatten()
        });
        let names = names.ok_or_else(|| Outcome::refused("wrongType", "groups"))?;
        let auth = Auth {
            fetch_groups: names.clone(),
            set_groups: names.clone(),
            call_groups: names,
            ..Auth::default()
        };
        Ok(self.begin(client, id, Task::AddUser { user, password, auth }))
    }

    /// Has a connection wait until that is done.
    fn begin(&mut self, key: ClientKey, id: Option<Raw>, task: Task) -> Outcome {
        self.last_job += 1;
        let number = self.last_job;
        let (user, is_login) = match &task {
            Task::Verify { user, .. } => (user.clone(), true),
            Task::SetPassword { user, .. } | Task::AddUser { user, .. } => (user.clone(), false),
        };
        if let Some(client) = self.clients.get_mut(key) {
            client.waiting = Some(Waiting { number, user, is_login, id: id.map(|id| id.text().into()) });
        }
        self.jobs.push(Job { ticket: Ticket { client: key, number }, task });
        Outcome::Answered
    }
}

/// The user and password that params name. Errors do not repeat what came: there may be a secret in it.
fn credentials(params: Params) -> Result<(String, Password), Outcome> {
    if params.is_none_or(|params| params.kind() != Kind::Object) {
        return Err(Outcome::refused("wrongType", "params"));
    }
    let [user, password] = members(params, ["user", "password"]);
    let text = |member: Option<Raw>, key| {
        let member = member.ok_or_else(|| Outcome::refused("missingParam", key))?;
        member.as_str().map(Cow::into_owned).ok_or_else(|| Outcome::refused("wrongType", key))
    };
    Ok((text(user, "user")?, text(password, "password")?.into()))
}

/// Refuses with data that says just that.
fn flag(tag: &str) -> Outcome {
    Outcome::Refused(INVALID_PARAMS, Some(format!("{{\"{tag}\":true}}")))
}

/// The groups of a user, as node-jet tells them.
fn auth_object(auth: &Auth) -> String {
    let mut json = Vec::new();
    let lists = [
        ("{\"fetchGroups\":[", &auth.fetch_groups),
        ("],\"setGroups\":[", &auth.set_groups),
        ("],\"callGroups\":[", &auth.call_groups),
    ];
    for (start, names) in lists {
        json.extend_from_slice(start.as_bytes());
        for (number, name) in names.iter().enumerate() {
            if number > 0 {
                json.push(b',');
            }
            write::string(&mut json, name);
        }
    }
    json.extend_from_slice(b"]}");
    into_text(json)
}
