//! The table that `daemon.new` takes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mlua::Table;
use serde::Deserialize;

use super::fields::{Any, Bytes, Callback, Count, FileMode, Flag, Line, OneOrMany, Port, Seconds, Secret};
use super::reader::{self, Refusal};
use crate::daemon::Config;
use crate::server::{Interfaces, ListenConfig, Registry, TlsListenConfig, UpgradePolicy};
use crate::users::{self, Auth, Hash, Users};

/// The options of a daemon. `jet.DaemonOptions` in `lua/jet/daemon.lua` documents them for programs.
#[derive(Debug, Deserialize)]
#[serde(default, rename = "daemon option")]
pub struct DaemonOptions {
    /// TCP port; 0 chooses a free one.
    port: Port<0>,
    /// WebSocket port, none by default.
    ws_port: Option<Port<0>>,
    /// Whether the daemon refuses to start without its WebSocket port.
    all_ports: Flag,
    /// Unix domain sockets: paths, or abstract names behind an `@`.
    unix: OneOrMany<Bytes>,
    /// Permissions of the files of Unix sockets, default 0660.
    unix_mode: Option<FileMode>,
    /// Encrypts the ports.
    tls: Option<DaemonTls>,
    /// Origins of Web pages that may open a WebSocket, beside those of the same host.
    allow_origin: OneOrMany<Line>,
    /// Host names by which WebSockets may address the daemon, beside addresses and `localhost`.
    allow_host: OneOrMany<Line>,
    /// The users who may log in.
    users: Option<BTreeMap<String, UserOptions>>,
    /// A file with users, instead of `users`.
    users_file: Option<Line>,
    /// Address or name to listen on; all interfaces by default.
    interface: Option<Line>,
    /// The event loop that delivers the log.
    #[serde(rename = "loop")]
    _loop: Option<Any>,
    /// Gets what `info` and `crit` would get.
    #[serde(rename = "log")]
    _log: Option<Callback>,
    /// Gets log lines about peers that did something odd.
    #[serde(rename = "info")]
    _info: Option<Callback>,
    /// Gets log lines about failures.
    #[serde(rename = "crit")]
    _crit: Option<Callback>,
    /// Gets the messages of peers that are debugged.
    #[serde(rename = "debug")]
    _debug: Option<Callback>,
    /// Has no effect; an option of an earlier daemon.
    #[serde(rename = "print")]
    _print: Option<Any>,
    /// Seconds an owner has to respond, default 5.
    timeout: Option<Seconds>,
    /// Gives each peer one fetch of everything, as the "simple" fetch mode of node-jet.
    simple_fetch: Flag,
    /// Bytes of one message, default 10 000 000.
    max_message: Option<Count>,
    /// Nesting of values, default 1000.
    max_depth: Option<Count>,
    /// Bytes that may wait for one peer, default 256 MiB.
    max_unsent: Option<Count>,
    /// Fetches of one peer, default 100 000.
    max_fetches: Option<Count>,
    /// Requests of one peer that may wait for a response, default 1 000 000.
    max_requests: Option<Count>,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        DaemonOptions {
            port: Port(11122),
            ws_port: None,
            all_ports: Flag(false),
            unix: OneOrMany::default(),
            unix_mode: None,
            tls: None,
            allow_origin: OneOrMany::default(),
            allow_host: OneOrMany::default(),
            users: None,
            users_file: None,
            interface: None,
            _loop: None,
            _log: None,
            _info: None,
            _crit: None,
            _debug: None,
            _print: None,
            timeout: None,
            simple_fetch: Flag(false),
            max_message: None,
            max_depth: None,
            max_unsent: None,
            max_fetches: None,
            max_requests: None,
        }
    }
}

/// PEM files. With `port` or `ws_port` these ports are encrypted, and those of the daemon stay plain.
#[derive(Debug, Deserialize)]
#[serde(rename = "key")]
pub struct DaemonTls {
    /// The daemon's certificate with its intermediates.
    certificate: Line,
    /// Its key.
    key: Line,
    /// The authorities that sign the certificates of peers. Without it, peers need none.
    #[serde(default)]
    client_ca: Option<Line>,
    /// TCP port for TLS.
    #[serde(default)]
    port: Option<Port<0>>,
    /// WebSocket port for TLS.
    #[serde(default)]
    ws_port: Option<Port<0>>,
}

/// One user.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename = "member")]
pub struct UserOptions {
    /// Hashed when the daemon starts.
    password: Option<Secret>,
    /// An argon2 hash, instead of `password`.
    hash: Option<Line>,
    /// The groups of the user.
    auth: UserGroups,
    /// Whether the user may change the passwords of others, and add users.
    admin: Flag,
    /// Whether the password cannot be changed.
    readonly: Flag,
}

/// The groups of a user, by what they allow.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", rename = "member")]
pub struct UserGroups {
    /// See elements whose `access.fetchGroups` has one of these.
    fetch_groups: Vec<Line>,
    /// Set states whose `access.setGroups` has one of these.
    set_groups: Vec<Line>,
    /// Call methods whose `access.callGroups` has one of these.
    call_groups: Vec<Line>,
}

impl DaemonOptions {
    /// Reads the table of a program, without options that are `false` for "not given".
    ///
    /// # Errors
    /// The text of the Lua error.
    pub fn read(table: &Table) -> Result<DaemonOptions, String> {
        let options = reader::read::<DaemonOptions>(table).and_then(DaemonOptions::check);
        options.map_err(|refusal| refusal.message("options", "new"))
    }

    fn check(self) -> Result<DaemonOptions, Refusal> {
        if self.users.is_some() && self.users_file.is_some() {
            return Err(Refusal::new(".users_file", "either 'users' or 'users_file' expected, got both"));
        }
        for (name, user) in self.users.iter().flatten() {
            if user.password.is_some() == user.hash.is_some() {
                let path = format!(".users.{name}");
                return Err(Refusal::new(&path, "either 'password' or 'hash' expected"));
            }
        }
        Ok(self)
    }

    /// Returns what to listen on.
    ///
    /// # Errors
    /// Which origin or host name is none.
    pub fn places(&self) -> Result<ListenConfig, String> {
        let upgrades = UpgradePolicy::new(strings(&self.allow_origin.0), strings(&self.allow_host.0), false)?;
        let port = |given: Option<Port<0>>| given.map(|Port(port)| port);
        Ok(ListenConfig {
            // As the earlier daemon; `jetd` listens on the loopback interface alone.
            interfaces: self
                .interface
                .as_ref()
                .map_or(Interfaces::All, |Line(name)| Interfaces::These(vec![name.clone()])),
            port: self.port.0,
            ws_port: port(self.ws_port),
            unix: self.unix.0.iter().map(|Bytes(name)| name.clone()).collect(),
            unix_mode: self.unix_mode.map(|FileMode(mode)| mode),
            tls: self.tls.as_ref().map(|tls| TlsListenConfig {
                certificate: tls.certificate.0.clone().into(),
                key: tls.key.0.clone().into(),
                client_ca: tls.client_ca.as_ref().map(|Line(path)| path.into()),
                port: port(tls.port),
                ws_port: port(tls.ws_port),
            }),
            upgrades: upgrades.into(),
        })
    }

    /// Returns the options of the bus.
    pub fn config(&self) -> Config {
        let count = |given: Option<Count>, default| given.map_or(default, |Count(number)| number);
        let defaults = Config::default();
        Config {
            max_message: count(self.max_message, defaults.max_message),
            max_depth: count(self.max_depth, defaults.max_depth),
            max_unsent: count(self.max_unsent, defaults.max_unsent),
            max_fetches: count(self.max_fetches, defaults.max_fetches),
            max_requests: count(self.max_requests, defaults.max_requests),
            timeout: self.timeout.map_or(defaults.timeout, |Seconds(duration)| duration.as_secs_f64()),
            simple_fetch: self.simple_fetch.0,
            ..defaults
        }
    }

    /// Returns whether a WebSocket port that cannot be listened on keeps the daemon from starting.
    pub fn needs_all_ports(&self) -> bool {
        self.all_ports.0
    }

    /// Returns the users, if there are any. Hashes passwords, which takes some 30 ms for each.
    ///
    /// # Errors
    /// Which user is wrong, or why the file cannot be read.
    pub fn accounts(&self) -> Result<Option<Registry>, String> {
        if let Some(Line(file)) = &self.users_file {
            let file = PathBuf::from(file);
            let users = users::read(&file).map_err(|error| format!("option 'users_file': {error}"))?;
            return Ok(Some(Registry { users, file: Some(file) }));
        }
        let Some(given) = &self.users else {
            return Ok(None);
        };
        let mut users = Users::default();
        for (name, options) in given {
            let user = options.user().map_err(|error| format!("option 'users.{name}': {error}"))?;
            users.insert(name, user).map_err(|error| format!("option 'users': {error}"))?;
        }
        Ok(Some(Registry { users, file: None }))
    }
}

fn strings(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|Line(line)| line.clone()).collect()
}

impl UserOptions {
    fn user(&self) -> Result<users::User, users::Error> {
        let hash = match (&self.hash, &self.password) {
            (Some(Line(hash)), _) => Hash::parse(hash)?,
            (None, Some(Secret(password))) => Hash::of(password)?,
            (None, None) => return Err(users::Error::new("either 'password' or 'hash' expected")),
        };
        let auth = Auth {
            fetch_groups: strings(&self.auth.fetch_groups),
            set_groups: strings(&self.auth.set_groups),
            call_groups: strings(&self.auth.call_groups),
            admin: self.admin.0,
            readonly: self.readonly.0,
        };
        Ok(users::User { hash, auth })
    }
}
