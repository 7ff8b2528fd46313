//! Test support that several modules use.

pub mod bench;
pub mod frames;
pub mod msgpack;
pub mod net;
pub mod peer;
pub mod random;
pub mod server;
pub mod temp_dir;

/// Returns how many times a random test runs: `default` times the number in the environment variable `RUNS`, which
/// `make test-all` sets.
pub fn runs(default: u64) -> u64 {
    default * std::env::var("RUNS").map_or(1, |number| number.parse().expect("RUNS is a number"))
}

/// Returns the resident memory of a process in KiB.
pub fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
