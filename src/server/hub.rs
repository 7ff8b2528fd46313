//! [`Hub`]: what the tasks of a daemon share. It has the bus and the connections, and a housekeeper that writes.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::LogSink;
use super::accounts::Accounts;
use super::link::Link;
use crate::daemon::accounts::{Job, Task, Verdict};
use crate::daemon::{Bus, ClientKey};
use crate::daemon::{Level, LogLine};
use crate::net::ServerTls;

/// The time that a deadline which has passed waits for input to be read.
const READING_BEFORE_EXPIRY: Duration = Duration::from_millis(200);

/// Shared by all tasks of one daemon, which run on one thread.
pub struct Hub {
    bus: RefCell<Bus>,
    links: RefCell<HashMap<ClientKey, Rc<Link>>>,
    /// Wakes the housekeeper: a message has been handled.
    work: Notify,
    /// The count of connections that have more to read.
    reading: Cell<usize>,
    /// The time at which a deadline was first seen to have passed, until it is handled.
    due_since: Cell<Option<Instant>>,
    stopping: Cell<bool>,
    log: LogSink,
    /// The connection of a foreign Web page has been logged.
    page_noted: Cell<bool>,
    /// The users, if peers have to log in.
    accounts: Option<Accounts>,
}

impl Hub {
    /// Makes the hub of a bus. `log` gets all lines for the log.
    pub fn new(bus: Bus, log: LogSink, accounts: Option<Accounts>) -> Rc<Hub> {
        Rc::new(Hub {
            bus: RefCell::new(bus),
            links: RefCell::default(),
            work: Notify::new(),
            reading: Cell::new(0),
            due_since: Cell::new(None),
            stopping: Cell::new(false),
            log,
            page_noted: Cell::new(false),
            accounts,
        })
    }

    /// Borrows the bus. The borrow must not be held over an await or a call of the hub.
    pub fn bus(&self) -> RefMut<'_, Bus> {
        self.bus.borrow_mut()
    }

    /// Adds a connection.
    pub fn add(&self, link: Rc<Link>) {
        self.links.borrow_mut().insert(link.key(), link);
    }

    /// Removes a connection that has ended.
    pub fn remove(&self, key: ClientKey) {
        if self.links.borrow_mut().remove(&key).is_some() && !self.stopping.get() {
            self.bus.borrow_mut().disconnect(key);
            self.touched();
        }
    }

    /// Wakes the housekeeper, because the bus may have something to send.
    pub fn touched(&self) {
        self.work.notify_one();
    }

    /// Sends and handles deadlines until the daemon stops. It is woken behind everything else that is ready, so each
    /// connection gets one write for everything that a turn brought.
    pub async fn keep_house(hub: Rc<Hub>) {
        loop {
            let deadline = hub.bus.borrow().next_deadline();
            match deadline {
                Some(deadline) => {
                    let due = tokio::time::sleep_until(deadline.into());
                    tokio::select! {
                        () = hub.work.notified() => {}
                        () = due => {}
                    }
                }
                None => hub.work.notified().await,
            }
            let now = Instant::now();
            let is_overdue = hub.expire(now);
            hub.bus.borrow_mut().work(now);
            hub.begin_jobs();
            hub.flush();
            if is_overdue || hub.bus.borrow().has_work() {
                hub.touched();
                tokio::task::yield_now().await;
            }
        }
    }

    /// Handles deadlines that have passed. Input in the sockets is read before: it may be the answer whose time is up, which
    /// came in time while this thread was busy. So this returns whether it has to be called again soon.
    fn expire(&self, now: Instant) -> bool {
        if self.bus.borrow().next_deadline().is_none_or(|deadline| deadline > now) {
            self.due_since.set(None);
            return false;
        }
        let Some(since) = self.due_since.get() else {
            self.due_since.set(Some(now));
            return true;
        };
        if self.reading.get() > 0 && now < since + READING_BEFORE_EXPIRY {
            return true;
        }
        self.due_since.set(None);
        self.bus.borrow_mut().handle_deadline(since);
        // What has become due meanwhile comes next.
        self.bus.borrow().next_deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Waits until others have had their turn; the caller has more to read.
    pub async fn let_others_read(&self) {
        self.reading.set(self.reading.get() + 1);
        tokio::task::yield_now().await;
        self.reading.set(self.reading.get() - 1);
    }

    /// Starts the jobs of the bus. A login ends with the connection that waits for it; a change that has begun is made.
    fn begin_jobs(self: &Rc<Hub>) {
        let jobs = self.bus.borrow_mut().take_jobs();
        for job in jobs {
            if let Some(link) = self.links.borrow().get(&job.ticket.client) {
                let is_login = matches!(job.task, Task::Verify { .. });
                let task = tokio::task::spawn_local(self.clone().do_job(job, link.clone()));
                link.set_job(Some(task.abort_handle()).filter(|_| is_login));
            }
        }
    }

    async fn do_job(self: Rc<Hub>, job: Job, link: Rc<Link>) {
        let Some(accounts) = &self.accounts else {
            return;
        };
        let verdict = accounts.carry_out(job.task, link.address()).await;
        if matches!(verdict, Verdict::InvalidUser | Verdict::InvalidPassword) {
            let text = format!("a login from {} is refused", link.name());
            self.bus.borrow_mut().note(Some(link.key()), text, Instant::now());
        }
        if matches!(verdict, Verdict::TooMany(_)) {
            let text = format!("a login from {} is refused: too many logins", link.name());
            self.bus.borrow_mut().note(Some(link.key()), text, Instant::now());
        }
        self.bus.borrow_mut().conclude(job.ticket, verdict, Instant::now());
        link.wake();
        self.touched();
    }

    /// Makes one write for each connection with something to send, ends those that the bus has closed, and writes the log.
    pub fn flush(&self) {
        let dirty = self.bus.borrow_mut().take_dirty();
        for key in dirty {
            if let Some(link) = self.links.borrow().get(&key) {
                link.flush(&mut self.bus.borrow_mut());
            }
        }
        for key in self.bus.borrow_mut().take_resumed() {
            if let Some(link) = self.links.borrow().get(&key) {
                link.wake();
            }
        }
        for key in self.bus.borrow_mut().take_closing() {
            if let Some(link) = self.links.borrow().get(&key) {
                link.end();
            }
        }
        for line in self.bus.borrow_mut().take_log() {
            (self.log)(line);
        }
    }

    /// Reads the users file and the certificates again each time that `asked` is notified.
    pub async fn keep_files(hub: Rc<Hub>, certificates: Vec<ServerTls>, asked: Arc<Notify>) {
        loop {
            asked.notified().await;
            if let Some(accounts) = &hub.accounts {
                hub.note(accounts.reread().await);
            }
            for text in reread(certificates.clone()).await {
                hub.note(text);
            }
            if hub.accounts.is_none() && certificates.is_empty() {
                hub.note("there are no users and certificates to read again".to_owned());
            }
        }
    }

    /// Logs a line.
    pub fn note(&self, text: String) {
        (self.log)(LogLine::new(Level::Info, text));
    }

    /// Logs the reason why a connection was never added to the bus. These lines are limited.
    pub fn note_stranger(&self, text: String) {
        self.bus.borrow_mut().note(None, text, Instant::now());
        self.touched();
    }

    /// Logs the first time that a foreign Web page is connected.
    pub fn note_page(&self, text: &str) {
        if !self.page_noted.replace(true) {
            self.note(format!("{text} (this is logged once)"));
        }
    }

    /// Sends what the sockets take without waiting, and closes all connections.
    pub fn shut_down(&self) {
        self.stopping.set(true);
        self.flush();
        for (_, link) in self.links.borrow_mut().drain() {
            link.close();
        }
    }
}

/// Reads certificates again, off this thread. Returns lines for the log: the results, and warnings.
async fn reread(certificates: Vec<ServerTls>) -> Vec<String> {
    let work = move || {
        let mut texts: Vec<_> = certificates.iter().map(ServerTls::reread).collect();
        texts.extend(certificates.iter().filter_map(ServerTls::warning));
        // Several listeners show the same certificate.
        texts.dedup();
        texts
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}
