//! Files: whatever the kernel does, every operation settles exactly once and nothing stays behind.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use proptest::prelude::*;

use super::harness::Bench;
use crate::bounce::BUDGET;
use crate::error::Errno;
use crate::event::Event;
use crate::fake::{Temper, content};
use crate::file::MOST_IN_FLIGHT;
use crate::file::job::{Job, Task};
use crate::file::transfer::Transfer;
use crate::kernel::Direction;
use crate::resource::{Handle, Resource};
use crate::{HandleId, Stats};

/// Bytes of the file that the fake plays: its content is what [`content`](crate::fake::content) says.
const LENGTH: usize = 6000;

/// A reactor with one file, and who waits.
pub(super) struct Table {
    pub(super) bench: Bench,
    pub(super) file: HandleId,
    /// What each token asked for: reads with the region, the position and the length.
    asked: HashMap<u32, Option<(u32, i64, usize)>>,
    pub(super) settled: HashMap<u32, i32>,
    closed: bool,
}

impl Table {
    pub(super) fn new(temper: Temper, direct: bool) -> Self {
        let mut bench = Bench::new(temper, 4, 64, 64);
        // SAFETY: the name is terminated, and the descriptor known to nobody else.
        let descriptor = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"file".as_ptr(), libc::MFD_CLOEXEC)) };
        let fd = descriptor.as_raw_fd();
        bench.world.borrow_mut().descriptors.add(fd);
        bench.world.borrow_mut().file_length = LENGTH;
        let (file, _) = bench.reactor.add_file(descriptor).expect("room");
        if direct && let Some(Handle { resource: Resource::File(file), .. }) = bench.reactor.handles.get_mut(file) {
            file.pretend_direct();
        }
        Self { bench, file, asked: HashMap::new(), settled: HashMap::new(), closed: false }
    }

    /// Lets the file be a pipe.
    fn pretend_pipe(&mut self) {
        if let Some(Handle { resource: Resource::File(file), .. }) = self.bench.reactor.handles.get_mut(self.file) {
            file.pretend_pipe();
        }
    }

    fn token(&mut self, expected: Option<(u32, i64, usize)>) -> u32 {
        let token = u32::try_from(self.asked.len()).expect("few");
        self.asked.insert(token, expected);
        token
    }

    pub(super) fn read(&mut self, position: i64, length: usize, linked: bool) -> u32 {
        let place = self.bench.memory.add(vec![0xaa; length]);
        let token = self.token((position >= 0).then_some((place.region, position, length)));
        self.bench.reactor.transfer(self.file, Transfer::new(token, Direction::Read, place, position), linked);
        token
    }

    pub(super) fn write(&mut self, position: i64, length: usize, linked: bool) -> u32 {
        let place = self.bench.memory.add(vec![0x55; length]);
        let token = self.token(None);
        self.bench.reactor.transfer(self.file, Transfer::new(token, Direction::Write, place, position), linked);
        token
    }

    /// A read past the ring: it is done with all that there is, or not at all.
    fn read_now(&mut self, position: i64, length: usize) {
        let before = self.cursor();
        let mut bytes = vec![0xaa; length];
        let wanted = u32::try_from(length).expect("short");
        // SAFETY: the vector has that many bytes and outlives the call.
        let outcome = unsafe { self.bench.reactor.read_now(self.file, bytes.as_mut_ptr(), wanted, position) };
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
    fn read_many_now(&mut self, position: i64, length: usize, count: usize) -> usize {
        let mut bytes = vec![0xaa; length * count];
        let size = u32::try_from(length).expect("short");
        let start = |piece: usize| position + i64::try_from(piece * 30).expect("small");
        let mut told = Vec::new();
        let done = |piece: usize, bytes: u32| told.push((piece, bytes as usize));
        // SAFETY: the vector has that many bytes and outlives the call.
        let read = unsafe { self.bench.reactor.read_many_now(self.file, bytes.as_mut_ptr(), size, count, start, done) };
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
        let fd = self.bench.reactor.descriptor(self.file).expect("open");
        // SAFETY: takes and returns integers only.
        unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
    }

    pub(super) fn sync(&mut self, linked: bool) -> u32 {
        self.job(self.file, Task::Sync, linked)
    }

    pub(super) fn job(&mut self, file: HandleId, task: Task, linked: bool) -> u32 {
        let token = self.token(None);
        self.bench.reactor.job(Job::new(token, file, task, b"", b"").expect("no paths"), linked);
        token
    }

    /// A write and the sync that follows it.
    pub(super) fn commit(&mut self, position: i64, length: usize) -> [u32; 2] {
        [self.write(position, length, true), self.job(self.file, Task::DataSync, false)]
    }

    fn attribute(&mut self, room: usize) -> u32 {
        let place = self.bench.memory.add(vec![0xaa; room]);
        let token = self.token(Some((place.region, 0, room)));
        let job = Job::new(token, self.file, Task::FGetXattr(place), b"", b"user.a").expect("a plain name");
        self.bench.reactor.job(job, false);
        token
    }

    pub(super) fn close(&mut self) {
        let token = self.token(None);
        self.bench.reactor.close_file(self.file, token);
    }

    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    fn take_events(&mut self) {
        while let Some(event) = self.bench.reactor.next_event() {
            match event {
                Event::FileDone { token, result } => {
                    assert!(self.asked.contains_key(&token), "nobody asked for {token}");
                    assert_eq!(self.settled.insert(token, result), None, "{token} is settled twice");
                    if let Some((region, position, length)) = self.asked[&token] {
                        let end = i64::try_from(LENGTH).expect("small");
                        assert!(result != 0 || position >= end, "an end where the file goes on");
                        self.bench.check_read(region, position, length, result);
                    }
                }
                Event::Closed { handle } => {
                    assert_eq!(handle, self.file);
                    assert!(!std::mem::replace(&mut self.closed, true), "closed twice");
                    assert_eq!(self.bench.world.borrow().file_requests_live(), 0, "closed with requests in flight");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// A turn that the ring refuses.
    fn failing_turn(&mut self) {
        assert_eq!(self.bench.reactor.turn(&mut self.bench.memory), Err(Errno(libc::EPERM)));
        self.take_events();
        assert!(!self.bench.reactor.has_work());
        assert_eq!(self.settled.len(), self.asked.len(), "somebody waits for ever");
        assert!(self.settled.values().all(|&result| result == -libc::EPERM), "{:?}", self.settled);
    }

    pub(super) fn turn(&mut self) {
        self.bench.reactor.turn(&mut self.bench.memory).expect("the ring holds");
        self.bench.memory.settle_copies();
        self.take_events();
    }

    pub(super) fn finish(&mut self) {
        for _ in 0..20_000 {
            if !self.bench.reactor.has_work() {
                break;
            }
            self.turn();
        }
        assert!(!self.bench.reactor.has_work(), "a livelock: {:?}", self.bench.reactor.stats());
        assert_eq!(self.settled.len(), self.asked.len(), "somebody waits for ever");
        let stats = self.bench.reactor.stats();
        let handles = usize::from(!self.closed);
        assert_eq!(stats, Stats { turns: stats.turns, handles, ..Stats::default() });
        assert_eq!(self.bench.world.borrow().unfinished(), 0);
    }
}

fn temper(seed: u64, malice: u8, entries: usize) -> Temper {
    Temper { seed, submission_entries: entries, malice, budget: 300, ..Temper::kind() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Any mixture of reads, writes, syncs, attributes, chains and a close, on a kernel that shortens, refuses, is short of memory and reorders.
    #[test]
    fn every_operation_settles_once(
        seed in any::<u64>(),
        malice in 0_u8..120,
        direct in any::<bool>(),
        pipe in any::<bool>(),
        actions in proptest::collection::vec((0_u8..12, -1_i64..7000, 1_usize..3000, any::<bool>()), 1..60),
        closes in any::<bool>(),
    ) {
        let mut table = Table::new(temper(seed, malice, 8 + seed as usize % 57), direct && !pipe);
        if pipe {
            table.pretend_pipe();
        }
        for (action, position, length, linked) in actions {
            match action {
                0 | 1 => drop(table.read(position, length, false)),
                2 => drop(table.write(position, length, false)),
                3 => drop(table.sync(false)),
                4 => {
                    table.write(position.max(0), length, true);
                    table.read(position.max(0), length, linked);
                    if linked {
                        table.sync(false);
                    }
                }
                5 => drop(table.read(-1, length, false)),
                6 => table.read_now(position, length),
                7 => drop(table.attribute(length)),
                9 => drop(table.read_many_now(position.max(0), length, 1 + length % 90)),
                8 => drop(table.commit(position.max(0), length)),
                10 => {
                    table.sync(true);
                    let token = table.token(None);
                    table.bench.reactor.refuse(token, Errno(libc::EINVAL), linked);
                    if linked {
                        table.read(-1, length, false);
                    }
                }
                _ => table.turn(),
            }
        }
        if closes {
            table.close();
        }
        table.finish();
        prop_assert_eq!(table.closed, closes);
        if !closes {
            table.close();
            table.finish();
        }
    }

    /// The same, and then the ring fails: everybody is told, once, also those who come later.
    #[test]
    fn a_ring_that_fails_leaves_nobody_waiting(
        seed in any::<u64>(),
        malice in 0_u8..120,
        actions in proptest::collection::vec((0_u8..5, -1_i64..7000, 1_usize..3000), 1..40),
        closes in any::<bool>(),
    ) {
        let mut table = Table::new(temper(seed, malice, 64), seed & 1 == 0);
        let half = actions.len() / 2;
        for (index, &(action, position, length)) in actions.iter().enumerate() {
            if index == half {
                table.bench.world.borrow_mut().refusal = Some(libc::EPERM);
            }
            match action {
                0 => drop(table.read(position, length, false)),
                1 => drop(table.write(position, length, false)),
                2 => {
                    table.write(position.max(0), length, true);
                    table.sync(false);
                }
                3 => drop(table.read(-1, length, false)),
                _ => {
                    let _ = table.bench.reactor.turn(&mut table.bench.memory);
                    table.bench.memory.settle_copies();
                    table.take_events();
                }
            }
        }
        if closes {
            let token = table.token(None);
            table.bench.reactor.close_file(table.file, token);
        }
        for _ in 0..4 {
            let _ = table.bench.reactor.turn(&mut table.bench.memory);
            while let Some(event) = table.bench.reactor.next_event() {
                if let Event::FileDone { token, result } = event {
                    prop_assert_eq!(table.settled.insert(token, result), None);
                }
            }
        }
        prop_assert!(!table.bench.reactor.has_work());
        prop_assert_eq!(table.settled.len(), table.asked.len(), "somebody waits for ever");
        std::mem::forget(table);
    }
}

#[test]
fn many_reads_at_once_share_their_way_to_the_kernel() {
    let mut table = Table::new(Temper::kind(), false);
    table.write(0, 10, false);
    assert_eq!(table.read_many_now(0, 8, 150), 150);
    assert_eq!(table.bench.world.borrow().enters, 3);
    let left = table.bench.reactor.stats().operations;
    assert_eq!(left, 0, "nothing is under way afterwards");
    table.finish();
    assert_eq!(table.read_many_now(5900, 200, 3), 3);
    assert_eq!(table.bench.world.borrow().executed.len(), 151, "a few go one by one");
    table.close();
    table.finish();
}

#[test]
fn a_ring_that_fails_under_reads_at_once_is_told_of_by_the_next_turn() {
    let mut table = Table::new(Temper::kind(), false);
    table.read(0, 10, false);
    table.bench.world.borrow_mut().refusal = Some(libc::EPERM);
    let mut bytes = vec![0; 500];
    // SAFETY: the vector has that many bytes and outlives the call.
    let read = unsafe {
        table.bench.reactor.read_many_now(table.file, bytes.as_mut_ptr(), 10, 50, |_| 0, |_, _| panic!("read"))
    };
    assert_eq!(read, 0);
    let enters = table.bench.world.borrow().enters;
    table.failing_turn();
    assert_eq!(table.bench.world.borrow().enters, enters, "a ring that has failed is entered again");
    std::mem::forget(table);
}

#[test]
fn whoever_asks_hears_of_the_failure_before_and_after() {
    let mut table = Table::new(Temper::kind(), false);
    for _ in 0..3 {
        table.read(-1, 10, false);
    }
    // The chain is still being told.
    table.write(0, 5, true);
    table.bench.world.borrow_mut().refusal = Some(libc::EPERM);
    table.failing_turn();
    for _ in 0..3 {
        table.read(-1, 10, false);
    }
    assert!(table.bench.reactor.has_work(), "nobody would come to settle them");
    table.failing_turn();
    std::mem::forget(table);
}

#[test]
fn commits_hear_of_the_failure_before_and_after() {
    for direct in [false, true] {
        for turns in 0..3 {
            let mut table = Table::new(Temper { seed: 5, malice: 100, budget: 50, ..Temper::kind() }, direct);
            table.commit(0, 5);
            for _ in 0..turns {
                table.turn();
            }
            table.commit(0, 5);
            table.bench.world.borrow_mut().refusal = Some(libc::EPERM);
            let _ = table.bench.reactor.turn(&mut table.bench.memory);
            table.take_events();
            assert_eq!(table.settled.len(), table.asked.len(), "somebody waits for ever");
            table.commit(0, 5);
            assert!(table.bench.reactor.has_work(), "nobody would come to settle them");
            let _ = table.bench.reactor.turn(&mut table.bench.memory);
            table.take_events();
            assert_eq!(table.settled.len(), table.asked.len(), "somebody waits for ever");
            std::mem::forget(table);
        }
    }
}

#[test]
fn a_chain_that_breaks_off_while_it_starts_takes_nobody_along() {
    let mut table = Table::new(Temper::kind(), false);
    let first = table.read(i64::try_from(LENGTH).expect("small"), 10, true);
    table.asked.insert(first, None);
    let second = table.job(HandleId::from_raw(-1), Task::Sync, false);
    let other = table.read(0, 10, false);
    table.finish();
    assert_eq!([first, second, other].map(|token| table.settled[&token]), [0, -libc::EBADF, 10]);
    table.close();
    table.finish();
}

#[test]
fn the_kernel_has_no_more_than_so_many_at_once() {
    let mut table = Table::new(Temper::kind(), true);
    let count = 2 * MOST_IN_FLIGHT + 100;
    for index in 0..count {
        table.read(i64::try_from(index).expect("small"), 1, false);
    }
    while table.settled.len() < count {
        assert!(table.bench.reactor.has_work(), "stuck");
        table.turn();
        assert!(table.bench.reactor.stats().operations <= MOST_IN_FLIGHT);
    }
    table.close();
    table.finish();
}

#[test]
fn a_chain_ends_with_a_step_on_a_file_that_is_gone() {
    let mut table = Table::new(Temper::kind(), false);
    let gone = HandleId::from_raw(0x7ff);
    let first = table.read(0, 10, true);
    let place = table.bench.memory.add(vec![0xaa; 10]);
    let second = table.token(None);
    table.bench.reactor.transfer(gone, Transfer::new(second, Direction::Read, place, 0), true);
    let third = table.sync(false);
    let other = table.read(0, 10, false);
    table.finish();
    let outcomes = [first, second, third, other].map(|token| table.settled[&token]);
    assert_eq!(outcomes, [10, -libc::EBADF, -libc::ECANCELED, 10]);
    // As the first, or the last.
    for position in [0, 1] {
        let step = |table: &mut Table, index: i32| {
            if index == position {
                let token = table.token(None);
                table.bench.reactor.refuse(token, Errno(libc::EINVAL), index == 0);
                token
            } else {
                table.sync(index == 0)
            }
        };
        let tokens = [step(&mut table, 0), step(&mut table, 1)];
        table.finish();
        let expected = if position == 0 { [-libc::EINVAL, -libc::ECANCELED] } else { [0, -libc::EINVAL] };
        assert_eq!(tokens.map(|token| table.settled[&token]), expected);
    }
    table.close();
    table.finish();
}

#[test]
fn a_chain_waits_for_memory_and_may_need_more_than_there_is() {
    let mut table = Table::new(Temper::kind(), true);
    let half = BUDGET / 2 + 4096;
    let first = table.read(0, half, false);
    // Both halves are needed at once, in each of them.
    let chains: Vec<[u32; 2]> = (0..3).map(|_| [table.read(0, half, true), table.read(0, half, false)]).collect();
    let after = table.read(0, 10, false);
    for token in chains.iter().flatten().chain([&first]) {
        table.asked.insert(*token, None);
    }
    table.finish();
    assert_eq!(table.settled[&after], 10);
    for [read, cancelled] in chains {
        // The file is shorter than what is asked for: the chain ends with its first step, which was started.
        let length = i32::try_from(LENGTH).expect("small");
        assert_eq!((table.settled[&read], table.settled[&cancelled]), (length, -libc::ECANCELED));
    }
    table.close();
    table.finish();
}

#[test]
fn a_full_queue_does_not_wait_for_what_may_never_end() {
    let mut table = Table::new(Temper { submission_entries: 8, ..Temper::kind() }, true);
    table.bench.world.borrow_mut().nothing_to_read = true;
    table.pretend_pipe();
    let waits = table.read(-1, 100, false);
    table.turn();
    table.turn();
    assert!(!table.settled.contains_key(&waits), "there is nothing to read");
    let stats = table.bench.reactor.stats();
    assert_eq!((stats.bounces, stats.operations), (0, 1), "it holds memory while it waits");
    // More than the queue takes at once, and more than may be with the kernel.
    let writes: Vec<u32> = (0..40).map(|_| table.sync(false)).collect();
    let chain = [table.sync(true), table.sync(true), table.sync(false)];
    for _ in 0..40 {
        table.turn();
    }
    assert!(writes.iter().chain(&chain).all(|token| table.settled.get(token) == Some(&0)), "stuck behind a read");
    assert!(table.bench.reactor.release_file(table.file).is_none(), "somebody waits");
    table.bench.world.borrow_mut().nothing_to_read = false;
    table.asked.insert(waits, None);
    table.finish();
    table.close();
    table.finish();
}

#[test]
fn a_file_that_is_waited_for_is_not_given_away() {
    let mut table = Table::new(Temper::kind(), false);
    table.sync(false);
    assert!(table.bench.reactor.release_file(table.file).is_none(), "a job waits");
    table.finish();
    table.write(0, 5, true);
    assert!(table.bench.reactor.release_file(table.file).is_none(), "a chain is being told");
    table.sync(false);
    assert!(table.bench.reactor.release_file(table.file).is_none(), "a commit waits");
    table.finish();
    table.close();
    table.finish();
}

#[test]
fn what_has_no_positions_says_so() {
    let mut table = Table::new(Temper::kind(), false);
    table.pretend_pipe();
    let read = table.read(0, 10, false);
    let steps = [table.sync(true), table.write(5, 10, true), table.sync(false)];
    table.asked.insert(read, None);
    table.finish();
    assert_eq!(table.settled[&read], -libc::ESPIPE);
    assert_eq!(steps.map(|token| table.settled[&token]), [0, -libc::ESPIPE, -libc::ECANCELED]);
    table.close();
    table.finish();
}
