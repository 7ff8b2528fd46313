//! [`FirstLook`]: the job that starts a fetch. It iterates over all elements whose paths may match.
//!
//! A fetch whose path rules may take long is tested first. The first pass only matches paths, and refuses the fetch if
//! that takes more steps than [`PatternCost`] allows. The second pass reports the elements, as the connection reads.
//! Elements that are added after the second pass began are reported as to any fetcher. Elements that change before the
//! pass has come to them are reported once, with their last value.

use crate::json::Raw;
use crate::rules::PathHint;

use super::elements::Cursor;
use super::keys::{ClientKey, FetcherKey};
use super::live::Live;
use super::pattern_cost::PatternCost;
use super::reply::{Outcome, Refusal};
use super::window::Window;
use super::work::{Progress, STEPS_PER_UNIT};

/// The start of a fetch.
#[derive(Debug)]
pub struct FirstLook {
    client: ClientKey,
    fetcher: FetcherKey,
    /// The id of the fetch in one spelling.
    id_key: Box<str>,
    /// The id of the request, as JSON text.
    request: Option<Box<str>>,
    /// The result of the request, as JSON text.
    result: &'static str,
    pass: Pass,
}

#[derive(Debug)]
enum Pass {
    /// Matches the paths.
    Testing(Cursor, PatternCost),
    /// Reports the elements.
    Showing(Cursor),
    /// Sends the window of a sorted fetch.
    Sorted(Window),
}

/// The result of matching one more path.
enum Tested {
    More,
    All,
    TooMuch(Refusal),
}

impl FirstLook {
    /// Creates the job. `id_key` is the id of the fetch in one spelling, `request` that of the request, and `cursor` has
    /// the elements whose paths may match.
    pub fn new(
        client: ClientKey,
        fetcher: FetcherKey,
        id_key: Box<str>,
        request: Option<Raw>,
        cursor: Cursor,
    ) -> FirstLook {
        let request = request.map(|id| id.text().into());
        let pass = Pass::Testing(cursor, PatternCost::default());
        FirstLook { client, fetcher, id_key, request, result: "true", pass }
    }

    /// Sets the result of the request, as JSON text. Without, it is `true`.
    pub fn answered_with(self, result: &'static str) -> FirstLook {
        FirstLook { result, ..self }
    }

    /// Returns the connection that fetches.
    pub fn client(&self) -> ClientKey {
        self.client
    }

    /// Continues until that many units are spent.
    pub fn run(&mut self, live: &mut Live, until: u64) -> Progress {
        if live.clients.is_closing(self.client) {
            live.end_fetcher(self.fetcher);
            return Progress::Done;
        }
        while live.units.spent() < until {
            let progress = match &mut self.pass {
                Pass::Testing(cursor, cost) => match test_next(live, self.fetcher, cursor, cost) {
                    Tested::More => continue,
                    Tested::TooMuch(refusal) => {
                        live.end_fetcher(self.fetcher);
                        live.clients.reply(self.client, self.request(), &Err(refusal));
                        return Progress::Done;
                    }
                    Tested::All => {
                        self.accept(live);
                        continue;
                    }
                },
                Pass::Showing(_) if !live.clients.has_room(self.client) => return Progress::Blocked,
                Pass::Showing(cursor) => match live.elements.advance(cursor) {
                    Some(element) => {
                        live.show(self.fetcher, element);
                        continue;
                    }
                    None if self.begin_window(live) => continue,
                    None => Progress::Done,
                },
                Pass::Sorted(window) => live.window_writer().run(window, until),
            };
            if progress == Progress::Done && live.clients.kind(self.client).wants_adds_first() {
                self.answer(live);
            }
            return progress;
        }
        Progress::Unfinished
    }

    /// Starts to report elements.
    fn accept(&mut self, live: &mut Live) {
        live.accept(self.fetcher, &self.id_key);
        // Many peers listen for adds from the response on, so it comes first. Others rely on the reverse.
        if !live.clients.kind(self.client).wants_adds_first() {
            self.answer(live);
        }
        let hint = live.fetchers.get(self.fetcher).map(|fetcher| fetcher.expression().path_hint());
        self.pass = Pass::Showing(live.elements.cursor(hint.unwrap_or(PathHint::Any)));
    }

    /// Starts to send the window, if the fetch is sorted.
    fn begin_window(&mut self, live: &mut Live) -> bool {
        let is_sorted = live.fetchers.get_mut(self.fetcher).is_some_and(|fetcher| fetcher.defer_all());
        if is_sorted {
            self.pass = Pass::Sorted(Window::new(self.client, self.fetcher));
        }
        is_sorted
    }

    fn answer(&self, live: &mut Live) {
        live.clients.reply(self.client, self.request(), &Ok(Outcome::Value(self.result.to_owned())));
    }

    fn request(&self) -> Option<Raw<'_>> {
        self.request.as_deref().map(Raw::trusted)
    }
}

/// Matches the next path, if the fetch may take long.
fn test_next(live: &Live, fetcher: FetcherKey, cursor: &mut Cursor, cost: &mut PatternCost) -> Tested {
    let fetcher = live.fetchers.get(fetcher);
    let Some(fetcher) = fetcher.filter(|fetcher| fetcher.expression().is_costly()) else {
        return Tested::All;
    };
    let next = live.elements.advance(cursor).and_then(|key| live.elements.get(key));
    let Some(element) = next else {
        return Tested::All;
    };
    let (_, steps) = cost.test(fetcher.expression(), &element.path);
    live.units.spend(1 + steps / STEPS_PER_UNIT);
    if cost.is_too_much() { Tested::TooMuch(cost.refusal()) } else { Tested::More }
}
