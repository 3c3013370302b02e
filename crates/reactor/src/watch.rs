//! Watching the border to the kernel, on request: a trace for people, and how long the kernel has taken.
//!
//! Nothing of it costs more than a look at a flag while nobody has asked for it.

use std::fmt;
use std::io::Write as _;
use std::time::Instant;

use io_uring::squeue;

use crate::error::Errno;
use crate::kernel::Cqe;
use crate::sqe::Shown;
use crate::user_data::{GENERATION_BITS, GENERATION_MASK, IGNORED, INDEX_BITS, Kind, is_nowait, kind_of};

/// Latencies that are kept until they are taken; more are dropped. As many as a completion queue can have.
const MAX_LATENCIES: usize = 65536;

/// See the module.
#[derive(Default)]
pub struct Watch {
    trace: Option<Trace>,
    latencies: Option<Latencies>,
}

/// How long the kernel has had an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// What it was: a place in [`Watch::KINDS`].
    pub kind: usize,
    /// From its place in the submission queue to its first completion, in nanoseconds.
    pub nanoseconds: u64,
}

struct Trace {
    begun: Instant,
}

#[derive(Default)]
struct Latencies {
    /// By place in the slab.
    begun: Vec<Option<(u64, Instant)>>,
    done: Vec<Latency>,
}

impl Watch {
    /// Names of the kinds of operations.
    pub const KINDS: [&str; 8] = ["accept", "connect", "receive", "poll", "pause", "send", "file", "close"];

    /// Prints each request, completion and call to standard error from now on, or no longer.
    pub fn trace(&mut self, wanted: bool) {
        self.trace = wanted.then(|| Trace { begun: Instant::now() });
    }

    /// Whether there is a trace.
    #[must_use]
    pub fn traces(&self) -> bool {
        self.trace.is_some()
    }

    /// Prints a line where there is a trace.
    pub fn note(&self, line: fmt::Arguments<'_>) {
        if let Some(trace) = &self.trace {
            trace.print(line);
        }
    }

    /// Measures the latency of what is submitted from now on, or no longer.
    pub fn measure(&mut self, wanted: bool) {
        self.latencies = wanted.then(Latencies::default);
    }

    /// What has been measured since the last time.
    pub fn take_latencies(&mut self) -> Vec<Latency> {
        self.latencies.as_mut().map_or_else(Vec::new, |latencies| std::mem::take(&mut latencies.done))
    }

    fn is_idle(&self) -> bool {
        self.trace.is_none() && self.latencies.is_none()
    }

    #[inline]
    pub(crate) fn pushed(&mut self, entry: &squeue::Entry, user_data: u64) {
        if self.is_idle() {
            return;
        }
        self.note(format_args!("> {} {}", Name(user_data), Shown(entry)));
        if let Some(latencies) = &mut self.latencies
            && user_data != IGNORED
            && !is_nowait(user_data)
        {
            latencies.begin(user_data);
        }
    }

    #[inline]
    pub(crate) fn entered(&self, submitted: u32, outcome: Result<(), Errno>) {
        if !self.traces() {
            return;
        }
        match outcome {
            Ok(()) => self.note(format_args!("= enter {submitted}")),
            Err(errno) => self.note(format_args!("= enter {submitted}: {errno}")),
        }
    }

    #[inline]
    pub(crate) fn reaped(&mut self, completions: &[Cqe]) {
        if self.is_idle() {
            return;
        }
        for completion in completions {
            self.note(format_args!("< {} {}", Name(completion.user_data), Outcome(completion)));
            if let Some(latencies) = &mut self.latencies {
                latencies.end(completion.user_data);
            }
        }
    }
}

impl Latencies {
    fn begin(&mut self, user_data: u64) {
        let place = place_of(user_data);
        if self.begun.len() <= place {
            self.begun.resize(place + 1, None);
        }
        self.begun[place] = Some((user_data, Instant::now()));
    }

    fn end(&mut self, user_data: u64) {
        let Some(begun) = self.begun.get_mut(place_of(user_data)) else { return };
        let Some((_, begun)) = begun.take_if(|&mut (begun, _)| begun == user_data) else { return };
        let kind = usize::try_from(kind_of(user_data)).map_or(0, |kind| kind - Kind::Accept as usize);
        if self.done.len() < MAX_LATENCIES {
            let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.done.push(Latency { kind, nanoseconds });
        }
    }
}

/// Its place in the slab.
fn place_of(user_data: u64) -> usize {
    usize::try_from(user_data & ((1 << INDEX_BITS) - 1)).unwrap_or(usize::MAX)
}

impl Trace {
    fn print(&self, line: fmt::Arguments<'_>) {
        let time = self.begun.elapsed();
        let text = format!("iouring-transport {}.{:06} {line}\n", time.as_secs(), time.subsec_micros());
        // In one piece, so that lines of several threads stay apart. Who traces and closes standard error has wanted
        // nothing.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// An operation's kind, and its place and generation in the slab.
struct Name(u64);

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, generation) = (place_of(self.0), self.0 >> INDEX_BITS & u64::from(GENERATION_MASK));
        let kind = match kind_of(self.0) {
            _ if is_nowait(self.0) => "now",
            0 => return formatter.write_str("cancel"),
            kind => usize::try_from(kind - 1).ok().and_then(|kind| Watch::KINDS.get(kind)).copied().unwrap_or("?"),
        };
        write!(formatter, "{kind}#{place}.{generation}")
    }
}

/// What came of it.
struct Outcome<'a>(&'a Cqe);

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(completion) = self;
        match completion.result {
            result @ 0.. => write!(formatter, "{result}")?,
            result => write!(formatter, "{}", Errno(-result))?,
        }
        if let Some(buffer) = completion.buffer() {
            write!(formatter, " in buffer {buffer}")?;
        }
        if completion.more() { formatter.write_str(", more to come") } else { Ok(()) }
    }
}

const _: () = assert!(INDEX_BITS + GENERATION_BITS < u64::BITS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{CQE_F_BUFFER, CQE_F_MORE};
    use io_uring::opcode;

    fn user_data(kind: Kind, generation: u64, index: u64) -> u64 {
        (kind as u64) << (INDEX_BITS + GENERATION_BITS) | generation << INDEX_BITS | index
    }

    #[test]
    fn names_and_outcomes_can_be_read() {
        let named = |kind| Name(user_data(kind, 3, 17)).to_string();
        assert_eq!(named(Kind::Accept), "accept#17.3");
        assert_eq!(named(Kind::Receive), "receive#17.3");
        assert_eq!(named(Kind::Close), "close#17.3");
        assert_eq!(Name(IGNORED).to_string(), "cancel");
        let outcome = |result, flags| Outcome(&Cqe { user_data: 0, result, flags }).to_string();
        assert_eq!(outcome(64, CQE_F_MORE | CQE_F_BUFFER | 5 << 16), "64 in buffer 5, more to come");
        assert_eq!(outcome(-libc::ECONNRESET, 0), "ECONNRESET");
    }

    #[test]
    fn the_first_completion_of_an_operation_ends_what_is_measured() {
        let mut watch = Watch::default();
        let receive = user_data(Kind::Receive, 1, 2);
        let request = opcode::Nop::new().build();
        let completion = |user_data| Cqe { user_data, result: 1, flags: CQE_F_MORE };
        watch.pushed(&request, receive);
        watch.measure(true);
        watch.reaped(&[completion(receive)]);
        assert_eq!(watch.take_latencies(), [], "it was begun before");
        watch.pushed(&request, receive);
        watch.pushed(&request, IGNORED);
        watch.reaped(&[completion(receive), completion(receive), completion(IGNORED)]);
        let kinds: Vec<_> = watch.take_latencies().iter().map(|latency| Watch::KINDS[latency.kind]).collect();
        assert_eq!(kinds, ["receive"]);
        assert_eq!(watch.take_latencies(), []);
    }
}
