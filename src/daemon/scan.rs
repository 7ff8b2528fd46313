//! The first look of a fetch, and `get`: both go through all elements that a path hint allows, in slices.
//!
//! A fetch whose path rules can take long is looked at twice. The first pass only tests paths, and refuses the
//! fetch if that takes more than [`PATTERN_STEPS`] and [`PATTERN_STEPS_PER_PATH`] allow. The second reports the elements as the connection
//! reads. Elements that are added after the second has begun are reported like to any fetcher; elements that
//! change before the pass comes to them are reported once, with the value they have then.

use std::ops::Range;

use crate::rules::{Event, Expression, SortedView, Steps};
use crate::wire::error::INVALID_PARAMS;

use super::access::Permission;
use super::bus::Bus;
use super::clients::{Outcome, TOO_LONG};
use super::elements::Cursor;
use super::fetchers::Reported;
use super::item_list::ItemList;
use super::keys::{ClientKey, ElementKey, FetcherKey};
use super::notification::write_params;
use super::window::{Limits, Walked, Window, fetch_only_marker, write_entries};
use super::work::{Progress, STEPS_PER_UNIT};

/// Steps that a fetch may take to test all paths, apart from those for each path.
const PATTERN_STEPS: u64 = 20_000_000;

/// Steps that a fetch may take for each path on average. Usual patterns take less than a
/// hundred.
const PATTERN_STEPS_PER_PATH: u64 = 5_000;

/// The first look of a fetch.
#[derive(Debug)]
pub(super) struct FirstLook {
    pub(super) client: ClientKey,
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
    /// Tests the paths.
    Testing(Cursor, Cost),
    /// Reports the elements.
    Showing(Cursor),
    /// Reports the window of a sorted fetch.
    Sorted(Window),
}

/// The steps that patterns have taken, of one fetch or of one connection.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Cost {
    steps: u64,
    paths: u64,
    /// Whether matching one path was given up.
    is_given_up: bool,
}

/// A `get`.
#[derive(Debug)]
pub(super) struct Get {
    pub(super) client: ClientKey,
    request: Option<Box<str>>,
    expression: Expression,
    cursor: Cursor,
    cost: Cost,
    /// The elements in their order, if it is sorted, until all are in it.
    view: Option<SortedView>,
    /// The ranks to write.
    ranks: Range<usize>,
    items: ItemList,
}

impl FirstLook {
    pub(super) fn new(
        client: ClientKey,
        fetcher: FetcherKey,
        id_key: Box<str>,
        request: Option<&str>,
        cursor: Cursor,
    ) -> FirstLook {
        let pass = Pass::Testing(cursor, Cost::default());
        FirstLook { client, fetcher, id_key, request: request.map(Into::into), result: "true", pass }
    }

    /// Has the request be answered with another result than `true`: JSON text.
    pub(super) fn answered_with(self, result: &'static str) -> FirstLook {
        FirstLook { result, ..self }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Value(self.result.to_owned())
    }
}

impl Cost {
    /// Counts the steps for one path.
    pub(super) fn add(&mut self, steps: Steps) {
        self.steps += steps.taken;
        self.paths += 1;
        self.is_given_up |= steps.are_too_many();
    }

    /// Returns whether that is more than a fetch, or a connection with all its fetches, may take.
    pub(super) fn is_too_much(&self) -> bool {
        self.is_given_up || self.steps > PATTERN_STEPS + self.paths * PATTERN_STEPS_PER_PATH
    }

    /// Refuses what costs too much.
    fn refusal(&self) -> Outcome {
        let reason = "matching the patterns takes too long";
        let data = format!("{{\"patternCost\":{},\"reason\":\"{reason}\"}}", self.steps);
        Outcome::Refused(INVALID_PARAMS, Some(data))
    }
}

impl Get {
    pub(super) fn new(
        client: ClientKey,
        request: Option<&str>,
        expression: Expression,
        cursor: Cursor,
        packs: bool,
    ) -> Get {
        Get {
            client,
            request: request.map(Into::into),
            view: expression.sort().cloned().map(SortedView::new),
            expression,
            cursor,
            cost: Cost::default(),
            ranks: 0..usize::MAX,
            items: ItemList::new(packs),
        }
    }
}

impl Bus {
    /// Goes on with the first look of a fetch.
    pub(super) fn look_first(&mut self, job: &mut FirstLook, until: u64) -> Progress {
        if self.clients.get(job.client).is_none_or(|client| client.condemned) {
            self.end_fetcher(job.fetcher);
            return Progress::Done;
        }
        while self.work.spent() < until {
            let progress = match &mut job.pass {
                Pass::Testing(cursor, cost) => match self.test_next(job.fetcher, cursor, cost) {
                    Tested::More => continue,
                    Tested::TooMuch => {
                        let refusal = cost.refusal();
                        self.end_fetcher(job.fetcher);
                        self.answer(job.client, job.request.as_deref(), &refusal);
                        return Progress::Done;
                    }
                    Tested::All => {
                        job.pass = self.accept(job);
                        continue;
                    }
                },
                Pass::Showing(_) if !self.has_room(job.client) => return Progress::Blocked,
                Pass::Showing(cursor) => match self.elements.advance(cursor) {
                    Some(element) => {
                        self.show(job.fetcher, element);
                        continue;
                    }
                    None => match self.begin_window(job.client, job.fetcher) {
                        Some(window) => {
                            job.pass = Pass::Sorted(window);
                            continue;
                        }
                        None => Progress::Done,
                    },
                },
                Pass::Sorted(window) => self.send_window(window, until),
            };
            if progress == Progress::Done && self.clients.kind(job.client).wants_adds_first() {
                self.answer(job.client, job.request.as_deref(), &job.outcome());
            }
            return progress;
        }
        Progress::Unfinished
    }

    fn test_next(&mut self, fetcher: FetcherKey, cursor: &mut Cursor, cost: &mut Cost) -> Tested {
        let Some(fetcher) = self.fetchers.get(fetcher).filter(|fetcher| fetcher.expression.is_costly())
        else {
            return Tested::All;
        };
        let next = self.elements.advance(cursor).and_then(|key| self.elements.get(key));
        let Some(element) = next else {
            return Tested::All;
        };
        let steps = cost.test(&fetcher.expression, &element.path).1;
        self.work.spend(1 + steps / STEPS_PER_UNIT);
        match cost.is_too_much() {
            true => Tested::TooMuch,
            false => Tested::More,
        }
    }

    /// Begins to report to a fetcher.
    fn accept(&mut self, job: &FirstLook) -> Pass {
        if let Some((client, fetcher)) =
            self.clients.get_mut(job.client).zip(self.fetchers.get_mut(job.fetcher))
        {
            fetcher.weight = fetcher.expression.weight();
            client.fetch_weight += fetcher.weight;
            if let Some(replaced) = client.fetchers.insert(job.id_key.clone(), job.fetcher) {
                self.end_fetcher(replaced);
            }
        }
        self.fetchers.activate(job.fetcher);
        // The answer comes first: many peers listen for adds only from then on. Others rely on the reverse.
        if !self.clients.kind(job.client).wants_adds_first() {
            self.answer(job.client, job.request.as_deref(), &job.outcome());
        }
        let hint = self.fetchers.get(job.fetcher).map(|fetcher| fetcher.expression.path_hint());
        Pass::Showing(self.elements.cursor(hint.unwrap_or(crate::rules::PathHint::Any)))
    }

    /// Returns the job that reports the whole window of a fetch, if it is sorted.
    fn begin_window(&mut self, client: ClientKey, key: FetcherKey) -> Option<Window> {
        let fetcher = self.fetchers.get_mut(key)?;
        let Reported::Sorted(sorted) = &mut fetcher.reported else {
            return None;
        };
        sorted.unsent = Some(sorted.view.snapshot().ranks());
        Some(Window::new(client, key))
    }

    /// Goes on with a `get`.
    pub(super) fn collect(&mut self, job: &mut Get, until: u64) -> Progress {
        if self.clients.get(job.client).is_none_or(|client| client.condemned) {
            return Progress::Done;
        }
        let room = self.clients.room(job.client);
        while self.work.spent() < until {
            let max = job.expression.max().filter(|_| job.view.is_none()).unwrap_or(usize::MAX);
            let next = if job.items.len() < max { self.elements.advance(&mut job.cursor) } else { None };
            let is_written = match next {
                Some(key) => {
                    self.take_into(job, key);
                    false
                }
                None => self.write_ranks(job, until),
            };
            if job.cost.is_too_much() {
                self.answer(job.client, job.request.as_deref(), &job.cost.refusal());
            } else if job.items.json_len() > room {
                let refusal = Outcome::Refused(crate::wire::error::INTERNAL_ERROR, Some(TOO_LONG.to_owned()));
                self.answer(job.client, job.request.as_deref(), &refusal);
            } else if is_written {
                self.clients.reply_list(job.client, job.request.as_deref(), &job.items);
            } else {
                continue;
            }
            return Progress::Done;
        }
        Progress::Unfinished
    }

    /// Takes an element into what `get` answers, if it matches.
    fn take_into(&mut self, job: &mut Get, key: ElementKey) {
        self.work.spend(1);
        let Some(element) = self.elements.get(key) else {
            return;
        };
        let (is_match, steps) = job.cost.test(&job.expression, &element.path);
        let rights = self.clients.rights(job.client);
        let is_wanted = is_match
            && (element.is_state || self.clients.kind(job.client).gets_methods())
            && !self.clients.is_leaving(element.owner)
            && element.allows(rights, Permission::Fetch)
            && (!job.expression.needs_value() || job.expression.matches_value(element.raw()))
            && self.dependencies_hold(&job.expression, &element.path, job.client);
        self.work.spend(steps / STEPS_PER_UNIT + job.expression.value_cost(element.value.as_deref()));
        if !is_wanted {
            return;
        }
        match &mut job.view {
            Some(view) => {
                self.work.spend(20);
                view.set(&element.path, element.value.clone());
            }
            None => {
                let mark = element.is_fetch_only(rights);
                let value = element.value.as_deref();
                let write = |out: &mut Vec<u8>| {
                    write_params(out, &element.path_json, Event::Add.name(), value, mark);
                };
                self.work.spend(job.items.push(write));
            }
        }
    }

    /// Writes the window of a sorted `get`. Returns whether that is done before so many units are spent.
    fn write_ranks(&mut self, job: &mut Get, until: u64) -> bool {
        let Some(view) = &job.view else {
            return true;
        };
        let window = view.snapshot().ranks();
        job.ranks = job.ranks.start.max(window.start)..window.end;
        let is_fetch_only = fetch_only_marker(&self.elements, self.clients.rights(job.client));
        let limits = Limits { bytes: usize::MAX, until };
        write_entries(view, &mut job.ranks, is_fetch_only, &mut job.items, limits, &self.work) == Walked::All
    }
}

/// What testing one more path came to.
enum Tested {
    More,
    All,
    TooMuch,
}

impl Cost {
    /// Tests a path and counts what that takes. Returns whether it matches, and the steps.
    fn test(&mut self, expression: &Expression, path: &str) -> (bool, u64) {
        let mut steps = Steps::default();
        let is_match = expression.matches_path_counting(path, &mut steps);
        self.add(steps);
        (is_match, steps.taken)
    }
}
