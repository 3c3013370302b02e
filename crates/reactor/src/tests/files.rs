//! Files: whatever the kernel does, every operation settles exactly once and nothing stays behind.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use proptest::prelude::*;

use super::harness::Simulation;
use crate::bounce::BUDGET;
use crate::error::Errno;
use crate::event::Event;
use crate::fake::{Behavior, content};
use crate::file::MAX_IN_FLIGHT;
use crate::file::call::{FileCall, Subject};
use crate::file::transfer::Transfer;
use crate::kernel::{Direction, FileOp};
use crate::resource::{Handle, Resource};
use crate::{HandleId, Stats};

/// Bytes of the file that the fake plays: its content is what [`content`](crate::fake::content) says.
const LENGTH: usize = 6000;

/// A reactor with one file, and who waits.
pub(super) struct FileSimulation {
    pub(super) simulation: Simulation,
    pub(super) file: HandleId,
    /// What each token asked for: reads with the region, the position and the length.
    asked: HashMap<u32, Option<(u32, i64, usize)>>,
    pub(super) settled: HashMap<u32, i32>,
    closed: bool,
}

impl FileSimulation {
    pub(super) fn new(behavior: Behavior, direct: bool) -> Self {
        let mut simulation = Simulation::new(behavior, 4, 64, 64);
        // SAFETY: the name is terminated, and the descriptor known to nobody else.
        let descriptor = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"file".as_ptr(), libc::MFD_CLOEXEC)) };
        let fd = descriptor.as_raw_fd();
        simulation.world.borrow_mut().descriptors.add(fd);
        simulation.world.borrow_mut().file_length = LENGTH;
        let (file, _) = simulation.reactor.add_file(descriptor).expect("room");
        if direct && let Some(Handle { resource: Resource::File(file), .. }) = simulation.reactor.handles.get_mut(file)
        {
            file.pretend_direct();
        }
        Self { simulation, file, asked: HashMap::new(), settled: HashMap::new(), closed: false }
    }

    /// Lets the file be a pipe.
    fn pretend_pipe(&mut self) {
        if let Some(Handle { resource: Resource::File(file), .. }) = self.simulation.reactor.handles.get_mut(self.file)
        {
            file.pretend_pipe();
        }
    }

    fn token(&mut self, expected: Option<(u32, i64, usize)>) -> u32 {
        let token = u32::try_from(self.asked.len()).expect("few");
        self.asked.insert(token, expected);
        token
    }

    pub(super) fn read(&mut self, position: i64, length: usize, linked: bool) -> u32 {
        let place = self.simulation.memory.add(vec![0xaa; length]);
        let token = self.token((position >= 0).then_some((place.region, position, length)));
        self.simulation.reactor.transfer(self.file, Transfer::new(token, Direction::Read, place, position), linked);
        token
    }

    pub(super) fn write(&mut self, position: i64, length: usize, linked: bool) -> u32 {
        let place = self.simulation.memory.add(vec![0x55; length]);
        let token = self.token(None);
        self.simulation.reactor.transfer(self.file, Transfer::new(token, Direction::Write, place, position), linked);
        token
    }

    /// A read past the ring: it is done with all that there is, or not at all.
    fn read_nowait(&mut self, position: i64, length: usize) {
        let before = self.cursor();
        let mut bytes = vec![0xaa; length];
        let wanted = u32::try_from(length).expect("short");
        // SAFETY: the vector has that many bytes and outlives the call.
        let outcome = unsafe { self.simulation.reactor.read_nowait(self.file, bytes.as_mut_ptr(), wanted, position) };
        let start = if position < 0 { before } else { position };
        let count = match outcome {
            Ok(count) => count as usize,
            Err(errno) => {
                assert_ne!(errno, Errno(libc::EBADF), "the file is open");
                assert_eq!(self.cursor(), before, "the position moved without bytes");
                return;
            }
        };
        let there = LENGTH.saturating_sub(usize::try_from(start).expect("not negative"));
        assert_eq!(count, length.min(there), "short where the file goes on");
        assert!((0..count).all(|index| bytes[index] == content(start, index)), "other bytes than the file's");
        let moved = if position < 0 { i64::from(u32::try_from(count).expect("short")) } else { 0 };
        assert_eq!(self.cursor(), before + moved);
    }

    /// Many reads past the queues: each is done with all that there is, up to the first that is not done at all.
    fn read_many_nowait(&mut self, position: i64, length: usize, count: usize) -> usize {
        let mut bytes = vec![0xaa; length * count];
        let size = u32::try_from(length).expect("short");
        let start = |piece: usize| position + i64::try_from(piece * 30).expect("small");
        let mut told = Vec::new();
        let done = |piece: usize, bytes: u32| told.push((piece, bytes as usize));
        // SAFETY: the vector has that many bytes and outlives the call.
        let read = unsafe {
            self.simulation.reactor.read_many_nowait(self.file, bytes.as_mut_ptr(), size, count, start, done)
        };
        assert_eq!(read, told.len());
        for (number, (piece, bytes_read)) in told.into_iter().enumerate() {
            assert_eq!(piece, number);
            let there = LENGTH.saturating_sub(usize::try_from(start(piece)).expect("not negative"));
            assert_eq!(bytes_read, length.min(there), "short where the file goes on");
            let at = piece * length;
            assert!((0..bytes_read).all(|index| bytes[at + index] == content(start(piece), index)), "other bytes");
        }
        read
    }

    /// The file's own position.
    fn cursor(&self) -> i64 {
        let fd = self.simulation.reactor.descriptor(self.file).expect("open");
        // SAFETY: takes and returns integers only.
        unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
    }

    pub(super) fn sync(&mut self, linked: bool) -> u32 {
        self.call(self.file, FileOp::Sync { data_only: false }, linked)
    }

    pub(super) fn call(&mut self, file: HandleId, op: FileOp, linked: bool) -> u32 {
        let token = self.token(None);
        let subject = Subject { handle: file, ..Subject::default() };
        self.simulation.reactor.call_file(FileCall::new(token, op, &subject).expect("no paths"), linked);
        token
    }

    /// A write and the sync that follows it.
    pub(super) fn commit(&mut self, position: i64, length: usize) -> [u32; 2] {
        [self.write(position, length, true), self.call(self.file, FileOp::Sync { data_only: true }, false)]
    }

    fn attribute(&mut self, room: usize) -> u32 {
        let place = self.simulation.memory.add(vec![0xaa; room]);
        let token = self.token(Some((place.region, 0, room)));
        let subject = Subject { handle: self.file, other: b"user.a", place, ..Subject::default() };
        let call = FileCall::new(token, FileOp::FGetXattr, &subject).expect("a plain name");
        self.simulation.reactor.call_file(call, false);
        token
    }

    pub(super) fn close(&mut self) {
        let token = self.token(None);
        self.simulation.reactor.close_file(self.file, token);
    }

    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    fn take_events(&mut self) {
        while let Some(event) = self.simulation.reactor.next_event() {
            match event {
                Event::FileDone { token, result } => {
                    assert!(self.asked.contains_key(&token), "nobody asked for {token}");
                    assert_eq!(self.settled.insert(token, result), None, "{token} is settled twice");
                    if let Some((region, position, length)) = self.asked[&token] {
                        let end = i64::try_from(LENGTH).expect("small");
                        assert!(result != 0 || position >= end, "an end where the file goes on");
                        self.simulation.check_read(region, position, length, result);
                    }
                }
                Event::Closed { handle } => {
                    assert_eq!(handle, self.file);
                    assert!(!std::mem::replace(&mut self.closed, true), "closed twice");
                    assert_eq!(
                        self.simulation.world.borrow().file_requests_live(),
                        0,
                        "closed with requests in flight"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// A turn that the ring refuses.
    fn failing_turn(&mut self) {
        assert_eq!(self.simulation.reactor.turn(&mut self.simulation.memory), Err(Errno(libc::EPERM)));
        self.take_events();
        assert!(!self.simulation.reactor.has_work());
        assert_eq!(self.settled.len(), self.asked.len(), "somebody waits for ever");
        assert!(self.settled.values().all(|&result| result == -libc::EPERM), "{:?}", self.settled);
    }

    pub(super) fn turn(&mut self) {
        self.simulation.reactor.turn(&mut self.simulation.memory).expect("the ring holds");
        self.simulation.memory.settle_copies();
        self.take_events();
    }

    pub(super) fn finish(&mut self) {
        for _ in 0..20_000 {
            if !self.simulation.reactor.has_work() {
                break;
            }
            self.turn();
        }
        assert!(!self.simulation.reactor.has_work(), "a livelock: {:?}", self.simulation.reactor.stats());
        assert_eq!(self.settled.len(), self.asked.len(), "somebody waits for ever");
        let stats = self.simulation.reactor.stats();
        let handles = usize::from(!self.closed);
        assert_eq!(stats, Stats { turns: stats.turns, handles, ..Stats::default() });
        assert_eq!(self.simulation.world.borrow().unfinished(), 0);
    }
}

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
