//! The buffers that the kernel receives into, and the handles that wait for one.
//!
//! There are two groups. Bytes of streams lie one behind another. Datagrams, and messages with descriptors, have a
//! buffer each, which begins with a header of the kernel's (`struct io_uring_recvmsg_out`), the sender's name and
//! control data.

use std::collections::VecDeque;

use crate::buffer_pool::{BufferPool, Slice};
use crate::error::Errno;
use crate::handle_id::HandleId;
use crate::kernel::{BufferGroup, Cqe, Kernel};

/// Receive buffers that the datagram sockets of a reactor share: a power of two.
pub const BUFFERS: u16 = 256;

/// Room for the largest payload that there can be.
const PAYLOAD: usize = 65535;

/// The kernel's header in front of a received datagram: `struct io_uring_recvmsg_out`.
pub(crate) const HEADER: usize = 16;

/// Room for the sender's name where it is an IP address.
pub const INTERNET_NAME: usize = 32;

/// Room for the sender's name where it is a path.
pub const UNIX_NAME: usize = 112;

/// Room for control data where it is asked for: enough for all that [`control`](crate::control) knows, at once.
pub(crate) const CONTROL: usize = 256;

/// The same on a UNIX socket, where there are a timestamp and credentials, of 32 bytes each. Descriptors come last, and
/// nobody wants them: in what the others leave there is room for four at most, and the kernel closes the rest itself.
pub const UNIX_CONTROL: usize = 64;

/// Size of a buffer, a multiple of the cache line's.
const BUFFER_SIZE: usize = (HEADER + UNIX_NAME + CONTROL + PAYLOAD).next_multiple_of(64);

/// One group of them.
pub(crate) struct ReceiveBuffers {
    pool: BufferPool,
    /// Found no buffer, in the order in which they did. None twice: each is asked once before it may come again.
    starved: VecDeque<HandleId>,
    /// Found no spare one, likewise.
    lacking: VecDeque<HandleId>,
    /// The kernel has got buffers back since the starved were last asked.
    returned: bool,
}

impl ReceiveBuffers {
    /// Hands the buffers of a pool to the kernel.
    pub(crate) fn new(mut pool: BufferPool, kernel: &mut impl Kernel) -> Self {
        pool.replenish(kernel);
        kernel.publish(pool.group());
        Self { pool, starved: VecDeque::new(), lacking: VecDeque::new(), returned: false }
    }

    /// Maps `count` buffers for datagrams and messages, at most [`BUFFERS`], and hands them to the kernel.
    ///
    /// # Errors
    /// `ENOMEM` when the address space is full.
    pub(crate) fn for_datagrams(kernel: &mut impl Kernel, count: u16) -> Result<Self, Errno> {
        let size = u32::try_from(BUFFER_SIZE).expect("a buffer is small");
        Ok(Self::new(BufferPool::of_group(BufferGroup::Datagrams, count, size)?, kernel))
    }

    pub(crate) fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// How many handles wait for a buffer.
    pub(crate) fn starved(&self) -> usize {
        self.starved.len() + self.lacking.len()
    }

    /// Whether any of those may be served.
    pub(crate) fn has_work(&self) -> bool {
        self.returned
            || (!self.starved.is_empty() && self.pool.can_serve())
            || (!self.lacking.is_empty() && self.pool.spare() > 0)
    }

    /// Whether the kernel has nowhere to receive into, so that it need not be asked.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.pool.provided() == 0
    }

    /// What a completion has brought, which is lent from now on. `None` where it has brought nothing, or makes no
    /// sense.
    pub(crate) fn take(&mut self, completion: &Cqe) -> Option<Slice> {
        let length = u32::try_from(completion.result).unwrap_or(0);
        self.pool.take(completion.buffer()?, length, completion.buffer_more())
    }

    /// A buffer that the kernel does not have, to be filled by a system call; it is lent from now on. `None` where all
    /// are lent.
    pub(crate) fn take_spare(&mut self) -> Option<(Slice, *mut u8)> {
        self.pool.take_spare()
    }

    /// There was no spare one for that handle.
    pub(crate) fn lack(&mut self, handle: HandleId) {
        self.lacking.push_back(handle);
    }

    /// Takes a slice back.
    pub(crate) fn give_back(&mut self, buffer: u16, kernel: &mut impl Kernel) {
        self.returned |= self.pool.give_back(buffer, kernel);
    }

    /// A receive has found no buffer (`ENOBUFS`). Old news, when the kernel has got some since: nobody else may ever
    /// give one back.
    pub(crate) fn starve(&mut self, handle: HandleId) {
        self.starved.push_back(handle);
        self.returned |= self.pool.starve();
    }

    /// Those that are to receive anew, first come, first served: as many as the kernel has buffers. Were all to ask it,
    /// most would starve again. The others follow with the next turn where any buffer is left: one that is armed may
    /// hold out for data that never comes.
    pub(crate) fn take_starved(&mut self, kernel: &mut impl Kernel) -> VecDeque<HandleId> {
        if !self.has_work() {
            return VecDeque::new();
        }
        self.returned = false;
        if self.starved.len() > self.pool.provided() {
            self.pool.starve();
        }
        self.pool.replenish(kernel);
        kernel.publish(self.pool.group());
        let served = self.starved.len().min(self.pool.provided());
        let others = self.starved.split_off(served);
        let mut served = std::mem::replace(&mut self.starved, others);
        for _ in 0..self.pool.spare() {
            let Some(handle) = self.lacking.pop_front() else { break };
            served.push_back(handle);
        }
        served
    }

    /// Nobody receives any more.
    pub(crate) fn forget_starved(&mut self) {
        self.starved.clear();
        self.lacking.clear();
        self.returned = false;
    }

    /// Keeps the memory for the life of the process: the kernel may still write into it.
    pub(crate) fn leak(&self) {
        self.pool.leak();
    }
}
