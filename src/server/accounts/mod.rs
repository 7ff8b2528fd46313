//! Accounts: everything about users of a running daemon, behind [`Accounts`].
//!
//! The bus asks for a [`Task`] and gets a [`Verdict`]; it knows no hash. [`Accounts`] verifies passwords, changes users
//! and their file, and delays guesses: `queue` decides which login is next, `throttle` what failed logins cost.
//!
//! Passwords are hashed off the daemon's thread, two at a time, as each takes many megabytes and tens of milliseconds.
//! One of the two lanes is for sources without recent failures, so that a flood of wrong passwords delays only others
//! of its kind.

mod queue;
mod throttle;

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;

use crate::daemon::accounts::{Task, Verdict};
use crate::users::{self, Hash, User, Users};
use crate::util::password::Password;
use crate::wire::auth::Auth;
use queue::{LoginQueue, Step};
use throttle::{Source, Throttle};

/// Threads for hashing: one for each lane.
pub const HASHING_THREADS: usize = 2;

/// The users that a daemon is started with.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The users.
    pub users: Users,
    /// The file that they were read from. Changed passwords and added users are written there; without a file, they are
    /// kept for as long as the daemon runs.
    pub file: Option<PathBuf>,
}

/// The users of a running daemon, and their logins.
pub struct Accounts {
    users: RefCell<Users>,
    file: Option<PathBuf>,
    throttle: RefCell<Throttle>,
    queue: RefCell<LoginQueue>,
    /// Wakes the logins that wait: a lane is free, or another login has come, begun or left.
    changed: Arc<Notify>,
    trusted: Arc<Semaphore>,
    suspect: Arc<Semaphore>,
    /// Held while users are changed.
    change: Mutex<()>,
    /// A copy with all changes, for a process that is forked.
    copy: Option<Arc<std::sync::Mutex<Registry>>>,
}

impl Accounts {
    /// Starts with these users. `copy` gets all changes as well.
    pub fn new(registry: Registry, copy: Option<Arc<std::sync::Mutex<Registry>>>) -> Accounts {
        Accounts {
            users: RefCell::new(registry.users),
            file: registry.file,
            throttle: RefCell::default(),
            queue: RefCell::default(),
            changed: Arc::new(Notify::new()),
            trusted: Arc::new(Semaphore::new(1)),
            suspect: Arc::new(Semaphore::new(1)),
            change: Mutex::new(()),
            copy,
        }
    }

    fn replace(&self, users: Users) {
        if let Some(copy) = &self.copy {
            copy.lock().unwrap_or_else(PoisonError::into_inner).users = users.clone();
        }
        self.users.replace(users);
    }

    /// Carries out a task of the bus for a connection from that address.
    pub async fn carry_out(&self, task: Task, from: Option<IpAddr>) -> Verdict {
        match task {
            Task::Verify { user, password } => self.verify(&user, password, Source::of(from)).await,
            Task::SetPassword { user, password } => self.change(Change { user, password, auth: None }).await,
            Task::AddUser { user, password, auth } => {
                self.change(Change { user, password, auth: Some(auth) }).await
            }
        }
    }

    async fn verify(&self, user: &str, password: Password, source: Source) -> Verdict {
        let hash = self.users.borrow().hash_for(user);
        let is_right = self.in_turn(user, source, move || hash.verify(&password)).await;
        let auth = self.users.borrow().get(user).map(|user| user.auth.clone());
        match (is_right, auth) {
            (Err(verdict), _) => verdict,
            (Ok(true), Some(auth)) => {
                self.throttle.borrow_mut().succeeded(user, source);
                self.queue.borrow_mut().succeeded(user, source, Instant::now());
                Verdict::Verified(auth)
            }
            (Ok(_), Some(_)) => Verdict::InvalidPassword,
            (Ok(_), None) => Verdict::InvalidUser,
        }
    }

    /// Reads the users file again. Returns a line for the log.
    pub async fn reread(&self) -> String {
        let Some(file) = self.file.clone() else {
            return "the users are in no file".to_owned();
        };
        // After a change of the file that is under way.
        let _only = self.change.lock().await;
        let read = spawn_blocking(move || users::read(&file)).await;
        match read.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()))
        {
            Ok(users) => {
                let text = format!("the users are read again: {} may log in now", users.len());
                self.replace(users);
                text
            }
            Err(error) => format!("the users stay as they were: {error}"),
        }
    }

    /// Does `work` off this thread when the attempt is next. From then on it counts.
    async fn in_turn<R: Send + 'static>(
        &self,
        user: &str,
        source: Source,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Verdict> {
        let entered = self.queue.borrow_mut().enter(user, source, Instant::now());
        let waiting = Waiting { accounts: self, id: entered.map_err(Verdict::TooMany)? };
        self.changed.notify_waiters();
        let lane = loop {
            // Before looking: what changes from then on wakes it.
            let changed = self.changed.notified();
            let step = self.step(waiting.id, Instant::now());
            match step {
                Step::Begin(lane) => break lane,
                Step::TooMany(seconds) => return Err(Verdict::TooMany(seconds)),
                Step::Wait(Some(until)) => tokio::select! {
                    () = sleep_until(until.into()) => {}
                    () = changed => {}
                },
                Step::Wait(None) => changed.await,
            }
        };
        // It is free, and only this thread takes it.
        let turn = self.lanes()[lane].clone().acquire_owned().await.map_err(failed)?;
        self.throttle.borrow_mut().begun(user, source, Instant::now());
        drop(waiting);
        self.hash_off_thread(turn, work).await
    }

    /// Does `work` on another thread. The lane is free when it is done, also if its result is not awaited any more.
    async fn hash_off_thread<R: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Verdict> {
        let changed = self.changed.clone();
        let task = spawn_blocking(move || {
            let result = work();
            drop(turn);
            changed.notify_waiters();
            result
        });
        task.await.map_err(failed)
    }

    fn step(&self, id: u64, now: Instant) -> Step {
        let free = self.lanes().map(|lane| lane.available_permits() > 0);
        let throttle = self.throttle.borrow();
        self.queue.borrow_mut().step(id, now, free, |user, source| throttle.terms(user, source, now))
    }

    fn lanes(&self) -> [&Arc<Semaphore>; 2] {
        [&self.trusted, &self.suspect]
    }

    async fn change(&self, change: Change) -> Verdict {
        let _only = self.change.lock().await;
        let turn = match self.trusted.clone().acquire_owned().await {
            Ok(turn) => turn,
            Err(error) => return failed(error),
        };
        let (users, file) = (self.users.borrow().clone(), self.file.clone());
        let made = self.hash_off_thread(turn, move || change.make(users, file.as_deref())).await;
        match made.and_then(|made| made) {
            Ok(users) => {
                self.replace(users);
                Verdict::Changed
            }
            Err(verdict) => verdict,
        }
    }
}

/// A login that waits; it leaves when this is dropped.
struct Waiting<'a> {
    accounts: &'a Accounts,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.accounts.queue.borrow_mut().leave(self.id);
        self.accounts.changed.notify_waiters();
    }
}

/// A change of a user's password, or with an auth a new user.
struct Change {
    user: String,
    password: Password,
    auth: Option<Auth>,
}

impl Change {
    /// Makes the change in the file as it is now, or without a file in these users. Returns all users.
    fn make(self, mut users: Users, file: Option<&Path>) -> Result<Users, Verdict> {
        let hash = Hash::of(&self.password).map_err(unfit)?;
        let Some(file) = file else {
            return self.apply(hash, &mut users).map(|()| users);
        };
        let mut refusal = None;
        let written = users::update(file, false, |users| {
            self.apply(hash, users).map_err(|verdict| {
                refusal = Some(verdict);
                users::Error::new("refused")
            })
        });
        match (refusal, written) {
            (Some(verdict), _) => Err(verdict),
            (None, Err(error)) => Err(failed(error)),
            (None, Ok(((), users))) => Ok(users),
        }
    }

    fn apply(self, hash: Hash, users: &mut Users) -> Result<(), Verdict> {
        let auth = match (users.get(&self.user), self.auth) {
            (None, None) => return Err(Verdict::InvalidUser),
            (Some(_), Some(_)) => return Err(Verdict::UserExists),
            (Some(user), None) if user.auth.readonly => return Err(Verdict::ReadOnly),
            (Some(user), None) => user.auth.clone(),
            (None, Some(auth)) => auth,
        };
        users.insert(&self.user, User { hash, auth }).map(|_| ()).map_err(unfit)
    }
}

fn failed(error: impl std::fmt::Display) -> Verdict {
    Verdict::Failed(error.to_string())
}

fn unfit(error: users::Error) -> Verdict {
    Verdict::Unfit(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_login_that_is_abandoned_is_counted() {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let accounts = Accounts::new(Registry { users: Users::default(), file: None }, None);
            for _ in 0..2 {
                let guess = accounts.verify("ann", Password::from("wrong".to_owned()), Source::Local);
                // Long enough to begin.
                let _ = timeout(Duration::from_millis(1), guess).await;
                // The next one begins when that is done.
                let _turn = accounts.trusted.acquire().await;
            }
            assert!(accounts.throttle.borrow().terms("bob", Source::Local, Instant::now()).is_suspect);
        });
    }
}
