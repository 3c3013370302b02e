//! `files`: random reads and writes with io_uring used directly: what there is to reach.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use io_uring::{opcode, squeue, types};

use crate::ring;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    Read,
    Write,
}

/// Keep a number of transfers of one size under way, at random positions, and print what was measured as one line of
/// JSON.
#[derive(Args)]
pub(crate) struct Files {
    #[arg(long)]
    file: PathBuf,
    #[arg(long, value_enum)]
    operation: Operation,
    /// Transfers under way.
    #[arg(long, default_value_t = 32)]
    depth: usize,
    /// Bytes of a transfer.
    #[arg(long, default_value_t = 4096)]
    size: usize,
    /// Past the page cache.
    #[arg(long)]
    direct: bool,
    /// The file in the ring's table of files, so that a request need not look its descriptor up.
    #[arg(long)]
    fixed_file: bool,
    /// The memory registered with the ring, so that a request past the page cache need not pin it.
    #[arg(long)]
    fixed_buffers: bool,
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
}

/// User and system time of this process.
fn cpu_micros() -> f64 {
    // SAFETY: the structure is written by the call; all-zero is a valid one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}

impl Files {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(self.operation == Operation::Write)
            .custom_flags(if self.direct { libc::O_DIRECT } else { 0 })
            .open(&self.file)?;
        let places = file.metadata()?.len() / self.size as u64;
        let layout = std::alloc::Layout::from_size_align(self.depth * self.size, 4096)?;
        // SAFETY: the size is not zero. It is never freed: the ring may use it until the process ends.
        let memory = unsafe { std::alloc::alloc_zeroed(layout) };
        let mut ring = ring::open()?;
        // With the flag, the place in the ring's table stands for the descriptor.
        let (target, flags) = if self.fixed_file {
            ring.submitter().register_files(&[file.as_raw_fd()])?;
            (types::Fd(0), squeue::Flags::FIXED_FILE)
        } else {
            (types::Fd(file.as_raw_fd()), squeue::Flags::empty())
        };
        if self.fixed_buffers {
            let whole = libc::iovec { iov_base: memory.cast(), iov_len: layout.size() };
            // SAFETY: the memory is there until the process ends.
            unsafe { ring.submitter().register_buffers(&[whole])? };
        }
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut entry = |slot: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let position = state % places * self.size as u64;
            // SAFETY: the slot is below the depth that the memory was made for.
            let data = unsafe { memory.add(slot * self.size) };
            let length = self.size as u32;
            let built = match (self.operation, self.fixed_buffers) {
                (Operation::Read, false) => opcode::Read::new(target, data, length).offset(position).build(),
                (Operation::Read, true) => opcode::ReadFixed::new(target, data, length, 0).offset(position).build(),
                (Operation::Write, false) => opcode::Write::new(target, data, length).offset(position).build(),
                (Operation::Write, true) => opcode::WriteFixed::new(target, data, length, 0).offset(position).build(),
            };
            built.flags(flags).user_data(slot as u64)
        };
        for slot in 0..self.depth {
            // SAFETY: the memory lives as long as the process, and no two slots overlap.
            unsafe { ring::push(&mut ring, &entry(slot))? };
        }
        let start = Instant::now() + Duration::from_secs_f64(self.warmup);
        let mut measured: Option<(Instant, f64)> = None;
        let mut count = 0_u64;
        let mut done = Vec::with_capacity(self.depth);
        loop {
            ring::turn(&ring)?;
            done.extend(ring.completion().map(|completion| (completion.user_data(), completion.result())));
            for (slot, result) in done.drain(..) {
                anyhow::ensure!(usize::try_from(result) == Ok(self.size), "a transfer gave {result}");
                count += 1;
                // SAFETY: the slot's last transfer is done, and its memory lives until all are.
                unsafe { ring::push(&mut ring, &entry(slot as usize))? };
            }
            let now = Instant::now();
            match measured {
                None if now >= start => {
                    measured = Some((now, cpu_micros()));
                    count = 0;
                }
                Some((since, cpu)) if now - since >= Duration::from_secs_f64(self.seconds) => {
                    let seconds = (now - since).as_secs_f64();
                    let rate = count as f64 / seconds;
                    let cost = (cpu_micros() - cpu) / count as f64;
                    println!("{{\"messagesPerSecond\":{rate},\"serverCpuMicrosPerMessage\":{cost}}}");
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}
