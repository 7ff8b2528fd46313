//! What a program sent before the daemon was known.
//!
//! Most messages suit every daemon and are kept as the frames they will be. What has to be put
//! differently for one daemon than for another waits as what was asked, at its place among the
//! frames.

use std::borrow::Cow;

use crate::json::Raw;
use crate::wire::frame::Decoder;
use crate::wire::message::Message;

use super::engine::Engine;
use super::event::Event;
use super::messages::write_members;
use super::outgoing::{Failure, RequestOptions, Sent};
use super::requests::{Purpose, Service};
use crate::peer::compat::daemon_kind::Dialect;

/// Something that can be written only when the daemon is known.
#[derive(Debug)]
pub(super) enum Asked {
    /// A fetch of that number, in that round of it.
    Fetch(u32, u32),
    /// The end of a fetch that the daemon never hears of.
    Unfetch,
    /// `config` with these params, a JSON object.
    Config(Box<str>),
    /// `add` with these params, an object with `access`.
    Add(Box<str>),
}

/// One of the things that wait.
#[derive(Debug)]
struct Waiting {
    /// Before which byte of the frames it belongs.
    position: usize,
    asked: Asked,
    id: Option<u32>,
    options: RequestOptions,
}

/// The messages of a program from before the daemon was known.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// Frames that go out as they are.
    pub frames: Vec<u8>,
    waiting: Vec<Waiting>,
    /// Bytes of the texts that wait.
    texts: usize,
}

impl Early {
    /// Puts something behind all that came before. `text` is how many bytes it keeps.
    pub fn wait(&mut self, asked: Asked, text: usize, id: Option<u32>, options: RequestOptions) {
        let position = self.frames.len();
        self.texts += text;
        self.waiting.push(Waiting { position, asked, id, options });
    }

    /// Bytes that wait here.
    pub fn len(&self) -> usize {
        self.frames.len() + self.texts
    }
}

impl Engine {
    /// Lets all that waited go, in the order the program sent it.
    pub(super) fn send_early(&mut self, events: &mut Vec<Event<'_>>) {
        let early = std::mem::take(&mut self.early);
        if self.dialect.hides_timeouts() {
            self.watch_over_frames(&early.frames);
        }
        let mut from = 0;
        for waiting in early.waiting {
            self.send_frames(&early.frames[from..waiting.position], events);
            from = waiting.position;
            let id = waiting.id;
            if let Err(failure) = self.send_waiting(waiting, events) {
                events.push(self.failed(id, &failure));
            }
        }
        self.send_frames(&early.frames[from..], events);
    }

    fn send_waiting(&mut self, waiting: Waiting, events: &mut Vec<Event<'_>>) -> Result<(), Failure> {
        let Waiting { asked, id, options, .. } = waiting;
        match asked {
            Asked::Fetch(number, round) if self.fetchers.in_round(number, round).is_some() => {
                return self.write_fetch(number, id, options);
            }
            Asked::Config(params) => return self.write_config(Raw::trusted(&params), id, options),
            Asked::Add(params) => return self.write_add(Raw::trusted(&params), id, options),
            // It was ended or made anew before the daemon heard of it.
            Asked::Fetch(..) | Asked::Unfetch => events.extend(self.answered_here(id)),
        }
        Ok(())
    }

    fn answered_here(&mut self, id: Option<u32>) -> Option<Event<'static>> {
        let id = id?;
        self.requests.end(id);
        Some(Event::Response { id, outcome: Ok(Cow::Borrowed("true")) })
    }

    /// Sends `config`, or keeps it until the daemon is known, as not every daemon takes it.
    pub(super) fn config(&mut self, params: Raw, options: RequestOptions) -> Sent {
        self.check_limits(options.respond)?;
        let id = options.respond.then(|| self.requests.begin(Purpose::Program(Service::Done)));
        if self.knows_daemon() {
            self.write_config(params, id, options)?;
        } else {
            let params = params.text();
            self.early.wait(Asked::Config(params.into()), params.len(), id, options);
        }
        Ok(id)
    }

    /// Writes `config` with what this daemon accepts of it. Where that is nothing, something
    /// harmless is asked instead, so that the program is answered in its turn. The encoding is the
    /// peer's own business, which has to change along with the daemon.
    fn write_config(&mut self, params: Raw, id: Option<u32>, options: RequestOptions) -> Result<(), Failure> {
        let takes_all = matches!(self.dialect, Dialect::Own | Dialect::Lua);
        let has_name = params.get("name").is_some();
        let service = match self.dialect {
            Dialect::NodeJet3 if has_name => "configure",
            Dialect::NodeJet3 => "info",
            _ => "config",
        };
        let options = if takes_all { options } else { RequestOptions::default() };
        let accepts = |key: &str| if takes_all { key != "encoding" } else { key == "name" };
        self.write(id, service, options, |out| {
            write_members(out, params.members().filter(|(key, _)| accepts(key)), options);
        })
    }

    /// Takes over the time-outs of requests that were written before it was known that the
    /// daemon has none.
    fn watch_over_frames(&mut self, frames: &[u8]) {
        let mut decoder = Decoder::new(self.options.max_message);
        decoder.push(frames);
        while let Ok(Some(range)) = decoder.next_range() {
            let text = String::from_utf8_lossy(decoder.bytes(range)).into_owned();
            let message = Message::read(Raw::trusted(&text)).unwrap_or_default();
            let routed = matches!(message.method.map(Raw::text), Some(r#""set""# | r#""call""#));
            let id = message.id.and_then(|id| id.text().parse().ok());
            if let (true, Some(id), Some(params)) = (routed, id, message.params) {
                self.watch_over(id, params.text());
            }
        }
    }
}
