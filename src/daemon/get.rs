//! [`Get`]: the job that answers `get`. It iterates over all elements whose paths may match.

use std::ops::Range;

use crate::json::Raw;
use crate::rules::{Event, Expression, SortedView};

use super::access::Permission;
use super::elements::{Cursor, Element};
use super::item_list::ItemList;
use super::keys::{ClientKey, ElementKey};
use super::live::Live;
use super::notification::write_params;
use super::pattern_cost::PatternCost;
use super::reply::Refusal;
use super::window::{Limits, Walked, fetch_only_marker, write_entries};
use super::work::{Progress, STEPS_PER_UNIT};

/// A `get` that is being answered.
#[derive(Debug)]
pub struct Get {
    client: ClientKey,
    /// The id of the request, as JSON text.
    request: Option<Box<str>>,
    expression: Expression,
    cursor: Cursor,
    cost: PatternCost,
    /// The matches in their order, if the expression has one.
    view: Option<SortedView>,
    /// The ranks that are not written.
    ranks: Range<usize>,
    items: ItemList,
}

impl Get {
    /// Creates the job. `cursor` has the elements whose paths may match, and with `packs` the response is msgpack.
    pub fn new(
        client: ClientKey,
        request: Option<Raw>,
        expression: Expression,
        cursor: Cursor,
        packs: bool,
    ) -> Get {
        Get {
            client,
            request: request.map(|id| id.text().into()),
            view: expression.sort().cloned().map(SortedView::new),
            expression,
            cursor,
            cost: PatternCost::default(),
            ranks: 0..usize::MAX,
            items: ItemList::new(packs),
        }
    }

    /// Returns the connection that asked.
    pub fn client(&self) -> ClientKey {
        self.client
    }

    /// Continues until that many units are spent.
    pub fn run(&mut self, live: &mut Live, until: u64) -> Progress {
        if live.clients.is_closing(self.client) {
            return Progress::Done;
        }
        let room = live.clients.room(self.client);
        let max = self.expression.max().filter(|_| self.view.is_none()).unwrap_or(usize::MAX);
        while live.units.spent() < until {
            let next = if self.items.len() < max { live.elements.advance(&mut self.cursor) } else { None };
            let is_written = match next {
                Some(key) => {
                    self.look_at(live, key);
                    false
                }
                None => self.write_window(live, until),
            };
            let request = self.request.as_deref().map(Raw::trusted);
            if self.cost.is_too_much() {
                live.clients.reply(self.client, request, &Err(self.cost.refusal()));
            } else if self.items.json_len() > room {
                live.clients.reply(self.client, request, &Err(Refusal::too_long()));
            } else if is_written {
                live.clients.reply_list(self.client, request, &self.items);
            } else {
                continue;
            }
            return Progress::Done;
        }
        Progress::Unfinished
    }

    /// Appends an element to the response, if it matches.
    fn look_at(&mut self, live: &Live, key: ElementKey) {
        live.units.spend(1);
        let Some(element) = live.elements.get(key) else {
            return;
        };
        if !self.matches(live, element) {
            return;
        }
        if let Some(view) = &mut self.view {
            live.units.spend(20);
            view.set(&element.path, element.value.clone());
            return;
        }
        let read_only = element.is_fetch_only(live.clients.rights(self.client));
        let value = element.value.as_deref();
        let write = |out: &mut Vec<u8>| {
            write_params(out, &element.path_json, Event::Add.name(), value, read_only);
        };
        live.units.spend(self.items.push(write));
    }

    fn matches(&mut self, live: &Live, element: &Element) -> bool {
        let (is_match, steps) = self.cost.test(&self.expression, &element.path);
        let value_cost = self.expression.value_cost(element.value.as_deref());
        live.units.spend(steps / STEPS_PER_UNIT + value_cost);
        is_match
            && (element.is_state || live.clients.kind(self.client).gets_methods())
            && !live.clients.is_leaving(element.owner)
            && live.may(self.client, element, Permission::Fetch)
            && (!self.expression.needs_value() || self.expression.matches_value(element.raw()))
            && live.dependencies_hold(&self.expression, &element.path, self.client)
    }

    /// Writes the window of a sorted `get`. Returns `false` if the units are spent before.
    fn write_window(&mut self, live: &Live, until: u64) -> bool {
        let Some(view) = &self.view else {
            return true;
        };
        let window = view.snapshot().ranks();
        self.ranks = self.ranks.start.max(window.start)..window.end;
        let is_fetch_only = fetch_only_marker(&live.elements, live.clients.rights(self.client));
        let limits = Limits { bytes: usize::MAX, until };
        write_entries(view, &mut self.ranks, is_fetch_only, &mut self.items, limits, &live.units)
            == Walked::All
    }
}
