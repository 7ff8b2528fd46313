//! From a change of an element to the notifications of those who fetch it.

use crate::rules::{Event, Steps, transition};

use super::access::{Access, Permission};
use super::bus::Bus;
use super::dependencies::Forget;
use super::elements::Element;
use super::fetchers::Reported;
use super::keys::{ClientKey, ElementKey, FetcherKey};
use super::notification::News;
use super::window::{RANKS_AT_ONCE, Window, WindowMessage};
use super::work::{Job, SLICE, STEPS_PER_UNIT};

impl Bus {
    /// Reports to all fetchers of an element what happened to it. For a removal this comes while the element
    /// is still there.
    pub(super) fn publish(&mut self, key: ElementKey, event: Event) {
        let Some(element) = self.elements.get_mut(key) else {
            return;
        };
        let fetchers = self.sets.members(&mut element.set);
        let mut news = News::of(element);
        let path = news.path.clone();
        self.comparisons += fetchers.len() as u64;
        self.work.spend(1 + fetchers.len() as u64);
        self.windows_until = self.work.spent() + SLICE;
        let mut vacancies = Vec::new();
        for fetcher in &*fetchers {
            let matches = event != Event::Remove && self.matches(*fetcher, &news);
            let knows = event != Event::Add && self.knows(*fetcher, key, &path);
            if self.report(*fetcher, key, (knows, event, matches), &mut news) {
                vacancies.push(*fetcher);
            }
        }
        vacancies.into_iter().for_each(|fetcher| self.fill_vacancy(fetcher, key));
        self.publish_to_dependents(&path, event);
    }

    /// Looks again at one element for one fetcher, because something else has changed.
    pub(super) fn look_again(&mut self, fetcher: FetcherKey, key: ElementKey) {
        let Some(element) = self.elements.get_mut(key) else {
            return;
        };
        // An element that the fetcher has not come to yet is looked at then.
        if self.sets.members(&mut element.set).binary_search(&fetcher).is_err() {
            return;
        }
        let mut news = News::of(element);
        self.work.spend(1);
        let matches = self.matches(fetcher, &news);
        let knows = self.knows(fetcher, key, &news.path);
        if matches != knows && self.report(fetcher, key, (knows, Event::Change, matches), &mut news) {
            self.fill_vacancy(fetcher, key);
        }
    }

    /// Returns whether an element matches beyond its path.
    fn matches(&mut self, fetcher: FetcherKey, news: &News) -> bool {
        let Some(fetcher) = self.fetchers.get(fetcher) else {
            return false;
        };
        self.work.spend(fetcher.expression.value_cost(news.value.as_deref()));
        fetcher.admits(news.raw()) && self.dependencies_hold(&fetcher.expression, &news.path, fetcher.client)
    }

    fn knows(&self, fetcher: FetcherKey, key: ElementKey, path: &str) -> bool {
        self.fetchers.get(fetcher).is_some_and(|fetcher| fetcher.knows(key, path))
    }

    /// Reports to one fetcher what happened to an element that it watches: whether it knew of it, the event, and
    /// whether it matches now. Returns whether a limited fetch has room for another element.
    fn report(
        &mut self,
        fetcher_key: FetcherKey,
        key: ElementKey,
        (knows, event, matches): (bool, Event, bool),
        news: &mut News,
    ) -> bool {
        let Some(fetcher) = self.fetchers.get_mut(fetcher_key) else {
            return false;
        };
        if matches!(fetcher.reported, Reported::Sorted(_)) {
            self.report_sorted(fetcher_key, matches, news);
            return false;
        }
        if !knows && matches && fetcher.is_full() {
            fetcher.waiting.insert(key);
            return false;
        }
        let Some(event) = transition(knows, event, matches) else {
            fetcher.waiting.remove(&key);
            return false;
        };
        if let Reported::Each(reported) = &mut fetcher.reported {
            match event {
                Event::Add => reported.insert(key),
                Event::Change => true,
                Event::Remove => reported.remove(&key),
            };
        }
        let rights = || self.clients.rights(fetcher.client);
        let mark = event == Event::Add
            && self.elements.get(key).is_some_and(|element| element.is_fetch_only(rights()));
        let params = news.params(event, self.clients.kind(fetcher.client), mark);
        self.work.spend(2 + params.json().len() as u64 / 512);
        self.clients.notify(fetcher.client, &fetcher.id, params);
        event == Event::Remove && fetcher.expression.max().is_some()
    }

    /// Puts an element into a sorted view, or takes it out, and reports the ranks that changed: at once if they
    /// are few, else by a job.
    fn report_sorted(&mut self, key: FetcherKey, matches: bool, news: &News) {
        let Some(fetcher) = self.fetchers.get_mut(key) else {
            return;
        };
        let Reported::Sorted(sorted) = &mut fetcher.reported else {
            return;
        };
        let changes = match matches {
            true => sorted.view.set(&news.path, news.value.clone()),
            false => sorted.view.remove(&news.path),
        };
        self.work.spend(20);
        let Some(ranks) = changes.map(|changes| changes.ranks()) else {
            return;
        };
        if sorted.is_deferred {
            return sorted.note(ranks);
        }
        if ranks.len() > RANKS_AT_ONCE || self.work.spent() >= self.windows_until {
            sorted.note(ranks);
            sorted.is_deferred = true;
            return self.work.push(Job::Window(Window::new(fetcher.client, key)));
        }
        let client = fetcher.client;
        let mut message = WindowMessage::new(ranks, self.clients.packs(client));
        self.write_window(key, &mut message, u64::MAX);
    }

    /// Returns whether a client may do that with an element.
    pub(super) fn may(&self, client: ClientKey, element: &Element, what: Permission) -> bool {
        element.access.is_none() || element.allows(self.clients.rights(client), what)
    }

    /// Shows a fetcher an element that it has not seen, if its path rules match and its client may see it: it
    /// watches the element from now on. Sorted fetches report it later.
    /// Both stay so, as nobody gets other rights while fetching.
    pub(super) fn show(&mut self, fetcher_key: FetcherKey, key: ElementKey) {
        self.comparisons += 1;
        self.work.spend(1);
        let Some((fetcher, element)) = self.fetchers.get(fetcher_key).zip(self.elements.get(key)) else {
            return;
        };
        let mut steps = Steps::default();
        let is_for_it = fetcher.expression.matches_path_counting(&element.path, &mut steps)
            && self.may(fetcher.client, element, Permission::Fetch);
        self.work.spend(steps.taken / STEPS_PER_UNIT);
        if !is_for_it || steps.are_too_many() || self.clients.is_leaving(element.owner) {
            return;
        }
        let mut news = News::of(element);
        self.register_dependencies(fetcher_key, key, &news.path);
        let matches = self.matches(fetcher_key, &news);
        if let Some(element) = self.elements.get_mut(key) {
            let copied = self.sets.join(&mut element.set, fetcher_key);
            self.work.spend(copied as u64 / 8);
        }
        // What does not match changes nothing.
        if matches {
            self.report(fetcher_key, key, (false, Event::Add, true), &mut news);
        }
    }

    /// Returns the fetchers of an element that is about to be added, in ascending order.
    pub(super) fn fetchers_of(&mut self, path: &str, access: Option<&Access>) -> Vec<FetcherKey> {
        let mut found = self.fetchers.candidates(path);
        self.comparisons += found.len() as u64;
        self.work.spend(1 + found.len() as u64);
        found.retain(|key| {
            let Some(fetcher) = self.fetchers.get(*key) else {
                return false;
            };
            let rights = self.clients.rights(fetcher.client);
            if !access.is_none_or(|access| access.allows(rights, Permission::Fetch)) {
                return false;
            }
            if self.clients.get(fetcher.client).is_none_or(|client| client.condemned) {
                return false;
            }
            let mut steps = Steps::default();
            let is_match = fetcher.expression.matches_path_counting(path, &mut steps);
            self.work.spend(steps.taken / STEPS_PER_UNIT);
            if fetcher.expression.is_costly() {
                self.clients.charge(fetcher.client, steps);
            }
            is_match && !steps.are_too_many()
        });
        found.sort_unstable();
        found
    }

    /// Ends a fetcher. What elements remember of it is cleaned up later.
    pub(super) fn end_fetcher(&mut self, key: FetcherKey) {
        let Some(fetcher) = self.fetchers.remove(key) else {
            return;
        };
        self.work.spend(fetcher.size() / 4);
        if let Some(client) = self.clients.get_mut(fetcher.client) {
            client.fetch_weight -= fetcher.weight;
        }
        if !fetcher.dependencies.is_empty() {
            self.work.push(Job::Forget(Forget::new(key, fetcher.dependencies)));
        }
        if self.sets.note_ended() {
            self.work.push(Job::Sweep);
        }
    }
}
