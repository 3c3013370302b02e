//! Files: what is known of an open one, and what waits for the kernel.
//!
//! **Memory.** Reads and writes point into JavaScript's memory, which may move or go whenever JavaScript runs. So the first attempt says
//! `RWF_NOWAIT`: the kernel copies or refuses while it takes the request (the page cache has the bytes, or not). What it refuses goes again
//! through a [bounce buffer](crate::bounce), and JavaScript's memory is looked up anew when the bytes are there. `O_DIRECT` and whatever is no
//! regular file go through bounce buffers from the start. Long writes to the page cache are the exception; see [`carrier`].
//!
//! **Order.** Transfers at the file's own position are made one after the other, since the kernel does not lock the position for requests of a
//! ring. All others run at once, up to [`MOST_IN_FLIGHT`]; the rest waits here, where it costs the kernel nothing. Writes that are followed by a sync
//! [share it](commit).

pub mod carrier;
pub mod commit;
pub(crate) mod engine;
mod failing;
pub mod job;
mod now;
pub mod request;
pub mod transfer;

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use crate::bounce::BouncePool;
use crate::error::Errno;
use crate::handle::HandleId;
use carrier::Carrier;
use commit::Commits;
use job::Job;
use transfer::{Direction, Transfer};

/// Most file operations that the kernel has at once.
pub const MOST_IN_FLIGHT: usize = 1024;

/// Bytes of the longest write that is [brief](Brief).
pub(crate) const LONGEST_BRIEF: u32 = 128 * 1024;

/// Most steps of one chain: the smallest submission queue takes it whole.
pub const LONGEST_CHAIN: usize = 32;

/// An open file.
pub struct File {
    /// Regular file or block device: has a position, and gives all that is asked for unless it ends.
    seekable: bool,
    direct: bool,
    append: bool,
    /// Whether `RWF_NOWAIT` is worth trying.
    reads_now: bool,
    writes_now: bool,
    /// A transfer at the file's own position is under way.
    cursor_busy: bool,
    /// Those behind it.
    cursor_queue: VecDeque<Transfer>,
    pub(crate) commits: Commits,
    /// `ioprio` of its transfers.
    pub(crate) priority: u16,
    /// Who asked for the close.
    pub(crate) closer: Option<u32>,
}

/// What is told of a file when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// `st_mode`.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
}

impl File {
    /// Looks at a descriptor.
    ///
    /// # Errors
    /// `fstat(2)`'s.
    pub fn of(fd: RawFd) -> Result<(Self, Opened), Errno> {
        let mut status = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the structure is written by the call and read only when it succeeded.
        let status = unsafe {
            Errno::check(libc::fstat(fd, status.as_mut_ptr()))?;
            status.assume_init()
        };
        // SAFETY: takes and returns integers only.
        let flags = Errno::check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
        let kind = status.st_mode & libc::S_IFMT;
        let seekable = kind == libc::S_IFREG || kind == libc::S_IFBLK;
        let direct = flags & libc::O_DIRECT != 0;
        let now = kind == libc::S_IFREG && !direct;
        let file = Self {
            seekable,
            direct,
            append: flags & libc::O_APPEND != 0,
            reads_now: now,
            writes_now: now,
            cursor_busy: false,
            cursor_queue: VecDeque::new(),
            commits: Commits::default(),
            priority: 0,
            closer: None,
        };
        Ok((file, Opened { mode: status.st_mode, size: status.st_size.cast_unsigned() }))
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
        std::mem::take(&mut self.cursor_queue).into_iter()
    }

    fn tries_now(&self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.reads_now,
            Direction::Write => self.writes_now,
        }
    }

    /// The file system cannot do without waiting.
    fn never_now(&mut self, direction: Direction) {
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
}

/// What the kernel may touch on behalf of a file operation.
pub enum OwnedByFile {
    /// A transfer, or one step of it.
    Transfer {
        /// What is left to be moved, this step included.
        transfer: Transfer,
        /// The memory.
        carrier: Carrier,
        /// It is part of a chain.
        chained: bool,
        /// See [`Brief`].
        brief: bool,
    },
    /// A job.
    Job(Box<Job>),
    /// The sync of a group of writes: nothing.
    Flush,
}

impl OwnedByFile {
    fn is_lent(&self) -> bool {
        matches!(self, Self::Transfer { carrier: Carrier::Lent(_), .. })
    }

    pub(crate) fn is_brief(&self) -> bool {
        match self {
            Self::Transfer { brief, .. } => *brief,
            Self::Job(job) => !job.chained && job.task.is_brief(),
            Self::Flush => false,
        }
    }
}

/// Operations that a worker of the kernel does, mostly in some microseconds: less than it takes to fall asleep and be woken. Whoever waits for nothing
/// else had better keep looking for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// Started so far.
    pub started: u64,
    /// In flight.
    pub under_way: u64,
}

impl Brief {
    /// Completed so far.
    #[must_use]
    pub fn done(self) -> u64 {
        self.started - self.under_way
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
    pub(crate) brief: Brief,
    /// Writes in flight from memory of JavaScript's.
    pub(crate) lent: usize,
    /// The first that waits can only be started once something has come back.
    pub(crate) blocked: bool,
    /// The ring has failed, and what was in flight then has been settled.
    pub(crate) broken_off: bool,
    /// Batches that were done at once so far.
    batches: u32,
}

/// One step or several, without an allocation for the one.
pub(crate) enum Batch {
    One(Step),
    Chain(Vec<Step>),
    /// The commits that wait on a file; see [`commit`].
    Group(HandleId),
}

impl Files {
    fn next_batch(&mut self) -> u32 {
        self.batches = self.batches.wrapping_add(1);
        self.batches
    }

    /// Counts an operation that has started.
    fn started(&mut self, brief: bool, lent: bool) {
        self.in_flight += 1;
        self.brief.started += u64::from(brief);
        self.brief.under_way += u64::from(brief);
        self.lent += usize::from(lent);
    }

    /// Takes it back.
    fn done(&mut self, owned: &OwnedByFile) {
        self.in_flight -= 1;
        self.blocked = false;
        self.brief.under_way -= u64::from(owned.is_brief());
        self.lent -= usize::from(owned.is_lent());
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.blocked && !self.waiting.is_empty()
    }
}
