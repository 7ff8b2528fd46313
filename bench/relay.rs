//! The lower bound that `make bench` compares a round trip with: messages of the same sizes over the same
//! four hops, client, relay, owner, relay, client, in three processes. No message is parsed and each side
//! waits in a blocking read, so no program that waits for several connections can be faster.
//!
//! `relay relay PORT`, then `relay owner PORT`, then `relay client PORT SECONDS`; the client prints a line after
//! its warm-up, then the number of round trips and the seconds they took, and waits to be killed.

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

// Sizes, with headers, of the messages that `worker.lua` and `jetd` send for one call with a six-digit id.
const REQUEST: usize =
    4 + br#"{"id":123456,"method":"call","params":{"path":"bench/echo","args":[42]}}"#.len();
const ROUTED: usize = 4 + br#"{"id":"r123456","method":"bench/echo","params":[42]}"#.len();
const REPLY: usize = 4 + br#"{"id":"r123456","result":{}}"#.len();
const ANSWER: usize = 4 + br#"{"id":123456,"result":{}}"#.len();

const WARM_UP: Duration = Duration::from_millis(200);
// Round trips between two readings of the clock, each of which takes about a hundredth of a round trip.
const BLOCK: u32 = 16;

/// Reads one message and sends another of the given size.
fn hop(from: &mut TcpStream, to: &mut TcpStream, received: usize, sent: usize) -> io::Result<()> {
    let mut buffer = [b'x'; 128];
    from.read_exact(&mut buffer[..received])?;
    to.write_all(&buffer[..sent])
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Relays between the owner, which connects first, and the client, until one of them disconnects.
fn relay(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let (mut owner, _) = listener.accept()?;
    let (mut client, _) = listener.accept()?;
    owner.set_nodelay(true)?;
    client.set_nodelay(true)?;
    loop {
        hop(&mut client, &mut owner, REQUEST, ROUTED)?;
        hop(&mut owner, &mut client, REPLY, ANSWER)?;
    }
}

fn owner(port: u16) -> io::Result<()> {
    let mut from = connect(port)?;
    let mut to = from.try_clone()?;
    loop {
        hop(&mut from, &mut to, ROUTED, REPLY)?;
    }
}

/// Makes round trips for at least `duration`. Returns their number and the time they took.
fn go_round(stream: &mut TcpStream, duration: Duration) -> io::Result<(u32, Duration)> {
    let message = [b'x'; REQUEST];
    let mut answer = [0; ANSWER];
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < duration {
        for _ in 0..BLOCK {
            stream.write_all(&message)?;
            stream.read_exact(&mut answer)?;
        }
        count += BLOCK;
    }
    Ok((count, begun.elapsed()))
}

fn client(port: u16, duration: Duration) -> io::Result<()> {
    let mut stream = connect(port)?;
    go_round(&mut stream, WARM_UP)?;
    println!("warm");
    let (count, took) = go_round(&mut stream, duration)?;
    println!(r#"{{"count":{count},"seconds":{}}}"#, took.as_secs_f64());
    thread::park();
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |i: usize| arguments.get(i).and_then(|text| text.parse::<f64>().ok());
    let port = number(1).unwrap_or(0.0) as u16;
    let done = match arguments.first().map(String::as_str) {
        // They end when the other side disconnects.
        Some("relay") => relay(port).or(Ok(())),
        Some("owner") => owner(port).or(Ok(())),
        Some("client") => client(port, Duration::from_secs_f64(number(2).unwrap_or(1.0))),
        _ => Err(io::Error::other("usage: relay relay|owner|client PORT [SECONDS]")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}
