//! The real kernel: an io_uring with its rings of provided buffers.
//!
//! The submission and completion queues are the `io-uring` crate's, the [buffer rings](crate::buffer_ring) are ours.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{Ordering, fence};

use io_uring::IoUring;
use io_uring::types::{SubmitArgs, Timespec};

use crate::buffer_ring::{BufferRing, PBUF_RING_INC};
use crate::config::{self, Config};
use crate::error::{Errno, Error, Reason};
use crate::eventfd::EventFd;
use crate::features::Features;
use crate::kernel::{BufferGroup, Cqe, Direction, Kernel, Request, Wait};
use crate::memory::Mapping;
use crate::options::{self, SocketOption};
use crate::receive_buffers::BUFFERS;
use crate::sqe;
use crate::support::{self, Findings};
use crate::watch::Watch;

/// `IORING_ENTER_GETEVENTS`.
const ENTER_GETEVENTS: u32 = 1;

/// Whether the eventfd may be muted at all.
///
/// Whoever unmutes it looks for work afterwards, and whoever brings work (`io_req_local_work_add` in the kernel) says
/// so in the ring's flags and then looks whether the eventfd is muted. That loses nothing if both write before they
/// read. We have a fence for it; the kernel has none between the two (seen in 6.18). It sets its flag by an atomic
/// operation, which on x86 is a full barrier, and elsewhere is not: there both might read what was before, and the
/// thread sleep on work. So there each completion signals, and costs an idle turn at most.
const MAY_MUTE: bool = cfg!(any(target_arch = "x86", target_arch = "x86_64"));

/// An io_uring, its eventfd and its rings of provided buffers.
pub struct Ring {
    // Dropped first: closing the ring ends the kernel's use of the memory below.
    ring: IoUring,
    eventfd: EventFd,
    bytes: BufferRing,
    datagrams: BufferRing,
    bounds_receives: bool,
    watch: Watch,
}

/// Registers a ring of `count` buffers, a power of two.
///
/// # Safety
/// The result must outlive the io_uring.
unsafe fn register_buffers(ring: &IoUring, group: BufferGroup, count: u16, flags: u16) -> Result<BufferRing, Error> {
    let memory = Mapping::new(BufferRing::size(count)).map_err(|errno| Reason::OutOfMemory.because(errno))?;
    // SAFETY: the caller's promise.
    unsafe { BufferRing::register(ring, group as u16, memory, count, flags) }
        .map_err(|errno| Reason::of_register(errno, "IORING_REGISTER_PBUF_RING"))
}

impl Ring {
    /// Sets a ring up, with room for the buffers of `config` and for those of datagrams, and registers an eventfd that
    /// is signalled when something is ready. `incremental` asks for incremental buffer consumption, which must have
    /// been found to work.
    ///
    /// Memory for all of it is taken now, so that nothing fails later for want of it.
    ///
    /// # Errors
    /// See [`config::set_up`].
    pub fn new(config: &Config, incremental: bool) -> Result<Self, Error> {
        config::set_up_with(config, |ring, _obtained| Self::equip(ring, config, incremental, false))
    }

    /// The same where nothing is known of the kernel: the ring is tried out first, as [`support::detect`] does with one
    /// of its own, and made for [`Config::fitted`] of `config`.
    ///
    /// # Errors
    /// Those of [`Ring::new`] and of [`support::detect`].
    pub fn tried_out(config: &Config) -> Result<(Self, Features), Error> {
        let equip = |ring, features: &Features| {
            let Features { incremental_buffers, bounded_receive, .. } = *features;
            Self::equip(ring, &config.fitted(features), incremental_buffers, bounded_receive)
        };
        let (ring, features) = config::set_up_with(config, |mut ring, obtained| {
            let Findings { features, is_clean } = support::examine(&mut ring, obtained)?;
            // Not with a second ring: where memory is short there is no room for two, and that of a closed one is given
            // back late.
            let fits = is_clean && config.fitted(&features).defer_work == config.defer_work;
            Ok((fits.then(|| equip(ring, &features)).transpose()?, features))
        })?;
        let fresh = || config::set_up_with(&config.fitted(&features), |ring, _obtained| equip(ring, &features));
        Ok((ring.map_or_else(fresh, Ok)?, features))
    }

    fn equip(ring: IoUring, config: &Config, incremental: bool, bounds_receives: bool) -> Result<Self, Error> {
        let eventfd = EventFd::new().map_err(|errno| match errno {
            Errno::EMFILE | Errno::ENFILE => Reason::OutOfDescriptors.because(errno),
            Errno::ENOMEM => Reason::OutOfMemory.because(errno),
            _ => Error::Os { syscall: "eventfd2", errno },
        })?;
        ring.submitter()
            .register_eventfd(eventfd.as_raw_fd())
            .map_err(|error| Reason::of_register(error.into(), "IORING_REGISTER_EVENTFD"))?;
        let count = config.recv_buffers.next_power_of_two();
        let flags = if incremental { PBUF_RING_INC } else { 0 };
        // SAFETY: it outlives the io_uring: fields are dropped in order.
        let bytes = unsafe { register_buffers(&ring, BufferGroup::Bytes, count, flags) }?;
        // SAFETY: the same.
        match unsafe { register_buffers(&ring, BufferGroup::Datagrams, BUFFERS, 0) } {
            Ok(datagrams) => Ok(Self { ring, eventfd, bytes, datagrams, bounds_receives, watch: Watch::default() }),
            Err(error) => {
                // Before what is registered with it.
                drop(ring);
                Err(error)
            }
        }
    }

    /// Readable when something is ready that the reactor has not yet been told of.
    #[must_use]
    pub fn eventfd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Entries of the submission and of the completion queue.
    #[must_use]
    pub fn entries(&self) -> [u32; 2] {
        let parameters = self.ring.params();
        [parameters.sq_entries(), parameters.cq_entries()]
    }

    /// Limits the kernel's worker threads of this ring: `[bounded, unbounded]`, 0 leaves a limit as it is. Returns the
    /// limits from before.
    ///
    /// # Errors
    /// `io_uring_register(2)`'s.
    #[doc(alias = "IORING_REGISTER_IOWQ_MAX_WORKERS")]
    pub fn limit_workers(&self, mut limits: [u32; 2]) -> Result<[u32; 2], Errno> {
        self.ring.submitter().register_iowq_max_workers(&mut limits)?;
        Ok(limits)
    }

    /// Who watches what goes in and comes out.
    pub fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }

    /// Makes the eventfd readable: there is work that no completion will announce.
    pub fn signal(&self) {
        self.eventfd.signal();
    }

    /// Takes the eventfd's signal back.
    pub fn acknowledge(&self) {
        self.eventfd.acknowledge();
    }

    /// Stops the eventfd from being signalled: while the reactor is at work, what it causes itself would wake it for
    /// nothing. On processors where a signal might get lost, nothing.
    pub fn mute(&self) {
        if !MAY_MUTE {
            return;
        }
        // SAFETY: the completion queue is not borrowed elsewhere: the reactor is single-threaded and no call above us
        // is inside it.
        unsafe { self.ring.completion_shared() }.disable_eventfd();
    }

    /// Lets the eventfd be signalled again. Whoever calls it must look for work once more afterwards.
    pub fn unmute(&self) {
        // SAFETY: as in `mute`.
        unsafe { self.ring.completion_shared() }.enable_eventfd();
        // What the caller looks at next must not be read before the flag is written: the kernel does the two in the
        // opposite order.
        fence(Ordering::SeqCst);
    }
}

impl Kernel for Ring {
    fn bounds_receives(&self) -> bool {
        self.bounds_receives
    }

    unsafe fn push(&mut self, request: &Request, user_data: u64) -> bool {
        let entry = sqe::entry(request).user_data(user_data);
        let mut submission = self.ring.submission();
        // SAFETY: the caller vouches for all that the request points at, for as long as the kernel needs it.
        let pushed = unsafe { submission.push(&entry) }.is_ok();
        if pushed {
            self.watch.pushed(&entry, user_data);
        }
        pushed
    }

    fn enter(&mut self, wait: Wait) -> Result<(), Errno> {
        let to_submit = u32::try_from(self.unsubmitted()).expect("a submission queue has 32-bit indices");
        let submitter = self.ring.submitter();
        let outcome = match wait {
            // Not `submit()`: that sends no GETEVENTS, without which deferred work is never run.
            // SAFETY: no argument is passed, and the entries were vouched for when they were pushed.
            Wait::No => unsafe { submitter.enter::<libc::sigset_t>(to_submit, 0, ENTER_GETEVENTS, None) },
            Wait::Until(patience) => {
                let timespec = Timespec::from(patience);
                submitter.submit_with_args(1, &SubmitArgs::new().timespec(&timespec))
            }
        };
        let outcome = outcome.map(drop).map_err(Errno::from);
        self.watch.entered(to_submit, outcome);
        outcome
    }

    fn unsubmitted(&self) -> usize {
        // SAFETY: as in `mute`, for the submission queue.
        unsafe { self.ring.submission_shared() }.len()
    }

    fn room(&self) -> usize {
        // SAFETY: as in `mute`, for the submission queue.
        let submission = unsafe { self.ring.submission_shared() };
        submission.capacity() - submission.len()
    }

    fn reap(&mut self, into: &mut Vec<Cqe>, limit: usize) {
        let before = into.len();
        let entries = self.ring.completion().take(limit);
        into.extend(entries.map(|entry| Cqe {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        }));
        self.watch.reaped(&into[before..]);
    }

    unsafe fn read_nowait(&mut self, fd: RawFd, data: *mut u8, length: u32, position: i64) -> Result<u32, Errno> {
        let vector = libc::iovec { iov_base: data.cast(), iov_len: length as usize };
        // Not the C library's function, which old versions of musl lack. The upper half of the position is there for
        // 32-bit processors.
        // SAFETY: the vector lives for the length of the call, and the caller vouches for what it points at.
        let count = unsafe {
            libc::syscall(libc::SYS_preadv2, fd, &raw const vector, 1_usize, position, 0_usize, libc::RWF_NOWAIT)
        };
        u32::try_from(count).map_err(|_| Errno::last_os_error())
    }

    unsafe fn transfer_nowait(
        &mut self,
        fd: RawFd,
        direction: Direction,
        data: *mut u8,
        length: u32,
        position: i64,
    ) -> Result<u32, Errno> {
        let (data, length) = (data.cast(), length as usize);
        // SAFETY: the caller vouches for the memory.
        let count = unsafe {
            match (direction, position < 0) {
                (Direction::Read, true) => libc::read(fd, data, length),
                (Direction::Read, false) => libc::pread(fd, data, length, position),
                (Direction::Write, true) => libc::write(fd, data, length),
                (Direction::Write, false) => libc::pwrite(fd, data, length, position),
            }
        };
        u32::try_from(count).map_err(|_| Errno::last_os_error())
    }

    unsafe fn send_nowait(&mut self, fd: RawFd, slices: &[libc::iovec]) -> Result<usize, Errno> {
        // SAFETY: a header may be all zero.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = slices.as_ptr().cast_mut();
        message.msg_iovlen = slices.len() as _;
        // SAFETY: the caller vouches for the memory; `sendmsg` writes to none of it.
        let count = unsafe { libc::sendmsg(fd, &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        usize::try_from(count).map_err(|_| Errno::last_os_error())
    }

    unsafe fn receive_nowait(&mut self, fd: RawFd, room: libc::iovec) -> Result<usize, Errno> {
        // SAFETY: the caller vouches for the memory.
        let count = unsafe { libc::recv(fd, room.iov_base, room.iov_len, libc::MSG_DONTWAIT) };
        usize::try_from(count).map_err(|_| Errno::last_os_error())
    }

    unsafe fn receive_message_nowait(&mut self, fd: RawFd, message: &mut libc::msghdr) -> Result<usize, Errno> {
        // SAFETY: the caller vouches for the memory.
        let count = unsafe { libc::recvmsg(fd, message, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) };
        usize::try_from(count).map_err(|_| Errno::last_os_error())
    }

    fn pending_error(&mut self, fd: RawFd) -> i32 {
        options::get(fd, SocketOption::Error).map_or_else(Errno::negated, std::ops::Neg::neg)
    }

    fn ready(&self) -> bool {
        // SAFETY: as in `mute`.
        let (submission, completion) = unsafe { (self.ring.submission_shared(), self.ring.completion_shared()) };
        !completion.is_empty() || submission.taskrun() || submission.cq_overflow()
    }

    unsafe fn provide(&mut self, group: BufferGroup, address: *mut u8, length: u32, buffer: u16) {
        let buffers = match group {
            BufferGroup::Bytes => &mut self.bytes,
            BufferGroup::Datagrams => &mut self.datagrams,
        };
        // SAFETY: the caller's promise.
        unsafe { buffers.provide(address, length, buffer) };
    }

    fn publish(&mut self, group: BufferGroup) {
        match group {
            BufferGroup::Bytes => self.bytes.publish(),
            BufferGroup::Datagrams => self.datagrams.publish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_signals_unless_that_is_muted_and_is_seen_afterwards_either_way() {
        let mut ring = Ring::new(&Config::default(), false).expect("a ring");
        for mute in [false, true] {
            if mute {
                ring.mute();
            }
            // SAFETY: takes and returns integers only.
            let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
            // SAFETY: the request points at nothing.
            assert!(unsafe { ring.push(&Request::Close { fd }, 1) });
            ring.enter(Wait::No).expect("a close");
            let signalled = ring.eventfd.acknowledge();
            assert_eq!(signalled, !(mute && MAY_MUTE), "muted: {mute}");
            ring.unmute();
            assert!(ring.ready());
            let mut completions = Vec::new();
            ring.reap(&mut completions, 2);
            assert_eq!(completions.len(), 1);
        }
    }
}
