//! Daemons of the kind `fetch = "simple"`: each peer has one fetch of everything, and on some it
//! cannot be made a second time. All fetchers of this peer share it; it is never ended.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::json::{Raw, write};

use crate::peer::compat::errors;
use crate::peer::compat::local_fetch::{LocalFetch, News};
use crate::peer::engine::Engine;
use crate::peer::event::{Event, Happening};
use crate::peer::outgoing::{Failure, RequestOptions, Sent};
use crate::peer::requests::{Purpose, Service};

/// Under this name some daemons notify, whatever the id of the fetch was.
const FETCH_ALL: &str = "fetch_all";

/// The one fetch and what it has brought.
#[derive(Debug, Default)]
pub struct Shared {
    asked: bool,
    /// Why the daemon refused it, as the error object for all fetchers.
    refused: Option<String>,
    elements: HashMap<Box<str>, Element>,
    count: u64,
}

#[derive(Debug)]
struct Element {
    value: Option<Box<str>>,
    /// Elements are told in the order they came.
    number: u64,
}

impl Shared {
    /// Notes what happened to an element; a removal gets the last value if it has none.
    fn note(&mut self, news: &mut News<'_>) {
        if news.happening == Happening::Remove {
            let last = self.elements.remove(&*news.path).and_then(|element| element.value);
            news.value = news.value.take().or(last.map(|value| Cow::Owned(value.into())));
            return;
        }
        let value = news.value.as_deref().map(Into::into);
        match self.elements.get_mut(&*news.path) {
            Some(element) => element.value = value,
            None => {
                self.count += 1;
                self.elements.insert((&*news.path).into(), Element { value, number: self.count });
            }
        }
    }

    /// Tells a fetcher of all that is there.
    fn replay<'a>(&self, fetcher: u32, local: &mut LocalFetch, events: &mut Vec<Event<'a>>) {
        let mut all: Vec<_> = self.elements.iter().collect();
        all.sort_unstable_by_key(|(_, element)| element.number);
        for (path, element) in all {
            let path = Cow::Owned(path.to_string());
            let value = element.value.as_deref().map(|value| Cow::Owned(value.to_owned()));
            local.apply(News { fetcher, happening: Happening::Add, path, value }, events);
        }
        local.settle(fetcher, events);
    }
}

impl Engine {
    /// Has a fetcher join the shared fetch, which is made if it is the first. It has joined when
    /// the request is answered that is sent here.
    pub fn join_shared(&mut self, number: u32, round: u32, id: Option<u32>) -> Result<(), Failure> {
        if self.shared.as_mut().is_some_and(|shared| !std::mem::replace(&mut shared.asked, true)) {
            let wire_id = self.fetchers.shared_id();
            let id = self.requests.begin(Purpose::Shared);
            self.write(Some(id), "fetch", RequestOptions::default(), |out| {
                out.extend_from_slice(b"\"id\":");
                write::string(out, &wire_id);
                out.extend_from_slice(b",\"path\":{\"startsWith\":\"\"}");
            })?;
        }
        let id = id.unwrap_or_else(|| self.requests.begin(Purpose::Settled(number, round)));
        self.ask_anything(id)
    }

    /// The daemon has answered the shared fetch.
    pub fn shared_answered(&mut self, outcome: Result<Raw<'_>, Raw<'_>>) {
        let dialect = self.dialect;
        if let (Some(shared), Err(error)) = (&mut self.shared, outcome) {
            shared.refused = Some(errors::error(dialect, error, None).into_owned());
        }
    }

    /// Whether a fetcher may join; else the error for it.
    pub fn may_join<'a>(&self) -> Result<Cow<'a, str>, Cow<'a, str>> {
        match self.shared.as_ref().and_then(|shared| shared.refused.clone()) {
            Some(error) => Err(Cow::Owned(error)),
            None => Ok(Cow::Borrowed("true")),
        }
    }

    /// The shared fetch is complete: a fetcher hears of all that is there, and of news from now
    /// on. False if this daemon needs no shared fetch.
    pub fn joined(&mut self, number: u32, round: u32, events: &mut Vec<Event<'_>>) -> bool {
        let Some(shared) = &self.shared else {
            return false;
        };
        if let Some(fetcher) = self.fetchers.in_round(number, round) {
            fetcher.held = None;
            fetcher.joined = true;
            if let Some(local) = &mut fetcher.local {
                shared.replay(number, local, events);
            }
        }
        true
    }

    /// Takes a notification of the shared fetch; false if it is none.
    pub fn shared_notification<'a>(
        &mut self,
        name: &str,
        happening: Option<Happening>,
        path: Option<Cow<'a, str>>,
        value: Option<Raw<'a>>,
        events: &mut Vec<Event<'a>>,
    ) -> bool {
        let is_shared = name == FETCH_ALL || name == self.fetchers.shared_id();
        let (Some(shared), true) = (&mut self.shared, is_shared) else {
            return false;
        };
        let (Some(happening), Some(path)) = (happening, path) else {
            return false;
        };
        let value = value.map(|value| Cow::Borrowed(value.text()));
        let mut news = News { fetcher: 0, happening, path, value };
        shared.note(&mut news);
        for (number, local) in self.fetchers.joined() {
            local.apply(News { fetcher: number, ..news.clone() }, events);
        }
        true
    }

    /// Sends a harmless request. Whatever its answer is, all initial notifications of the fetches that were sent
    /// before come first. The daemon must be known.
    ///
    /// # Errors
    /// [`Failure`], as all functions that send.
    pub fn settle(&mut self) -> Sent {
        self.check_limits(true)?;
        let id = self.requests.begin(Purpose::Program(Service::Done));
        self.ask_anything(id)?;
        Ok(Some(id))
    }

    /// Asks something harmless of which only the moment of the answer counts. A daemon that did
    /// not answer `info` is asked what every daemon answers somehow.
    pub fn ask_anything(&mut self, id: u32) -> Result<(), Failure> {
        let has_info = self.dialect != crate::peer::Dialect::Unknown || self.info.is_some();
        let service = if has_info { "info" } else { "unfetch" };
        self.write(Some(id), service, RequestOptions::default(), |out| {
            if !has_info {
                out.extend_from_slice(b"\"id\":\"__settled__\",");
            }
        })
    }
}
