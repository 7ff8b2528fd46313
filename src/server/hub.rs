//! What the tasks of a daemon share: the bus, the connections, and the housekeeper that writes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::LogSink;
use super::connection::Connection;
use super::logins::Logins;
use crate::daemon::accounts::{Job, Task, Verdict};
use crate::daemon::{Bus, ClientKey};
use crate::daemon::{Level, LogLine};
use crate::net::ServerTls;

/// How long what is due waits for input to be read.
const READING_BEFORE_EXPIRY: Duration = Duration::from_millis(200);

/// Shared by all tasks of one daemon; they are on one thread.
pub struct Core {
    pub bus: RefCell<Bus>,
    connections: RefCell<HashMap<ClientKey, Rc<Connection>>>,
    /// Wakes the housekeeper: a message has been handled.
    work: Notify,
    /// Connections that have read something and have more to read.
    reading: Cell<usize>,
    /// When something was first seen to be due that has not been done.
    due_since: Cell<Option<Instant>>,
    stopping: Cell<bool>,
    log: LogSink,
    /// Whether the log has been told that a foreign Web page is connected.
    page_noted: Cell<bool>,
    /// Whoever may log in, if anybody has to.
    logins: Option<Logins>,
}

impl Core {
    pub fn new(bus: Bus, log: LogSink, logins: Option<Logins>) -> Rc<Core> {
        Rc::new(Core {
            bus: RefCell::new(bus),
            connections: RefCell::default(),
            work: Notify::new(),
            reading: Cell::new(0),
            due_since: Cell::new(None),
            stopping: Cell::new(false),
            log,
            page_noted: Cell::new(false),
            logins,
        })
    }

    /// Takes a connection up.
    pub fn add(&self, connection: Rc<Connection>) {
        self.connections.borrow_mut().insert(connection.key, connection);
    }

    /// A connection has ended.
    pub fn remove(&self, key: ClientKey) {
        if self.connections.borrow_mut().remove(&key).is_some() && !self.stopping.get() {
            self.bus.borrow_mut().disconnect(key);
            self.touched();
        }
    }

    /// The bus has been given something: there may be something to send.
    pub fn touched(&self) {
        self.work.notify_one();
    }

    /// Sends and keeps deadlines until the daemon stops. It is woken behind everything else that
    /// is ready, so each connection gets one write for all that a turn brought.
    pub async fn keep_house(core: Rc<Core>) {
        loop {
            let deadline = core.bus.borrow().next_deadline();
            match deadline {
                Some(deadline) => {
                    let due = tokio::time::sleep_until(deadline.into());
                    tokio::select! {
                        () = core.work.notified() => {}
                        () = due => {}
                    }
                }
                None => core.work.notified().await,
            }
            let now = Instant::now();
            let is_overdue = core.expire(now);
            core.bus.borrow_mut().work(now);
            core.begin_jobs();
            core.flush();
            if is_overdue || core.bus.borrow().has_work() {
                core.touched();
                tokio::task::yield_now().await;
            }
        }
    }

    /// Does what is due. What lies in the sockets is read before: it may be the answer whose time is up, which
    /// came in time while this thread had no time. So this returns whether it has to be called again soon.
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

    /// Begins what the bus wants done. A login ends with the connection that waits for it; a change that has
    /// begun is made.
    fn begin_jobs(self: &Rc<Core>) {
        let jobs = self.bus.borrow_mut().take_jobs();
        for job in jobs {
            if let Some(connection) = self.connections.borrow().get(&job.ticket.client) {
                let is_login = matches!(job.task, Task::Verify { .. });
                let task = tokio::task::spawn_local(self.clone().do_job(job, connection.clone()));
                connection.set_job(Some(task.abort_handle()).filter(|_| is_login));
            }
        }
    }

    async fn do_job(self: Rc<Core>, job: Job, connection: Rc<Connection>) {
        let Some(logins) = &self.logins else {
            return;
        };
        let verdict = logins.carry_out(job.task, connection.address()).await;
        if matches!(verdict, Verdict::InvalidUser | Verdict::InvalidPassword) {
            let text = format!("a login from {} is refused", connection.name());
            self.bus.borrow_mut().note(Some(connection.key), text, Instant::now());
        }
        if matches!(verdict, Verdict::TooMany(_)) {
            let text = format!("a login from {} is refused: too many logins", connection.name());
            self.bus.borrow_mut().note(Some(connection.key), text, Instant::now());
        }
        self.bus.borrow_mut().conclude(job.ticket, verdict, Instant::now());
        connection.wake();
        self.touched();
    }

    /// Gives each connection with something to send one write, ends those that were given up, and
    /// hands out the log.
    pub fn flush(&self) {
        let dirty = self.bus.borrow_mut().take_dirty();
        for key in dirty {
            if let Some(connection) = self.connections.borrow().get(&key) {
                connection.flush(&mut self.bus.borrow_mut());
            }
        }
        for key in self.bus.borrow_mut().take_resumed() {
            if let Some(connection) = self.connections.borrow().get(&key) {
                connection.wake();
            }
        }
        for key in self.bus.borrow_mut().take_closing() {
            if let Some(connection) = self.connections.borrow().get(&key) {
                connection.end();
            }
        }
        for line in self.bus.borrow_mut().take_log() {
            (self.log)(line);
        }
    }

    /// Reads the users file and the certificates again whenever it is asked to.
    pub async fn keep_files(core: Rc<Core>, certificates: Vec<ServerTls>, asked: Arc<Notify>) {
        loop {
            asked.notified().await;
            if let Some(logins) = &core.logins {
                core.note(logins.reread().await);
            }
            for text in reread(certificates.clone()).await {
                core.note(text);
            }
            if core.logins.is_none() && certificates.is_empty() {
                core.note("there are no users and certificates to read again".to_owned());
            }
        }
    }

    /// Says something about a connection that never came to the bus.
    pub fn note(&self, text: String) {
        (self.log)(LogLine::new(Level::Info, text));
    }

    /// Logs why a connection never came to the bus.
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

    /// Sends what the sockets take without waiting, and lets go of all connections.
    pub fn shut_down(&self) {
        self.stopping.set(true);
        self.flush();
        for (_, connection) in self.connections.borrow_mut().drain() {
            connection.close();
        }
    }
}

/// Reads certificates again, off this thread. Returns what came of it, and what is wrong with them.
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
