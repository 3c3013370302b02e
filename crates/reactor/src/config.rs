//! Set-up: the sizes of a reactor, and the ladder that gets a ring from whatever kernel is there.

use io_uring::{IoUring, Parameters};

use crate::error::{Errno, Error};
use crate::support::Reason;

/// The sizes of one reactor. Memory that they cost is counted against `RLIMIT_MEMLOCK` on some kernels, per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Entries of the submission queue: operations that one system call can start.
    /// A power of two from 64 to 32768; 256.
    pub submission_entries: u32,
    /// How many times larger the completion queue is, since one multishot operation completes many times.
    /// A power of two from 2 to 64, the product at most 65536; 16.
    pub completion_multiplier: u32,
    /// Bytes of one provided receive buffer, the most that one completion of a stream delivers.
    /// 1 KiB to 1 MiB; 16 KiB.
    pub recv_buffer_size: u32,
    /// Provided receive buffers, shared by all sockets of the reactor. A power of two from 8 to 32768; 256.
    pub recv_buffers: u16,
    /// Bytes of the arena that small writes are copied into. 64 KiB to 256 MiB, a multiple of 4096; 1 MiB.
    pub arena_size: u32,
    /// Completions handed to JavaScript in one turn, before libuv gets its turn again. 1 to 65536; 512.
    pub max_completions_per_turn: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            submission_entries: 256,
            completion_multiplier: 16,
            recv_buffer_size: 16 * 1024,
            recv_buffers: 256,
            arena_size: 1024 * 1024,
            max_completions_per_turn: 512,
        }
    }
}

/// The smallest submission queue that the ladder tries before it gives up.
const FEWEST_ENTRIES: u32 = 64;

impl Config {
    /// Checks every field against its documented range.
    ///
    /// # Errors
    /// [`Error::Config`] with the first field that is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        fn check(field: &'static str, value: u64, fits: bool, allowed: &'static str) -> Result<(), Error> {
            if fits {
                Ok(())
            } else {
                Err(Error::Config {
                    field,
                    value,
                    allowed,
                })
            }
        }
        let Self {
            submission_entries,
            completion_multiplier,
            recv_buffer_size,
            recv_buffers,
            arena_size,
            max_completions_per_turn,
        } = *self;

        check(
            "submission_entries",
            submission_entries.into(),
            submission_entries.is_power_of_two() && (FEWEST_ENTRIES..=32768).contains(&submission_entries),
            "a power of two from 64 to 32768",
        )?;
        check(
            "completion_multiplier",
            completion_multiplier.into(),
            completion_multiplier.is_power_of_two()
                && (2..=64).contains(&completion_multiplier)
                && submission_entries * completion_multiplier <= 65536,
            "a power of two from 2 to 64, times submission_entries at most 65536",
        )?;
        check(
            "recv_buffer_size",
            recv_buffer_size.into(),
            (1024..=1024 * 1024).contains(&recv_buffer_size),
            "from 1024 to 1048576",
        )?;
        check(
            "recv_buffers",
            recv_buffers.into(),
            recv_buffers.is_power_of_two() && (8..=32768).contains(&recv_buffers),
            "a power of two from 8 to 32768",
        )?;
        check(
            "arena_size",
            arena_size.into(),
            arena_size.is_multiple_of(4096) && (64 * 1024..=256 * 1024 * 1024).contains(&arena_size),
            "a multiple of 4096 from 65536 to 268435456",
        )?;
        check(
            "max_completions_per_turn",
            max_completions_per_turn.into(),
            (1..=65536).contains(&max_completions_per_turn),
            "from 1 to 65536",
        )
    }
}

/// What the ladder ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obtained {
    /// Entries of the submission queue.
    pub submission_entries: u32,
    /// Entries of the completion queue.
    pub completion_entries: u32,
    /// Whether the ring goes without the indirection array between queue and entries (Linux 6.6).
    pub no_sq_array: bool,
}

/// Sets up a ring for the calling thread.
///
/// Every ring has `SINGLE_ISSUER`, `DEFER_TASKRUN`, `SUBMIT_ALL`, `CQSIZE` and `TASKRUN_FLAG`: that is what Linux 6.1
/// has, and less is not supported. `NO_SQARRAY` is used where the kernel knows it. Where memory for the wanted sizes is
/// not to be had, both queues are halved until the submission queue has 64 entries. The rings are not inherited by
/// forked children, and the descriptor is close-on-exec.
///
/// # Errors
/// [`Error::Unsupported`] with the [`Reason`]; [`Error::Config`] where the configuration is not valid.
#[doc(alias = "io_uring_setup")]
pub fn set_up(config: &Config) -> Result<(IoUring, Obtained), Error> {
    config.validate()?;
    climb(config, build)
}

/// The ladder itself, over any way to build a ring: from the best to the least that is worth having.
fn climb<R>(
    config: &Config,
    mut build: impl FnMut(Rung) -> Result<(R, Obtained), Errno>,
) -> Result<(R, Obtained), Error> {
    let mut rung = Rung {
        submission_entries: config.submission_entries,
        completion_entries: config.submission_entries * config.completion_multiplier,
        no_sq_array: true,
    };
    loop {
        match build(rung) {
            Ok(ring) => return Ok(ring),
            Err(Errno::EINVAL) if rung.no_sq_array => rung.no_sq_array = false,
            Err(Errno::ENOMEM) if rung.submission_entries > FEWEST_ENTRIES => {
                rung.submission_entries /= 2;
                rung.completion_entries /= 2;
            }
            Err(errno) => return Err(Reason::of_set_up(errno)),
        }
    }
}

/// What to ask the kernel for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rung {
    submission_entries: u32,
    completion_entries: u32,
    no_sq_array: bool,
}

fn build(rung: Rung) -> Result<(IoUring, Obtained), Errno> {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_taskrun_flag()
        .setup_cqsize(rung.completion_entries);
    if rung.no_sq_array {
        builder.setup_no_sqarray();
    }
    let ring = builder.build(rung.submission_entries)?;
    let obtained = Obtained::new(ring.params(), rung.no_sq_array);
    Ok((ring, obtained))
}

impl Obtained {
    fn new(parameters: &Parameters, no_sq_array: bool) -> Self {
        Self {
            submission_entries: parameters.sq_entries(),
            completion_entries: parameters.cq_entries(),
            no_sq_array,
        }
    }
}
