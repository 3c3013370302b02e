//! Files: whatever the kernel does, every operation settles exactly once and nothing stays behind.

use proptest::prelude::*;

use super::file_simulation::{FileSimulation, LENGTH};
use crate::HandleId;
use crate::bounce::BUDGET;
use crate::error::Errno;
use crate::event::Event;
use crate::fake::Behavior;
use crate::file::MAX_IN_FLIGHT;
use crate::file::transfer::Transfer;
use crate::kernel::{Direction, FileOp};

fn behavior(seed: u64, fault_rate: u8, entries: usize) -> Behavior {
    Behavior { seed, submission_entries: entries, fault_rate, budget: 300, ..Behavior::faultless() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Any mixture of reads, writes, syncs, attributes, chains and a close, on a kernel that shortens, refuses, is
    /// short of memory and reorders.
    #[test]
    fn every_operation_settles_once(
        seed in any::<u64>(),
        fault_rate in 0_u8..120,
        direct in any::<bool>(),
        pipe in any::<bool>(),
        actions in proptest::collection::vec((0_u8..12, -1_i64..7000, 1_usize..3000, any::<bool>()), 1..60),
        closes in any::<bool>(),
    ) {
        let mut files = FileSimulation::new(behavior(seed, fault_rate, 8 + seed as usize % 57), direct && !pipe);
        if pipe {
            files.pretend_pipe();
        }
        for (action, position, length, linked) in actions {
            match action {
                0 | 1 => drop(files.read(position, length, false)),
                2 => drop(files.write(position, length, false)),
                3 => drop(files.sync(false)),
                4 => {
                    files.write(position.max(0), length, true);
                    files.read(position.max(0), length, linked);
                    if linked {
                        files.sync(false);
                    }
                }
                5 => drop(files.read(-1, length, false)),
                6 => files.read_nowait(position, length),
                7 => drop(files.attribute(length)),
                9 => drop(files.read_many_nowait(position.max(0), length, 1 + length % 90)),
                8 => drop(files.commit(position.max(0), length)),
                10 => {
                    files.sync(true);
                    let token = files.token(None);
                    files.simulation.reactor.refuse(token, Errno(libc::EINVAL), linked);
                    if linked {
                        files.read(-1, length, false);
                    }
                }
                _ => files.turn(),
            }
        }
        if closes {
            files.close();
        }
        files.finish();
        prop_assert_eq!(files.closed, closes);
        if !closes {
            files.close();
            files.finish();
        }
    }

    /// The same, and then the ring fails: everybody is told, once, also those who come later.
    #[test]
    fn a_ring_that_fails_leaves_nobody_waiting(
        seed in any::<u64>(),
        fault_rate in 0_u8..120,
        actions in proptest::collection::vec((0_u8..5, -1_i64..7000, 1_usize..3000), 1..40),
        closes in any::<bool>(),
    ) {
        let mut files = FileSimulation::new(behavior(seed, fault_rate, 64), seed & 1 == 0);
        let half = actions.len() / 2;
        for (index, &(action, position, length)) in actions.iter().enumerate() {
            if index == half {
                files.simulation.world.borrow_mut().refusal = Some(libc::EPERM);
            }
            match action {
                0 => drop(files.read(position, length, false)),
                1 => drop(files.write(position, length, false)),
                2 => {
                    files.write(position.max(0), length, true);
                    files.sync(false);
                }
                3 => drop(files.read(-1, length, false)),
                _ => {
                    let _ = files.simulation.reactor.turn(&mut files.simulation.memory);
                    files.simulation.memory.settle_copies();
                    files.take_events();
                }
            }
        }
        if closes {
            let token = files.token(None);
            files.simulation.reactor.close_file(files.file, token);
        }
        for _ in 0..4 {
            let _ = files.simulation.reactor.turn(&mut files.simulation.memory);
            while let Some(event) = files.simulation.reactor.next_event() {
                if let Event::FileDone { token, result } = event {
                    prop_assert_eq!(files.settled.insert(token, result), None);
                }
            }
        }
        prop_assert!(!files.simulation.reactor.has_work());
        prop_assert_eq!(files.settled.len(), files.asked.len(), "somebody waits for ever");
        std::mem::forget(files);
    }
}

#[test]
fn many_reads_at_once_share_their_way_to_the_kernel() {
    let mut files = FileSimulation::new(Behavior::faultless(), false);
    files.write(0, 10, false);
    assert_eq!(files.read_many_nowait(0, 8, 150), 150);
    assert_eq!(files.simulation.world.borrow().enters, 3);
    let left = files.simulation.reactor.stats().operations;
    assert_eq!(left, 0, "nothing is under way afterwards");
    files.finish();
    assert_eq!(files.read_many_nowait(5900, 200, 3), 3);
    assert_eq!(files.simulation.world.borrow().executed.len(), 151, "a few go one by one");
    files.close();
    files.finish();
}

#[test]
fn a_ring_that_fails_under_reads_at_once_is_told_of_by_the_next_turn() {
    let mut files = FileSimulation::new(Behavior::faultless(), false);
    files.read(0, 10, false);
    files.simulation.world.borrow_mut().refusal = Some(libc::EPERM);
    let mut bytes = vec![0; 500];
    // SAFETY: the vector has that many bytes and outlives the call.
    let read = unsafe {
        files.simulation.reactor.read_many_nowait(files.file, bytes.as_mut_ptr(), 10, 50, |_| 0, |_, _| panic!("read"))
    };
    assert_eq!(read, 0);
    assert!(files.simulation.reactor.has_work(), "nobody would come to tell of it");
    let enters = files.simulation.world.borrow().enters;
    files.failing_turn();
    assert_eq!(files.simulation.world.borrow().enters, enters, "a ring that has failed is entered again");
    std::mem::forget(files);
}

#[test]
fn whoever_asks_hears_of_the_failure_before_and_after() {
    let mut files = FileSimulation::new(Behavior::faultless(), false);
    for _ in 0..3 {
        files.read(-1, 10, false);
    }
    // The chain is still being told.
    files.write(0, 5, true);
    files.simulation.world.borrow_mut().refusal = Some(libc::EPERM);
    files.failing_turn();
    for _ in 0..3 {
        files.read(-1, 10, false);
    }
    assert!(files.simulation.reactor.has_work(), "nobody would come to settle them");
    files.failing_turn();
    std::mem::forget(files);
}

#[test]
fn commits_hear_of_the_failure_before_and_after() {
    for direct in [false, true] {
        for turns in 0..3 {
            let mut files =
                FileSimulation::new(Behavior { seed: 5, fault_rate: 100, budget: 50, ..Behavior::faultless() }, direct);
            files.commit(0, 5);
            for _ in 0..turns {
                files.turn();
            }
            files.commit(0, 5);
            files.simulation.world.borrow_mut().refusal = Some(libc::EPERM);
            let _ = files.simulation.reactor.turn(&mut files.simulation.memory);
            files.take_events();
            assert_eq!(files.settled.len(), files.asked.len(), "somebody waits for ever");
            files.commit(0, 5);
            assert!(files.simulation.reactor.has_work(), "nobody would come to settle them");
            let _ = files.simulation.reactor.turn(&mut files.simulation.memory);
            files.take_events();
            assert_eq!(files.settled.len(), files.asked.len(), "somebody waits for ever");
            std::mem::forget(files);
        }
    }
}

#[test]
fn a_chain_that_breaks_off_while_it_starts_takes_nobody_along() {
    let mut files = FileSimulation::new(Behavior::faultless(), false);
    let first = files.read(i64::try_from(LENGTH).expect("small"), 10, true);
    files.asked.insert(first, None);
    let second = files.call(HandleId::from_raw(-1), FileOp::Sync { data_only: false }, false);
    let other = files.read(0, 10, false);
    files.finish();
    assert_eq!([first, second, other].map(|token| files.settled[&token]), [0, -libc::EBADF, 10]);
    files.close();
    files.finish();
}

/// Links end with the call that takes them: a chain cut in two would run on after the failure of a step.
#[test]
fn a_chain_is_taken_in_one_go() {
    for before in 0..8 {
        let behavior = Behavior { submission_entries: 8, ..Behavior::faultless() };
        let mut files = FileSimulation::new(behavior, true);
        let singles: Vec<u32> = (0..before).map(|_| files.sync(false)).collect();
        let end = i64::try_from(LENGTH).expect("small");
        let chain = [files.read(end, 10, true), files.sync(true), files.sync(true), files.sync(false)];
        files.finish();
        assert!(singles.iter().all(|token| files.settled[token] == 0));
        let cancelled = -libc::ECANCELED;
        assert_eq!(chain.map(|token| files.settled[&token]), [0, cancelled, cancelled, cancelled], "behind {before}");
        files.close();
        files.finish();
    }
}

#[test]
fn the_kernel_has_no_more_than_so_many_at_once() {
    let mut files = FileSimulation::new(Behavior::faultless(), true);
    let count = 2 * MAX_IN_FLIGHT + 100;
    for index in 0..count {
        files.read(i64::try_from(index).expect("small"), 1, false);
    }
    while files.settled.len() < count {
        assert!(files.simulation.reactor.has_work(), "stuck");
        files.turn();
        assert!(files.simulation.reactor.stats().operations <= MAX_IN_FLIGHT);
    }
    files.close();
    files.finish();
}

#[test]
fn a_chain_ends_with_a_step_on_a_file_that_is_gone() {
    let mut files = FileSimulation::new(Behavior::faultless(), false);
    let gone = HandleId::from_raw(0x7ff);
    let first = files.read(0, 10, true);
    let place = files.simulation.memory.add(vec![0xaa; 10]);
    let second = files.token(None);
    files.simulation.reactor.transfer(gone, Transfer::new(second, Direction::Read, place, 0), true);
    let third = files.sync(false);
    let other = files.read(0, 10, false);
    files.finish();
    let outcomes = [first, second, third, other].map(|token| files.settled[&token]);
    assert_eq!(outcomes, [10, -libc::EBADF, -libc::ECANCELED, 10]);
    // As the first, or the last.
    for position in [0, 1] {
        let step = |files: &mut FileSimulation, index: i32| {
            if index == position {
                let token = files.token(None);
                files.simulation.reactor.refuse(token, Errno(libc::EINVAL), index == 0);
                token
            } else {
                files.sync(index == 0)
            }
        };
        let tokens = [step(&mut files, 0), step(&mut files, 1)];
        files.finish();
        let expected = if position == 0 { [-libc::EINVAL, -libc::ECANCELED] } else { [0, -libc::EINVAL] };
        assert_eq!(tokens.map(|token| files.settled[&token]), expected);
    }
    files.close();
    files.finish();
}

#[test]
fn a_chain_waits_for_memory_and_may_need_more_than_there_is() {
    let mut files = FileSimulation::new(Behavior::faultless(), true);
    let half = BUDGET / 2 + 4096;
    let first = files.read(0, half, false);
    // Both halves are needed at once, in each of them.
    let chains: Vec<[u32; 2]> = (0..3).map(|_| [files.read(0, half, true), files.read(0, half, false)]).collect();
    let after = files.read(0, 10, false);
    for token in chains.iter().flatten().chain([&first]) {
        files.asked.insert(*token, None);
    }
    files.finish();
    assert_eq!(files.settled[&after], 10);
    for [read, cancelled] in chains {
        // The file is shorter than what is asked for: the chain ends with its first step, which was started.
        let length = i32::try_from(LENGTH).expect("small");
        assert_eq!((files.settled[&read], files.settled[&cancelled]), (length, -libc::ECANCELED));
    }
    files.close();
    files.finish();
}

#[test]
fn a_full_queue_does_not_wait_for_what_may_never_end() {
    let mut files = FileSimulation::new(Behavior { submission_entries: 8, ..Behavior::faultless() }, true);
    files.simulation.world.borrow_mut().nothing_to_read = true;
    files.pretend_pipe();
    let waits = files.read(-1, 100, false);
    files.turn();
    files.turn();
    assert!(!files.settled.contains_key(&waits), "there is nothing to read");
    let stats = files.simulation.reactor.stats();
    assert_eq!((stats.bounces, stats.operations), (0, 1), "it holds memory while it waits");
    // More than the queue takes at once, and more than may be with the kernel.
    let writes: Vec<u32> = (0..40).map(|_| files.sync(false)).collect();
    let chain = [files.sync(true), files.sync(true), files.sync(false)];
    for _ in 0..40 {
        files.turn();
    }
    assert!(writes.iter().chain(&chain).all(|token| files.settled.get(token) == Some(&0)), "stuck behind a read");
    assert!(files.simulation.reactor.release_file(files.file).is_none(), "somebody waits");
    files.simulation.world.borrow_mut().nothing_to_read = false;
    files.asked.insert(waits, None);
    files.finish();
    files.close();
    files.finish();
}

#[test]
fn a_file_that_is_waited_for_is_not_given_away() {
    let mut files = FileSimulation::new(Behavior::faultless(), false);
    files.sync(false);
    assert!(files.simulation.reactor.release_file(files.file).is_none(), "a call waits");
    files.finish();
    files.write(0, 5, true);
    assert!(files.simulation.reactor.release_file(files.file).is_none(), "a chain is being told");
    files.sync(false);
    assert!(files.simulation.reactor.release_file(files.file).is_none(), "a commit waits");
    files.finish();
    files.close();
    files.finish();
}

#[test]
fn what_has_no_positions_says_so() {
    let mut files = FileSimulation::new(Behavior::faultless(), false);
    files.pretend_pipe();
    let read = files.read(0, 10, false);
    let steps = [files.sync(true), files.write(5, 10, true), files.sync(false)];
    files.asked.insert(read, None);
    files.finish();
    assert_eq!(files.settled[&read], -libc::ESPIPE);
    assert_eq!(steps.map(|token| files.settled[&token]), [0, -libc::ESPIPE, -libc::ECANCELED]);
    files.close();
    files.finish();
}
