//! The life of an element in a fetch: what a fetcher is told when an element appears, changes or
//! goes, given whether it was told of it before and whether it matches now.

/// What happens to an element, or what a fetcher is told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// the element is there now
    Add,
    /// it has another value
    Change,
    /// it is gone
    Remove,
}

impl Event {
    /// The event's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Event::Add => "add",
            Event::Change => "change",
            Event::Remove => "remove",
        }
    }
}

/// What a fetcher is told when `event` happens to an element: an element that begins to match is
/// an add, one that goes on is a change, one that stops is a remove and carries the new value that
/// does not match. `None`: nothing.
///
/// * `was_reported` – the fetcher has this element
/// * `matches` – path and value satisfy the expression after the event
pub fn transition(was_reported: bool, event: Event, matches: bool) -> Option<Event> {
    match (was_reported, event, matches) {
        (true, Event::Remove, _) | (true, _, false) => Some(Event::Remove),
        (false, Event::Remove, _) | (false, _, false) => None,
        // Known already: a fetch made anew repeats the add.
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
