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

pub(crate) mod carrier;
pub(crate) mod commit;
mod failing;
pub(crate) mod files;
pub mod job;
pub(crate) mod load;
pub(crate) mod look;
pub(crate) mod settle;
pub mod transfer;

use std::collections::VecDeque;
use std::os::fd::RawFd;

use crate::error::Errno;
use crate::event::Opened;
use crate::kernel::Direction;
use commit::Commits;
use look::Mounts;

pub use files::ShortOps;
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
    pub(crate) seekable: bool,
    /// `O_NONBLOCK`.
    pub(crate) nonblocking: bool,
    /// Its file system is known to ask a server: the kernel may do so while it takes a request.
    pub(crate) remote: bool,
    /// `RWF_NOWAIT` was refused for good: reads, writes.
    pub(crate) refuses_now: [bool; 2],
    /// Whether reads and writes may say where.
    pub(crate) placed: [bool; 2],
    pub(crate) direct: bool,
    pub(crate) append: bool,
    /// Whether `RWF_NOWAIT` is worth trying.
    pub(crate) reads_now: bool,
    pub(crate) writes_now: bool,
    /// Transfers at the file's own position: of a pipe or device, its reads and its writes.
    pub(crate) lanes: [Lane; 2],
    pub(crate) commits: Commits,
    /// `ioprio` of its transfers.
    pub(crate) priority: u16,
    /// Who asked for the close.
    pub(crate) closer: Option<u32>,
}

/// Transfers that are made one after the other.
#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) busy: bool,
    pub(crate) queue: VecDeque<Transfer>,
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
    pub(crate) fn may_place(&self, direction: Direction) -> bool {
        self.placed[direction as usize]
    }

    /// Those that a transfer at the file's own position has to wait for.
    pub(crate) fn lane(&mut self, direction: Direction) -> &mut Lane {
        &mut self.lanes[if self.seekable { 0 } else { direction as usize }]
    }

    /// Whether a read has to be told first that there is something to read: until then it would hold memory, or a worker.
    pub(crate) fn polls_first(&self, direction: Direction) -> bool {
        !self.seekable && direction == Direction::Read
    }

    /// Whether a pipe or device says `EAGAIN` where it would have to wait. Whoever shares the open file may change that.
    pub(crate) fn never_waits(&mut self, fd: RawFd) -> bool {
        if self.nonblocking && !self.seekable {
            // SAFETY: takes and returns integers only.
            self.nonblocking = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_NONBLOCK != 0;
        }
        self.nonblocking && !self.seekable
    }

    /// Whether requests that may wait have to be left to a worker. For regular files the kernel sees to that, unless they can be polled as well (FUSE, procfs
    /// and sysfs) or say `O_NONBLOCK`. Writes to local files are left to it, which keeps them in order.
    pub(crate) fn needs_worker(&self, direction: Direction) -> bool {
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
    pub(crate) fn goes_on(&self, direction: Direction) -> bool {
        !self.direct && (self.seekable || direction == Direction::Write)
    }

    /// Takes out what waits for the file's own position.
    pub(crate) fn waiting_at_cursor(&mut self) -> impl Iterator<Item = Transfer> {
        std::mem::take(&mut self.lanes).into_iter().flat_map(|lane| lane.queue)
    }

    /// Whether something waits, or will be told of later.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.lanes.iter().any(|lane| lane.busy) || self.commits.is_pending()
    }

    pub(crate) fn tries_now(&self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.reads_now,
            Direction::Write => self.writes_now,
        }
    }

    /// The file system cannot do without waiting.
    pub(crate) fn never_now(&mut self, direction: Direction) {
        self.refuses_now[direction as usize] = true;
        match direction {
            Direction::Read => self.reads_now = false,
            Direction::Write => self.writes_now = false,
        }
    }
}
