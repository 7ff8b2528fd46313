//! [`PatternCost`]: the account of the steps that the patterns of a fetch, or of a connection, have taken.

use serde::Serialize;

use crate::rules::{Expression, Steps};
use crate::wire::error::INVALID_PARAMS;

use super::reply::Refusal;

/// Steps that may be taken in addition to those for each path.
const STEPS: u64 = 20_000_000;

/// Steps that may be taken for each path on average. Common patterns take less than a hundred.
const STEPS_PER_PATH: u64 = 5_000;

/// The steps that patterns have taken.
#[derive(Debug, Default, Clone, Copy)]
pub struct PatternCost {
    steps: u64,
    paths: u64,
    /// Whether the steps for one path were too many.
    is_given_up: bool,
}

impl PatternCost {
    /// Counts the steps for one path.
    pub fn add(&mut self, steps: Steps) {
        self.steps += steps.taken;
        self.paths += 1;
        self.is_given_up |= steps.are_too_many();
    }

    /// Matches a path and counts the steps. Returns the result and the number of steps.
    pub fn test(&mut self, expression: &Expression, path: &str) -> (bool, u64) {
        let mut steps = Steps::default();
        let is_match = expression.matches_path_counting(path, &mut steps);
        self.add(steps);
        (is_match, steps.taken)
    }

    /// Returns `true` if these are more steps than a fetch, or all fetches of a connection together, may take.
    pub fn is_too_much(&self) -> bool {
        self.is_given_up || self.steps > STEPS + self.paths * STEPS_PER_PATH
    }

    /// Returns the error for a fetch that takes too many steps.
    pub fn refusal(&self) -> Refusal {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            pattern_cost: u64,
            reason: &'static str,
        }
        let reason = "matching the patterns takes too long";
        Refusal::with(INVALID_PARAMS, &Data { pattern_cost: self.steps, reason })
    }
}
