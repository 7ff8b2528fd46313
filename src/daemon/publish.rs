//! From a change of an element to the notifications of those who fetch it.

use crate::json::write;
use crate::protocol::changes::push_entry;
use crate::rules::{transition, Changes, Event};

use super::access::{Permission, Rights};
use super::bus::Bus;
use super::client::ClientKey;
use super::elements::{Element, ElementKey, Elements, Watcher};
use super::fetchers::{Fetcher, FetcherKey};
use super::news::{notification, News};
use super::reply::into_text;

impl Bus {
    /// Tells everybody who fetches an element what happened to it. For a removal this comes
    /// while the element is still there.
    pub(super) fn publish(&mut self, key: ElementKey, event: Event) {
        let Some(element) = self.elements.get_mut(key) else {
            return;
        };
        let mut watchers = std::mem::take(&mut element.watchers);
        let mut news = News::of(element);
        let path = news.path.clone();
        self.comparisons += watchers.len() as u64;
        let mut vacancies = Vec::new();
        for watcher in &mut watchers {
            let matches = event != Event::Remove && self.matches(watcher.fetcher, &news);
            if self.tell(key, watcher, event, matches, &mut news) {
                vacancies.push(watcher.fetcher);
            }
        }
        if let Some(element) = self.elements.get_mut(key) {
            element.watchers = watchers;
        }
        vacancies.into_iter().for_each(|fetcher| self.fill_vacancy(fetcher, key));
        self.publish_to_dependents(&path, event);
    }

    /// Looks again at one element for one fetcher, because something else has changed.
    pub(super) fn look_again(&mut self, fetcher: FetcherKey, key: ElementKey) {
        let Some(element) = self.elements.get_mut(key) else {
            return;
        };
        let mut news = News::of(element);
        let Some(place) = element.watchers.iter().position(|watcher| watcher.fetcher == fetcher) else {
            return;
        };
        let mut watcher = element.watchers[place];
        let matches = self.matches(fetcher, &news);
        if matches == watcher.reported {
            return;
        }
        let vacancy = self.tell(key, &mut watcher, Event::Change, matches, &mut news);
        if let Some(element) = self.elements.get_mut(key) {
            element.watchers[place] = watcher;
        }
        if vacancy {
            self.fill_vacancy(fetcher, key);
        }
    }

    /// Whether an element matches beyond its path.
    fn matches(&self, fetcher: FetcherKey, news: &News) -> bool {
        self.fetchers.get(fetcher).is_some_and(|fetcher| {
            fetcher.admits(news.raw())
                && self.dependencies_hold(&fetcher.expression, &news.path, fetcher.client)
        })
    }

    /// Tells one fetcher. True if a limited fetch now has room for another element.
    fn tell(
        &mut self,
        key: ElementKey,
        watcher: &mut Watcher,
        event: Event,
        matches: bool,
        news: &mut News,
    ) -> bool {
        let Some(fetcher) = self.fetchers.get_mut(watcher.fetcher) else {
            return false;
        };
        if fetcher.view.is_some() {
            watcher.reported = matches;
            let max = self.clients.room(fetcher.client);
            let is_fetch_only = fetch_only_marker(&self.elements, self.clients.rights(fetcher.client));
            for params in sorted_news(fetcher, news, matches, max, is_fetch_only) {
                self.clients.send(fetcher.client, |out| notification(out, &fetcher.id, params.as_bytes()));
            }
            return false;
        }
        if !watcher.reported && matches && fetcher.is_full() {
            fetcher.waiting.insert(key);
            return false;
        }
        let Some(event) = transition(watcher.reported, event, matches) else {
            fetcher.waiting.remove(&key);
            return false;
        };
        watcher.reported = event != Event::Remove;
        match event {
            Event::Add => fetcher.told += 1,
            Event::Remove => fetcher.told = fetcher.told.saturating_sub(1),
            Event::Change => {}
        }
        let rights = || self.clients.rights(fetcher.client);
        let mark = event == Event::Add
            && self.elements.get(key).is_some_and(|element| element.is_fetch_only(rights()));
        let params = news.params(event, self.clients.dialect(fetcher.client), mark);
        self.clients.notify(fetcher.client, &fetcher.id, params);
        event == Event::Remove && fetcher.expression.max().is_some()
    }

    /// What a new fetcher sees: all that matches, in the order in which it was added, or its
    /// window.
    pub(super) fn publish_all(&mut self, fetcher: FetcherKey) {
        let Some(found) = self.fetchers.get(fetcher) else {
            return;
        };
        let (client, id) = (found.client, found.id.clone());
        let is_sorted = found.view.is_some();
        for key in self.elements.candidates(found.expression.path_hint()) {
            self.watch(fetcher, key, !is_sorted);
        }
        if is_sorted {
            let max = self.clients.room(client);
            let view = self.fetchers.get(fetcher).and_then(|fetcher| fetcher.view.as_ref());
            let is_fetch_only = fetch_only_marker(&self.elements, self.clients.rights(client));
            let messages =
                view.map(|view| sorted_params(view.snapshot(), max, is_fetch_only)).unwrap_or_default();
            for params in messages {
                self.clients.send(client, |out| notification(out, &id, params.as_bytes()));
            }
        }
    }

    /// Whether a fetcher is to watch an element: its path rules match, and its client may see it. That
    /// stays so: nobody gets other rights while fetching.
    fn is_for(&self, fetcher: FetcherKey, element: &Element) -> bool {
        self.fetchers.get(fetcher).is_some_and(|fetcher| {
            fetcher.expression.matches_path(&element.path)
                && self.may(fetcher.client, element, Permission::Fetch)
        })
    }

    /// Whether a client may do that with an element.
    pub(super) fn may(&self, client: ClientKey, element: &Element, what: Permission) -> bool {
        element.access.is_none() || element.allows(self.clients.rights(client), what)
    }

    /// Has a fetcher watch an element if that is for it; tells it of it right away, or only puts it
    /// into its view.
    fn watch(&mut self, fetcher_key: FetcherKey, key: ElementKey, tell: bool) {
        let Some(element) = self.elements.get(key) else {
            return;
        };
        self.comparisons += 1;
        if !self.is_for(fetcher_key, element) {
            return;
        }
        let mut news = News::of(element);
        self.register_dependencies(fetcher_key, key, &news.path);
        let matches = self.matches(fetcher_key, &news);
        let mut watcher = Watcher { fetcher: fetcher_key, reported: false };
        if tell {
            self.tell(key, &mut watcher, Event::Add, matches, &mut news);
        } else if let Some(view) = self.fetchers.get_mut(fetcher_key).and_then(|f| f.view.as_mut()) {
            watcher.reported = matches;
            if matches {
                view.set(&news.path, news.value.clone());
            }
        }
        if let Some(fetcher) = self.fetchers.get_mut(fetcher_key) {
            fetcher.watched.insert(key);
        }
        if let Some(element) = self.elements.get_mut(key) {
            element.watchers.push(watcher);
        }
    }

    /// Finds the fetchers of a new element, before it is published.
    pub(super) fn find_watchers(&mut self, key: ElementKey) {
        let Some(element) = self.elements.get(key) else {
            return;
        };
        let path = element.path.clone();
        let mut fetchers = self.fetchers.candidates(&path);
        self.comparisons += fetchers.len() as u64;
        fetchers.retain(|fetcher| self.is_for(*fetcher, element));
        for fetcher in &fetchers {
            self.register_dependencies(*fetcher, key, &path);
            if let Some(fetcher) = self.fetchers.get_mut(*fetcher) {
                fetcher.watched.insert(key);
            }
        }
        if let Some(element) = self.elements.get_mut(key) {
            element.watchers =
                fetchers.into_iter().map(|fetcher| Watcher { fetcher, reported: false }).collect();
        }
    }

    /// Ends a fetcher, wherever it is noted.
    pub(super) fn end_fetcher(&mut self, key: FetcherKey) {
        let Some(fetcher) = self.fetchers.get(key) else {
            return;
        };
        for element in fetcher.watched.clone() {
            if let Some(element) = self.elements.get_mut(element) {
                element.watchers.retain(|watcher| watcher.fetcher != key);
            }
            self.forget_dependencies(key, element);
        }
        self.fetchers.remove(key);
    }
}

/// Tells which elements a client with these rights can only fetch.
pub(super) fn fetch_only_marker<'b>(
    elements: &'b Elements,
    rights: Option<&'b Rights>,
) -> impl Fn(&str) -> bool + 'b {
    move |path| {
        elements
            .find(path)
            .and_then(|key| elements.get(key))
            .is_some_and(|element| element.is_fetch_only(rights))
    }
}

/// The params of the messages for a sorted fetcher after an element came, changed or went.
fn sorted_news(
    fetcher: &mut Fetcher,
    news: &News,
    matches: bool,
    max: usize,
    is_fetch_only: impl Fn(&str) -> bool,
) -> Vec<String> {
    let Some(view) = fetcher.view.as_mut() else {
        return Vec::new();
    };
    let changes = match matches {
        true => view.set(&news.path, news.value.clone()),
        false => view.remove(&news.path),
    };
    changes.map(|changes| sorted_params(changes, max, is_fetch_only)).unwrap_or_default()
}

/// The changes of a sorted fetch as params; several if one message would be too long.
fn sorted_params(changes: Changes<'_>, max: usize, is_fetch_only: impl Fn(&str) -> bool) -> Vec<String> {
    // Room for the envelope and `n` behind the entries.
    let limit = max.saturating_sub(256);
    let mut entries = changes.iter().peekable();
    let mut messages = Vec::new();
    loop {
        let mut json = Vec::from(&b"{\"changes\":["[..]);
        let mut count = 0;
        while let Some(entry) = entries.peek() {
            let more = entry.path.len() * 6 + entry.value.map_or(0, |value| value.len()) + 64;
            if count > 0 && json.len() + more > limit {
                break;
            }
            if count > 0 {
                json.push(b',');
            }
            let value = entry.value.map(|value| &**value);
            push_entry(&mut json, entry.path, value, entry.index, is_fetch_only(entry.path));
            count += 1;
            entries.next();
        }
        json.extend_from_slice(b"],\"n\":");
        write::integer(&mut json, changes.n() as i64);
        json.push(b'}');
        messages.push(into_text(json));
        if entries.peek().is_none() {
            return messages;
        }
    }
}
