//! [`transition`]: the event that a fetcher receives when an element is added, changed or removed. It depends on
//! whether the fetcher knows the element and whether it matches now.

/// An event of an element, or of an element in a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// the element was added, or begins to match
    Add,
    /// its value was changed
    Change,
    /// it was removed, or no longer matches
    Remove,
}

impl Event {
    /// Returns the name of the event on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Event::Add => "add",
            Event::Change => "change",
            Event::Remove => "remove",
        }
    }
}

/// Returns the event that a fetcher receives when `event` happens to an element, or `None` if it receives none. An
/// element that begins to match is an add, one that still matches is a change, and one that no longer matches is a
/// remove, with the value that does not match.
///
/// * `was_reported` – the fetcher knows this element
/// * `matches` – path and value satisfy the expression after the event
///
/// ```
/// use jet::rules::{Event, transition};
///
/// // A value that was too small to match has grown.
/// assert_eq!(transition(false, Event::Change, true), Some(Event::Add));
/// // It shrinks again.
/// assert_eq!(transition(true, Event::Change, false), Some(Event::Remove));
/// ```
pub fn transition(was_reported: bool, event: Event, matches: bool) -> Option<Event> {
    match (was_reported, event, matches) {
        (true, Event::Remove, _) | (true, _, false) => Some(Event::Remove),
        (false, Event::Remove, _) | (false, _, false) => None,
        // The fetcher knows the element: a fetch that was set up again repeats the add.
        (true, event, true) => Some(event),
        (false, _, true) => Some(Event::Add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_enter_stay_and_leave() {
        use Event::{Add, Change, Remove};
        for (was_reported, event, matches, told) in [
            (false, Add, true, Some(Add)),
            (false, Add, false, None),
            (false, Change, true, Some(Add)),
            (false, Change, false, None),
            (true, Change, true, Some(Change)),
            (true, Change, false, Some(Remove)),
            (true, Remove, true, Some(Remove)),
            (true, Remove, false, Some(Remove)),
            (false, Remove, true, None),
            (true, Add, true, Some(Add)),
        ] {
            assert_eq!(transition(was_reported, event, matches), told, "{was_reported} {event:?} {matches}");
        }
    }
}
