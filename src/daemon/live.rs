//! [`Live`]: connections, elements and fetchers together. A change of an element becomes notifications here.

use std::sync::Arc;

use crate::json::Raw;
use crate::rules::{Event, Expression, Steps};

use super::access::{Access, Permission};
use super::clients::Clients;
use super::config::Config;
use super::dependencies::{Check, Dependencies, Forget, Recheck, dependency_paths};
use super::elements::{Description, Element, Elements};
use super::fetchers::{Fetcher, Fetchers, Report, Step};
use super::keys::{ClientKey, ElementKey, FetcherKey};
use super::notification::Notification;
use super::window::{Window, WindowWriter};
use super::work::{AT_ONCE, Progress, SLICE, STEPS_PER_UNIT, Units};

/// Maximum number of ranks that are sent with the change that moved them.
const RANKS_AT_ONCE: usize = 256;

/// Work that follows from a change and is too long to be done with it.
#[derive(Debug)]
pub enum FollowUp {
    /// Sending the changed ranks of a sorted fetch.
    Window(Window),
    /// Checking the elements that depend on a path.
    Recheck(Recheck),
    /// Reporting waiting elements to a limited fetch that is not full.
    Fill(FetcherKey),
    /// Removing the dependencies of a fetcher that has ended.
    Forget(Forget),
    /// Removing the keys of fetchers that have ended from the sets of elements.
    Sweep,
}

/// The connections, elements and fetchers.
#[derive(Debug)]
pub struct Live {
    /// The connections.
    pub clients: Clients,
    /// The elements.
    pub elements: Elements,
    /// The fetchers.
    pub fetchers: Fetchers,
    /// The counter of work.
    pub units: Units,
    dependencies: Dependencies,
    /// The units up to which changed ranks are sent at once.
    windows_until: u64,
    comparisons: u64,
    follow_ups: Vec<FollowUp>,
}

impl Live {
    /// Creates an empty bus.
    pub fn new(config: Config) -> Live {
        Live {
            clients: Clients::new(config),
            elements: Elements::default(),
            fetchers: Fetchers::default(),
            units: Units::default(),
            dependencies: Dependencies::default(),
            windows_until: 0,
            comparisons: 0,
            follow_ups: Vec::new(),
        }
    }

    /// Returns how often a fetcher and an element have been compared.
    pub fn comparisons(&self) -> u64 {
        self.comparisons
    }

    /// Removes and returns the work that follows from what was done.
    pub fn take_follow_ups(&mut self) -> Vec<FollowUp> {
        std::mem::take(&mut self.follow_ups)
    }

    /// Continues work that follows from a change.
    pub fn follow_up(&mut self, job: &mut FollowUp, until: u64) -> Progress {
        match job {
            FollowUp::Window(job) => self.window_writer().run(job, until),
            FollowUp::Recheck(job) => self.recheck(job, until),
            FollowUp::Fill(fetcher) => {
                self.fill(*fetcher, until);
                Progress::Done
            }
            FollowUp::Forget(job) => self.dependencies.forget(job, &self.units, until),
            FollowUp::Sweep => self.sweep(until),
        }
    }

    /// Returns what writes the windows of sorted fetches.
    pub fn window_writer(&mut self) -> WindowWriter<'_> {
        WindowWriter {
            clients: &mut self.clients,
            elements: &self.elements,
            fetchers: &mut self.fetchers,
            units: &self.units,
        }
    }

    /// Returns `true` if a client may do that with an element.
    pub fn may(&self, client: ClientKey, element: &Element, what: Permission) -> bool {
        element.access.is_none() || element.allows(self.clients.rights(client), what)
    }

    // --- Changes of elements.

    /// Adds an element and notifies its fetchers. The element of a connection that is leaving is removed before.
    /// Returns `false` if the path is taken.
    pub fn add(&mut self, owner: ClientKey, description: Description<'_>) -> bool {
        let path = description.path;
        if let Some(key) = self.elements.find(path) {
            if !self.elements.get(key).is_some_and(|element| self.clients.is_leaving(element.owner)) {
                return false;
            }
            self.take_off(key);
        }
        let fetchers = self.fetchers_for(path, description.access.as_ref());
        let Some(key) = self.elements.insert(description, owner, &fetchers) else {
            return false;
        };
        for fetcher in fetchers {
            self.add_dependencies(fetcher, key, path);
        }
        self.publish(key, Event::Add);
        true
    }

    /// Changes the value of an element and notifies its fetchers.
    pub fn change(&mut self, key: ElementKey, value: Option<Raw>) {
        self.elements.set_value(key, value);
        self.publish(key, Event::Change);
    }

    /// Removes an element and notifies its fetchers.
    pub fn take_off(&mut self, key: ElementKey) {
        self.publish(key, Event::Remove);
        self.remove_dependencies(key);
        self.elements.remove(key);
        for path in self.dependencies.take_removed() {
            self.check_dependents(&path);
        }
    }

    /// Notifies all fetchers of an element of an event. It is removed after its removal is published.
    fn publish(&mut self, key: ElementKey, event: Event) {
        let fetchers = self.elements.fetchers_of(key);
        let Some(element) = self.elements.get(key) else {
            return;
        };
        let mut notification = Notification::of(element);
        let path = notification.path().clone();
        self.comparisons += fetchers.len() as u64;
        self.units.spend(1 + fetchers.len() as u64);
        self.windows_until = self.units.spent() + SLICE;
        let mut vacancies = Vec::new();
        for fetcher in &*fetchers {
            let matches = event != Event::Remove && self.matches(*fetcher, &notification);
            let was_known = event != Event::Add && self.knows(*fetcher, key, &path);
            let step = Step { element: key, was_known, event, matches };
            if self.report(*fetcher, step, &mut notification) {
                vacancies.push(*fetcher);
            }
        }
        vacancies.into_iter().for_each(|fetcher| self.fill_vacancy(fetcher, key));
        match event {
            Event::Remove => self.dependencies.note_removed(&path),
            _ => self.check_dependents(&path),
        }
    }

    /// Returns `true` if an element matches a fetch beyond its path.
    fn matches(&self, fetcher: FetcherKey, notification: &Notification) -> bool {
        let Some(fetcher) = self.fetchers.get(fetcher) else {
            return false;
        };
        let expression = fetcher.expression();
        self.units.spend(expression.value_cost(notification.value().map(|value| &**value)));
        fetcher.admits(notification.raw())
            && self.dependencies_hold(expression, notification.path(), fetcher.client())
    }

    fn knows(&self, fetcher: FetcherKey, key: ElementKey, path: &str) -> bool {
        self.fetchers.get(fetcher).is_some_and(|fetcher| fetcher.knows(key, path))
    }

    /// Notifies a fetcher of what has changed for it. Returns `true` if a limited fetch may report another element.
    fn report(&mut self, key: FetcherKey, step: Step, notification: &mut Notification) -> bool {
        let Some(fetcher) = self.fetchers.get_mut(key) else {
            return false;
        };
        let client = fetcher.client();
        if fetcher.is_sorted() {
            self.units.spend(20);
        }
        match fetcher.apply(step, notification) {
            Report::Nothing => false,
            Report::Ranks(ranks) => {
                if ranks.len() > RANKS_AT_ONCE || self.units.spent() >= self.windows_until {
                    fetcher.defer(ranks);
                    self.follow_ups.push(FollowUp::Window(Window::new(client, key)));
                } else {
                    self.window_writer().send(client, key, ranks);
                }
                false
            }
            Report::Event(event) => {
                let rights = || self.clients.rights(client);
                let read_only = event == Event::Add
                    && self.elements.get(step.element).is_some_and(|element| element.is_fetch_only(rights()));
                let params = notification.params(event, self.clients.kind(client), read_only);
                self.units.spend(2 + params.json().len() as u64 / 512);
                self.clients.notify(client, fetcher.id(), params);
                event == Event::Remove && fetcher.is_limited()
            }
        }
    }

    /// Compares one element with one fetch again, because something else has changed.
    fn look_again(&mut self, fetcher: FetcherKey, key: ElementKey) {
        // The initial adds of a fetch have not come to an element that does not have its fetcher.
        if self.elements.fetchers_of(key).binary_search(&fetcher).is_err() {
            return;
        }
        let Some(element) = self.elements.get(key) else {
            return;
        };
        let mut notification = Notification::of(element);
        self.units.spend(1);
        let matches = self.matches(fetcher, &notification);
        let was_known = self.knows(fetcher, key, notification.path());
        let step = Step { element: key, was_known, event: Event::Change, matches };
        if matches != was_known && self.report(fetcher, step, &mut notification) {
            self.fill_vacancy(fetcher, key);
        }
    }

    // --- Beginning and end of fetches.

    /// Shows an element to a new fetcher. If its path rules match and its client may fetch the element, the element
    /// has this fetcher from now on. Neither changes later, as the rights of a client stay the same while it fetches.
    pub fn show(&mut self, fetcher_key: FetcherKey, key: ElementKey) {
        self.comparisons += 1;
        self.units.spend(1);
        let Some((fetcher, element)) = self.fetchers.get(fetcher_key).zip(self.elements.get(key)) else {
            return;
        };
        let mut steps = Steps::default();
        let is_for_it = fetcher.expression().matches_path_counting(&element.path, &mut steps)
            && self.may(fetcher.client(), element, Permission::Fetch);
        self.units.spend(steps.taken / STEPS_PER_UNIT);
        if !is_for_it || steps.are_too_many() || self.clients.is_leaving(element.owner) {
            return;
        }
        let mut notification = Notification::of(element);
        self.add_dependencies(fetcher_key, key, notification.path());
        let matches = self.matches(fetcher_key, &notification);
        let copied = self.elements.add_fetcher(key, fetcher_key);
        self.units.spend(copied as u64 / 8);
        if matches {
            let step = Step { element: key, was_known: false, event: Event::Add, matches };
            self.report(fetcher_key, step, &mut notification);
        }
    }

    /// Returns the fetchers of an element that is about to be added, in ascending order.
    fn fetchers_for(&mut self, path: &str, access: Option<&Access>) -> Vec<FetcherKey> {
        let mut found = self.fetchers.candidates(path);
        self.comparisons += found.len() as u64;
        self.units.spend(1 + found.len() as u64);
        found.retain(|key| {
            let Some(fetcher) = self.fetchers.get(*key) else {
                return false;
            };
            let client = fetcher.client();
            let rights = self.clients.rights(client);
            let may_fetch = access.is_none_or(|access| access.allows(rights, Permission::Fetch));
            if !may_fetch || self.clients.is_closing(client) {
                return false;
            }
            let mut steps = Steps::default();
            let is_match = fetcher.expression().matches_path_counting(path, &mut steps);
            self.units.spend(steps.taken / STEPS_PER_UNIT);
            if fetcher.expression().is_costly() {
                self.clients.charge(client, steps);
            }
            is_match && !steps.are_too_many()
        });
        found.sort_unstable();
        found
    }

    /// Starts a fetch that was tested: it is found by elements that are added from now on, and replaces the fetch that
    /// had the same id.
    pub fn accept(&mut self, fetcher: FetcherKey, id: &str) {
        if let Some(replaced) = self.fetchers.accept(fetcher, id) {
            self.end_fetcher(replaced);
        }
    }

    /// Ends a fetch. Its key stays in the sets of elements until the next sweep.
    pub fn end_fetcher(&mut self, key: FetcherKey) {
        let Some(fetcher) = self.fetchers.remove(key) else {
            return;
        };
        self.units.spend((fetcher.size() + self.dependencies.paths_of(key) as u64) / 4);
        if let Some(forget) = self.dependencies.begin_forgetting(key) {
            self.follow_ups.push(FollowUp::Forget(forget));
        }
        if self.elements.note_ended() {
            self.follow_ups.push(FollowUp::Sweep);
        }
    }

    fn sweep(&mut self, until: u64) -> Progress {
        while self.units.spent() < until {
            let fetchers = &self.fetchers;
            let Some(members) = self.elements.sweep(|fetcher| fetchers.get(fetcher).is_some()) else {
                return Progress::Done;
            };
            self.units.spend(1 + members as u64 / 4);
        }
        Progress::Unfinished
    }

    // --- Dependencies, and limited fetches.

    /// Returns `true` if all dependencies of an element hold: each path has an element that the client may fetch, with
    /// a value that the dependency admits.
    pub fn dependencies_hold(&self, expression: &Expression, path: &str, client: ClientKey) -> bool {
        if expression.deps().is_empty() {
            return true;
        }
        let paths = dependency_paths(expression, path, &self.units);
        expression.deps().iter().zip(paths).all(|(dependency, path)| {
            self.elements.at(&path).is_some_and(|element| {
                let bytes = element.value.as_ref().map_or(0, |value| value.len()) as u64;
                self.units.spend(2 + bytes / 256);
                !self.clients.is_leaving(element.owner)
                    && dependency.matches_value(element.raw())
                    && self.may(client, element, Permission::Fetch)
            })
        })
    }

    fn add_dependencies(&mut self, fetcher_key: FetcherKey, key: ElementKey, path: &str) {
        let Some(fetcher) = self.fetchers.get(fetcher_key) else {
            return;
        };
        for path in dependency_paths(fetcher.expression(), path, &self.units) {
            self.dependencies.insert(path, (fetcher_key, key));
        }
    }

    fn remove_dependencies(&mut self, key: ElementKey) {
        let fetchers: Arc<[FetcherKey]> = self.elements.fetchers_of(key);
        let Some(element) = self.elements.get(key) else {
            return;
        };
        for fetcher_key in &*fetchers {
            let expression = self.fetchers.get(*fetcher_key).map(Fetcher::expression);
            for path in expression.into_iter().flat_map(|e| dependency_paths(e, &element.path, &self.units)) {
                self.dependencies.remove(&path, (*fetcher_key, key));
            }
        }
    }

    /// Checks what depends on a path: at once if that is little, else by a job.
    fn check_dependents(&mut self, path: &str) {
        let dependents = match self.dependencies.check(path) {
            None => return,
            Some(Check::Later(job)) => return self.follow_ups.push(FollowUp::Recheck(job)),
            Some(Check::Now(dependents)) => dependents,
        };
        let until = self.units.spent() + AT_ONCE;
        for (fetcher, element) in dependents {
            if self.units.spent() >= until {
                let job = self.dependencies.begin_recheck(path);
                return self.follow_ups.push(FollowUp::Recheck(job));
            }
            self.look_again(fetcher, element);
        }
    }

    fn recheck(&mut self, job: &mut Recheck, until: u64) -> Progress {
        while self.units.spent() < until {
            self.units.spend(1);
            let Some((fetcher, element)) = self.dependencies.next(job) else {
                return Progress::Done;
            };
            self.look_again(fetcher, element);
        }
        Progress::Unfinished
    }

    /// Reports waiting elements to a limited fetch, but not the one that has just left it.
    fn fill_vacancy(&mut self, fetcher_key: FetcherKey, left: ElementKey) {
        if let Some(fetcher) = self.fetchers.get_mut(fetcher_key) {
            fetcher.stop_waiting(left);
            self.fill(fetcher_key, self.units.spent() + AT_ONCE);
        }
    }

    /// Reports waiting elements to a limited fetch until it is full. When that many units are spent, the rest is left to
    /// a job.
    fn fill(&mut self, fetcher_key: FetcherKey, until: u64) {
        // The dependencies of a waiting element may not hold any more.
        while let Some(fetcher) = self.fetchers.get_mut(fetcher_key).filter(|fetcher| !fetcher.is_full()) {
            if self.units.spent() >= until {
                return self.follow_ups.push(FollowUp::Fill(fetcher_key));
            }
            let Some(next) = fetcher.next_waiting() else {
                return;
            };
            self.look_again(fetcher_key, next);
        }
    }
}
