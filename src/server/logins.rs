//! [`Logins`]: who may log in, and carrying out what the bus wants to know about that.
//!
//! Passwords are hashed off the daemon's thread, two at a time, as each takes many megabytes and tens of
//! milliseconds. One of the two is for attempts from places where nobody has failed lately, so that a
//! flood of wrong passwords keeps only its own kind waiting.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;

use super::login_throttle::{Attempts, Place};
use super::turns::{Step, Turns};
use crate::daemon::accounts::{Task, Verdict};
use crate::users::{self, Auth, Hash, Password, User, Users};

/// Threads for hashing: one for each of the two queues.
pub const HASHING_THREADS: usize = 2;

/// Who may log in.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// The users.
    pub users: Users,
    /// The file they were read from. Passwords that are changed, and users that are added, are written
    /// there; without, they are kept for as long as the daemon runs.
    pub file: Option<PathBuf>,
}

/// The users of a running daemon.
pub struct Logins {
    users: RefCell<Users>,
    file: Option<PathBuf>,
    attempts: RefCell<Attempts>,
    turns: RefCell<Turns>,
    /// Wakes the logins that wait: a lane is free, or another login has come, begun or left.
    changed: Arc<Notify>,
    trusted: Arc<Semaphore>,
    suspect: Arc<Semaphore>,
    /// Held by who changes users.
    change: Mutex<()>,
    /// What a process that was forked goes on with.
    noted: Option<Arc<std::sync::Mutex<Accounts>>>,
}

impl Logins {
    pub fn new(accounts: Accounts) -> Logins {
        Logins {
            users: RefCell::new(accounts.users),
            file: accounts.file,
            attempts: RefCell::default(),
            turns: RefCell::default(),
            changed: Arc::new(Notify::new()),
            trusted: Arc::new(Semaphore::new(1)),
            suspect: Arc::new(Semaphore::new(1)),
            change: Mutex::new(()),
            noted: None,
        }
    }

    /// Has `accounts` get all changes as well.
    pub fn noting_changes(self, accounts: Option<Arc<std::sync::Mutex<Accounts>>>) -> Logins {
        Logins { noted: accounts, ..self }
    }

    fn replace(&self, users: Users) {
        if let Some(accounts) = &self.noted {
            accounts.lock().unwrap_or_else(PoisonError::into_inner).users = users.clone();
        }
        self.users.replace(users);
    }

    /// Carries out a job of the bus for a connection from that address.
    pub async fn carry_out(&self, task: Task, from: Option<IpAddr>) -> Verdict {
        match task {
            Task::Verify { user, password } => self.verify(&user, password, Place::of(from)).await,
            Task::SetPassword { user, password } => self.change(Change { user, password, auth: None }).await,
            Task::AddUser { user, password, auth } => {
                self.change(Change { user, password, auth: Some(auth) }).await
            }
        }
    }

    async fn verify(&self, user: &str, password: Password, place: Place) -> Verdict {
        let hash = self.users.borrow().hash_for(user);
        let is_right = self.in_turn(user, place, move || hash.verify(&password)).await;
        let auth = self.users.borrow().get(user).map(|user| user.auth.clone());
        match (is_right, auth) {
            (Err(verdict), _) => verdict,
            (Ok(true), Some(auth)) => {
                self.attempts.borrow_mut().succeeded(user, place);
                self.turns.borrow_mut().succeeded(user, place, Instant::now());
                Verdict::Verified(auth)
            }
            (Ok(_), Some(_)) => Verdict::InvalidPassword,
            (Ok(_), None) => Verdict::InvalidUser,
        }
    }

    /// Reads the users file again; says what came of it.
    pub async fn reread(&self) -> String {
        let Some(file) = self.file.clone() else {
            return "the users are in no file".to_owned();
        };
        // A password that is just being changed is in the file afterwards.
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

    /// Does that off this thread when it is the turn of the attempt, which counts from then on.
    async fn in_turn<R: Send + 'static>(
        &self,
        user: &str,
        place: Place,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Verdict> {
        let entered = self.turns.borrow_mut().enter(user, place, Instant::now());
        let waiting = Waiting { logins: self, id: entered.map_err(Verdict::TooMany)? };
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
        self.attempts.borrow_mut().begun(user, place, Instant::now());
        drop(waiting);
        self.hash_off_thread(turn, work).await
    }

    /// Does that on another thread. The turn ends when it is done, also if nobody waits for it any more.
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
        let attempts = self.attempts.borrow();
        self.turns.borrow_mut().step(id, now, free, |user, place| attempts.trust(user, place, now))
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
struct Waiting<'l> {
    logins: &'l Logins,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.logins.turns.borrow_mut().leave(self.id);
        self.logins.changed.notify_waiters();
    }
}

/// A change of a user's password, or with an auth a new user.
struct Change {
    user: String,
    password: Password,
    auth: Option<Auth>,
}

impl Change {
    /// Makes the change in the file, as it is now, or else in these users; gives all users.
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
    fn who_leaves_before_the_answer_is_counted() {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let logins = Logins::new(Accounts { users: Users::default(), file: None });
            for _ in 0..2 {
                let guess = logins.verify("ann", Password::from("wrong".to_owned()), Place::Here);
                // Long enough to begin.
                let _ = timeout(Duration::from_millis(1), guess).await;
                // Only when that is done is it the turn of the next.
                let _turn = logins.trusted.acquire().await;
            }
            assert!(logins.attempts.borrow().trust("bob", Place::Here, Instant::now()).is_suspect);
        });
    }
}
