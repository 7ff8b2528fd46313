//! Test support that several modules use.

pub mod bench;
pub mod msgpack;
pub mod net;
pub mod peer;

/// Returns how many times a random test runs: `default` times the number in the environment variable `RUNS`, which
/// `make test-all` sets.
pub fn runs(default: u64) -> u64 {
    default * std::env::var("RUNS").map_or(1, |number| number.parse().expect("RUNS is a number"))
}
