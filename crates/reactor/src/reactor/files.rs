//! How file operations are started and what comes of them.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

mod commits;
mod read_now;

use crate::bounce::Budget;
use crate::context::Context;
use crate::error::Errno;
use crate::event::{Event, Opened};
use crate::file::carrier::Carrier;
use crate::file::commit::{commit_of, until};
use crate::file::files::{Batch, Files, Step};
use crate::file::job::{Job, STATUS_BYTES, Task};
use crate::file::load::Load;
use crate::file::settle::{cursor, settle_transfer};
use crate::file::transfer::{Progress, Transfer};
use crate::file::{File, LONGEST_CHAIN, MAX_SHORT_WRITE, MOST_IN_FLIGHT, ShortOps};
use crate::handle::Common;
use crate::handle_id::HandleId;
use crate::kernel::{Completion, Direction, FileRequest, Kernel, Request};
use crate::memory::Memory;
use crate::operation::{FileOperation, IGNORED, NOBODY};
use crate::reactor::Reactor;
use crate::resource::{Handle, Resource};

/// What became of an attempt to start a step.
pub(super) enum Start {
    Done,
    /// It cannot be started now, and comes back.
    Full(Step, Lack),
    /// Settled with an error.
    Failed,
}

/// What was missing to start something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// Room in the submission queue: there is some in the next turn.
    Queue,
    /// A place or memory that others have: something has to come back first.
    Place,
}

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

    pub(super) fn file(&mut self, id: HandleId) -> Option<(&mut File, &mut Common, &mut Files, &mut Context<K>)> {
        match self.handles.get_mut(id) {
            Some(Handle { common, resource: Resource::File(file) }) if !common.closing => {
                Some((file, common, &mut self.files, &mut self.context))
            }
            _ => None,
        }
    }

    /// Gives the descriptor of a file away, unless something is in flight on it or waits to be. The handle is gone then.
    pub fn release_file(&mut self, id: HandleId) -> Option<OwnedFd> {
        let (file, common, files, _) = self.file(id)?;
        if common.in_flight > 0 || file.is_waited_for() || files.waits_for(id) {
            return None;
        }
        self.handles.remove(id)?.common.take_descriptor()
    }

    /// Sets the io priority of a file's transfers: `IOPRIO_PRIO_VALUE(class, level)`, 0 for the thread's own.
    pub fn prioritize_file(&mut self, id: HandleId, priority: u16) {
        if let Some((file, ..)) = self.file(id) {
            file.priority = priority;
        }
    }

    /// Moves bytes between a file and memory; [`Event::FileDone`] follows. `linked`: the next transfer or job starts only when this one is done
    /// completely, and fails with `ECANCELED` when it is not.
    pub fn transfer(&mut self, id: HandleId, transfer: Transfer, linked: bool) {
        let Some((file, _, files, _)) = self.file(id) else {
            return self.refuse(transfer.token, Errno(libc::EBADF), linked);
        };
        if transfer.position >= 0 && !file.may_place(transfer.direction) {
            return self.refuse(transfer.token, Errno(libc::ESPIPE), linked);
        }
        let chained = linked || !files.chain.is_empty();
        let mut transfer = transfer;
        if transfer.position < 0 && !chained {
            transfer.at_cursor = true;
            let lane = file.lane(transfer.direction);
            if lane.busy {
                lane.queue.push_back(transfer);
                return;
            }
            lane.busy = true;
        }
        self.push_step(Step::Transfer(id, transfer), linked);
    }

    /// Settles a transfer or job that cannot be started. Where it is a step of a chain, that ends with it: what was told before is done, what follows is
    /// cancelled.
    pub fn refuse(&mut self, token: u32, errno: Errno, linked: bool) {
        if !linked && self.files.chain.is_empty() {
            return self.context.settle(token, errno.negated());
        }
        self.push_step(Step::Refused(token, errno), linked);
    }

    /// Does a job; [`Event::FileDone`] or [`Event::Opened`] follows. `linked` as in [`transfer`](Self::transfer).
    pub fn job(&mut self, job: Job, linked: bool) {
        self.push_step(Step::Job(Box::new(job)), linked);
    }

    fn push_step(&mut self, step: Step, linked: bool) {
        let files = &mut self.files;
        if !linked && files.chain.is_empty() {
            files.waiting.push_back(Batch::One(step));
            return;
        }
        files.chain.push(step);
        if linked && files.chain.len() < LONGEST_CHAIN {
            return;
        }
        let chain = std::mem::take(&mut files.chain);
        if let Some(&Step::Transfer(id, _)) = chain.first()
            && let Some((file, ..)) = self.file(id)
            && let Some(commit) = commit_of(&chain, file)
        {
            return self.commit(id, commit);
        }
        self.files.waiting.push_back(Batch::Chain(chain));
    }

    /// Closes a file; [`Event::FileDone`] with the result of the close follows, then [`Event::Closed`].
    pub fn close_file(&mut self, id: HandleId, token: u32) {
        if let Some((file, ..)) = self.file(id) {
            file.closer = Some(token);
            self.close(id);
        } else {
            self.context.settle(token, -libc::EBADF);
        }
    }

    /// Operations that are done in no time; see [`ShortOps`].
    #[must_use]
    pub fn short_ops(&self) -> ShortOps {
        self.files.short_ops
    }

    /// Starts what waits, as far as there is room.
    pub(crate) fn start_waiting(&mut self, memory: &mut impl Memory) {
        while !self.files.blocked
            && let Some(next) = self.files.waiting.pop_front()
        {
            let back = match next {
                Batch::One(step) => match self.start_step(step, memory) {
                    Start::Full(step, lack) => Some((Batch::One(step), lack)),
                    Start::Done | Start::Failed => None,
                },
                Batch::Chain(steps) => self.start_chain(steps, memory).map(|(steps, lack)| (Batch::Chain(steps), lack)),
                Batch::Group(id) => {
                    self.start_group(id);
                    None
                }
            };
            if let Some((back, lack)) = back {
                self.files.waiting.push_front(back);
                // What is in flight may stay there for ever: a full queue does not wait for it.
                self.files.blocked = lack == Lack::Place && self.files.in_flight > 0;
                return;
            }
        }
    }

    /// Starts all steps in one submission, or none: they come back. What they need is there before the first of them is started.
    fn start_chain(&mut self, steps: Vec<Step>, memory: &mut impl Memory) -> Option<(Vec<Step>, Lack)> {
        let context = &mut self.context;
        if self.files.in_flight > 0 && self.files.in_flight + steps.len() > MOST_IN_FLIGHT {
            return Some((steps, Lack::Place));
        }
        if context.kernel.room() < steps.len() {
            let _ = context.make_room();
        }
        if !context.backlog.is_empty() || context.kernel.room() < steps.len() {
            return Some((steps, Lack::Queue));
        }
        let Some(loads) = self.load_chain(&steps, memory) else {
            return Some((steps, Lack::Place));
        };
        let last = steps.len().saturating_sub(1);
        let mut loads = loads.into_iter();
        let (mut failed, mut open) = (false, false);
        for (position, step) in steps.into_iter().enumerate() {
            let load = loads.next().flatten();
            if failed {
                if let Some(Ok(load)) = load {
                    self.files.bounces.take_back(load.carrier);
                }
                self.give_up(step, -libc::ECANCELED);
                continue;
            }
            match self.start_linked(step, load, position < last, memory) {
                Start::Done => open = position < last,
                Start::Failed => failed = true,
                Start::Full(step, _) => {
                    debug_assert!(false, "there was room for all of them");
                    failed = true;
                    self.give_up(step, -libc::ENOMEM);
                }
            }
        }
        if open {
            // The last that was pushed is linked to whatever comes next: let that be something that does nothing. There is room in place of what failed.
            // SAFETY: a cancellation points at nothing.
            unsafe { self.context.hand(&Request::Cancel { user_data: NOBODY }, IGNORED) };
        }
        None
    }

    /// What carries the transfers of a chain, up to the first step that will fail; nothing while there is no memory for all of them.
    fn load_chain(&mut self, steps: &[Step], memory: &mut impl Memory) -> Option<Vec<Option<Result<Load, Errno>>>> {
        let budget = self.files.bounces.budget_of_chain();
        let mut loads = Vec::with_capacity(steps.len());
        for step in steps {
            let &Step::Transfer(id, transfer) = step else {
                loads.push(None);
                continue;
            };
            let loaded = match self.file(id) {
                Some((file, _, files, _)) => Load::of(transfer, true, file, &mut files.bounces, budget, memory),
                None => Err(Errno(libc::ECANCELED)),
            };
            match loaded {
                Ok(Some(load)) => loads.push(Some(Ok(load))),
                Ok(None) => {
                    for load in loads.into_iter().flatten().flatten() {
                        self.files.bounces.take_back(load.carrier);
                    }
                    return None;
                }
                Err(errno) => {
                    loads.push(Some(Err(errno)));
                    break;
                }
            }
        }
        Some(loads)
    }

    fn give_up(&mut self, step: Step, status: i32) {
        match step {
            Step::Transfer(_, transfer) | Step::Await(_, transfer) => self.context.settle_all(&transfer, status),
            Step::Job(job) => self.context.settle(job.token, status),
            Step::Refused(token, _) => self.context.settle(token, status),
            Step::Flush(_) => {}
        }
    }

    /// Starts a step of a chain. A transfer comes with what carries it.
    fn start_linked(
        &mut self,
        step: Step,
        load: Option<Result<Load, Errno>>,
        linked: bool,
        memory: &mut impl Memory,
    ) -> Start {
        match (step, load) {
            (Step::Transfer(id, transfer), Some(Ok(load))) => self.start_loaded(id, transfer, load, true, linked),
            (Step::Transfer(id, transfer), Some(Err(errno))) => self.fail_transfer(id, &transfer, errno),
            (Step::Job(mut job), _) => {
                job.chained = true;
                self.start_job(job, linked, memory)
            }
            (Step::Refused(token, errno), _) => {
                self.context.settle(token, errno.negated());
                Start::Failed
            }
            (step, _) => {
                debug_assert!(false, "no step of a chain");
                self.give_up(step, -libc::ECANCELED);
                Start::Failed
            }
        }
    }

    fn start_step(&mut self, step: Step, memory: &mut impl Memory) -> Start {
        if let Step::Await(id, transfer) = step {
            return self.start_await(id, transfer);
        }
        if self.files.in_flight >= MOST_IN_FLIGHT {
            return Start::Full(step, Lack::Place);
        }
        match step {
            Step::Transfer(id, transfer) => self.start_transfer(id, transfer, memory),
            Step::Job(job) => self.start_job(job, false, memory),
            Step::Flush(id) => self.start_flush(id),
            Step::Await(id, transfer) => self.start_await(id, transfer),
            Step::Refused(token, errno) => {
                self.context.settle(token, errno.negated());
                Start::Failed
            }
        }
    }

    /// Waits until a pipe or device is ready.
    fn start_await(&mut self, id: HandleId, transfer: Transfer) -> Start {
        let Some((_, common, files, context)) = self.file(id) else {
            self.context.settle_all(&transfer, -libc::ECANCELED);
            return Start::Failed;
        };
        let request = FileRequest::Await { fd: common.fd(), writable: transfer.direction == Direction::Write };
        // SAFETY: a poll points at nothing.
        if unsafe { files.start(context, id, Some(common), FileOperation::Awaiting(transfer), request, false) }.is_err()
        {
            return Start::Full(Step::Await(id, transfer), Lack::Queue);
        }
        Start::Done
    }

    fn start_transfer(&mut self, id: HandleId, transfer: Transfer, memory: &mut impl Memory) -> Start {
        let Some((file, common, files, context)) = self.file(id) else {
            self.context.settle_all(&transfer, -libc::ECANCELED);
            return Start::Failed;
        };
        if file.never_waits(common.fd()) {
            let result = do_now(&transfer, common.fd(), context, memory).map_or_else(Errno::negated, u32::cast_signed);
            settle_transfer(common, &transfer, result, file, files, context);
            return Start::Done;
        }
        if file.polls_first(transfer.direction) && !transfer.refused {
            return self.start_await(id, Transfer { refused: true, ..transfer });
        }
        let mut transfer = transfer;
        let appends = file.append && transfer.direction == Direction::Write;
        if transfer.at_cursor && transfer.position < 0 && file.seekable && !appends {
            transfer.position = cursor(common.fd());
        }
        let chained = transfer.flush.is_some();
        match Load::of(transfer, chained, file, &mut files.bounces, Budget::Kept, memory) {
            Ok(Some(load)) => self.start_loaded(id, transfer, load, chained, false),
            Ok(None) => Start::Full(Step::Transfer(id, transfer), Lack::Place),
            Err(errno) => self.fail_transfer(id, &transfer, errno),
        }
    }

    /// Settles a transfer that has found no memory.
    fn fail_transfer(&mut self, id: HandleId, transfer: &Transfer, errno: Errno) -> Start {
        let done = i32::try_from(transfer.done).unwrap_or(i32::MAX);
        let result = if done > 0 { done } else { errno.negated() };
        match self.file(id) {
            Some((file, common, files, context)) => settle_transfer(common, transfer, result, file, files, context),
            None => self.context.settle_all(transfer, result),
        }
        Start::Failed
    }

    fn start_loaded(&mut self, id: HandleId, transfer: Transfer, load: Load, chained: bool, linked: bool) -> Start {
        let Some((file, common, files, context)) = self.file(id) else {
            self.files.bounces.take_back(load.carrier);
            self.context.settle_all(&transfer, -libc::ECANCELED);
            return Start::Failed;
        };
        let Load { data, length, carrier, by_worker } = load;
        let now = matches!(carrier, Carrier::AtOnce);
        let worker = !now && file.needs_worker(transfer.direction);
        let (fd, position, priority) = (common.fd(), transfer.rest_position(), file.priority);
        let data = data.as_ptr();
        let request = match transfer.direction {
            Direction::Read => FileRequest::Read { fd, data, length, position, now, by_worker: worker, priority },
            Direction::Write => {
                let until = until(transfer.flush);
                FileRequest::Write { fd, data, length, position, now, by_worker: worker, until, priority }
            }
        };
        let with_write = transfer.flush.is_some_and(|flush| flush.with_write);
        let waits_for_disk = linked || with_write;
        let leaves_dirt = transfer.direction == Direction::Write && !with_write;
        let short = by_worker && !waits_for_disk && length <= MAX_SHORT_WRITE;
        let operation = FileOperation::Transfer { transfer, carrier, chained, short };
        // SAFETY: the memory is the carrier's, which the operation owns; or JavaScript's, for a request that says `now`, which holds until JavaScript runs again,
        // or that is lent, which the kernel reads by its address: it finds it gone where that is the case.
        match unsafe { files.start(context, id, Some(common), operation, request, linked) } {
            Ok(()) => {
                file.commits.dirty |= leaves_dirt;
                Start::Done
            }
            Err(operation) => {
                if let FileOperation::Transfer { carrier, .. } = operation {
                    files.bounces.take_back(carrier);
                }
                Start::Full(Step::Transfer(id, transfer), Lack::Queue)
            }
        }
    }

    fn start_job(&mut self, mut job: Box<Job>, linked: bool, memory: &mut impl Memory) -> Start {
        let mut fds = [-1, -1];
        if job.task.needs_handle() {
            let other = if let Task::Splice(_, other, ..) = job.task { other } else { job.handle };
            for (fd, id) in fds.iter_mut().zip([job.handle, other]) {
                let Some(found) = self.descriptor(id) else {
                    self.context.settle(job.token, -libc::EBADF);
                    return Start::Failed;
                };
                *fd = found;
            }
        } else {
            job.handle = HandleId::from_raw(-1);
        }
        if let Err(errno) = job.gather(memory) {
            self.context.settle(job.token, errno.negated());
            return Start::Failed;
        }
        job.look(&mut self.files.mounts);
        let request = job.request(fds[0], fds[1]);
        let handle = job.handle;
        let mut found = self.handles.get_mut(handle);
        let common = found.as_mut().map(|found| &mut found.common);
        // SAFETY: it points at nothing but what the job owns, which stays where it is when the job's box is moved.
        match unsafe { self.files.start(&mut self.context, handle, common, FileOperation::Job(job), request, linked) } {
            Ok(()) => {
                if let Some(Handle { resource: Resource::File(file), .. }) = found {
                    file.commits.dirty = true;
                }
                Start::Done
            }
            Err(FileOperation::Job(job)) => Start::Full(Step::Job(job), Lack::Queue),
            Err(_) => Start::Failed,
        }
    }

    /// A completion of an operation on files, already taken out of the slab.
    pub(crate) fn complete_file(
        &mut self,
        id: HandleId,
        operation: FileOperation,
        completion: &Completion,
        memory: &mut impl Memory,
    ) {
        let result = completion.result;
        self.files.done(&operation);
        match operation {
            FileOperation::Transfer { transfer, carrier, chained, .. } => {
                let result = carrier.collect(&transfer, result, memory);
                self.files.bounces.take_back(carrier);
                self.advance(id, transfer, result, chained);
            }
            // Also where it is an end or an error that there is: the transfer will meet it.
            FileOperation::Awaiting(transfer) if result >= 0 && self.file(id).is_some() => {
                self.files.waiting.push_front(Batch::One(Step::Transfer(id, transfer)));
            }
            FileOperation::Awaiting(transfer) => self.advance(id, transfer, result, false),
            FileOperation::Job(job) => self.finish_job(&job, result, memory),
            FileOperation::Flush => self.finish_flush(id, result),
        }
        self.end_if_closed(id);
    }

    fn advance(&mut self, id: HandleId, mut transfer: Transfer, result: i32, chained: bool) {
        let Some((file, common, files, context)) = self.file(id) else {
            let result = match transfer.advance(result, false) {
                Progress::Settled(result) => result,
                Progress::Again | Progress::Refused => -libc::ECANCELED,
            };
            self.context.settle_all(&transfer, result);
            return;
        };
        if chained {
            if let Ok(count) = u32::try_from(result) {
                transfer.done = count;
            }
            return settle_transfer(common, &transfer, result, file, files, context);
        }
        match transfer.advance(result, file.goes_on(transfer.direction)) {
            Progress::Settled(result) => settle_transfer(common, &transfer, result, file, files, context),
            Progress::Again => {
                files.waiting.push_front(Batch::One(Step::Transfer(id, transfer)));
            }
            Progress::Refused => {
                if result == -libc::EOPNOTSUPP {
                    file.never_now(transfer.direction);
                }
                files.waiting.push_front(Batch::One(Step::Transfer(id, transfer)));
            }
        }
    }

    fn finish_job(&mut self, job: &Job, result: i32, memory: &mut impl Memory) {
        match job.task {
            Task::Open(..) if result >= 0 => {
                // SAFETY: the kernel has just made the descriptor for us.
                let descriptor = unsafe { OwnedFd::from_raw_fd(result) };
                let event = match self.add_file(descriptor) {
                    Ok((handle, opened)) => Event::Opened { token: job.token, handle, opened },
                    Err(errno) => Event::FileDone { token: job.token, result: errno.negated() },
                };
                self.context.events.push_back(event);
            }
            Task::Status(_, place) if result >= 0 => {
                let words = job.status().filter(|_| place.length == STATUS_BYTES);
                let delivered = words.zip(memory.resolve(&place)).map(|(words, target)| {
                    // SAFETY: the place has room for exactly these bytes; it may be unaligned, so it is written bytewise.
                    unsafe {
                        ptr::copy_nonoverlapping(words.as_ptr().cast::<u8>(), target.as_ptr(), size_of_val(&words));
                    };
                });
                self.context.settle(job.token, delivered.map_or(-libc::EFAULT, |()| 0));
            }
            Task::GetXattr(place) | Task::FGetXattr(place) if result >= 0 => {
                let delivered = job.deliver(place, result.cast_unsigned(), memory);
                self.context.settle(job.token, delivered.map_or_else(Errno::negated, |()| result));
            }
            _ => self.context.settle(job.token, result),
        }
    }
}

/// Does a transfer by a system call, on a file that does not let anybody wait.
fn do_now<K: Kernel>(
    transfer: &Transfer,
    fd: RawFd,
    context: &mut Context<K>,
    memory: &mut impl Memory,
) -> Result<u32, Errno> {
    let data = memory.resolve(&transfer.place).ok_or(Errno(libc::EFAULT))?.as_ptr();
    let (length, position) = (transfer.place.length, transfer.position);
    // SAFETY: the memory has that many bytes, and stays where it is until JavaScript runs again.
    unsafe { context.kernel.transfer_now(fd, transfer.direction, data, length, position) }
}
