//! A fetch whose rules and order this peer applies itself, for daemons that cannot.

use crate::json::Raw;

use super::event::{Event, Happening};

/// The state of such a fetch.
#[derive(Debug)]
pub(super) struct LocalFetch {}

impl LocalFetch {
    /// Takes an event of the daemon's wider fetch.
    pub(super) fn apply<'a>(
        &mut self,
        _number: u32,
        _happening: Happening,
        _path: std::borrow::Cow<'a, str>,
        _value: Option<Raw<'a>>,
        _events: &mut Vec<Event<'a>>,
    ) {
    }

    pub(super) fn waits(&self) -> bool {
        false
    }

    /// All initial adds have come.
    pub(super) fn settle(&mut self, _number: u32, _events: &mut Vec<Event<'_>>) {}
}
