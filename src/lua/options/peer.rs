//! The table that `peer.new` takes.

use std::collections::BTreeMap;
use std::fmt::Display;

use mlua::Table;
use serde::Deserialize;

use super::fields::{
    Any, Bytes, Callback, Count, Line, OneOrMany, Port, Printed, Scalar, Seconds, Secret, Switch, Text,
    Unfit, deserialize_scalars,
};
use super::reader::{self, Refusal};
use crate::lua::convert::MAX_LEVELS;
use crate::net::{self, Target};
use crate::peer::{Login, Options};
use crate::wire::encoding::Encoding;

/// The longest host name that DNS can carry.
const MAX_HOST: usize = 253;

/// The options of a peer. `jet.Config` in `lua/jet/config.lua` documents them for programs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename = "config key")]
pub struct PeerConfig {
    /// Name or address of the daemon, default `127.0.0.1`.
    ip: Option<Bytes>,
    /// Default 11122.
    port: Option<Port<1>>,
    /// Instead of `ip` and `port`. Programs for the earlier module give these beside a WebSocket's URL.
    url: Option<Line>,
    /// A Unix domain socket instead of `ip` and `port`.
    unix: Option<Bytes>,
    /// Further headers of the upgrade request of a WebSocket.
    headers: Option<BTreeMap<String, Printed>>,
    /// Encrypts the connection.
    tls: Option<Switch<TlsConfig>>,
    /// How the daemon shows this peer: any value, which Lua converts to JSON.
    #[serde(rename = "name")]
    _name: Option<Any>,
    /// Logs in on connect.
    user: Option<Text>,
    /// Goes with `user`.
    password: Option<Secret>,
    /// `'msgpack'`, for daemons that know it.
    encoding: EncodingName,
    /// The event loop.
    #[serde(rename = "loop")]
    _loop: Option<Any>,
    /// Called when the peer can be used.
    #[serde(rename = "on_connect")]
    _on_connect: Option<Callback>,
    /// Called when the connection has ended.
    #[serde(rename = "on_close")]
    _on_close: Option<Callback>,
    /// Makes a blocking peer; any value but `false`.
    #[serde(rename = "sync")]
    _sync: Option<Any>,
    /// Seconds that a blocking peer waits for a response at most.
    #[serde(rename = "timeout")]
    _timeout: Option<Seconds>,
    /// Gets warnings, and failures that no callback gets; `false` drops them.
    #[serde(rename = "log")]
    _log: Option<Callback>,
    /// Fetch callbacks get the event before the path; any value but `false`.
    #[serde(rename = "event_first")]
    _event_first: Option<Any>,
    /// Bytes that are no UTF-8 are taken as Latin-1, or refused.
    invalid_utf8: InvalidUtf8,
    /// Bytes of one message, default 10 000 000.
    max_message: Option<Count>,
    /// What the daemon accepts, where it is known to accept less.
    daemon_limits: DaemonLimits,
    /// Nesting of values, default 1000.
    max_depth: Option<Count>,
    /// Bytes that may wait to be sent.
    max_unsent: Option<Count>,
    /// Requests that may wait for a response.
    max_requests: Option<Count>,
    /// The time for the look-up of the name, every address and all handshakes, default 10 seconds.
    connect_timeout: Option<Seconds>,
}

/// The authorities to trust; without `ca_file` and `pins` those of the system.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename = "key")]
pub struct TlsConfig {
    /// PEM file with the authorities to trust instead.
    ca_file: Option<Line>,
    /// SHA-256 fingerprints; the daemon's certificate must be one of these.
    pins: OneOrMany<Line>,
    /// PEM file with this peer's certificate, for daemons that ask for one.
    certificate: Option<Line>,
    /// PEM file with its key.
    key: Option<Line>,
    /// The name that the daemon's certificate must be for, default the host.
    server_name: Option<Line>,
}

/// The limits of a daemon. Larger messages are refused here, instead of ending the connection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename = "key")]
pub struct DaemonLimits {
    /// Bytes of one message.
    message: Option<Count>,
}

#[derive(Debug, Default)]
enum InvalidUtf8 {
    #[default]
    Latin1,
    Error,
}

impl Scalar for InvalidUtf8 {
    const EXPECTED: &'static str = "'latin1' or 'error'";

    fn from_text(value: &str) -> Result<InvalidUtf8, Unfit> {
        match value {
            "latin1" => Ok(InvalidUtf8::Latin1),
            "error" => Ok(InvalidUtf8::Error),
            _ => Err(Unfit::Value),
        }
    }
}

#[derive(Debug, Default)]
struct EncodingName(Encoding);

impl Scalar for EncodingName {
    const EXPECTED: &'static str = "unsupported encoding: 'msgpack'";

    fn from_text(value: &str) -> Result<EncodingName, Unfit> {
        Encoding::named(value).map(EncodingName).ok_or(Unfit::Value)
    }
}

deserialize_scalars!(InvalidUtf8, EncodingName);

/// What a peer is made with.
pub struct PeerOptions {
    /// For the engine.
    pub engine: Options,
    /// For the connection.
    pub dial: net::Options,
    /// Whether messages with invalid UTF-8 are dropped instead of read as Latin-1.
    pub refuse_latin1: bool,
    /// What the peer connects to, for messages.
    pub target: String,
}

impl PeerConfig {
    /// Reads the table of a program, without options that are `false` for "not given". `name` is its name as JSON.
    ///
    /// # Errors
    /// The text of the Lua error; also for options that can never connect.
    pub fn read(table: &Table, name: Option<String>) -> Result<PeerOptions, String> {
        let config: PeerConfig = reader::read(table).map_err(message)?;
        config.options(name).map_err(message)
    }

    fn options(self, name: Option<String>) -> Result<PeerOptions, Refusal> {
        self.check_target()?;
        let (dial, target) = self.dial()?;
        let count = |given: Option<Count>, default| given.map_or(default, |Count(number)| number);
        let defaults = Options::default();
        let max_depth = count(self.max_depth, defaults.max_depth);
        if max_depth > MAX_LEVELS {
            return Err(Refusal::new(
                ".max_depth",
                format!("at most {MAX_LEVELS} expected, got {max_depth}"),
            ));
        }
        let engine = Options {
            name,
            login: login(self.user, self.password)?,
            encoding: self.encoding.0,
            instance: instance(),
            max_message: dial.max_message,
            daemon_message: self.daemon_limits.message.map(|Count(bytes)| bytes),
            max_depth,
            max_unsent: count(self.max_unsent, defaults.max_unsent),
            max_requests: count(self.max_requests, defaults.max_requests),
        };
        let refuse_latin1 = matches!(self.invalid_utf8, InvalidUtf8::Error);
        Ok(PeerOptions { engine, dial, refuse_latin1, target })
    }

    /// Refuses two targets that contradict each other. `ip` and `port` beside the URL of a WebSocket do not count, as in
    /// the earlier module.
    fn check_target(&self) -> Result<(), Refusal> {
        let is_web =
            self.url.as_ref().is_some_and(|Line(url)| url.starts_with("ws:") || url.starts_with("wss:"));
        let given =
            [(".unix", self.unix.is_some()), (".ip", self.ip.is_some()), (".port", self.port.is_some())];
        let (target, others) = match (&self.url, &self.unix) {
            (Some(_), _) if is_web => ("url", &given[..1]),
            (Some(_), _) => ("url", &given[..]),
            (None, Some(_)) => ("unix", &given[1..]),
            (None, None) => return Ok(()),
        };
        match others.iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((path, _)) => {
                Err(Refusal::new(path, format!("contradicts config.{target}: one target expected")))
            }
        }
    }

    /// Returns how to connect, and the target as text.
    fn dial(&self) -> Result<(net::Options, String), Refusal> {
        let host = host(self.ip.as_ref())?;
        let port = self.port.map_or(11122, |Port(port)| port);
        let (mut dial, target) = match (&self.url, &self.unix) {
            (Some(Line(url)), _) => {
                (net::Options::url(url).map_err(|error| Refusal::new(".url", error))?, url.clone())
            }
            (None, Some(Bytes(name))) => {
                (net::Options::new(Target::Unix(name.clone())), String::from_utf8_lossy(name).into_owned())
            }
            (None, None) => (net::Options::tcp(host, port), format!("{host}:{port}")),
        };
        if let Some(headers) = &self.headers {
            let web = dial.websocket.as_mut();
            let web =
                web.ok_or_else(|| Refusal::new(".headers", "only a ws:// or wss:// url has headers"))?;
            web.headers =
                headers.iter().map(|(name, Printed(value))| (name.clone(), value.clone())).collect();
        }
        if let Some(Switch(tls)) = &self.tls {
            dial.tls = Some(tls.options());
        }
        if let Some(Count(bytes)) = self.max_message {
            dial.max_message = bytes;
        }
        if let Some(Seconds(duration)) = self.connect_timeout {
            dial.connect_timeout = duration;
        }
        // May read certificates from files.
        net::Connection::check(&dial).map_err(|error| Refusal::new("", error))?;
        Ok((dial, target))
    }
}

impl TlsConfig {
    fn options(&self) -> net::TlsOptions {
        let path = |given: &Option<Line>| given.as_ref().map(|Line(path)| path.into());
        net::TlsOptions {
            ca_file: path(&self.ca_file),
            pins: self.pins.0.iter().map(|Line(pin)| pin.clone()).collect(),
            certificate: path(&self.certificate),
            key: path(&self.key),
            server_name: self.server_name.as_ref().map(|Line(name)| name.clone()),
        }
    }
}

fn message(refusal: Refusal) -> String {
    refusal.message("config", "new")
}

/// Returns the host, unless it can be neither a name nor an address. The look-up refuses other names.
fn host(given: Option<&Bytes>) -> Result<&str, Refusal> {
    let Some(Bytes(bytes)) = given else {
        return Ok("127.0.0.1");
    };
    let refuse = |text: &dyn Display| Err(Refusal::new(".ip", text));
    if bytes.is_empty() {
        return refuse(&"host name or address expected, got ''");
    }
    if bytes.len() > MAX_HOST {
        return refuse(&format_args!("{} bytes are no host name, it has at most {MAX_HOST}", bytes.len()));
    }
    let is_odd = |byte: &u8| byte.is_ascii_whitespace() || !byte.is_ascii() || byte.is_ascii_control();
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.iter().any(is_odd) => Ok(text),
        _ => {
            let shown: String = bytes
                .iter()
                .map(|&byte| match byte {
                    b' '..=b'~' => char::from(byte).to_string(),
                    _ => format!("\\{byte}"),
                })
                .collect();
            refuse(&format_args!("'{shown}' is no host name"))
        }
    }
}

/// Returns the user and password, which are given together or not at all.
fn login(user: Option<Text>, password: Option<Secret>) -> Result<Option<Login>, Refusal> {
    match (user, password) {
        (Some(Text(user)), _) if user.is_empty() => {
            Err(Refusal::new(".user", "name of a user expected, got ''"))
        }
        (Some(Text(user)), Some(Secret(password))) => Ok(Some(Login { user, password })),
        (Some(_), None) => Err(Refusal::new(".password", "string expected beside user, got no value")),
        (None, Some(_)) => Err(Refusal::new(".user", "string expected beside password, got no value")),
        (None, None) => Ok(None),
    }
}

/// Returns a number that other peers on the bus hardly have; see [`Options::instance`].
fn instance() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
