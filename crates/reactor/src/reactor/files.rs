//! What is asked of files, and what comes of it.

use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

mod start;

use crate::error::Errno;
use crate::event::{Event, Opened, bytes};
use crate::file::call::{FileCall, STATUS_BYTES};
use crate::file::files::{Files, Queued, Step};
use crate::file::read_nowait::{self, Pieces};
use crate::file::settle::advance;
use crate::file::transfer::{Progress, Role, Transfer};
use crate::file::{File, MAX_CHAIN, ShortOps, commit};
use crate::handle::HandleState;
use crate::handle_id::HandleId;
use crate::io::Io;
use crate::kernel::{Cqe, FileOp, Kernel};
use crate::memory::Memory;
use crate::operation::FileOperation;
use crate::reactor::Reactor;
use crate::resource::{Handle, Resource};

impl<K: Kernel> Reactor<K> {
    /// Takes over the descriptor of an open file.
    ///
    /// # Errors
    /// `fstat(2)`'s; `EMFILE` when the handle table is full. The descriptor is closed then.
    pub fn add_file(&mut self, descriptor: OwnedFd) -> Result<(HandleId, Opened), Errno> {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&descriptor);
        let (file, opened) = File::of(fd, &mut self.files.mounts)?;
        let id = self.handles.insert(descriptor, Resource::File(Box::new(file))).ok_or(Errno(libc::EMFILE))?;
        Ok((id, opened))
    }

    pub(super) fn file(&mut self, id: HandleId) -> Option<(&mut File, &mut HandleState, &mut Files, &mut Io<K>)> {
        match self.handles.get_mut(id) {
            Some(Handle { state, resource: Resource::File(file) }) if !state.closing => {
                Some((file, state, &mut self.files, &mut self.io))
            }
            _ => None,
        }
    }

    /// Gives the descriptor of a file away, unless something is in flight on it or waits to be. The handle is gone
    /// then.
    pub fn release_file(&mut self, id: HandleId) -> Option<OwnedFd> {
        let (file, state, files, _) = self.file(id)?;
        if state.in_flight > 0 || file.is_waited_for() || files.waits_for(id) {
            return None;
        }
        self.handles.remove(id)?.state.take_descriptor()
    }

    /// Sets the io priority of a file's transfers: `IOPRIO_PRIO_VALUE(class, level)`, 0 for the thread's own.
    pub fn prioritize_file(&mut self, id: HandleId, priority: u16) {
        if let Some((file, ..)) = self.file(id) {
            file.priority = priority;
        }
    }

    /// Moves bytes between a file and memory; [`Event::FileDone`] follows. `linked`: the next transfer or call starts
    /// only when this one is done completely, and fails with `ECANCELED` when it is not.
    pub fn transfer(&mut self, id: HandleId, transfer: Transfer, linked: bool) {
        let Some((file, _, files, _)) = self.file(id) else {
            return self.refuse(transfer.token, Errno(libc::EBADF), linked);
        };
        if transfer.position >= 0 && !file.may_place(transfer.direction) {
            return self.refuse(transfer.token, Errno(libc::ESPIPE), linked);
        }
        let chained = linked || !files.chain.is_empty();
        let mut transfer = transfer;
        if chained {
            transfer.role = Role::Step;
        } else if transfer.position < 0 {
            transfer.role = Role::AtCursor;
            let lane = file.lane(transfer.direction);
            if lane.busy {
                lane.queue.push_back(transfer);
                return;
            }
            lane.busy = true;
        }
        self.push_step(Step::Transfer(id, transfer), linked);
    }

    /// Settles a transfer or call that cannot be started. Where it is a step of a chain, that ends with it: what was
    /// told before is done, what follows is cancelled.
    pub fn refuse(&mut self, token: u32, errno: Errno, linked: bool) {
        if !linked && self.files.chain.is_empty() {
            return self.io.settle(token, errno.negated());
        }
        self.push_step(Step::Refused(token, errno), linked);
    }

    /// Makes a call; [`Event::FileDone`] or [`Event::Opened`] follows. `linked` as in [`transfer`](Self::transfer).
    pub fn call_file(&mut self, call: FileCall, linked: bool) {
        self.push_step(Step::Call(Box::new(call)), linked);
    }

    fn push_step(&mut self, step: Step, linked: bool) {
        let files = &mut self.files;
        if !linked && files.chain.is_empty() {
            files.waiting.push_back(Queued::One(step));
            return;
        }
        files.chain.push(step);
        if linked && files.chain.len() < MAX_CHAIN {
            return;
        }
        let chain = std::mem::take(&mut files.chain);
        if let Some(&Step::Transfer(id, _)) = chain.first()
            && let Some((file, _, files, _)) = self.file(id)
            && let Some(commit) = commit::commit_of(&chain, file)
        {
            return commit::join(id, commit, file, files);
        }
        self.files.waiting.push_back(Queued::Chain(chain));
    }

    /// Closes a file; [`Event::FileDone`] with the result of the close follows, then [`Event::Closed`].
    pub fn close_file(&mut self, id: HandleId, token: u32) {
        if let Some((file, ..)) = self.file(id) {
            file.closer = Some(token);
            self.close(id);
        } else {
            self.io.settle(token, -libc::EBADF);
        }
    }

    /// Operations that are done in no time; see [`ShortOps`].
    #[must_use]
    pub fn short_ops(&self) -> ShortOps {
        self.files.short_ops
    }

    /// Reads `length` bytes, or up to the end of the file, at `position`, or at the file's own where that is negative.
    /// Nothing is under way afterwards, whatever comes of it.
    ///
    /// # Errors
    /// `EAGAIN` where it cannot be done at once, and whatever the file system says. The bytes at `data` may have been
    /// changed then, the file's own position has not; [`transfer`](Self::transfer) will tell what is the matter.
    ///
    /// # Safety
    /// `data` points at `length` bytes that may be written for the length of the call.
    pub unsafe fn read_nowait(
        &mut self,
        id: HandleId,
        data: *mut u8,
        length: u32,
        position: i64,
    ) -> Result<u32, Errno> {
        if length == 0 {
            return Ok(0);
        }
        let (file, state, _, io) = self.file(id).ok_or(Errno(libc::EBADF))?;
        // SAFETY: the caller's promise.
        unsafe { read_nowait::read_nowait(state, data, length, position, file, io) }
    }

    /// Reads `count` pieces of `size` bytes each, to consecutive places from `data` on, as
    /// [`read_nowait`](Self::read_nowait) does: up to the first that cannot be read at once. `position` tells where in
    /// the file each is, and `done` hears of those that were read, in order: number, bytes. Nothing is under way
    /// afterwards. Returns how many were read; beyond them bytes may have been changed as well.
    ///
    /// # Safety
    /// `data` points at `count * size` bytes that may be written for the length of the call.
    pub unsafe fn read_many_nowait(
        &mut self,
        id: HandleId,
        data: *mut u8,
        size: u32,
        count: usize,
        position: impl Fn(usize) -> i64,
        done: impl FnMut(usize, u32),
    ) -> usize {
        let Some((file, state, files, io)) = self.file(id) else { return 0 };
        // SAFETY: the caller's promise.
        unsafe { read_nowait::read_many(state, &Pieces { data, size, count, position }, done, file, files, io) }
    }

    /// A completion of an operation on files, already taken out of the slab.
    pub(crate) fn complete_file(
        &mut self,
        id: HandleId,
        operation: FileOperation,
        completion: &Cqe,
        memory: &mut impl Memory,
    ) {
        let result = completion.result;
        self.files.done(&operation);
        match operation {
            FileOperation::Transfer { transfer, carrier, .. } => {
                let result = carrier.collect(&transfer, result, memory);
                self.files.bounces.take_back(carrier);
                self.io.totals.count_transfer(transfer.direction, bytes(result));
                self.advance(id, transfer, result);
            }
            // Also where it is an end or an error that there is: the transfer will meet it.
            FileOperation::Awaiting(transfer) if result >= 0 && self.file(id).is_some() => {
                self.files.waiting.push_front(Queued::One(Step::Transfer(id, transfer)));
            }
            FileOperation::Awaiting(transfer) => self.advance(id, transfer, result),
            FileOperation::Call { call, .. } => self.complete_call(&call, result, memory),
            FileOperation::GroupSync => self.complete_sync(id, result),
        }
        self.end_if_closed(id);
    }

    fn advance(&mut self, id: HandleId, mut transfer: Transfer, result: i32) {
        if let Some((file, state, files, io)) = self.file(id) {
            return advance(state, transfer, result, file, files, io);
        }
        let result = match transfer.advance(result, false) {
            Progress::Settled(result) => result,
            Progress::Again | Progress::Refused => -libc::ECANCELED,
        };
        self.io.settle_all(&transfer, result);
    }

    /// The sync of a group is done. Whoever closes the file meanwhile has told those who waited for it.
    fn complete_sync(&mut self, id: HandleId, result: i32) {
        if let Some(Handle { resource: Resource::File(file), .. }) = self.handles.get_mut(id) {
            commit::synced(id, result, file, &mut self.files, &mut self.io);
        }
    }

    fn complete_call(&mut self, call: &FileCall, result: i32, memory: &mut impl Memory) {
        match call.op {
            FileOp::Open { .. } if result >= 0 => {
                // SAFETY: the kernel has just made the descriptor for us.
                let descriptor = unsafe { OwnedFd::from_raw_fd(result) };
                let event = match self.add_file(descriptor) {
                    Ok((handle, opened)) => Event::Opened { token: call.token, handle, opened },
                    Err(errno) => Event::FileDone { token: call.token, result: errno.negated() },
                };
                self.io.events.push_back(event);
            }
            FileOp::Status { .. } if result >= 0 => {
                let place = call.place;
                let words = call.status().filter(|_| place.length == STATUS_BYTES);
                let delivered = words.zip(memory.resolve(&place)).map(|(words, target)| {
                    // SAFETY: the place has room for exactly these bytes; it may be unaligned, so it is written
                    // bytewise.
                    unsafe {
                        ptr::copy_nonoverlapping(words.as_ptr().cast::<u8>(), target.as_ptr(), size_of_val(&words));
                    };
                });
                self.io.settle(call.token, delivered.map_or(-libc::EFAULT, |()| 0));
            }
            FileOp::GetXattr | FileOp::FGetXattr if result >= 0 => {
                let delivered = call.deliver(result.cast_unsigned(), memory);
                self.io.settle(call.token, delivered.map_or_else(Errno::negated, |()| result));
            }
            _ => self.io.settle(call.token, result),
        }
    }
}
