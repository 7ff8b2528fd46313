//! `jetd`: the daemon as a program. Reads the command line, starts the server, prints its log to
//! stderr, stops it on SIGINT and SIGTERM and has it read its users again on SIGHUP. All it does
//! beyond that is in `jet::daemon`. The other thing the program can do, `jetd passwd`, is in `passwd`
//! and `prompt`.

mod passwd;
mod pidfile;
mod prompt;
mod signals;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jet::daemon::{Config, Level, LogLine};
use jet::server::log_writer::LogWriter;
use jet::server::{
    self, BoundListener, Handle, Interfaces, ListenConfig, Options, Registry, TlsListenConfig, UpgradePolicy,
};
use jet::sys::allocator::return_large_blocks;
use jet::sys::background::{Background, background};
use pidfile::PidFile;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signals::Listening;
use tokio::signal::unix::SignalKind;

/// How long the end waits for a stderr that is not read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A Jet daemon: peers add states and methods, others fetch, set and call them.
#[derive(Debug, Parser)]
#[command(name = "jetd", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: Serve,
}

/// What the program does instead of being a daemon.
#[derive(Debug, Subcommand)]
enum Command {
    Passwd(passwd::Arguments),
}

/// How to be a daemon.
#[derive(Debug, Args)]
struct Serve {
    /// TCP port to listen on; 0 chooses a free one
    #[arg(short, long, default_value_t = 11122)]
    port: u16,

    /// Address to listen on, may be given several times; 0.0.0.0 or :: for all interfaces
    /// [default: 127.0.0.1 and ::1]
    #[arg(short, long, value_name = "ADDRESS")]
    listen: Vec<String>,

    /// WebSocket port to listen on, at the same addresses
    #[arg(short, long, value_name = "PORT")]
    ws_port: Option<u16>,

    /// Origin of Web pages that may open a WebSocket, beside those of the same host, may be given several times;
    /// * for all
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// Host name by which WebSockets may address the daemon, beside addresses and localhost, may be given several
    /// times; * for all
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,

    /// Unix domain socket to listen on: a path, or an abstract name behind a leading @
    #[arg(short, long, value_name = "NAME")]
    unix: Vec<String>,

    /// Permissions of the files of Unix sockets, octal as for chmod
    #[arg(long, value_name = "MODE", default_value = "0660", value_parser = mode)]
    unix_mode: u32,

    /// PEM file with the certificate for TLS: -p and -w are encrypted then, unless there are ports beside
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// PEM file with the authorities that sign the certificates peers have to show
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// TCP port for TLS beside the plain one
    #[arg(long, value_name = "PORT", requires = "tls_cert")]
    tls_port: Option<u16>,

    /// WebSocket port for TLS beside the plain one
    #[arg(long, value_name = "PORT", requires = "tls_cert")]
    wss_port: Option<u16>,

    /// File with who may log in, see `jetd passwd`, read again on SIGHUP; without, everybody may do everything
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// Give each peer one fetch of everything, as node-jet's "simple" fetch mode does
    #[arg(long)]
    simple_fetch: bool,

    /// Largest message in bytes, both ways
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_message, value_parser = limit,
          allow_negative_numbers = true)]
    max_message: usize,

    /// Most fetches of one peer; each pattern counts as 100, each value rule as 10
    #[arg(long, value_name = "NUMBER", default_value_t = Config::default().max_fetches, value_parser = limit)]
    max_fetches: usize,

    /// Most bytes that may wait for one peer before it is given up
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_unsent, value_parser = limit,
          allow_negative_numbers = true)]
    max_unsent: usize,

    /// Seconds an owner has to answer a set or call that names no time-out
    #[arg(long, value_name = "SECONDS", default_value_t = Config::default().timeout, value_parser = seconds,
          allow_negative_numbers = true)]
    timeout: f64,

    /// Go into the background once all ports are bound; the log goes to stderr as before
    #[arg(short, long, visible_alias = "daemon")]
    daemonize: bool,

    /// File to write the process id to; removed at the end
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,

    /// Also print the messages of peers that asked for it with config{debug = true}
    #[arg(short, long)]
    verbose: bool,
}

/// Reads the permissions of a file.
fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "three octal digits expected".to_owned())
}

/// Reads a limit, which is at least 1.
fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| *limit > 0);
    limit.ok_or_else(|| "whole number of at least 1 expected".to_owned())
}

/// Reads a time-out.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| "positive number of seconds expected".to_owned())
}

fn main() -> ExitCode {
    return_large_blocks();
    let Arguments { command, serve } = Arguments::parse();
    if let Some(Command::Passwd(arguments)) = command {
        return passwd::run(&arguments);
    }
    match run(&serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jetd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Allows as many connections as the system allows this process at all.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the limit stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Nothing is written to stdout: a reader of the parent's output must not wait for the daemon to end.
fn silence_stdout() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(null)?)
}

fn run(arguments: &Serve) -> io::Result<()> {
    raise_descriptor_limit();
    // Before there are threads, which a fork does not have.
    let parent = arguments.daemonize.then(background).transpose()?;
    if parent.is_some() {
        silence_stdout()?;
    }
    let log = LogWriter::start(io::stderr())?;
    let served = serve(arguments, parent, &log);
    log.finish(LAST_LINES);
    served
}

/// Serves until a signal ends it.
fn serve(arguments: &Serve, parent: Option<Background>, log: &LogWriter) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before peers can connect: a signal must not get lost in between.
        let mut interrupt = Listening::to(SignalKind::interrupt())?;
        let mut terminate = Listening::to(SignalKind::terminate())?;
        let mut hang_up = Listening::to(SignalKind::hangup())?;
        let mut daemon = start(arguments, log.clone())?;
        for place in daemon.places() {
            log.push(LogLine::new(Level::Info, format!("listening on {place}")));
        }
        let _file = arguments.pidfile.as_deref().map(PidFile::write).transpose()?;
        parent.into_iter().for_each(Background::ready);
        loop {
            tokio::select! {
                () = interrupt.recv() => break,
                () = terminate.recv() => break,
                () = hang_up.recv() => daemon.reread(),
            }
        }
        daemon.stop();
        Ok(())
    })
}

fn start(arguments: &Serve, log: LogWriter) -> io::Result<Handle> {
    let config = Config {
        max_message: arguments.max_message,
        max_fetches: arguments.max_fetches,
        max_unsent: arguments.max_unsent,
        timeout: arguments.timeout,
        simple_fetch: arguments.simple_fetch,
        ..Config::default()
    };
    let verbose = arguments.verbose;
    let log = Box::new(move |line: LogLine| {
        if verbose || line.level != Level::Debug {
            log.push(line);
        }
    });
    // Before the first peer can connect.
    let accounts = arguments.users.as_deref().map(accounts).transpose()?;
    server::start(Options { config, listeners: listeners(arguments)?, log, accounts })
}

fn accounts(file: &Path) -> io::Result<Registry> {
    let users = jet::users::read(file).map_err(io::Error::other)?;
    Ok(Registry { users, file: Some(file.to_owned()) })
}

fn listeners(arguments: &Serve) -> io::Result<Vec<BoundListener>> {
    let interfaces = match &arguments.listen[..] {
        // A bus has no passwords unless it is given some, so it stays on its machine.
        [] => Interfaces::Loopback,
        addresses => Interfaces::These(addresses.to_vec()),
    };
    let tls =
        arguments.tls_cert.clone().zip(arguments.tls_key.clone()).map(|(certificate, key)| TlsListenConfig {
            certificate,
            key,
            client_ca: arguments.tls_client_ca.clone(),
            port: arguments.tls_port,
            ws_port: arguments.wss_port,
        });
    let unix = arguments.unix.iter().map(|name| name.as_bytes().to_vec()).collect();
    let upgrades = UpgradePolicy::new(arguments.allow_origin.clone(), arguments.allow_host.clone(), true);
    let places = ListenConfig {
        interfaces,
        port: arguments.port,
        ws_port: arguments.ws_port,
        unix,
        unix_mode: Some(arguments.unix_mode),
        tls,
        upgrades: upgrades.map_err(io::Error::other)?.into(),
    };
    let mut listeners = places.bind()?;
    listeners.extend(places.bind_websockets()?);
    Ok(listeners)
}
