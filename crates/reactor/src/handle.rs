//! The handle table: what JavaScript holds instead of descriptors.
//!
//! A handle is an index with a generation. The slot is freed when the descriptor is closed *and* the last operation on
//! it has had its terminal completion; the next user of the slot has another generation.
//!
//! A handle owns its descriptor to its end: a socket's is closed by `close(2)` once nothing is in flight on it any
//! more, whatever has become of the ring meanwhile. A file's goes to a close request, since the file system may have to
//! wait for a server.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::handle_id::{GENERATION_MASK, HandleId, INDEX_BITS, MAX_HANDLES};
use crate::slab::InFlight;

/// What every handle has.
pub(crate) struct HandleState {
    /// The handle's own name.
    pub id: HandleId,
    /// Operations in flight on it.
    pub in_flight: u32,
    /// Those of them that a close cancels: all but sends, which the kernel does or refuses while it takes them.
    pub(crate) cancelable: InFlight,
    /// Close was asked for: nothing new is started, what still arrives is dropped.
    pub closing: bool,
    /// What was to be sent before the close is settled, and what was in flight has been cancelled: the handle ends with
    /// the last of it.
    pub(crate) ending: bool,
    /// The descriptor until the handle ends or a close request takes it.
    descriptor: Option<OwnedFd>,
    fd: RawFd,
}

impl HandleState {
    /// The descriptor's number, for requests; -1 once it was given away.
    #[must_use]
    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Whether no close request has taken the descriptor yet.
    #[must_use]
    pub(crate) fn has_descriptor(&self) -> bool {
        self.descriptor.is_some()
    }

    /// Gives the descriptor away, to whoever closes it. Its number may be somebody else's from then on.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.fd = -1;
        self.descriptor.take()
    }

    /// Leaves the descriptor open for good where the kernel still has requests on it: it looks up the number of one
    /// that is linked to another when it starts it, and must not find somebody else's file there.
    pub(crate) fn leave_open_if_used(&mut self) {
        if self.in_flight > 0 {
            self.take_descriptor().map(IntoRawFd::into_raw_fd);
        }
    }
}

/// An entry of the table.
pub(crate) struct Handle<R> {
    /// What every handle has.
    pub state: HandleState,
    /// What this one is.
    pub resource: R,
}

struct Slot<R> {
    generation: i32,
    handle: Option<Handle<R>>,
}

/// The table.
pub(crate) struct Handles<R> {
    slots: Vec<Slot<R>>,
    /// First in, first out, so that a slot rests as long as possible before it is used again.
    free: VecDeque<usize>,
    open: usize,
    /// For each number of a descriptor the handle that had it last: what was said of it holds while that handle does.
    owners: Vec<HandleId>,
}

/// Nobody: no handle has a negative name.
const NOBODY: HandleId = HandleId(-1);

impl<R> Default for Handles<R> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: VecDeque::new(), open: 0, owners: Vec::new() }
    }
}

impl<R> Handles<R> {
    /// Number of handles that are open or closing.
    #[must_use]
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Takes a descriptor in. `None`, and the descriptor closed, when the table is full.
    pub(crate) fn insert(&mut self, descriptor: OwnedFd, resource: R) -> Option<HandleId> {
        let index = if let Some(index) = self.free.pop_front() {
            index
        } else if self.slots.len() < MAX_HANDLES {
            self.slots.push(Slot { generation: 0, handle: None });
            self.slots.len() - 1
        } else {
            return None;
        };
        let slot = &mut self.slots[index];
        let id = HandleId(slot.generation << INDEX_BITS | i32::try_from(index).expect("an index has 20 bits"));
        let fd = descriptor.as_raw_fd();
        let number = usize::try_from(fd).expect("a descriptor is not negative");
        if number >= self.owners.len() {
            self.owners.resize(number + 1, NOBODY);
        }
        self.owners[number] = id;
        slot.handle = Some(Handle {
            state: HandleState {
                id,
                in_flight: 0,
                cancelable: InFlight::default(),
                closing: false,
                ending: false,
                descriptor: Some(descriptor),
                fd,
            },
            resource,
        });
        self.open += 1;
        Some(id)
    }

    /// The handle of that name, if it is still there.
    pub(crate) fn get_mut(&mut self, id: HandleId) -> Option<&mut Handle<R>> {
        self.slots.get_mut(id.index())?.handle.as_mut().filter(|handle| handle.state.id == id)
    }

    /// The handle of that name, if it is still there.
    #[must_use]
    pub(crate) fn get(&self, id: HandleId) -> Option<&Handle<R>> {
        self.slots.get(id.index())?.handle.as_ref().filter(|handle| handle.state.id == id)
    }

    /// The handle that a descriptor belongs to, until it is given away.
    #[must_use]
    pub(crate) fn owner(&self, fd: RawFd) -> Option<&Handle<R>> {
        let &id = self.owners.get(usize::try_from(fd).ok()?)?;
        self.get(id).filter(|handle| handle.state.fd == fd)
    }

    /// Whether there is no room for another.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() >= MAX_HANDLES
    }

    /// Frees a slot.
    pub(crate) fn remove(&mut self, id: HandleId) -> Option<Handle<R>> {
        let slot = self.slots.get_mut(id.index())?;
        let handle = slot.handle.take_if(|handle| handle.state.id == id)?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        self.free.push_back(id.index());
        self.open -= 1;
        Some(handle)
    }

    /// All handles.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Handle<R>> {
        self.slots.iter().filter_map(|slot| slot.handle.as_ref())
    }

    /// The names of all handles.
    #[must_use]
    pub(crate) fn ids(&self) -> Vec<HandleId> {
        self.iter().map(|handle| handle.state.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn insert(handles: &mut Handles<()>) -> HandleId {
        let descriptor = File::open("/dev/null").expect("/dev/null").into();
        handles.insert(descriptor, ()).expect("room")
    }

    #[test]
    fn a_stale_name_finds_nothing() {
        let mut handles = Handles::default();
        let first = insert(&mut handles);
        handles.remove(first).expect("open");
        let second = insert(&mut handles);
        assert_eq!(first.index(), second.index());
        assert!(handles.get(first).is_none());
        assert!(handles.remove(first).is_none());
        assert!(handles.get(second).is_some());
        assert_eq!(handles.open(), 1);
    }

    #[test]
    fn numbers_from_outside_find_nothing() {
        let mut handles = Handles::default();
        insert(&mut handles);
        for raw in [-1, i32::MIN, i32::MAX, 1, 1 << INDEX_BITS] {
            assert!(handles.get(HandleId::from_raw(raw)).is_none(), "{raw}");
        }
    }

    #[test]
    fn names_stay_positive_when_generations_wrap() {
        let mut handles = Handles::default();
        for _ in 0..=GENERATION_MASK + 1 {
            let id = insert(&mut handles);
            assert!(id.raw() >= 0);
            handles.remove(id).expect("open");
        }
    }
}
