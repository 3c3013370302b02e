//! Plays one file in the fake kernel, and keeps account of who waits.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::harness::Simulation;
use crate::error::Errno;
use crate::event::Event;
use crate::fake::{Behavior, content};
use crate::file::call::{FileCall, Subject};
use crate::file::transfer::Transfer;
use crate::kernel::{Direction, FileOp};
use crate::resource::{Handle, Resource};
use crate::{HandleId, Stats};

/// Bytes of the file that the fake plays: its content is what [`content`](crate::fake::content) says.
pub(super) const LENGTH: usize = 6000;

/// A reactor with one file, and who waits.
pub(super) struct FileSimulation {
    pub(super) simulation: Simulation,
    pub(super) file: HandleId,
    /// What each token asked for: reads with the region, the position and the length.
    pub(super) asked: HashMap<u32, Option<(u32, i64, usize)>>,
    pub(super) settled: HashMap<u32, i32>,
    pub(super) closed: bool,
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
    pub(super) fn pretend_pipe(&mut self) {
        if let Some(Handle { resource: Resource::File(file), .. }) = self.simulation.reactor.handles.get_mut(self.file)
        {
            file.pretend_pipe();
        }
    }

    pub(super) fn token(&mut self, expected: Option<(u32, i64, usize)>) -> u32 {
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
    pub(super) fn read_nowait(&mut self, position: i64, length: usize) {
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
    pub(super) fn read_many_nowait(&mut self, position: i64, length: usize, count: usize) -> usize {
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

    pub(super) fn attribute(&mut self, room: usize) -> u32 {
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

    pub(super) fn take_events(&mut self) {
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
                Event::RingFailed { .. } => {
                    assert!(!std::mem::replace(&mut self.simulation.ring_failed, true), "told twice");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// A turn that the ring refuses.
    pub(super) fn failing_turn(&mut self) {
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
