//! Log lines on their way out: [`Backlog`], a queue with a limit, and [`LogWriter`], a thread that writes them.
//!
//! Writing to a pipe whose reader has stopped blocks for ever. So the bus only queues its lines; what does not fit is
//! dropped and counted, and "N lines dropped" is logged in its place.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::daemon::{Level, LogLine};
use crate::sys::signals;

/// Bytes of log lines that wait for a [`LogWriter`]: some seconds of the messages of a busy peer.
pub const DEFAULT_BACKLOG: usize = 4 << 20;

/// The most that one write takes, so that a slow reader sees lines early.
const BATCH_BYTES: usize = 64 * 1024;

/// The pause after an output that does not block took nothing.
const RETRY: Duration = Duration::from_millis(10);

/// What a line costs beside its text.
const LINE_OVERHEAD: usize = std::mem::size_of::<LogLine>();

/// Log lines that wait, up to a number of bytes.
#[derive(Debug)]
pub struct Backlog {
    lines: VecDeque<LogLine>,
    bytes: usize,
    limit: usize,
    dropped: u64,
}

impl Backlog {
    /// Creates an empty queue for that many bytes.
    pub fn new(limit: usize) -> Backlog {
        Backlog { lines: VecDeque::new(), bytes: 0, limit, dropped: 0 }
    }

    /// Appends a line, or drops and counts it if it does not fit.
    pub fn push(&mut self, line: LogLine) {
        let size = size(&line);
        if self.bytes + size > self.limit {
            self.dropped += 1;
            return;
        }
        if let Some(notice) = self.notice() {
            self.append(notice);
        }
        self.bytes += size;
        self.lines.push_back(line);
    }

    /// Removes the first line. Behind the last one comes the number of those that were dropped since.
    pub fn pop(&mut self) -> Option<LogLine> {
        let Some(line) = self.lines.pop_front() else {
            return self.notice();
        };
        self.bytes -= size(&line);
        Some(line)
    }

    /// Returns `true` if [`pop`](Self::pop) has nothing.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    fn append(&mut self, line: LogLine) {
        self.bytes += size(&line);
        self.lines.push_back(line);
    }

    fn notice(&mut self) -> Option<LogLine> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0)
            .then(|| LogLine::new(Level::Crit, format!("{dropped} lines dropped: the log was not read")))
    }
}

fn size(line: &LogLine) -> usize {
    LINE_OVERHEAD + line.text.len()
}

/// Writes log lines in a thread of its own. Dropping it does not wait for that; [`finish`](Self::finish) does.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    backlog: Backlog,
    is_writing: bool,
}

impl LogWriter {
    /// Starts the thread, which handles no signals and ends with the process.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<LogWriter> {
        let state = State { backlog: Backlog::new(DEFAULT_BACKLOG), is_writing: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let own = shared.clone();
        let thread = std::thread::Builder::new().name("jet-log".into()).stack_size(1 << 18);
        signals::with_all_blocked(|| thread.spawn(move || own.write(output)))?;
        Ok(LogWriter(shared))
    }

    /// Queues a line. Never blocks: what does not fit is dropped and counted.
    pub fn push(&self, line: LogLine) {
        self.0.lock().backlog.push(line);
        self.0.changed.notify_all();
    }

    /// Waits until all lines are written, for `patience` at most. Returns `false` if some are left.
    pub fn finish(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.0.lock();
        while state.is_writing || !state.backlog.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut output: impl Write) {
        loop {
            let batch = self.next_batch();
            // An output that is broken is no reason to stop.
            let _ = write_all(&mut output, batch.as_bytes());
        }
    }

    /// Waits for lines and takes some of them.
    fn next_batch(&self) -> String {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        while state.backlog.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        let mut batch = String::new();
        while batch.len() < BATCH_BYTES {
            let Some(line) = state.backlog.pop() else { break };
            batch.push_str(&line.to_string());
            batch.push('\n');
        }
        batch
    }
}

fn write_all(output: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The program that started this process may have set it so.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine::new(Level::Info, text.to_owned())
    }

    #[test]
    fn what_does_not_fit_is_counted_in_its_place() {
        let mut backlog = Backlog::new(2 * (LINE_OVERHEAD + 1));
        ["a", "b", "c", "d"].iter().for_each(|text| backlog.push(line(text)));
        assert_eq!(backlog.pop().map(|line| line.text).as_deref(), Some("a"));
        backlog.push(line("e"));
        let rest: Vec<String> = std::iter::from_fn(|| backlog.pop()).map(|line| line.text).collect();
        assert_eq!(rest, ["b", "2 lines dropped: the log was not read", "e"]);
        assert!(backlog.is_empty());
        ["a", "b", "c"].iter().for_each(|text| backlog.push(line(text)));
        let rest: Vec<String> = std::iter::from_fn(|| backlog.pop()).map(|line| line.text).collect();
        assert_eq!(rest, ["a", "b", "1 lines dropped: the log was not read"]);
    }

    /// Blocks until it is released.
    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_is_stuck_blocks_nobody() {
        let (open, gate) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let writer = LogWriter::start(Stuck(gate, sender)).expect("a thread");
        let long = "x".repeat(1000);
        (0..10_000).for_each(|_| writer.push(line(&long)));
        assert!(!writer.finish(Duration::from_millis(10)));
        drop(open);
        assert!(writer.finish(Duration::from_secs(60)));
        drop(writer);
        let text = written.try_iter().flatten().collect::<Vec<u8>>();
        let text = String::from_utf8(text).expect("UTF-8");
        let kept = text.lines().filter(|line| *line == long).count();
        let counts = text.lines().filter_map(|line| line.split_once(" lines dropped"));
        let dropped: usize = counts.map(|(count, _)| count.parse::<usize>().expect("a number")).sum();
        assert_eq!(kept + dropped, 10_000);
        assert!(kept * 1000 <= DEFAULT_BACKLOG + BATCH_BYTES);
    }
}
