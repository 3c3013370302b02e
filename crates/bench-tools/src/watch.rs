//! What a process costs: CPU time of all its threads, and memory.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

/// Options of `iouring-bench watch`.
#[derive(Args)]
pub(crate) struct Options {
    /// The process to watch; several count as one.
    #[arg(long = "pid", required = true)]
    pids: Vec<u32>,
}

/// Answers every line of standard input with what the processes have cost so far, as a line of JSON: for load
/// generators that cannot look themselves.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    for line in io::stdin().lines() {
        line?;
        let (mut cpu_seconds, mut memory) = (0.0, Memory::default());
        for &pid in &options.pids {
            let more = Memory::of(pid)?;
            cpu_seconds += cpu_time(pid)?.as_secs_f64();
            memory = Memory { rss: memory.rss + more.rss, pss: memory.pss + more.pss };
        }
        let reading = json!({
            "cpuSeconds": cpu_seconds,
            "machineCpuSeconds": machine_cpu_time()?.as_secs_f64(),
            "memory": memory.to_json(),
        });
        println!("{reading}");
        io::stdout().flush()?;
    }
    Ok(())
}

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

/// CPU time that all threads of a process used so far, to the nanosecond.
///
/// That is the process's CPU clock (`clock_getcpuclockid(3)`): it goes on counting the time of threads that have ended,
/// which no sum over `/proc/…/task` does. io_uring's workers (io-wq) are threads of the process, and end when they have
/// been idle for a while. What a thread uses is added when it is switched off its CPU and at every tick, so that a
/// reading lags by a tick at most.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock = 0;
    // SAFETY: the kernel writes to `clock`, which lives until it returns.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: all-zero bytes are a valid timespec.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to `time`, which lives until it returns.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
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

/// Datagrams that a bound UDP socket of this machine has lost because its receive buffer was full, and the bytes (of
/// the kernel's memory) that wait in it. From `/proc/net/udp`: the socket may be another process's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct UdpQueue {
    pub(crate) drops: u64,
    pub(crate) waiting: u64,
}

impl UdpQueue {
    /// Of the socket that is bound to `address` and not connected.
    pub(crate) fn of(address: SocketAddr) -> io::Result<Self> {
        let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
        Self::find(&fs::read_to_string(table)?, address.port())
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no socket at {address} in {table}")))
    }

    /// The row of the table whose local port it is and whose remote port is zero.
    fn find(table: &str, port: u16) -> Option<Self> {
        let local = format!(":{port:04X}");
        table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if !fields.get(1)?.ends_with(&local) || !fields.get(2)?.ends_with(":0000") {
                return None;
            }
            let (_, waiting) = fields.get(4)?.split_once(':')?;
            Some(Self { drops: fields.last()?.parse().ok()?, waiting: u64::from_str_radix(waiting, 16).ok()? })
        })
    }
}

/// CPU time that this process used so far.
pub(crate) fn own_cpu_time() -> Duration {
    cpu_time(std::process::id()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_socket_that_listens_at_a_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            1: 0100007F:9C40 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 1 2 0 5\n\
            2: 0100007F:0035 00000000:0000 07 00000000:00000300 00:00000000 00000000     0        0 2 2 0 17\n";
        assert_eq!(UdpQueue::find(table, 53), Some(UdpQueue { drops: 17, waiting: 0x300 }));
        assert_eq!(UdpQueue::find(table, 40_000), None, "a connected one does not serve");
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

    #[test]
    fn goes_on_counting_threads_that_have_ended() {
        let before = own_cpu_time();
        let used = std::thread::spawn(|| {
            let mut time = Duration::ZERO;
            while time < Duration::from_millis(20) {
                // SAFETY: all-zero bytes are a valid timespec, which lives while the kernel writes to it.
                let now = unsafe {
                    let mut now: libc::timespec = std::mem::zeroed();
                    libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now);
                    now
                };
                time = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0));
            }
            time
        })
        .join()
        .expect("nothing in it panics");
        assert!(own_cpu_time() - before >= used);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(cpu_time(u32::MAX).is_err());
    }
}
