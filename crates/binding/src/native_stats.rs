//! What can be seen of the reactor from outside: counts, and how long the kernel takes.

use iouring_reactor::Watch;
use napi_derive::napi;

use crate::native_reactor::NativeReactor;
use crate::numbers::count;

/// Counts: of what the reactor holds, which return to zero when everything has been closed and read; and, from `turns`
/// on, of what has happened since it was made.
#[napi(object, object_from_js = false)]
pub struct Stats {
    /// Handles open or closing.
    pub handles: u32,
    /// Operations in flight.
    pub operations: u32,
    /// Receive buffers lent to readers.
    pub buffers_lent: u32,
    /// Streams waiting for a receive buffer.
    pub starved: u32,
    /// Requests waiting for room in the submission queue.
    pub backlog: u32,
    /// File operations waiting to be handed to the kernel.
    pub waiting: u32,
    /// Bounce buffers in use.
    pub bounces: u32,
    /// Turns made.
    pub turns: f64,
    /// Calls of `io_uring_enter(2)`.
    pub enters: f64,
    /// Requests put into the submission queue.
    pub submissions: f64,
    /// Completions taken from the completion queue.
    pub completions: f64,
    /// Most completions that were taken at once.
    pub largest_batch: f64,
    /// Calls that the kernel refused because its completion queue had overflowed.
    pub overflows: f64,
    /// Receives that ended because there was no receive buffer.
    pub exhaustions: f64,
    /// Bytes received by sockets.
    pub bytes_received: f64,
    /// Bytes that the kernel took from sockets.
    pub bytes_sent: f64,
    /// Bytes read from files.
    pub bytes_read: f64,
    /// Bytes written to files.
    pub bytes_written: f64,
}

#[napi]
impl NativeReactor {
    /// Counts.
    #[napi]
    pub fn stats(&self) -> Stats {
        let counts = self.instance.with(|reactor| (reactor.stats(), reactor.totals()));
        let (stats, totals) = counts.unwrap_or_default();
        #[allow(clippy::cast_precision_loss, reason = "2^53 bytes take longer than the machine lives")]
        Stats {
            handles: count(stats.handles),
            operations: count(stats.operations),
            buffers_lent: count(stats.buffers_lent),
            starved: count(stats.starved),
            backlog: count(stats.backlog),
            waiting: count(stats.waiting),
            bounces: count(stats.bounces),
            turns: stats.turns as f64,
            enters: totals.enters as f64,
            submissions: totals.submissions as f64,
            completions: totals.completions as f64,
            largest_batch: totals.largest_batch as f64,
            overflows: totals.overflows as f64,
            exhaustions: totals.exhaustions as f64,
            bytes_received: totals.bytes_received as f64,
            bytes_sent: totals.bytes_sent as f64,
            bytes_read: totals.bytes_read as f64,
            bytes_written: totals.bytes_written as f64,
        }
    }

    /// Measures from now on how long the kernel has operations, or no longer.
    #[napi]
    pub fn measure_latencies(&self, wanted: bool) {
        self.instance.with(|reactor| reactor.kernel_mut().watch().measure(wanted));
    }

    /// What was measured since the last time: pairs of a place in `latencyKinds` and nanoseconds.
    #[napi]
    #[allow(clippy::cast_precision_loss, reason = "2^53 nanoseconds are a hundred days")]
    pub fn take_latencies(&self) -> Vec<f64> {
        let latencies = self.instance.with(|reactor| reactor.kernel_mut().watch().take_latencies());
        let pairs = latencies.unwrap_or_default().into_iter();
        pairs.flat_map(|latency| [latency.kind as f64, latency.nanoseconds as f64]).collect()
    }

    /// Names of the kinds of operations.
    #[napi(getter)]
    pub fn latency_kinds(&self) -> Vec<&'static str> {
        Watch::KINDS.to_vec()
    }
}
