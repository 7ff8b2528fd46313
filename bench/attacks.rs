//! Measures how much one peer can slow down all others: `attacks JETD` starts that daemon, lets peers attack it in several
//! ways, and meanwhile requests `info` over another connection. Prints for each attack how long those responses took and
//! the largest memory of the daemon. Part of `make bench`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The target for 99 of 100 responses to other connections.
const MARK: Duration = Duration::from_millis(50);

/// The longest time that an attack is measured.
const LONGEST: Duration = Duration::from_secs(30);

/// The largest number of outstanding requests while a connection adds states.
const PIPELINED: usize = 1_000;

struct Peer(BufReader<TcpStream>);

impl Peer {
    fn connect(address: &str) -> io::Result<Peer> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LONGEST))?;
        Ok(Peer(BufReader::with_capacity(1 << 16, stream)))
    }

    fn send(&mut self, messages: &[String]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
            bytes.extend_from_slice(message.as_bytes());
        }
        self.0.get_mut().write_all(&bytes)
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut header = [0; 4];
        self.0.read_exact(&mut header)?;
        let mut body = vec![0; u32::from_be_bytes(header) as usize];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }

    /// Sends a request and reads until its response arrives. Returns the length of the response.
    fn ask(&mut self, method: &str, params: &str) -> io::Result<usize> {
        self.send(&[format!(r#"{{"id":"asked","method":"{method}","params":{params}}}"#)])?;
        self.answered()
    }

    fn answered(&mut self) -> io::Result<usize> {
        loop {
            let message = self.read()?;
            if message.starts_with(br#"{"id":"asked""#) {
                return Ok(message.len());
            }
        }
    }

    /// Adds states with these paths.
    fn add(&mut self, paths: impl Iterator<Item = String>) -> io::Result<()> {
        let messages: Vec<_> = paths
            .map(|path| format!(r#"{{"method":"add","params":{{"path":"{path}","value":12345}}}}"#))
            .collect();
        for part in messages.chunks(PIPELINED) {
            self.send(part)?;
            self.ask("echo", "0")?;
        }
        Ok(())
    }
}

/// Measurements during an attack.
struct Seen {
    times: Vec<Duration>,
    peak: u64,
}

/// Requests `info` repeatedly and measures the daemon's memory.
fn watch(address: String, process: u32, over: Arc<AtomicBool>) -> JoinHandle<io::Result<Seen>> {
    thread::spawn(move || {
        let mut peer = Peer::connect(&address)?;
        let mut seen = Seen { times: Vec::new(), peak: 0 };
        while !over.load(Ordering::Relaxed) {
            let asked = Instant::now();
            peer.ask("info", "{}")?;
            seen.times.push(asked.elapsed());
            seen.peak = seen.peak.max(resident(process));
            thread::sleep(Duration::from_millis(1));
        }
        Ok(seen)
    })
}

/// Returns the resident memory of a process in kB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

struct Daemon {
    child: Child,
    address: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    fn start(program: &str) -> io::Result<Daemon> {
        let mut child = Command::new(program)
            .args(["-p0", "-l127.0.0.1"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut log = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?);
        log.read_line(&mut line)?;
        // Keeps reading, so that the pipe never fills.
        thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Daemon { child, address })
    }

    fn peer(&self) -> io::Result<Peer> {
        Peer::connect(&self.address)
    }
}

type Attack = fn(&Daemon) -> io::Result<Action>;
type Action = Box<dyn FnOnce() -> io::Result<()>>;

/// Returns a pattern that is expensive to match against paths that consist of `a`.
fn hard_pattern(number: usize) -> String {
    format!("\"{}z{number}\"", "a*".repeat(150))
}

fn long_paths(owner: &mut Peer, count: usize) -> io::Result<()> {
    owner.add((0..count).map(|number| format!("{}{number}", "a".repeat(190))))
}

fn states(owner: &mut Peer, count: usize) -> io::Result<()> {
    owner.add((0..count).map(|number| format!("state/{number}")))
}

fn patterns(daemon: &Daemon, count: usize) -> io::Result<Action> {
    let (mut owner, mut attacker) = (daemon.peer()?, daemon.peer()?);
    long_paths(&mut owner, 30_000)?;
    let list: Vec<_> = (0..count).map(hard_pattern).collect();
    Ok(Box::new(move || {
        attacker.ask("fetch", &format!(r#"{{"id":"f","match":[{}]}}"#, list.join(",")))?;
        drop(owner);
        Ok(())
    }))
}

fn leaver_with_fetches(daemon: &Daemon) -> io::Result<Action> {
    let (mut owner, mut leaver, mut other) = (daemon.peer()?, daemon.peer()?, daemon.peer()?);
    states(&mut owner, 20_000)?;
    for number in 0..500 {
        // A value rule that never holds: the fetch covers all states and reports none.
        leaver.ask(
            "fetch",
            &format!(r#"{{"id":{number},"path":{{"contains":"/"}},"value":{{"equals":{number}}}}}"#),
        )?;
    }
    Ok(Box::new(move || {
        drop(leaver);
        // Waits until the daemon has finished.
        for _ in 0..100 {
            other.ask("echo", "0")?;
            thread::sleep(Duration::from_millis(5));
        }
        drop(owner);
        Ok(())
    }))
}

fn leaver_with_states(daemon: &Daemon) -> io::Result<Action> {
    let (mut leaver, mut other) = (daemon.peer()?, daemon.peer()?);
    states(&mut leaver, 1_000_000)?;
    Ok(Box::new(move || {
        drop(leaver);
        while other.ask("get", r#"{"path":{"equals":"state/999999"}}"#)? > 40 {}
        thread::sleep(Duration::from_secs(2));
        Ok(())
    }))
}

fn fifty_fetchers(daemon: &Daemon) -> io::Result<Action> {
    let mut owner = daemon.peer()?;
    states(&mut owner, 200_000)?;
    let peers: Vec<_> = (0..50).map(|_| daemon.peer()).collect::<io::Result<_>>()?;
    Ok(Box::new(move || {
        let mut threads = Vec::new();
        for mut peer in peers {
            threads.push(thread::spawn(move || -> io::Result<()> {
                peer.ask("fetch", r#"{"id":"f"}"#)?;
                for _ in 0..200_000 {
                    peer.read()?;
                }
                Ok(())
            }));
        }
        for thread in threads {
            thread.join().map_err(|_| io::ErrorKind::Other)??;
        }
        drop(owner);
        Ok(())
    }))
}

fn fifty_mute_fetchers(daemon: &Daemon) -> io::Result<Action> {
    let mut owner = daemon.peer()?;
    states(&mut owner, 200_000)?;
    let mut peers: Vec<_> = (0..50).map(|_| daemon.peer()).collect::<io::Result<_>>()?;
    Ok(Box::new(move || {
        for peer in &mut peers {
            peer.send(&[r#"{"id":1,"method":"fetch","params":{"id":"f"}}"#.to_owned()])?;
        }
        thread::sleep(Duration::from_secs(3));
        drop(owner);
        Ok(())
    }))
}

fn gets(daemon: &Daemon) -> io::Result<Action> {
    let (mut owner, mut attacker) = (daemon.peer()?, daemon.peer()?);
    states(&mut owner, 150_000)?;
    Ok(Box::new(move || {
        for _ in 0..10 {
            attacker.ask("get", "{}")?;
            attacker.ask("get", r#"{"sort":{"byPath":true,"to":150000}}"#)?;
        }
        drop(owner);
        Ok(())
    }))
}

fn fan_out(daemon: &Daemon) -> io::Result<Action> {
    let mut attacker = daemon.peer()?;
    attacker.add(std::iter::once("x".to_owned()))?;
    for number in 0..10_000 {
        attacker.ask("fetch", &format!(r#"{{"id":{number},"path":{{"equals":"x"}}}}"#))?;
    }
    Ok(Box::new(move || {
        let change = r#"{"method":"change","params":{"path":"x","value":1}}"#.to_owned();
        for _ in 0..10 {
            attacker.send(&vec![change.clone(); 20])?;
            attacker.ask("echo", "0")?;
        }
        Ok(())
    }))
}

fn sorted_windows(daemon: &Daemon) -> io::Result<Action> {
    let (mut owner, mut attacker) = (daemon.peer()?, daemon.peer()?);
    states(&mut owner, 50_000)?;
    for number in 0..10 {
        attacker.ask("fetch", &format!(r#"{{"id":{number},"sort":{{"byPath":true,"to":1000000}}}}"#))?;
    }
    Ok(Box::new(move || {
        for _ in 0..20 {
            attacker.add(std::iter::once("first".to_owned()))?;
            attacker.ask("remove", r#"{"path":"first"}"#)?;
        }
        drop(owner);
        Ok(())
    }))
}

fn dependents(daemon: &Daemon) -> io::Result<Action> {
    let mut attacker = daemon.peer()?;
    states(&mut attacker, 100_000)?;
    attacker.add(std::iter::once("switch".to_owned()))?;
    attacker.ask(
        "fetch",
        r#"{"id":"f","match":["^state/"],"deps":[{"path":"switch","where":{"op":"equals","value":1}}]}"#,
    )?;
    Ok(Box::new(move || {
        for number in 0..20 {
            attacker.ask("change", &format!(r#"{{"path":"switch","value":{}}}"#, number % 2))?;
        }
        Ok(())
    }))
}

const ATTACKS: [(&str, Attack); 10] = [
    ("a hard pattern over 30,000 paths of 190 bytes", |daemon| patterns(daemon, 1)),
    ("100 such patterns in one fetch", |daemon| patterns(daemon, 100)),
    ("a peer with 500 fetches on 20,000 states leaves", leaver_with_fetches),
    ("a peer with 1,000,000 states leaves", leaver_with_states),
    ("50 peers fetch 200,000 states at once", fifty_fetchers),
    ("the same, and none of them reads", fifty_mute_fetchers),
    ("20 times get of 150,000 states", gets),
    ("200 changes for 10,000 fetches each", fan_out),
    ("40 moves of 10 sorted windows of 50,000", sorted_windows),
    ("20 changes on which 100,000 states depend", dependents),
];

fn run(program: &str, title: &str, attack: Attack) -> io::Result<bool> {
    let daemon = Daemon::start(program)?;
    let action = attack(&daemon)?;
    let before = resident(daemon.child.id());
    let over = Arc::new(AtomicBool::new(false));
    let watcher = watch(daemon.address.clone(), daemon.child.id(), over.clone());
    thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    let result = action();
    let seconds = began.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    let mut seen = watcher.join().map_err(|_| io::ErrorKind::Other)??;
    seen.times.sort_unstable();
    let p99 = seen.times[(seen.times.len() * 99 / 100).min(seen.times.len() - 1)];
    let longest = seen.times[seen.times.len() - 1];
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let mark = if p99 <= MARK { "met" } else { "missed" };
    println!(
        "| {title:47} | {:8.1} | {:8.1} | {seconds:7.2} | {:6} | {:6} | {mark:6} |",
        millis(p99),
        millis(longest),
        before / 1024,
        seen.peak / 1024,
    );
    if let Err(error) = result {
        println!("  it ended with: {error}");
    }
    Ok(p99 <= MARK)
}

fn main() -> io::Result<()> {
    let program = std::env::args().nth(1).ok_or(io::Error::other("usage: attacks JETD [WORD]"))?;
    let word = std::env::args().nth(2).unwrap_or_default();
    println!("\nWhat one peer can do to the others: how long they wait for `info` meanwhile\n");
    println!("| {:47} | p99, ms  | max, ms  | s       | MiB    | peak   | 50 ms  |", "");
    println!("|{}|---------:|---------:|--------:|-------:|-------:|--------|", "-".repeat(49));
    for (title, attack) in ATTACKS.iter().filter(|(title, _)| title.contains(&word)) {
        run(&program, title, *attack)?;
    }
    Ok(())
}
