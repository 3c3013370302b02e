//! The fake kernel: what the tests run the reactor on.
//!
//! It holds requests, plays the peers of every descriptor and does whatever a kernel may do: completes in any order
//! across requests, ends multishots, shortens sends, consumes a part of the submission queue, is short of memory,
//! overflows. All of it follows from a seed, and it is fair: faults have a budget, after which everything that can be
//! done is done.
//!
//! It also holds the reactor to its promises, and panics where one is broken: see the assertions.

mod behavior;
mod buffers;
mod datagrams;
mod descriptors;
mod files;
mod flights;
mod random;

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use crate::error::Errno;
use crate::kernel::{BufferGroup, Cqe, Direction, FileRequest, Kernel, Request, Wait};
use crate::user_data::{IGNORED, Kind, kind_of};

pub(crate) use behavior::Behavior;
use buffers::Buffers;
pub(crate) use datagrams::{Delivered, Inbound, Mailbox, Outbound};
pub(crate) use descriptors::{Descriptor, Descriptors, FarEnd};
use files::Chain;
pub(crate) use files::content;
pub(crate) use random::Random;

/// Deferred items that one enter runs, as the real kernel's local work list does.
const WORK_PER_ENTER: usize = 20;

/// A request that the kernel has taken and not finished.
struct Flight {
    request: Request,
    user_data: u64,
    /// What the memory of the request held when it was pushed.
    memory: Vec<u8>,
}

impl Flight {
    fn fd(&self) -> Option<RawFd> {
        match self.request {
            Request::Accept { fd }
            | Request::Connect { fd, .. }
            | Request::Receive { fd, .. }
            | Request::ReceiveDatagrams { fd, .. }
            | Request::ReceiveMessage { fd, .. }
            | Request::PollReadable { fd }
            | Request::PollWritable { fd, .. } => Some(fd),
            _ => None,
        }
    }

    /// The file that a request is about.
    fn file(&self) -> Option<RawFd> {
        match self.request {
            Request::File { request: FileRequest::Transfer { fd, .. } | FileRequest::Await { fd, .. }, .. } => Some(fd),
            Request::File { request: FileRequest::Op { operands, .. }, .. } => Some(operands.fd),
            _ => None,
        }
    }
}

/// The kernel's side, shared between the reactor's [`Fake`] and the test.
pub(crate) struct World {
    behavior: Behavior,
    random: Random,
    pub(crate) descriptors: Descriptors,
    pub(crate) buffers: Buffers,
    /// Of datagrams, once they are registered.
    pub(crate) datagram_buffers: Buffers,
    submission: VecDeque<Flight>,
    flights: Vec<Flight>,
    /// Done, but not yet in the completion queue: deferred work and overflow.
    pending: Vec<Cqe>,
    completion: VecDeque<Cqe>,
    /// `user_data` between push and the reaping of the terminal completion.
    live: HashSet<u64>,
    /// Whether timeouts end.
    pub(crate) time_passes: bool,
    /// Refuses every enter with this error,
    pub(crate) refusal: Option<i32>,
    /// once there were so many.
    pub(crate) refuses_after: usize,
    /// Whether receives can be bounded.
    pub(crate) bounds_receives: bool,
    /// Takes nothing while completions wait for room, until somebody reaps.
    pub(crate) busy_when_overflowed: bool,
    /// Calls of `enter`.
    pub(crate) enters: usize,
    /// Every request that was executed, for tests that count.
    pub(crate) executed: Vec<Request>,
    /// Bytes of the one file that is played.
    pub(crate) file_length: usize,
    /// Whoever waits for something to be read waits on.
    pub(crate) nothing_to_read: bool,
    /// What the next request to be taken is linked to.
    chain: Chain,
}

/// The fake as the reactor sees it.
pub(crate) struct Fake(Rc<RefCell<World>>);

impl Fake {
    pub(crate) fn new(behavior: Behavior) -> (Self, Rc<RefCell<World>>) {
        assert!(behavior.submission_entries >= 2 && behavior.completion_entries >= 1);
        let world = Rc::new(RefCell::new(World {
            behavior,
            random: Random::new(behavior.seed),
            descriptors: Descriptors::default(),
            buffers: Buffers::new(behavior.incremental),
            datagram_buffers: Buffers::new(false),
            submission: VecDeque::new(),
            flights: Vec::new(),
            pending: Vec::new(),
            completion: VecDeque::new(),
            live: HashSet::new(),
            time_passes: true,
            refusal: None,
            refuses_after: 0,
            bounds_receives: behavior.seed.is_multiple_of(2),
            busy_when_overflowed: behavior.fault_rate > 0 && behavior.seed.is_multiple_of(2),
            enters: 0,
            executed: Vec::new(),
            file_length: 0,
            nothing_to_read: false,
            chain: Chain::None,
        }));
        (Self(Rc::clone(&world)), world)
    }
}

impl Kernel for Fake {
    unsafe fn push(&mut self, request: &Request, user_data: u64) -> bool {
        let mut world = self.0.borrow_mut();
        if world.submission.len() == world.behavior.submission_entries {
            return false;
        }
        if user_data != IGNORED {
            assert!(world.live.insert(user_data), "user_data is used twice at once: {request:?}");
        }
        world.descriptors.pushed(request);
        if let Request::Close { fd } = *request {
            let mut known = world.flights.iter().chain(&world.submission);
            // The number of a linked one is looked up when it is started: by then it may be another file's.
            assert!(known.all(|flight| flight.file() != Some(fd)), "closed before requests on it have ended");
        }
        let memory = snapshot(request);
        world.submission.push_back(Flight { request: *request, user_data, memory });
        true
    }

    fn enter(&mut self, wait: Wait) -> Result<(), Errno> {
        let mut world = self.0.borrow_mut();
        world.enters += 1;
        if let Some(errno) = world.refusal.filter(|_| world.enters > world.refuses_after) {
            return Err(Errno(errno));
        }
        let full = world.completion.len() >= world.behavior.completion_entries;
        if full && !world.pending.is_empty() && world.busy_when_overflowed {
            return Err(Errno(libc::EBUSY));
        }
        if world.fault() {
            return Err(Errno([libc::EINTR, libc::ENOMEM, libc::EAGAIN][world.random.below(3)]));
        }
        let mut take = world.submission.len();
        if take > 0 && world.fault() {
            take = world.random.below(take);
        }
        for _ in 0..take {
            let flight = world.submission.pop_front().expect("counted");
            world.execute(flight);
        }
        // A chain ends with the call that takes it: what comes with the next one does not wait for it.
        world.chain = Chain::None;
        world.work();
        world.post_pending();
        if wait != Wait::No && world.completion.is_empty() {
            return Err(Errno(libc::ETIME));
        }
        Ok(())
    }

    fn bounds_receives(&self) -> bool {
        self.0.borrow().bounds_receives
    }

    fn unsubmitted(&self) -> usize {
        self.0.borrow().submission.len()
    }

    fn room(&self) -> usize {
        self.0.borrow().behavior.submission_entries - self.unsubmitted()
    }

    fn reap(&mut self, into: &mut Vec<Cqe>, limit: usize) {
        let mut world = self.0.borrow_mut();
        for _ in 0..limit.min(world.completion.len()) {
            let completion = world.completion.pop_front().expect("counted");
            if !completion.more() {
                world.live.remove(&completion.user_data);
            }
            into.push(completion);
        }
    }

    unsafe fn read_nowait(&mut self, fd: RawFd, data: *mut u8, length: u32, position: i64) -> Result<u32, Errno> {
        let request = FileRequest::read_nowait(fd, data, length, position);
        self.0.borrow_mut().play_nowait(&request)
    }

    unsafe fn transfer_nowait(&mut self, _: RawFd, _: Direction, _: *mut u8, _: u32, _: i64) -> Result<u32, Errno> {
        panic!("no file here has `O_NONBLOCK`")
    }

    unsafe fn send_nowait(&mut self, fd: RawFd, slices: &[libc::iovec]) -> Result<usize, Errno> {
        let slices: Vec<_> = slices.iter().map(|slice| (slice.iov_base.cast_const().cast(), slice.iov_len)).collect();
        let result = self.0.borrow_mut().send(fd, &slices);
        usize::try_from(result).map_err(|_| Errno(-result))
    }

    unsafe fn receive_nowait(&mut self, fd: RawFd, room: libc::iovec) -> Result<usize, Errno> {
        // SAFETY: the caller vouches for the memory.
        let room = unsafe { std::slice::from_raw_parts_mut(room.iov_base.cast::<u8>(), room.iov_len) };
        self.0.borrow_mut().receive(fd, room)
    }

    unsafe fn receive_message_nowait(&mut self, fd: RawFd, message: &mut libc::msghdr) -> Result<usize, Errno> {
        // SAFETY: the caller vouches for the memory.
        unsafe { self.0.borrow_mut().receive_datagram(fd, message) }
    }

    /// A connect fails by its completion alone here.
    fn pending_error(&mut self, _fd: RawFd) -> i32 {
        0
    }

    fn close(&mut self, descriptor: OwnedFd) {
        let mut world = self.0.borrow_mut();
        let fd = descriptor.as_raw_fd();
        let left = world.flights.iter().chain(&world.submission).find(|flight| flight.fd() == Some(fd));
        assert!(left.is_none(), "closed under a request: {:?}", left.map(|flight| flight.request));
        world.descriptors.close(&descriptor);
    }

    fn ready(&self) -> bool {
        let world = self.0.borrow();
        !world.completion.is_empty() || !world.pending.is_empty() || world.flights.iter().any(|it| world.can_go_on(it))
    }

    unsafe fn provide(&mut self, group: BufferGroup, address: *mut u8, length: u32, buffer: u16) {
        self.0.borrow_mut().group(group).provide(address, length, buffer);
    }

    fn publish(&mut self, group: BufferGroup) {
        self.0.borrow_mut().group(group).publish();
    }
}

/// What no kernel turns round: completions of one request, the slices of one buffer, and answers to sends, which it has
/// when it takes them, with the news of polls, which are deferred work.
fn ordered(first: &Cqe, second: &Cqe) -> bool {
    let (send, poll) = (Kind::Send, Kind::PollWritable);
    kind_of(first.user_data) == send as u64 && kind_of(second.user_data) == poll as u64
        || first.user_data == second.user_data
        || first.buffer().is_some() && first.buffer() == second.buffer()
}

/// The memory that must hold until the terminal completion.
fn snapshot(request: &Request) -> Vec<u8> {
    let (start, length) = match *request {
        Request::Connect { address, length, .. } => (address.cast::<u8>(), length as usize),
        Request::Timeout { after } => (after.cast::<u8>(), size_of::<io_uring::types::Timespec>()),
        Request::ReceiveDatagrams { message, .. } => (message.cast::<u8>(), size_of::<libc::msghdr>()),
        _ => return Vec::new(),
    };
    // SAFETY: the caller of `Kernel::push` promises that it lives; that is what is being tested (AddressSanitizer sees
    // to it).
    unsafe { std::slice::from_raw_parts(start, length) }.to_vec()
}

impl World {
    fn group(&mut self, group: BufferGroup) -> &mut Buffers {
        match group {
            BufferGroup::Bytes => &mut self.buffers,
            BufferGroup::Datagrams => &mut self.datagram_buffers,
        }
    }

    /// Whether to inject a fault here.
    fn fault(&mut self) -> bool {
        let now = self.behavior.budget > 0 && self.random.chance(self.behavior.fault_rate);
        if now {
            self.behavior.budget -= 1;
        }
        now
    }

    /// Requests taken and not finished, and completions not yet collected.
    pub(crate) fn unfinished(&self) -> usize {
        self.live.len()
    }

    /// Puts a completion nobody asked for into the queue.
    pub(crate) fn forge(&mut self, user_data: u64, result: i32, flags: u32) {
        self.completion.push_back(Cqe { user_data, result, flags });
    }

    fn post(&mut self, user_data: u64, result: i32, flags: u32) {
        self.pending.push(Cqe { user_data, result, flags });
    }

    /// Ends a flight.
    fn end(&mut self, index: usize, result: i32, flags: u32) {
        let flight = self.flights.swap_remove(index);
        assert_eq!(snapshot(&flight.request), flight.memory, "memory changed in flight: {:?}", flight.request);
        self.post(flight.user_data, result, flags);
    }

    /// Moves what is done into the completion queue, as far as there is room: in any order, but for what [`ordered`]
    /// says.
    fn post_pending(&mut self) {
        while !self.pending.is_empty() && self.completion.len() < self.behavior.completion_entries {
            if self.fault() {
                break;
            }
            let picked = if self.behavior.fault_rate > 0 { self.random.below(self.pending.len()) } else { 0 };
            let mut picked = picked;
            while let Some(earlier) = (0..picked).find(|&it| ordered(&self.pending[it], &self.pending[picked])) {
                picked = earlier;
            }
            self.completion.push_back(self.pending.remove(picked));
        }
    }
}
