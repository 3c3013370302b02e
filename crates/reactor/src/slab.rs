//! The slab of operations in flight.
//!
//! An operation is made when its request is pushed and dropped with its terminal completion, never earlier: until then
//! the kernel may touch what it owns. Its `user_data` is `kind · generation · index`; the generation changes whenever a
//! slot is freed, so a completion that arrives late finds an empty slot or another generation and is ignored.
//!
//! Whatever may stay with the kernel for long is linked to its handle ([`InFlight`]), so that a close can name what it
//! cancels. Asking the kernel to find it by descriptor costs a walk over every request of the ring, for each close.

use crate::handle_id::HandleId;
use crate::operation::Operation;
use crate::user_data::{GENERATION_BITS, GENERATION_MASK, INDEX_BITS, Kind, kind_of};

/// Names an operation in flight; what the kernel carries as `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OperationId(u64);

impl OperationId {
    fn new(kind: Kind, generation: u32, index: u32) -> Self {
        Self(
            u64::from(kind as u8) << (INDEX_BITS + GENERATION_BITS)
                | u64::from(generation) << INDEX_BITS
                | u64::from(index),
        )
    }

    /// As the kernel carries it.
    pub(crate) fn user_data(self) -> u64 {
        self.0
    }
}

/// In place of an index: no slot.
const NONE: u32 = u32::MAX;

/// The operations of one handle that a close has to cancel: the head of a list through the slab.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    first: u32,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { first: NONE }
    }
}

/// An operation in flight, and the handle it belongs to.
pub(crate) struct Entry {
    pub(crate) handle: HandleId,
    pub(crate) operation: Operation,
    /// Its end has been asked for.
    pub(crate) cancelled: bool,
}

struct Slot {
    generation: u32,
    entry: Option<Entry>,
    /// Neighbours in the list of the handle, for what is linked.
    next: u32,
    previous: u32,
}

/// The slab.
#[derive(Default)]
pub(crate) struct Operations {
    slots: Vec<Slot>,
    free: Vec<u32>,
    live: usize,
}

impl Operations {
    /// Number of operations in flight.
    #[must_use]
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// All operations in flight.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref()).map(|entry| &entry.operation)
    }

    /// Takes an operation in.
    ///
    /// # Panics
    /// At four thousand million operations in flight.
    pub(crate) fn insert(&mut self, handle: HandleId, operation: Operation) -> OperationId {
        let kind = operation.kind();
        self.live += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None, next: NONE, previous: NONE });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 operations in flight")
        });
        let slot = &mut self.slots[index as usize];
        debug_assert!(slot.entry.is_none(), "a free slot holds no operation");
        slot.entry = Some(Entry { handle, operation, cancelled: false });
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
            && slot.entry.as_ref().is_some_and(|entry| entry.operation.kind() as u64 == kind);
        matches.then_some((index, slot))
    }

    /// The operation that a completion belongs to, if it is still in flight.
    pub(crate) fn get(&mut self, user_data: u64) -> Option<(OperationId, &mut Entry)> {
        let (_, slot) = self.slot(user_data)?;
        slot.entry.as_mut().map(|entry| (OperationId(user_data), entry))
    }

    /// Enters an operation in the list of its handle, see [`first`](Self::first).
    pub(crate) fn link(&mut self, id: OperationId, list: &mut InFlight) {
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
    pub(crate) fn first(&self, list: &InFlight) -> Option<OperationId> {
        self.at(list.first)
    }

    /// The operation behind this one in the list of its handle.
    #[must_use]
    pub(crate) fn behind(&self, id: OperationId) -> Option<OperationId> {
        #[allow(clippy::cast_possible_truncation, reason = "the index is the lower half")]
        let slot = self.slots.get(id.0 as u32 as usize)?;
        self.at(slot.next)
    }

    fn at(&self, index: u32) -> Option<OperationId> {
        let slot = self.slots.get(index as usize)?;
        slot.entry.as_ref().map(|entry| OperationId::new(entry.operation.kind(), slot.generation, index))
    }

    /// Takes an operation out, and out of the list of its handle: its terminal completion has come. What it owned may
    /// be freed.
    pub(crate) fn remove(&mut self, id: OperationId, list: &mut InFlight) -> Option<Entry> {
        let (index, slot) = self.slot(id.0)?;
        let entry = slot.entry.take();
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
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::CancelableOperation;
    use crate::user_data::IGNORED;
    use proptest::prelude::*;

    fn put(operations: &mut Operations, handle: i32) -> OperationId {
        operations.insert(HandleId::from_raw(handle), Operation::Cancelable(CancelableOperation::Accept))
    }

    #[test]
    fn a_late_completion_never_reaches_a_reused_slot() {
        let mut operations = Operations::default();
        let first = put(&mut operations, 1);
        operations.remove(first, &mut InFlight::default()).expect("in flight");
        let second = put(&mut operations, 2);
        assert_ne!(first, second);
        assert!(operations.get(first.user_data()).is_none());
        assert!(operations.remove(first, &mut InFlight::default()).is_none());
        assert_eq!(operations.live(), 1);
    }

    #[test]
    fn ignored_and_foreign_user_data_name_no_operation() {
        let mut operations = Operations::default();
        put(&mut operations, 1);
        assert!(operations.get(IGNORED).is_none());
        assert!(operations.get(u64::MAX).is_none());
    }

    /// Miri interprets, and each action is followed by a look at everything.
    const LONGEST: usize = if cfg!(miri) { 40 } else { 400 };

    proptest! {
        /// Against a model that remembers everything: every id finds its own operation until it is removed, and nothing
        /// after.
        #[test]
        fn behaves_as_a_map_from_ids_that_never_repeat(actions in proptest::collection::vec(any::<(bool, u16)>(), 1..LONGEST)) {
            let mut operations = Operations::default();
            let mut lists = [InFlight::default(); 3];
            let mut model: Vec<(OperationId, i32)> = Vec::new();
            let mut gone: Vec<OperationId> = Vec::new();
            let mut next = 0_i32;
            for (insert, pick) in actions {
                if insert || model.is_empty() {
                    let id = put(&mut operations, next);
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
