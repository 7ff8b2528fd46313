//! Jet for Lua: the engine behind the Lua modules `jet.peer` and `jet.daemon`, and the daemon `jetd`.
//!
//! A Jet bus connects programs through one daemon. Each program is a peer: it adds states and methods under paths, and it
//! fetches, sets and calls those of other peers. `docs/glossary.md` defines the terms, `docs/architecture.md` explains
//! how the code is organised.
//!
//! # Engines
//!
//! The two ends of a connection are state machines without sockets, threads or a clock. [`peer::Engine`] is the end of a
//! program, [`daemon::Bus`] the end of the daemon. Calls, received bytes and the time go in; bytes to send, events and
//! the next deadline come out. This example connects them in memory:
//!
//! ```
//! use std::time::Instant;
//!
//! use jet::daemon::{Bus, ClientKey, Config};
//! use jet::json::Raw;
//! use jet::peer::{Engine, Event, Notification, Options, RequestOptions};
//! use jet::wire::frame::Decoder;
//!
//! /// Cuts a stream into the texts of its messages.
//! fn messages(stream: &[u8]) -> Vec<String> {
//!     let mut decoder = Decoder::new(1_000_000);
//!     decoder.push(stream);
//!     let mut texts = Vec::new();
//!     while let Some(Ok(message)) = decoder.next() {
//!         texts.push(String::from_utf8_lossy(message).into_owned());
//!     }
//!     texts
//! }
//!
//! /// Carries messages between a peer and the bus until there are none. Returns what the peer's fetches report.
//! fn exchange(peer: &mut Engine, bus: &mut Bus, client: ClientKey, now: Instant) -> Vec<String> {
//!     let mut reported = Vec::new();
//!     loop {
//!         for message in messages(&std::mem::take(peer.output())) {
//!             bus.receive(client, message.as_bytes(), now);
//!         }
//!         let mut sent = Vec::new();
//!         bus.take_unsent(client, &mut sent);
//!         if sent.is_empty() {
//!             return reported;
//!         }
//!         for message in messages(&sent) {
//!             let mut events = Vec::new();
//!             peer.receive(&message, &mut events);
//!             for event in events {
//!                 if let Event::Notification(Notification { path, value, .. }) = event {
//!                     reported.push(format!("{path} = {}", value.unwrap_or_default()));
//!                 }
//!             }
//!         }
//!     }
//! }
//!
//! let now = Instant::now();
//! let mut bus = Bus::new(Config::default());
//! let client = bus.connect();
//! let mut peer = Engine::new(Options::default());
//! peer.connected(now);
//! exchange(&mut peer, &mut bus, client, now);
//! assert!(peer.is_ready());
//!
//! // The peer fetches everything below `room/` and adds a state there.
//! let json = |text| Raw::parse(text, 10).expect("valid JSON");
//! let expression = json(r#"{"path":{"startsWith":"room/"}}"#);
//! peer.fetch(None, expression, RequestOptions::default())?;
//! peer.add("room/lamp", Some(json("false")), RequestOptions::default())?;
//! assert_eq!(exchange(&mut peer, &mut bus, client, now), ["room/lamp = false"]);
//!
//! peer.change("room/lamp", Some(json("true")))?;
//! assert_eq!(exchange(&mut peer, &mut bus, client, now), ["room/lamp = true"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The server
//!
//! [`server`] drives a bus with sockets and timers, on a thread of its own:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use jet::daemon::Config;
//! use jet::server::{self, Options};
//!
//! let listener = server::bind(Some("127.0.0.1"), 0)?;
//! let address = listener.address().expect("a TCP listener");
//! let mut daemon = server::start(Options {
//!     config: Config::default(),
//!     listeners: vec![listener],
//!     log: Box::new(|line| eprintln!("{line:?}")),
//!     accounts: None,
//! })?;
//!
//! // A message is JSON with its length in front.
//! let request = br#"{"id":1,"method":"echo","params":"hello"}"#;
//! let mut connection = TcpStream::connect(address)?;
//! connection.write_all(&(request.len() as u32).to_be_bytes())?;
//! connection.write_all(request)?;
//!
//! let mut length = [0; 4];
//! connection.read_exact(&mut length)?;
//! let mut response = vec![0; u32::from_be_bytes(length) as usize];
//! connection.read_exact(&mut response)?;
//! assert_eq!(response, br#"{"id":1,"result":"hello"}"#);
//! daemon.stop();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Rules
//!
//! [`rules`] decides which elements match a fetch and in which order. Daemon and peer use the same code, the peer for
//! what a foreign daemon cannot do:
//!
//! ```
//! use jet::json::Raw;
//! use jet::rules::Expression;
//!
//! let text = r#"{"path":{"startsWith":"oven/"},"value":{"greaterThan":100}}"#;
//! let mut warnings = Vec::new();
//! let hot = Expression::parse(Raw::parse(text, 10).expect("valid JSON"), &mut warnings)?;
//! assert!(hot.matches_path("oven/temperature"));
//! assert!(!hot.matches_path("fridge/temperature"));
//! assert!(hot.matches_value(Raw::parse("180", 10).ok()));
//! assert!(!hot.matches_value(Raw::parse("20", 10).ok()));
//! # Ok::<(), String>(())
//! ```
//!
//! # Modules
//!
//! - [`json`] and [`wire`]: JSON as checked text, messages, frames, msgpack
//! - [`rules`]: fetch expressions, sorted views
//! - [`peer`] and [`daemon`]: the engines
//! - [`users`]: passwords, groups, the users file
//! - [`server`] and [`net`]: listeners and connections of the daemon; connecting, TLS and WebSocket at both ends
//! - [`evloop`] and [`ownership`]: the built-in event loop; which process owns a connection after a fork
//! - [`util`]: small helpers that know nothing of Jet
//! - [`sys`]: calls of the operating system. It and `lua::convert`, the conversion between JSON and the Lua stack,
//!   contain all unsafe code of the crate; everywhere else the compiler rejects it.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod daemon;
pub mod evloop;
pub mod json;
#[cfg(any(feature = "lua51", feature = "lua52", feature = "lua53", feature = "lua54"))]
mod lua;
pub mod net;
pub mod ownership;
pub mod peer;
pub mod rules;
pub mod server;
#[allow(unsafe_code)]
pub mod sys;
pub mod users;
pub mod util;
pub mod wire;
