//! Files: what is known of an open one, and what waits for the kernel.
//!
//! **Memory.** Reads and writes point into JavaScript's memory, which may move or go whenever JavaScript runs. So the first attempt says
//! `RWF_NOWAIT`: the kernel copies or refuses while it takes the request (the page cache has the bytes, or not). What it refuses goes again
//! through a [bounce buffer](crate::bounce), and JavaScript's memory is looked up anew when the bytes are there. `O_DIRECT` and whatever is no
//! regular file go through bounce buffers from the start. Long writes to the page cache are the exception; see [`carrier`].
//!
//! **Waiting.** What pipes, terminals and other devices are asked for may have to wait for ever. A read is made when a poll has said that there is something;
//! until then it holds no memory, and none of the [`MOST_IN_FLIGHT`] places. Both reads and writes are left to a worker of the kernel (`IOSQE_ASYNC`): most
//! of these files cannot be asked not to wait, and would block this thread when it hands the request over. Where they can, since they were opened with
//! `O_NONBLOCK`, a system call is made at once, with `EAGAIN` for an answer as everywhere else.
//!
//! **Order.** Transfers at the file's own position are made one after the other, since the kernel does not lock the position for requests of a
//! ring; what has no positions is read in order and written in order, each independent of the other. All others run at once, up to [`MOST_IN_FLIGHT`]; the rest waits here, where it costs the kernel nothing. Writes that are followed by a sync
//! [share it](commit).

pub mod carrier;
pub mod commit;
pub(crate) mod engine;
mod failing;
pub mod job;
mod look;
mod now;
pub mod transfer;

use std::collections::VecDeque;
use std::os::fd::RawFd;

use crate::bounce::BouncePool;
use crate::error::Errno;
use crate::event::Opened;
use crate::handle_id::HandleId;
use crate::kernel::Direction;
use carrier::Carrier;
use commit::Commits;
use job::Job;
use look::Mounts;
use transfer::Transfer;

/// Most file operations that the kernel has at once.
pub const MOST_IN_FLIGHT: usize = 1024;

/// Bytes of the longest write that is [short](ShortOps).
pub(crate) const MAX_SHORT_WRITE: u32 = 128 * 1024;

/// Most steps of one chain: the smallest submission queue takes it whole.
pub const LONGEST_CHAIN: usize = 32;

/// An open file.
#[allow(clippy::struct_excessive_bools, reason = "independent facts about the file")]
pub struct File {
    /// Regular file or block device: has a position, and gives all that is asked for unless it ends.
    seekable: bool,
    /// `O_NONBLOCK`.
    nonblocking: bool,
    /// Its file system is known to ask a server: the kernel may do so while it takes a request.
    remote: bool,
    /// `RWF_NOWAIT` was refused for good: reads, writes.
    refuses_now: [bool; 2],
    /// Whether reads and writes may say where.
    placed: [bool; 2],
    direct: bool,
    append: bool,
    /// Whether `RWF_NOWAIT` is worth trying.
    reads_now: bool,
    writes_now: bool,
    /// Transfers at the file's own position: of a pipe or device, its reads and its writes.
    lanes: [Lane; 2],
    pub(crate) commits: Commits,
    /// `ioprio` of its transfers.
    pub(crate) priority: u16,
    /// Who asked for the close.
    pub(crate) closer: Option<u32>,
}

/// Transfers that are made one after the other.
#[derive(Default)]
struct Lane {
    busy: bool,
    queue: VecDeque<Transfer>,
}

impl File {
    /// Looks at a descriptor, without waiting for whoever serves its file system.
    ///
    /// # Errors
    /// `statx(2)`'s and `fcntl(2)`'s.
    pub(crate) fn of(fd: RawFd, mounts: &mut Mounts) -> Result<(Self, Opened), Errno> {
        let (opened, remote) = look::at(fd, mounts)?;
        // SAFETY: takes and returns integers only.
        let flags = Errno::check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
        let kind = opened.mode & libc::S_IFMT;
        let seekable = kind == libc::S_IFREG || kind == libc::S_IFBLK;
        // A pipe of packets says `O_DIRECT` too.
        let direct = seekable && flags & libc::O_DIRECT != 0;
        let now = kind == libc::S_IFREG && !direct;
        let file = Self {
            seekable,
            nonblocking: flags & libc::O_NONBLOCK != 0,
            remote,
            refuses_now: [false; 2],
            placed: if seekable { [true; 2] } else { look::placed(fd) },
            direct,
            append: flags & libc::O_APPEND != 0,
            reads_now: now,
            writes_now: now,
            lanes: <[Lane; 2]>::default(),
            commits: Commits::default(),
            priority: 0,
            closer: None,
        };
        Ok((file, opened))
    }

    /// Whether a transfer may say where.
    fn may_place(&self, direction: Direction) -> bool {
        self.placed[direction as usize]
    }

    /// Those that a transfer at the file's own position has to wait for.
    fn lane(&mut self, direction: Direction) -> &mut Lane {
        &mut self.lanes[if self.seekable { 0 } else { direction as usize }]
    }

    /// Whether a read has to be told first that there is something to read: until then it would hold memory, or a worker.
    fn polls_first(&self, direction: Direction) -> bool {
        !self.seekable && direction == Direction::Read
    }

    /// Whether a pipe or device says `EAGAIN` where it would have to wait. Whoever shares the open file may change that.
    fn never_waits(&mut self, fd: RawFd) -> bool {
        if self.nonblocking && !self.seekable {
            // SAFETY: takes and returns integers only.
            self.nonblocking = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_NONBLOCK != 0;
        }
        self.nonblocking && !self.seekable
    }

    /// Whether requests that may wait have to be left to a worker. For regular files the kernel sees to that, unless they can be polled as well (FUSE, procfs
    /// and sysfs) or say `O_NONBLOCK`. Writes to local files are left to it, which keeps them in order.
    fn needs_worker(&self, direction: Direction) -> bool {
        let reads_slowly = direction == Direction::Read && self.refuses_now[0];
        !self.seekable || (!self.tries_now(direction) && (self.remote || self.nonblocking || reads_slowly))
    }

    /// Plays a pipe.
    #[cfg(test)]
    pub(crate) fn pretend_pipe(&mut self) {
        (self.seekable, self.reads_now, self.writes_now, self.placed) = (false, false, false, [false; 2]);
    }

    /// Plays `O_DIRECT`, which not every file system of a test machine has.
    #[cfg(test)]
    pub(crate) fn pretend_direct(&mut self) {
        (self.direct, self.reads_now, self.writes_now) = (true, false, false);
    }

    /// Whether a short step is followed by another.
    fn goes_on(&self, direction: Direction) -> bool {
        !self.direct && (self.seekable || direction == Direction::Write)
    }

    /// Takes out what waits for the file's own position.
    pub(crate) fn waiting_at_cursor(&mut self) -> impl Iterator<Item = Transfer> {
        std::mem::take(&mut self.lanes).into_iter().flat_map(|lane| lane.queue)
    }

    /// Whether something waits, or will be told of later.
    fn is_waited_for(&self) -> bool {
        self.lanes.iter().any(|lane| lane.busy) || self.commits.is_pending()
    }

    fn tries_now(&self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.reads_now,
            Direction::Write => self.writes_now,
        }
    }

    /// The file system cannot do without waiting.
    fn never_now(&mut self, direction: Direction) {
        self.refuses_now[direction as usize] = true;
        match direction {
            Direction::Read => self.reads_now = false,
            Direction::Write => self.writes_now = false,
        }
    }
}

/// Something to be started.
pub(crate) enum Step {
    Transfer(HandleId, Transfer),
    Job(Box<Job>),
    /// The sync of a group of writes; see [`commit`].
    Flush(HandleId),
    /// Waits until a transfer can go on.
    Await(HandleId, Transfer),
    /// Cannot be done: a step of a chain that ends with it.
    Refused(u32, Errno),
}

impl Step {
    /// The file that it is about.
    fn handle(&self) -> Option<HandleId> {
        match self {
            Self::Transfer(id, _) | Self::Flush(id) | Self::Await(id, _) => Some(*id),
            Self::Job(job) => Some(job.handle),
            Self::Refused(..) => None,
        }
    }
}

/// An operation on files in flight, with what the kernel may touch on its behalf.
pub(crate) enum FileOperation {
    /// A transfer, or one step of it.
    Transfer {
        /// What is left to be moved, this step included.
        transfer: Transfer,
        /// The memory.
        carrier: Carrier,
        /// It is part of a chain.
        chained: bool,
        /// See [`ShortOps`].
        short: bool,
    },
    /// A job.
    Job(Box<Job>),
    /// The sync of a group of writes: nothing.
    Flush,
    /// A transfer that waits until it can go on: nothing.
    Awaiting(Transfer),
}

impl FileOperation {
    /// Whether it takes one of the [`MOST_IN_FLIGHT`] places. What merely waits may do so for ever.
    fn takes_place(&self) -> bool {
        !matches!(self, Self::Awaiting(_))
    }

    fn is_lent(&self) -> bool {
        matches!(self, Self::Transfer { carrier: Carrier::Lent(_), .. })
    }

    pub(crate) fn is_short(&self) -> bool {
        match self {
            Self::Transfer { short, .. } => *short,
            Self::Job(job) => !job.chained && job.task.is_short(),
            Self::Flush | Self::Awaiting(_) => false,
        }
    }
}

/// Operations that a worker of the kernel does, mostly in some microseconds: less than it takes to fall asleep and be woken. Whoever waits for nothing
/// else had better keep looking for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShortOps {
    /// Started so far.
    pub started: u64,
    /// In flight.
    pub in_flight: u64,
}

impl ShortOps {
    /// Completed so far.
    #[must_use]
    pub fn done(self) -> u64 {
        self.started - self.in_flight
    }
}

/// What waits and what is used.
#[derive(Default)]
pub(crate) struct Files {
    /// Each entry is started at once: one step, or the linked steps of a chain.
    pub(crate) waiting: VecDeque<Batch>,
    /// Steps of a chain that is still being told.
    pub(crate) chain: Vec<Step>,
    pub(crate) bounces: BouncePool,
    pub(crate) in_flight: usize,
    pub(crate) short_ops: ShortOps,
    /// Writes in flight from memory of JavaScript's.
    pub(crate) lent: usize,
    /// The first that waits can only be started once something has come back.
    pub(crate) blocked: bool,
    /// The ring has failed, and what was in flight then has been settled.
    pub(crate) broken_off: bool,
    /// Batches that were done at once so far.
    batches: u32,
    /// What is known of file systems.
    pub(crate) mounts: Mounts,
}

/// What an operation counts as while it is in flight.
#[derive(Clone, Copy)]
struct Weight {
    takes_place: bool,
    short: bool,
    lent: bool,
}

impl From<&FileOperation> for Weight {
    fn from(owned: &FileOperation) -> Self {
        Self { takes_place: owned.takes_place(), short: owned.is_short(), lent: owned.is_lent() }
    }
}

/// One step or several, without an allocation for the one.
pub(crate) enum Batch {
    One(Step),
    Chain(Vec<Step>),
    /// The commits that wait on a file; see [`commit`].
    Group(HandleId),
}

impl Batch {
    /// Whether it is about a file.
    fn is_about(&self, id: HandleId) -> bool {
        match self {
            Self::One(step) => step.handle() == Some(id),
            Self::Chain(steps) => steps.iter().any(|step| step.handle() == Some(id)),
            Self::Group(group) => *group == id,
        }
    }
}

impl Files {
    /// Whether something that has not started is about a file.
    fn waits_for(&self, id: HandleId) -> bool {
        self.waiting.iter().any(|batch| batch.is_about(id)) || self.chain.iter().any(|step| step.handle() == Some(id))
    }

    fn next_batch(&mut self) -> u32 {
        self.batches = self.batches.wrapping_add(1);
        self.batches
    }

    /// Counts an operation that has started.
    fn started(&mut self, weight: Weight) {
        self.in_flight += usize::from(weight.takes_place);
        self.short_ops.started += u64::from(weight.short);
        self.short_ops.in_flight += u64::from(weight.short);
        self.lent += usize::from(weight.lent);
    }

    /// Takes it back.
    fn done(&mut self, owned: &FileOperation) {
        if owned.takes_place() {
            self.in_flight -= 1;
            self.blocked = false;
        }
        self.short_ops.in_flight -= u64::from(owned.is_short());
        self.lent -= usize::from(owned.is_lent());
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.blocked && !self.waiting.is_empty()
    }
}
