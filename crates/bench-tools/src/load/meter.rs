//! The measured window: a warm-up that counts for nothing, then a time in which everything does.

use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::watch::{self, Memory};

/// How long to measure, and whom to watch meanwhile.
#[derive(Args, Clone)]
pub(crate) struct WindowOptions {
    /// Seconds that are measured.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before that, which count for nothing.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Process whose CPU time in the window and memory at its end are reported: the server's.
    #[arg(long)]
    watch: Option<u32>,
}

#[cfg(test)]
impl WindowOptions {
    /// A window that opens at the first tick and stays open longer than any test takes.
    pub(crate) fn immediate() -> Self {
        Self { seconds: 3600.0, warmup: 0.0, watch: None }
    }
}

/// Where in time a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    WarmUp,
    Measuring,
    Over,
}

/// CPU times at one moment.
struct Snapshot {
    at: Instant,
    own: Duration,
    watched: Option<Duration>,
    machine: Duration,
}

/// Counts messages and their latencies in the window.
pub(crate) struct Meter {
    options: WindowOptions,
    phase: Phase,
    phase_ends: Instant,
    start: Option<Snapshot>,
    end: Option<Snapshot>,
    latencies: Histogram<u64>,
    /// Messages (or connections, whatever the scenario counts) finished in the window.
    pub(crate) messages: u64,
    /// Bytes that came in during the window.
    pub(crate) bytes: u64,
    /// Messages of the whole run, by which a stall is noticed.
    progress: u64,
    seen_progress: (u64, Instant),
}

impl Meter {
    /// Longest time without any message after which a run is given up.
    const STALL: Duration = Duration::from_secs(10);

    /// A meter whose warm-up begins now.
    pub(crate) fn new(options: &WindowOptions) -> anyhow::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            options: options.clone(),
            phase: Phase::WarmUp,
            phase_ends: now + Duration::from_secs_f64(options.warmup),
            start: None,
            end: None,
            // 100 ns to 100 s, to three digits.
            latencies: Histogram::new_with_bounds(100, 100_000_000_000, 3)?,
            messages: 0,
            bytes: 0,
            progress: 0,
            seen_progress: (0, now),
        })
    }

    /// To be called often, at least every few milliseconds. Returns whether the run is over.
    pub(crate) fn tick(&mut self, now: Instant) -> anyhow::Result<bool> {
        if self.progress != self.seen_progress.0 {
            self.seen_progress = (self.progress, now);
        } else if now.duration_since(self.seen_progress.1) > Self::STALL {
            anyhow::bail!("no message for {} s", Self::STALL.as_secs());
        }
        if now >= self.phase_ends {
            match self.phase {
                Phase::WarmUp => {
                    self.start = Some(self.snapshot()?);
                    self.phase = Phase::Measuring;
                    self.phase_ends = Instant::now() + Duration::from_secs_f64(self.options.seconds);
                }
                Phase::Measuring => {
                    self.end = Some(self.snapshot()?);
                    self.phase = Phase::Over;
                }
                Phase::Over => {}
            }
        }
        Ok(self.phase == Phase::Over)
    }

    /// Whether what happens now counts.
    pub(crate) fn is_measuring(&self) -> bool {
        self.phase == Phase::Measuring
    }

    /// Takes note that something happens, so that the run is not given up.
    pub(crate) fn progress(&mut self) {
        self.progress += 1;
    }

    /// Counts a message that took from `started` to `now`.
    pub(crate) fn record(&mut self, started: Instant, now: Instant) {
        self.progress += 1;
        if self.phase == Phase::Measuring {
            self.messages += 1;
            self.latencies.saturating_record(now.duration_since(started).as_nanos() as u64);
        }
    }

    /// Counts bytes.
    pub(crate) fn record_bytes(&mut self, bytes: usize) {
        if self.phase == Phase::Measuring {
            self.bytes += bytes as u64;
        }
    }

    /// Counts bytes of a scenario that has no messages.
    pub(crate) fn record_stream(&mut self, bytes: usize) {
        self.progress += 1;
        self.record_bytes(bytes);
    }

    fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let watched = self.options.watch.map(watch::cpu_time).transpose()?;
        Ok(Snapshot { at: Instant::now(), own: watch::own_cpu_time(), watched, machine: watch::machine_cpu_time()? })
    }

    /// Everything measured, as JSON: times in microseconds, rates per second.
    pub(crate) fn to_json(&self) -> anyhow::Result<Map<String, Value>> {
        let (Some(start), Some(end)) = (&self.start, &self.end) else { anyhow::bail!("the run did not finish") };
        let seconds = end.at.duration_since(start.at).as_secs_f64();
        let micro = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let mut result = Map::new();
        result.insert("seconds".into(), seconds.into());
        result.insert("messages".into(), self.messages.into());
        result.insert("bytes".into(), self.bytes.into());
        result.insert("messagesPerSecond".into(), (self.messages as f64 / seconds).into());
        result.insert("megabytesPerSecond".into(), (self.bytes as f64 / seconds / 1e6).into());
        if !self.latencies.is_empty() {
            let at = |quantile| micro(self.latencies.value_at_quantile(quantile));
            result.insert(
                "latencyMicros".into(),
                json!({
                    "mean": self.latencies.mean() / 1e3,
                    "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999),
                    "max": micro(self.latencies.max()),
                }),
            );
        }
        let own = (end.own - start.own).as_secs_f64();
        result.insert("loadCpuSeconds".into(), own.into());
        result.insert("loadCpuShare".into(), (own / seconds).into());
        if let (Some(pid), Some(before), Some(after)) = (self.options.watch, start.watched, end.watched) {
            let used = after.saturating_sub(before).as_secs_f64();
            result.insert("serverCpuSeconds".into(), used.into());
            result.insert("serverCpuShare".into(), (used / seconds).into());
            if self.messages > 0 {
                result.insert("serverCpuMicrosPerMessage".into(), (used * 1e6 / self.messages as f64).into());
            }
            // Known to a clock tick only, hence perhaps a little below zero.
            let others = (end.machine - start.machine).as_secs_f64() - used - own;
            result.insert("othersCpuShare".into(), (others.max(0.0) / seconds).into());
            if let Ok(memory) = Memory::of(pid) {
                result.insert("serverMemory".into(), memory.to_json());
            }
        }
        Ok(result)
    }
}
