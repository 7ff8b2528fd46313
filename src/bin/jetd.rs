//! `jetd`: the daemon as a program. Reads the command line, starts the server, prints its log to
//! stderr and stops it on SIGINT and SIGTERM. All it does beyond that is in `jet::daemon`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use jet::daemon::bus::{Config, Level, LogLine};
use jet::daemon::server::{self, BoundListener, Handle, Options, ServeOptions};
use tokio::signal::unix::{signal, SignalKind};

/// Where a daemon listens if it is not told: a bus has no passwords, so it stays on its machine.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];

/// A Jet daemon: peers add states and methods, others fetch, set and call them.
#[derive(Debug, Parser)]
#[command(name = "jetd", version)]
struct Arguments {
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

    /// Unix domain socket to listen on: a path, or an abstract name behind a leading @
    #[arg(short, long, value_name = "NAME")]
    unix: Vec<String>,

    /// Largest message in bytes, both ways
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_message)]
    max_message: usize,

    /// Most bytes that may wait for one peer before it is given up
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_unsent)]
    max_unsent: usize,

    /// Seconds an owner has to answer a set or call that names no time-out
    #[arg(long, value_name = "SECONDS", default_value_t = Config::default().timeout)]
    timeout: f64,

    /// Also print the messages of peers that asked for it with config{debug = true}
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jetd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anybody can connect: a signal must not get lost in between.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut daemon = start(arguments)?;
        for address in daemon.addresses() {
            print(&format!("listening on {address}"));
        }
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        daemon.stop();
        Ok(())
    })
}

fn start(arguments: &Arguments) -> io::Result<Handle> {
    let config = Config {
        max_message: arguments.max_message,
        max_unsent: arguments.max_unsent,
        timeout: arguments.timeout,
        ..Config::default()
    };
    let verbose = arguments.verbose;
    let log = Box::new(move |line: LogLine| {
        if verbose || line.level != Level::Debug {
            print(&line.to_string());
        }
    });
    server::start(Options { config, listeners: listeners(arguments)?, log })
}

fn listeners(arguments: &Arguments) -> io::Result<Vec<BoundListener>> {
    let mut listeners = listen_everywhere(arguments, arguments.port)?;
    if let Some(port) = arguments.ws_port {
        let websocket = ServeOptions { websocket: true, ..ServeOptions::default() };
        for listener in listen_everywhere(arguments, port)? {
            listeners.push(listener.speaking(websocket.clone()).map_err(io::Error::other)?);
        }
    }
    for name in &arguments.unix {
        listeners.push(server::bind_unix(name.as_bytes())?);
    }
    Ok(listeners)
}

/// Listens on all addresses; on the same port if it is to be chosen.
fn listen_everywhere(arguments: &Arguments, mut port: u16) -> io::Result<Vec<BoundListener>> {
    let is_default = arguments.listen.is_empty();
    let addresses: Vec<&str> = match is_default {
        true => LOOPBACK.to_vec(),
        false => arguments.listen.iter().map(String::as_str).collect(),
    };
    let mut listeners: Vec<BoundListener> = Vec::new();
    for address in addresses {
        match server::bind(Some(address), port) {
            Ok(listener) => {
                port = listener.address().map_or(port, |bound| bound.port());
                listeners.push(listener);
            }
            // There may be no IPv6 on this machine. But where the port is taken, somebody else
            // would get the peers that try IPv6 first.
            Err(error) if is_default && !listeners.is_empty() && error.kind() != io::ErrorKind::AddrInUse => {
            }
            Err(error) => {
                let text = format!("cannot listen on {address} port {port}: {error}");
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(listeners)
}

/// Prints a line of the log. A stderr that nobody reads is no reason to stop.
fn print(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
