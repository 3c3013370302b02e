//! The slab of operations in flight.
//!
//! An operation is born when its request is pushed and dies with its terminal completion, never earlier: until then the kernel
//! may touch what it owns. Its `user_data` is `kind · generation · index`; the generation changes whenever a slot is freed, so a
//! completion that arrives late finds an empty slot or another generation and is ignored.
//!
//! Whatever may stay with the kernel for long is linked to its handle ([`InFlight`]), so that a close can name what it cancels. Asking the kernel to
//! find it by descriptor costs a walk over every request of the ring, for each close.

use std::os::fd::OwnedFd;

use crate::address::SocketAddress;
use crate::control;
use crate::error::Errno;
use crate::file::OwnedByFile;
use crate::handle::HandleId;
use crate::passing::Receipt;

/// `user_data` of requests whose completion nobody waits for.
pub const IGNORED: u64 = 0;

/// `user_data` that no request has.
pub(crate) const NOBODY: u64 = u64::MAX;

/// Kind of requests that are over when the call that makes them returns, and have no place in the slab.
const AT_ONCE: u64 = 0xff;

/// `user_data` of the request with that number in a batch that is done at once.
pub(crate) fn at_once(batch: u32, number: u32) -> u64 {
    AT_ONCE << (INDEX_BITS + GENERATION_BITS) | u64::from(batch & GENERATION_MASK) << INDEX_BITS | u64::from(number)
}

/// Whether a completion belongs to a batch that was done at once.
pub(crate) fn is_at_once(user_data: u64) -> bool {
    kind_of(user_data) == AT_ONCE
}

const INDEX_BITS: u32 = 32;
const GENERATION_BITS: u32 = 24;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

/// What an operation does. Never zero, so that no operation is taken for [`IGNORED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OperationKind {
    /// Accept.
    Accept = 1,
    /// Connect.
    Connect,
    /// Multishot receive.
    Receive,
    /// Send or sendmsg.
    Send,
    /// Waiting for room in the socket's send buffer.
    PollWritable,
    /// Close.
    Close,
    /// Pause before what was refused is tried again: an accept for want of descriptors, a send for want of room.
    Retry,
    /// Read or write of a file.
    Transfer,
    /// Anything else about files.
    Job,
}

/// The kind of operation that a `user_data` belongs to, as a number.
pub(crate) fn kind_of(user_data: u64) -> u64 {
    user_data >> (INDEX_BITS + GENERATION_BITS)
}

/// Names an operation in flight; what the kernel carries as `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationId(u64);

impl OperationId {
    fn new(kind: OperationKind, generation: u32, index: u32) -> Self {
        Self(
            u64::from(kind as u8) << (INDEX_BITS + GENERATION_BITS)
                | u64::from(generation) << INDEX_BITS
                | u64::from(index),
        )
    }

    /// As the kernel carries it.
    #[must_use]
    pub fn user_data(self) -> u64 {
        self.0
    }
}

/// An `msghdr` with its vector of slices, boxed once and reused, so that their addresses hold while the kernel reads them.
pub struct Message {
    /// The header that the request points at.
    pub header: libc::msghdr,
    /// The slices that the header points at.
    pub slices: Vec<libc::iovec>,
    /// Control data that the header points at, as aligned as its headers are.
    control: Vec<u64>,
}

impl Message {
    /// A header that points at nothing, with room for `slices`.
    #[must_use]
    pub fn new(slices: usize) -> Box<Self> {
        let header = DatagramMessage::empty_header();
        Box::new(Self { header, slices: Vec::with_capacity(slices), control: Vec::new() })
    }

    /// Points at nothing again.
    pub fn clear(&mut self) {
        self.header = DatagramMessage::empty_header();
        self.slices.clear();
    }

    /// Passes descriptors along (`SCM_RIGHTS`).
    pub fn pass(&mut self, descriptors: &[OwnedFd]) {
        control::write_descriptors(&mut self.control, descriptors);
        self.header.msg_control = self.control.as_mut_ptr().cast();
        self.header.msg_controllen = size_of_val(self.control.as_slice()) as _;
    }
}

/// What the header of one datagram points at, boxed once and reused.
pub struct DatagramMessage {
    /// The header that the request points at.
    pub header: libc::msghdr,
    /// Payloads: one, but for datagrams that go together.
    slices: Vec<libc::iovec>,
    name: libc::sockaddr_storage,
    control: [u64; SEGMENT_CONTROL / size_of::<u64>()],
}

/// Room for the one control message that a datagram is sent with, `UDP_SEGMENT`.
const SEGMENT_CONTROL: usize = size_of::<libc::cmsghdr>() + size_of::<u64>();

impl DatagramMessage {
    /// A header that points at nothing.
    #[must_use]
    pub fn empty_header() -> libc::msghdr {
        // SAFETY: an all-zero msghdr is valid: null pointers with zero lengths.
        unsafe { std::mem::zeroed() }
    }

    /// A header that points at nothing, with room for what it may come to point at.
    #[must_use]
    pub fn new() -> Box<Self> {
        Box::new(Self {
            header: Self::empty_header(),
            slices: Vec::with_capacity(1),
            // SAFETY: a C struct of integers, for which all-zero bytes are a valid value.
            name: unsafe { std::mem::zeroed() },
            control: [0; SEGMENT_CONTROL / size_of::<u64>()],
        })
    }

    /// Points at nothing again.
    pub fn clear(&mut self) {
        self.header = Self::empty_header();
        self.slices.clear();
    }

    /// Copies the destination in: the bytes of a `sockaddr`.
    ///
    /// # Errors
    /// `EINVAL` where it is longer than any can be.
    pub fn set_name(self: &mut Box<Self>, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.len() > size_of::<libc::sockaddr_storage>() {
            return Err(Errno::EINVAL);
        }
        let name = &raw mut self.name;
        // SAFETY: the length was checked; a parameter cannot overlap a field.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), name.cast(), bytes.len()) };
        self.header.msg_name = name.cast();
        self.header.msg_namelen = bytes.len() as _;
        Ok(())
    }

    /// The destination that was copied in; empty where none was.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
        let length = self.header.msg_namelen as usize;
        // SAFETY: so many bytes of it were written by `set_name`, which is where the length comes from.
        unsafe { std::slice::from_raw_parts((&raw const self.name).cast(), length) }
    }

    /// Points at a payload, behind those that were added before.
    pub fn add_payload(self: &mut Box<Self>, start: *const u8, length: usize) {
        self.slices.push(libc::iovec { iov_base: start.cast_mut().cast(), iov_len: length });
        self.header.msg_iov = self.slices.as_mut_ptr();
        self.header.msg_iovlen = self.slices.len() as _;
    }

    /// Asks for the payload to be cut into datagrams of so many bytes (`UDP_SEGMENT`).
    pub fn set_segment(self: &mut Box<Self>, size: u16) {
        // SAFETY: a C struct of integers, for which all-zero bytes are a valid value.
        let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
        header.cmsg_len = (size_of::<libc::cmsghdr>() + size_of::<u16>()) as _;
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        let control = self.control.as_mut_ptr();
        // SAFETY: the room is made for a header and eight bytes, and as aligned as a header.
        unsafe {
            control.cast::<libc::cmsghdr>().write(header);
            control.cast::<u8>().add(size_of::<libc::cmsghdr>()).cast::<u16>().write(size);
        }
        self.header.msg_control = control.cast();
        self.header.msg_controllen = SEGMENT_CONTROL as _;
    }
}

/// What the kernel may still read or write on behalf of an operation.
pub enum Owned {
    /// Nothing but descriptors and provided buffers.
    Nothing,
    /// Connect's peer.
    Address(Box<SocketAddress>),
    /// The header of a vectored send.
    Message(Box<Message>),
    /// The header of a datagram, or of a datagram receive.
    Datagram(Box<DatagramMessage>),
    /// The header of a receive that takes descriptors.
    Receipt(Box<Receipt>),
    /// A timeout's duration.
    Timespec(Box<io_uring::types::Timespec>),
    /// What a file operation needs.
    File(OwnedByFile),
}

/// An operation in flight.
pub struct Operation {
    /// The handle it belongs to.
    pub handle: HandleId,
    /// What it does.
    pub kind: OperationKind,
    /// Bytes offered to the kernel, for sends of streams; the datagram's number, for those of datagrams; zero otherwise.
    pub offered: usize,
    /// Freed with the operation and not before.
    pub owned: Owned,
}

/// In place of an index: no slot.
const NONE: u32 = u32::MAX;

/// The operations of one handle that a close has to cancel: the head of a list through the slab.
#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    first: u32,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { first: NONE }
    }
}

struct Slot {
    generation: u32,
    operation: Option<Operation>,
    /// Neighbours in the list of the handle, for what is linked.
    next: u32,
    previous: u32,
}

/// The slab.
#[derive(Default)]
pub struct Operations {
    slots: Vec<Slot>,
    free: Vec<u32>,
    live: usize,
}

impl Operations {
    /// Number of operations in flight.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live
    }

    /// All operations in flight.
    pub fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.slots.iter().filter_map(|slot| slot.operation.as_ref())
    }

    /// Takes an operation in.
    ///
    /// # Panics
    /// At four thousand million operations in flight.
    pub fn insert(&mut self, operation: Operation) -> OperationId {
        let kind = operation.kind;
        self.live += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, operation: None, next: NONE, previous: NONE });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 operations in flight")
        });
        let slot = &mut self.slots[index as usize];
        debug_assert!(slot.operation.is_none(), "a free slot holds no operation");
        slot.operation = Some(operation);
        OperationId::new(kind, slot.generation, index)
    }

    fn slot(&mut self, user_data: u64) -> Option<(u32, &mut Slot)> {
        #[allow(clippy::cast_possible_truncation, reason = "the index is the lower half")]
        let index = user_data as u32;
        #[allow(clippy::cast_possible_truncation, reason = "masked")]
        let generation = (user_data >> INDEX_BITS) as u32 & GENERATION_MASK;
        let kind = kind_of(user_data);
        let slot = self.slots.get_mut(index as usize)?;
        let matches = slot.generation == generation
            && slot.operation.as_ref().is_some_and(|operation| u64::from(operation.kind as u8) == kind);
        matches.then_some((index, slot))
    }

    /// The operation that a completion belongs to, if it is still in flight.
    pub fn get(&mut self, user_data: u64) -> Option<(OperationId, &mut Operation)> {
        let (_, slot) = self.slot(user_data)?;
        slot.operation.as_mut().map(|operation| (OperationId(user_data), operation))
    }

    /// Enters an operation in the list of its handle, see [`first`](Self::first).
    pub fn link(&mut self, id: OperationId, list: &mut InFlight) {
        let Some((index, slot)) = self.slot(id.0) else {
            return;
        };
        slot.next = std::mem::replace(&mut list.first, index);
        let next = slot.next;
        if let Some(next) = self.slots.get_mut(next as usize) {
            next.previous = index;
        }
    }

    /// The first operation in the list of a handle: the one linked last.
    #[must_use]
    pub fn first(&self, list: &InFlight) -> Option<OperationId> {
        self.at(list.first)
    }

    /// The operation behind this one in the list of its handle.
    #[must_use]
    pub fn behind(&self, id: OperationId) -> Option<OperationId> {
        #[allow(clippy::cast_possible_truncation, reason = "the index is the lower half")]
        let slot = self.slots.get(id.0 as u32 as usize)?;
        self.at(slot.next)
    }

    fn at(&self, index: u32) -> Option<OperationId> {
        let slot = self.slots.get(index as usize)?;
        slot.operation.as_ref().map(|operation| OperationId::new(operation.kind, slot.generation, index))
    }

    /// Takes an operation out, and out of the list of its handle: its terminal completion has come. What it owned may be freed.
    pub fn remove(&mut self, id: OperationId, list: &mut InFlight) -> Option<Operation> {
        let (index, slot) = self.slot(id.0)?;
        let operation = slot.operation.take();
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        let next = std::mem::replace(&mut slot.next, NONE);
        let previous = std::mem::replace(&mut slot.previous, NONE);
        if let Some(next) = self.slots.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.slots.get_mut(previous as usize) {
            previous.next = next;
        } else if list.first == index {
            list.first = next;
        }
        self.free.push(index);
        self.live -= 1;
        operation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn operation(handle: i32) -> Operation {
        Operation {
            handle: HandleId::from_raw(handle),
            kind: OperationKind::Receive,
            offered: 0,
            owned: Owned::Nothing,
        }
    }

    #[test]
    fn a_late_completion_never_reaches_a_reused_slot() {
        let mut operations = Operations::default();
        let first = operations.insert(operation(1));
        operations.remove(first, &mut InFlight::default()).expect("in flight");
        let second = operations.insert(operation(2));
        assert_ne!(first, second);
        assert!(operations.get(first.user_data()).is_none());
        assert!(operations.remove(first, &mut InFlight::default()).is_none());
        assert_eq!(operations.live(), 1);
    }

    #[test]
    fn ignored_and_foreign_user_data_name_no_operation() {
        let mut operations = Operations::default();
        operations.insert(operation(1));
        assert!(operations.get(IGNORED).is_none());
        assert!(operations.get(u64::MAX).is_none());
    }

    proptest! {
        /// Against a model that remembers everything: every id finds its own operation until it is removed, and nothing after.
        #[test]
        fn behaves_as_a_map_from_ids_that_never_repeat(actions in proptest::collection::vec(any::<(bool, u16)>(), 1..400)) {
            let mut operations = Operations::default();
            let mut lists = [InFlight::default(); 3];
            let mut model: Vec<(OperationId, i32)> = Vec::new();
            let mut gone: Vec<OperationId> = Vec::new();
            let mut next = 0_i32;
            for (insert, pick) in actions {
                if insert || model.is_empty() {
                    let id = operations.insert(operation(next));
                    prop_assert!(!gone.contains(&id));
                    // One of four is not linked, as sends are not.
                    if let Some(list) = lists.get_mut(next as usize % 4) {
                        operations.link(id, list);
                    }
                    model.push((id, next));
                    next += 1;
                } else {
                    let (id, handle) = model.swap_remove(usize::from(pick) % model.len());
                    let mut nowhere = InFlight::default();
                    let list = lists.get_mut(handle as usize % 4).unwrap_or(&mut nowhere);
                    prop_assert_eq!(operations.remove(id, list).expect("in flight").handle, HandleId::from_raw(handle));
                    gone.push(id);
                }
                prop_assert_eq!(operations.live(), model.len());
                for (id, handle) in &model {
                    prop_assert_eq!(operations.get(id.user_data()).expect("in flight").1.handle, HandleId::from_raw(*handle));
                }
                for id in &gone {
                    prop_assert!(operations.get(id.user_data()).is_none());
                }
                for (number, list) in lists.iter().enumerate() {
                    let mut linked: Vec<u64> = std::iter::successors(operations.first(list), |&id| operations.behind(id)).map(OperationId::user_data).collect();
                    let mut known: Vec<u64> = model.iter().filter(|it| it.1 as usize % 4 == number).map(|it| it.0.user_data()).collect();
                    linked.sort_unstable();
                    known.sort_unstable();
                    prop_assert_eq!(linked, known);
                }
            }
        }
    }
}
