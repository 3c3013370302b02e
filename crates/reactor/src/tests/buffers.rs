//! The pool of receive buffers, against a model.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::buffer_pool::{BufferPool, Slice};
use crate::fake::{Behavior, Fake};
use crate::kernel::{BufferGroup, Kernel};

#[derive(Clone, Debug)]
enum Action {
    /// The kernel uses so many bytes of its next buffer.
    Take(usize),
    GiveBack(usize),
    /// The kernel had no buffer.
    Starve,
    /// Somebody gives back what was never lent.
    Nonsense(u16),
    /// A kernel gone mad names a buffer that it does not hold, or too many bytes.
    Mad(u16, u32),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(
        prop_oneof![
            5 => (0..40_usize).prop_map(Action::Take),
            4 => any::<usize>().prop_map(Action::GiveBack),
            1 => Just(Action::Starve),
            1 => any::<u16>().prop_map(Action::Nonsense),
            1 => (any::<u16>(), any::<u32>()).prop_map(|(buffer, length)| Action::Mad(buffer, length)),
        ],
        1..200,
    )
}

/// Small ones, of which the kernel holds all, and large ones, of which it holds two to begin with.
fn sizes() -> impl Strategy<Value = u32> {
    prop_oneof![1..64_u32, Just(128 * 1024)]
}

proptest! {
    #[test]
    fn buffers_are_conserved(incremental in any::<bool>(), count in 1..9_u16, size in sizes(), actions in actions()) {
        let (mut kernel, world) = Fake::new(Behavior { incremental, ..Behavior::faultless() });
        let mut pool = BufferPool::new(count, size).expect("memory");
        pool.replenish(&mut kernel);
        kernel.publish(BufferGroup::Bytes);
        let mut lent: Vec<Slice> = Vec::new();
        for action in actions {
            match action {
                Action::Take(length) => {
                    let mut world = world.borrow_mut();
                    if !world.buffers.is_empty() {
                        let length = length.min(world.buffers.room());
                        let (buffer, more) = world.buffers.consume(length);
                        let length = u32::try_from(length).expect("small");
                        let slice = pool.take(buffer, length, more).expect("the kernel held it");
                        prop_assert_eq!((slice.buffer, slice.length), (buffer, length));
                        for other in lent.iter().filter(|other| other.length > 0 && length > 0) {
                            let apart = slice.offset >= other.offset + other.length || slice.offset + length <= other.offset;
                            prop_assert!(apart, "{:?} and {:?} overlap", slice, other);
                        }
                        lent.push(slice);
                    }
                }
                Action::GiveBack(pick) if !lent.is_empty() => {
                    let slice = lent.swap_remove(pick % lent.len());
                    let held = world.borrow().buffers.held();
                    let went_back = pool.give_back(slice.buffer, &mut kernel);
                    prop_assert_eq!(world.borrow().buffers.held(), held + usize::from(went_back));
                    kernel.publish(BufferGroup::Bytes);
                }
                Action::Starve => {
                    let served = pool.starve();
                    pool.replenish(&mut kernel);
                    kernel.publish(BufferGroup::Bytes);
                    prop_assert_eq!(served, world.borrow().buffers.held() > 0);
                }
                Action::Nonsense(buffer) if lent.iter().all(|slice| slice.buffer != buffer) => {
                    prop_assert!(!pool.give_back(buffer, &mut kernel));
                }
                Action::Mad(buffer, length) if buffer >= count || length > size => {
                    prop_assert_eq!(pool.take(buffer, length, false), None);
                }
                _ => {}
            }
            prop_assert_eq!(pool.lent(), lent.len());
            // Every buffer is the kernel's, or lent and not the kernel's, or idle: as many as there are.
            let mut slices: HashMap<u16, usize> = HashMap::new();
            for slice in &lent {
                *slices.entry(slice.buffer).or_default() += 1;
            }
            let both = slices.keys().filter(|&&buffer| world.borrow().buffers.holds(buffer)).count();
            prop_assert!(incremental || both == 0);
            prop_assert_eq!(world.borrow().buffers.held() + slices.len() - both + pool.idle(), usize::from(count));
        }
        for slice in lent.drain(..) {
            pool.give_back(slice.buffer, &mut kernel);
        }
        prop_assert_eq!((pool.lent(), world.borrow().buffers.held() + pool.idle()), (0, usize::from(count)));
    }
}
