//! Files: what is known of an open one, and what waits for the kernel.
//!
//! **Memory.** Reads and writes point into JavaScript's memory, which may move or go whenever JavaScript runs. So the
//! first attempt says `RWF_NOWAIT`: the kernel copies or refuses while it takes the request (the page cache has the
//! bytes, or not). What it refuses goes again through a [bounce buffer](crate::bounce), and JavaScript's memory is
//! looked up anew when the bytes are there. `O_DIRECT` and whatever is no regular file go through bounce buffers from
//! the start. Long writes to the page cache are the exception; see [`carrier`].
//!
//! **Waiting.** What pipes, terminals and other devices are asked for may have to wait for ever. A read is made when a
//! poll has said that there is something; until then it holds no memory, and none of the [`MAX_IN_FLIGHT`] places. Both
//! reads and writes are left to a worker of the kernel (`IOSQE_ASYNC`): most of these files cannot be asked not to
//! wait, and would block this thread when it hands the request over. Where they can, since they were opened with
//! `O_NONBLOCK`, a system call is made at once, with `EAGAIN` for an answer as everywhere else.
//!
//! **Order.** Transfers at the file's own position are made one after the other, since the kernel does not lock the
//! position for requests of a ring; what has no positions is read in order and written in order, each independent of
//! the other. All others run at once, up to [`MAX_IN_FLIGHT`]; the rest waits here, where it costs the kernel nothing.
//! Writes that are followed by a sync [share it](commit).

mod abort;
pub mod call;
pub(crate) mod carrier;
pub(crate) mod commit;
pub(crate) mod files;
pub(crate) mod load;
pub(crate) mod look;
pub(crate) mod read_nowait;
pub(crate) mod settle;
pub(crate) mod start;
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
pub(crate) const MAX_IN_FLIGHT: usize = 1024;

/// Bytes of the longest write that is [short](ShortOps).
pub(crate) const MAX_SHORT_WRITE: u32 = 128 * 1024;

/// Most steps of one chain: the smallest submission queue takes it whole.
pub(crate) const MAX_CHAIN: usize = 32;

/// An open file.
pub struct File {
    kind: Kind,
    /// `O_NONBLOCK`.
    nonblocking: bool,
    /// `O_APPEND`.
    pub(crate) append: bool,
    /// Its file system is known to ask a server: the kernel may do so while it takes a request.
    remote: bool,
    /// Of its reads, and of its writes.
    nowait: [Nowait; 2],
    /// Transfers at the file's own position: of a pipe or device, its reads and its writes.
    lanes: [Lane; 2],
    pub(crate) commits: Commits,
    /// `ioprio` of its transfers.
    pub(crate) priority: u16,
    /// Who asked for the close.
    pub(crate) closer: Option<u32>,
}

/// What a file is, as far as its transfers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Regular file or block device, by way of the page cache: has a position, and gives all that is asked for unless
    /// it ends.
    Cached,
    /// The same with `O_DIRECT`.
    Direct,
    /// Pipe, terminal or other device.
    Device {
        /// Whether its reads, and its writes, may say where.
        positioned: [bool; 2],
    },
}

/// Whether transfers are tried with `RWF_NOWAIT` first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nowait {
    Tried,
    /// It would not help, or has no meaning.
    Pointless,
    /// The file system cannot do without waiting.
    Refused,
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
        let mode = opened.mode & libc::S_IFMT;
        let kind = match mode {
            // A pipe of packets says `O_DIRECT` too.
            libc::S_IFREG | libc::S_IFBLK if flags & libc::O_DIRECT != 0 => Kind::Direct,
            libc::S_IFREG | libc::S_IFBLK => Kind::Cached,
            _ => Kind::Device { positioned: look::placed(fd) },
        };
        let nowait = if mode == libc::S_IFREG && kind == Kind::Cached { Nowait::Tried } else { Nowait::Pointless };
        let file = Self {
            kind,
            nonblocking: flags & libc::O_NONBLOCK != 0,
            append: flags & libc::O_APPEND != 0,
            remote,
            nowait: [nowait; 2],
            lanes: <[Lane; 2]>::default(),
            commits: Commits::default(),
            priority: 0,
            closer: None,
        };
        Ok((file, opened))
    }

    /// Whether it has a position, and gives all that is asked for unless it ends.
    pub(crate) fn is_seekable(&self) -> bool {
        !matches!(self.kind, Kind::Device { .. })
    }

    /// Whether its transfers go past the page cache (`O_DIRECT`).
    pub(crate) fn is_direct(&self) -> bool {
        self.kind == Kind::Direct
    }

    /// Whether a transfer may say where.
    pub(crate) fn may_place(&self, direction: Direction) -> bool {
        match self.kind {
            Kind::Cached | Kind::Direct => true,
            Kind::Device { positioned } => positioned[direction as usize],
        }
    }

    /// Those that a transfer at the file's own position has to wait for.
    pub(crate) fn lane(&mut self, direction: Direction) -> &mut Lane {
        &mut self.lanes[if self.is_seekable() { 0 } else { direction as usize }]
    }

    /// Whether a read has to be told first that there is something to read: until then it would hold memory, or a
    /// worker.
    pub(crate) fn polls_first(&self, direction: Direction) -> bool {
        !self.is_seekable() && direction == Direction::Read
    }

    /// Whether a pipe or device says `EAGAIN` where it would have to wait. Whoever shares the open file may change
    /// that.
    pub(crate) fn never_waits(&mut self, fd: RawFd) -> bool {
        if self.nonblocking && !self.is_seekable() {
            // SAFETY: takes and returns integers only.
            self.nonblocking = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_NONBLOCK != 0;
        }
        self.nonblocking && !self.is_seekable()
    }

    /// Whether requests that may wait have to be left to a worker. For regular files the kernel sees to that, unless
    /// they can be polled as well (FUSE, procfs and sysfs) or say `O_NONBLOCK`. Writes to local files are left to it,
    /// which keeps them in order.
    pub(crate) fn needs_worker(&self, direction: Direction) -> bool {
        let reads_slowly = direction == Direction::Read && self.nowait[0] == Nowait::Refused;
        !self.is_seekable() || (!self.tries_nowait(direction) && (self.remote || self.nonblocking || reads_slowly))
    }

    /// Plays a pipe.
    #[cfg(test)]
    pub(crate) fn pretend_pipe(&mut self) {
        (self.kind, self.nowait) = (Kind::Device { positioned: [false; 2] }, [Nowait::Pointless; 2]);
    }

    /// Plays `O_DIRECT`, which not every file system of a test machine has.
    #[cfg(test)]
    pub(crate) fn pretend_direct(&mut self) {
        (self.kind, self.nowait) = (Kind::Direct, [Nowait::Pointless; 2]);
    }

    /// Whether a short step is followed by another.
    pub(crate) fn goes_on(&self, direction: Direction) -> bool {
        match self.kind {
            Kind::Cached => true,
            Kind::Direct => false,
            Kind::Device { .. } => direction == Direction::Write,
        }
    }

    /// Takes out what waits for the file's own position.
    pub(crate) fn waiting_at_cursor(&mut self) -> impl Iterator<Item = Transfer> {
        std::mem::take(&mut self.lanes).into_iter().flat_map(|lane| lane.queue)
    }

    /// Whether something waits, or will be told of later.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.lanes.iter().any(|lane| lane.busy) || self.commits.is_pending()
    }

    /// Whether something at the file's own position is on its way.
    pub(crate) fn cursor_is_busy(&self) -> bool {
        self.lanes[0].busy
    }

    /// Whether transfers are tried with `RWF_NOWAIT` first.
    pub(crate) fn tries_nowait(&self, direction: Direction) -> bool {
        self.nowait[direction as usize] == Nowait::Tried
    }

    /// The file system cannot do without waiting.
    pub(crate) fn refuse_nowait(&mut self, direction: Direction) {
        self.nowait[direction as usize] = Nowait::Refused;
    }
}
