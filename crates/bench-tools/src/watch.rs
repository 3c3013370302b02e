//! What a process costs: CPU time of all its threads, and memory.

use std::fs;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident set.
    pub(crate) rss: u64,
    /// Resident set in which pages shared with other processes count for a share.
    pub(crate) pss: u64,
}

impl Memory {
    /// Reads it from `/proc`.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Ok(Self { rss: field("Rss:"), pss: field("Pss:") })
    }

    /// As JSON, in KiB.
    pub(crate) fn to_json(self) -> Value {
        json!({ "rssKib": self.rss, "pssKib": self.pss })
    }
}

/// CPU time that all threads of a process used so far.
///
/// From `schedstat` (nanoseconds) where the kernel keeps it, otherwise `utime + stime` from `stat` (clock ticks). Threads
/// of io_uring's worker pool are among the tasks of a process. Threads that ended are not: none of the servers ends any.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path();
        if let Some(nanoseconds) =
            fs::read_to_string(path.join("schedstat")).ok().and_then(|text| text.split(' ').next()?.parse().ok())
        {
            total += Duration::from_nanos(nanoseconds);
        } else if let Ok(text) = fs::read_to_string(path.join("stat")) {
            total += from_stat(&text);
        }
    }
    Ok(total)
}

/// `utime + stime` of a line of `/proc/…/stat`.
fn from_stat(text: &str) -> Duration {
    // The second field is the name in parentheses and may hold anything; utime and stime are the 14th and 15th.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    ticks(after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum())
}

/// CPU time that the whole machine spent working so far, without what its hypervisor took from it.
pub(crate) fn machine_cpu_time() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields: Vec<u64> = text
        .lines()
        .next()
        .map(|line| line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect())
        .unwrap_or_default();
    // user nice system idle iowait irq softirq
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|index| fields.get(*index)).sum();
    Ok(ticks(busy))
}

/// A number of clock ticks as a time.
fn ticks(count: u64) -> Duration {
    // SAFETY: sysconf has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Duration::from_secs_f64(count as f64 / per_second as f64)
}

/// CPU time that this process used so far.
pub(crate) fn own_cpu_time() -> Duration {
    cpu_time(std::process::id()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_behind_any_name() {
        let line = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 12345";
        assert_eq!(from_stat(line), ticks(200));
    }

    #[test]
    fn counts_the_time_of_this_process() {
        let before = own_cpu_time();
        let mut sum = 0_u64;
        for number in 0..50_000_000_u64 {
            sum = std::hint::black_box(sum ^ number);
        }
        assert!(own_cpu_time() > before);
    }
}
