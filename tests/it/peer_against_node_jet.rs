//! Compares random fetches on the real node-jet daemons with the same fetches on our own daemon, as
//! `peer_differential` does with models of those daemons.
//!
//! The tests need node and the packages that `scripts/setup test` installs under `tests/interop`, so they are
//! ignored unless asked for. `make test` asks for them where both are installed.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::frames::{read_frame, write_frame};
use crate::support::net::closed_port;
use crate::support::peer::buses::OwnBus;
use crate::support::peer::fetches::{expression, steps};
use crate::support::peer::foreign::Step;
use crate::support::peer::{ASK, Peer, TELL, in_order, json};
use crate::support::random::Random;

/// A node-jet daemon as a process, which is killed on drop.
struct Daemon {
    process: Child,
    port: u16,
}

impl Daemon {
    fn start(kind: &str, fetch: &str) -> Daemon {
        let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        let port = closed_port();
        let mut command = Command::new("node");
        command.arg(interop.join("foreign-daemon.mjs")).args([kind, &port.to_string(), "", fetch]);
        let process = command.stderr(Stdio::null()).spawn().expect("node starts");
        Daemon { process, port }
    }

    fn connect(&self) -> TcpStream {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => {
                    stream.set_nodelay(true).expect("an option of TCP");
                    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("an option of sockets");
                    return stream;
                }
                Err(error) => assert!(Instant::now() < deadline, "the daemon does not listen: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read_message(stream: &mut TcpStream) -> String {
    String::from_utf8(read_frame(stream)).expect("UTF-8")
}

/// A peer on a node-jet daemon, and the connection of the owner of the elements.
struct RealBus {
    stream: TcpStream,
    owner: TcpStream,
    peer: Peer,
}

impl RealBus {
    fn new(daemon: &Daemon, instance: u64) -> RealBus {
        let peer = Peer::with(jet::peer::Options { instance, ..Default::default() });
        let mut bus = RealBus { stream: daemon.connect(), owner: daemon.connect(), peer };
        bus.peer.engine.connected(bus.peer.now);
        bus.send();
        let info = read_message(&mut bus.stream);
        assert_eq!(bus.peer.hear(&info), ["ready"]);
        bus
    }

    fn send(&mut self) {
        let out = std::mem::take(self.peer.engine.output());
        self.stream.write_all(&out).expect("sent");
    }

    /// Sends a request and waits for the response. Returns the events before it.
    fn exchange(&mut self) -> Vec<String> {
        let id =
            self.peer.engine.request("info", json("{}"), ASK).expect("sent").expect("a response is wanted");
        let (mut heard, last) = (Vec::new(), format!("{id} ok "));
        loop {
            self.send();
            let message = read_message(&mut self.stream);
            heard.extend(self.peer.hear(&message));
            if let Some(at) = heard.iter().position(|event| event.starts_with(&last)) {
                heard.truncate(at);
                return heard;
            }
        }
    }

    fn step(&mut self, step: &Step) -> Vec<String> {
        let message = step.message().replacen('{', "{\"id\":1,", 1);
        write_frame(&mut self.owner, message);
        let answer = read_message(&mut self.owner);
        assert!(answer.contains("\"result\""), "{step:?}: {answer}");
        self.exchange()
    }
}

fn compare(daemon: &Daemon, methods: bool, seed: u64) {
    let mut random = Random::new(seed);
    let expression = expression(&mut random);
    if ["max", "deps"].iter().any(|key| json(&expression).get(key).is_some()) {
        // Their events may differ; `peer_differential` tests them.
        return;
    }
    let steps = steps(&mut random, 30, methods);
    let (mut own, mut real) = (OwnBus::new(), RealBus::new(daemon, seed));
    let options = if random.below(2) == 0 { ASK } else { TELL };
    let begin = random.below(15);
    for (at, step) in steps.iter().enumerate() {
        if at == begin {
            own.peer.engine.fetch(None, json(&expression), options).expect("sent");
            real.peer.engine.fetch(None, json(&expression), options).expect("sent");
            let (expected, heard) = (in_order(own.exchange()), in_order(real.exchange()));
            assert_eq!(heard, expected, "seed {seed}: the beginning of {expression} at {at}");
        }
        let (expected, heard) = (in_order(own.step(step)), in_order(real.step(step)));
        assert_eq!(heard, expected, "seed {seed}: {expression} at {at}, {step:?}");
    }
    // node-jet 3 may send no removes when an owner disconnects, so all elements are removed here.
    let mut left: Vec<&String> = Vec::new();
    for step in &steps {
        match step {
            Step::Add(path, _) => left.push(path),
            Step::Remove(path) => left.retain(|known| *known != path),
            Step::Change(..) => {}
        }
    }
    left.into_iter().for_each(|path| drop(real.step(&Step::Remove(path.clone()))));
}

/// Runs the test on one kind of daemon. Version 3 sends no notifications about methods, so `methods` is false there.
fn run(kind: &str, fetch: &str, methods: bool) {
    let daemon = Daemon::start(kind, fetch);
    (0..60).for_each(|seed| compare(&daemon, methods, seed));
}

#[test]
#[ignore = "needs node and the packages under tests/interop"]
fn version_1() {
    run("nj1", "full", true);
}

#[test]
#[ignore = "needs node and the packages under tests/interop"]
fn version_2() {
    run("nj2", "full", true);
}

#[test]
#[ignore = "needs node and the packages under tests/interop"]
fn version_2_simple() {
    run("nj2", "simple", true);
}

#[test]
#[ignore = "needs node and the packages under tests/interop"]
fn version_3() {
    run("nj3", "full", false);
}

#[test]
#[ignore = "needs node and the packages under tests/interop"]
fn version_3_simple() {
    run("nj3", "simple", false);
}
