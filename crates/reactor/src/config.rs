//! Set-up: the sizes of a reactor, and the ladder that gets a ring from whatever kernel is there.

use std::thread;
use std::time::Duration;

use io_uring::IoUring;

use crate::error::{Errno, Error, Reason};
use crate::features::Features;

/// The sizes of one reactor. Memory that they cost is counted against `RLIMIT_MEMLOCK` on some kernels, per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Entries of the submission queue: operations that one system call can start.
    /// A power of two from 64 to 32768; 256.
    pub submission_entries: u32,
    /// Entries of the completion queue: several times as many, since one multishot operation completes many times.
    /// A power of two from twice to 64 times `submission_entries`, at most 65536; 4096.
    pub completion_entries: u32,
    /// Go without the indirection array between queue and entries (`IORING_SETUP_NO_SQARRAY`), where the kernel knows
    /// that (Linux 6.6). On.
    pub no_sq_array: bool,
    /// Have the kernel keep what has completed until the ring is entered (`IORING_SETUP_DEFER_TASKRUN`). Otherwise it
    /// comes with any system call of the thread (`IORING_SETUP_COOP_TASKRUN`). On; off all the same where the kernel
    /// does not say [at once](Features::prompt_signals) that there is something.
    pub defer_work: bool,
    /// Bytes of one provided receive buffer, the most that one completion of a stream delivers.
    /// 1 KiB to 1 MiB; 16 KiB.
    pub recv_buffer_size: u32,
    /// Provided receive buffers, shared by all sockets of the reactor. A power of two from 8 to 32768, at most 1 GiB in
    /// all; 256.
    pub recv_buffers: u16,
    /// The buffers may be cut otherwise where that suits the kernel: see [`fitted`](Self::fitted). On.
    pub recut: bool,
    /// Bytes of the arena that small writes are copied into. 64 KiB to 256 MiB, a multiple of 4096; 1 MiB.
    pub arena_size: u32,
    /// Completions handed to JavaScript in one turn, before libuv gets its turn again. 1 to 65536; 512.
    pub max_completions_per_turn: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            submission_entries: 256,
            completion_entries: 4096,
            no_sq_array: true,
            defer_work: true,
            recv_buffer_size: 16 * 1024,
            recv_buffers: 256,
            recut: true,
            arena_size: 1024 * 1024,
            max_completions_per_turn: 512,
        }
    }
}

/// The smallest submission queue that the ladder tries before it gives up, and the smallest completion queue for it.
const MIN_ENTRIES: u32 = 64;
const MIN_COMPLETIONS: u32 = 2 * MIN_ENTRIES;

/// Receive buffers lie in one mapping, and JavaScript is told where in it by a word of 31 bits.
const MAX_RECV_MEMORY: u64 = 1 << 30;

/// Memory of a ring that was closed is given back by a kernel worker: about 30 ms later, seen on Linux 6.18.
/// Who has little of it (a worker thread started as another ends) has to wait that long, and this often at most.
const RETRIES: u32 = 10;
const RETRY_DELAY: Duration = Duration::from_millis(10);
/// When the memory of a ring that turned out to be too large is sure to be there for a smaller one.
const GIVEN_BACK_AFTER: Duration = Duration::from_millis(50);

impl Config {
    /// The same memory for receive buffers in a quarter of the pieces, where the kernel consumes a buffer bit by bit
    /// (Linux 6.12): small messages waste nothing of a large buffer, and large ones are not cut up.
    #[must_use]
    pub fn with_incremental_buffers(self) -> Self {
        Self { recv_buffer_size: self.recv_buffer_size * 4, recv_buffers: self.recv_buffers / 4, ..self }
    }

    /// What serves best on a kernel with these features.
    #[must_use]
    pub fn fitted(self, features: &Features) -> Self {
        let cut = if self.recut && features.incremental_buffers { self.with_incremental_buffers() } else { self };
        Self { defer_work: self.defer_work && features.prompt_signals, ..cut }
    }

    /// Checks every field against its documented range.
    ///
    /// # Errors
    /// [`Error::Config`] with the first field that is out of range.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        fn check(field: &'static str, value: u64, fits: bool, allowed: &'static str) -> Result<(), Error> {
            if fits { Ok(()) } else { Err(Error::Config { field, value, allowed }) }
        }
        let Self {
            submission_entries,
            completion_entries,
            no_sq_array: _,
            defer_work: _,
            recv_buffer_size,
            recv_buffers,
            recut: _,
            arena_size,
            max_completions_per_turn,
        } = *self;

        check(
            "submission_entries",
            submission_entries.into(),
            submission_entries.is_power_of_two() && (MIN_ENTRIES..=32768).contains(&submission_entries),
            "a power of two from 64 to 32768",
        )?;
        check(
            "completion_entries",
            completion_entries.into(),
            completion_entries.is_power_of_two()
                && (2 * submission_entries..=64 * submission_entries).contains(&completion_entries)
                && completion_entries <= 65536,
            "a power of two from twice to 64 times submission_entries, at most 65536",
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
            "recv_buffers",
            recv_buffers.into(),
            u64::from(recv_buffers) * u64::from(recv_buffer_size) <= MAX_RECV_MEMORY,
            "at most 1 GiB with recv_buffer_size",
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
/// Every ring has `SINGLE_ISSUER`, `SUBMIT_ALL`, `CQSIZE`, `TASKRUN_FLAG` and, unless
/// [the configuration](Config::defer_work) says otherwise, `DEFER_TASKRUN`: that is what Linux 6.1 has, and less is not
/// supported. `NO_SQARRAY` is used where the kernel knows it. Where memory for the wanted sizes is not to be had, both
/// queues are halved, to 64 and 128 entries at last; where even that is too much, the calling thread waits for up to
/// 100 ms for rings that were closed before to be given back. The ring is not inherited by forked children, and its
/// descriptor is close-on-exec.
///
/// # Errors
/// [`Error::Unsupported`] with the [`Reason`]; [`Error::Config`] where the configuration is not valid.
#[doc(alias = "io_uring_setup")]
pub fn set_up(config: &Config) -> Result<(IoUring, Obtained), Error> {
    set_up_with(config, |ring, obtained| Ok((ring, obtained)))
}

/// The same, with all that the ring is to have: `equip` adds it. Where there is no room for that, the ring is given up
/// for a smaller one.
pub(crate) fn set_up_with<R>(
    config: &Config,
    mut equip: impl FnMut(IoUring, Obtained) -> Result<R, Error>,
) -> Result<R, Error> {
    config.validate()?;
    let wait = || thread::sleep(RETRY_DELAY);
    let build_and_equip = |rung| {
        let (ring, obtained) = build(rung).map_err(Reason::of_set_up)?;
        equip(ring, obtained).inspect_err(|error| {
            if error.errno() == Some(Errno::ENOMEM) {
                thread::sleep(GIVEN_BACK_AFTER);
            }
        })
    };
    climb(config, build_and_equip, wait)
}

/// The ladder itself, over any way to build a ring: from the best to the least that is worth having.
fn climb<R>(
    config: &Config,
    mut build: impl FnMut(Rung) -> Result<R, Error>,
    mut wait: impl FnMut(),
) -> Result<R, Error> {
    let mut rung = Rung {
        submission_entries: config.submission_entries,
        completion_entries: config.completion_entries,
        no_sq_array: config.no_sq_array,
        defer_work: config.defer_work,
    };
    let mut retries = RETRIES;
    loop {
        let error = match build(rung) {
            Ok(ring) => return Ok(ring),
            Err(error) => error,
        };
        match error.errno() {
            Some(Errno::EINVAL) if rung.no_sq_array => rung.no_sq_array = false,
            Some(Errno::ENOMEM) if rung.completion_entries > MIN_COMPLETIONS => {
                rung.submission_entries = MIN_ENTRIES.max(rung.submission_entries / 2);
                rung.completion_entries /= 2;
            }
            Some(Errno::ENOMEM) if retries > 0 => {
                retries -= 1;
                wait();
            }
            _ => return Err(error),
        }
    }
}

/// What to ask the kernel for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rung {
    submission_entries: u32,
    completion_entries: u32,
    no_sq_array: bool,
    defer_work: bool,
}

fn build(rung: Rung) -> Result<(IoUring, Obtained), Errno> {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_single_issuer()
        .setup_submit_all()
        .setup_taskrun_flag()
        .setup_cqsize(rung.completion_entries);
    if rung.defer_work {
        builder.setup_defer_taskrun();
    } else {
        builder.setup_coop_taskrun();
    }
    if rung.no_sq_array {
        builder.setup_no_sqarray();
    }
    let ring = builder.build(rung.submission_entries)?;
    let parameters = ring.params();
    let obtained = Obtained {
        submission_entries: parameters.sq_entries(),
        completion_entries: parameters.cq_entries(),
        no_sq_array: rung.no_sq_array,
    };
    Ok((ring, obtained))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn with(change: impl FnOnce(&mut Config)) -> Result<(), Error> {
        let mut config = Config::default();
        change(&mut config);
        config.validate()
    }

    #[test]
    fn the_defaults_and_the_ends_of_the_ranges_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(with(|config| (config.submission_entries, config.completion_entries) = (64, 128)), Ok(()));
        assert_eq!(with(|config| (config.submission_entries, config.completion_entries) = (32768, 65536)), Ok(()));
        assert_eq!(with(|config| (config.recv_buffers, config.recv_buffer_size) = (8, 1024)), Ok(()));
    }

    #[test]
    fn buffers_that_were_asked_for_are_not_cut_otherwise() {
        let features = Features { incremental_buffers: true, prompt_signals: true, ..Features::default() };
        let fitted = Config::default().fitted(&features);
        assert_eq!((fitted.recv_buffers, fitted.recv_buffer_size), (64, 64 * 1024));
        let asked = Config { recut: false, ..Config::default() };
        assert_eq!(asked.fitted(&features), asked);
    }

    #[test]
    fn work_is_deferred_where_it_is_signalled_at_once_and_wanted() {
        for (wanted, prompt_signals) in [(true, true), (true, false), (false, true), (false, false)] {
            let features = Features { prompt_signals, ..Features::default() };
            let fitted = Config { defer_work: wanted, ..Config::default() }.fitted(&features);
            assert_eq!(fitted.defer_work, wanted && prompt_signals);
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let field = |result| match result {
            Err(Error::Config { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(with(|config| config.submission_entries = 100)), "submission_entries");
        assert_eq!(field(with(|config| config.submission_entries = u32::MAX)), "submission_entries");
        assert_eq!(field(with(|config| config.completion_entries = 256)), "completion_entries");
        assert_eq!(field(with(|config| config.completion_entries = 5000)), "completion_entries");
        assert_eq!(field(with(|config| config.submission_entries = 32768)), "completion_entries");
        assert_eq!(field(with(|config| config.recv_buffer_size = 1023)), "recv_buffer_size");
        assert_eq!(field(with(|config| config.recv_buffers = 0)), "recv_buffers");
        let too_much = |config: &mut Config| (config.recv_buffers, config.recv_buffer_size) = (32768, 65536);
        assert_eq!(field(with(too_much)), "recv_buffers");
        assert_eq!(field(with(|config| config.arena_size = 65537)), "arena_size");
        assert_eq!(field(with(|config| config.max_completions_per_turn = 0)), "max_completions_per_turn");
        assert!(matches!(set_up(&Config { recv_buffers: 3, ..Config::default() }), Err(Error::Config { .. })));
    }

    /// Climbs with a kernel that answers by rule; gives the rungs that it was asked for, too.
    fn climbed(answer: impl Fn(Rung) -> Result<(), Errno>) -> (Result<(), Error>, Vec<Rung>, u32) {
        let (mut asked, mut waits) = (Vec::new(), 0);
        let result = climb(
            &Config::default(),
            |rung| {
                asked.push(rung);
                answer(rung).map_err(Reason::of_set_up)
            },
            || waits += 1,
        );
        (result, asked, waits)
    }

    #[test]
    fn an_old_kernel_loses_the_optional_flag_first() {
        let (result, asked, _) = climbed(|rung| if rung.no_sq_array { Err(Errno::EINVAL) } else { Ok(()) });
        assert_eq!(result, Ok(()));
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1], Rung { no_sq_array: false, ..asked[0] });

        let (result, asked, waits) = climbed(|_| Err(Errno::EINVAL));
        let missing = "IORING_SETUP_DEFER_TASKRUN";
        assert_eq!(result, Err(Reason::KernelTooOld { missing }.because(Errno::EINVAL)));
        assert_eq!((asked.len(), waits), (2, 0));
    }

    #[test]
    fn little_memory_gives_smaller_queues_and_never_less_than_the_least() {
        let fits = |bytes: u32| {
            climbed(move |rung| {
                let needed = rung.submission_entries * 64 + rung.completion_entries * 16;
                if needed > bytes { Err(Errno::ENOMEM) } else { Ok(()) }
            })
        };
        let last = |asked: &[Rung]| asked.last().map(|rung| (rung.submission_entries, rung.completion_entries));

        let (result, asked, _) = fits(41_000);
        assert_eq!((result, last(&asked)), (Ok(()), Some((128, 2048))));
        let (result, asked, _) = fits(9_000);
        assert_eq!((result, last(&asked)), (Ok(()), Some((64, 256))));
        let (result, asked, waits) = fits(1_000);
        assert_eq!(result, Err(Reason::of_set_up(Errno::ENOMEM)));
        assert_eq!((last(&asked), waits), (Some((64, 128)), RETRIES));
        assert!(asked.iter().all(|rung| rung.submission_entries >= 64 && rung.completion_entries >= 128));
    }

    #[test]
    fn memory_that_is_given_back_meanwhile_is_waited_for() {
        let left = std::cell::Cell::new(8);
        let (result, _, waits) = climbed(|_| match left.replace(left.get() - 1) {
            0 => Ok(()),
            _ => Err(Errno::ENOMEM),
        });
        assert_eq!((result, waits), (Ok(()), 3));
    }

    #[test]
    fn refusals_keep_their_meaning() {
        for (errno, code, permanent) in [
            (Errno::ENOSYS, "ERR_IOURING_NO_SYSCALL", true),
            (Errno::EMFILE, "ERR_IOURING_OUT_OF_DESCRIPTORS", false),
            (Errno::ENFILE, "ERR_IOURING_OUT_OF_DESCRIPTORS", false),
        ] {
            let (result, asked, _) = climbed(|_| Err(errno));
            let Err(Error::Unsupported { reason, errno: Some(seen) }) = result else { panic!("{result:?}") };
            assert_eq!((reason.code(), reason.permanent(), seen, asked.len()), (code, permanent, errno, 1));
        }
        let (result, ..) = climbed(|_| Err(Errno::EFAULT));
        assert_eq!(result, Err(Error::Os { syscall: "io_uring_setup", errno: Errno::EFAULT }));
    }

    #[test]
    fn a_real_ring_is_what_was_asked_for() {
        let Ok((ring, obtained)) = set_up(&Config::default()) else {
            return eprintln!("skipped: io_uring is not available here");
        };
        assert!(obtained.submission_entries <= 256 && obtained.completion_entries >= obtained.submission_entries * 2);
        assert!(ring.params().is_setup_single_issuer());
        // SAFETY: this fcntl(2) takes integers alone.
        let flags = unsafe { libc::fcntl(ring.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
}
