//! How file operations are started and what comes of them.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::bounce::Budget;
use crate::context::Context;
use crate::error::Errno;
use crate::event::{Event, Opened};
use crate::file::carrier::{Carrier, Load};
use crate::file::commit::{commit_of, until, written};
use crate::file::job::{Job, STATUS_BYTES, Task};
use crate::file::transfer::{Progress, Transfer};
use crate::file::{Batch, File, FileOperation, LONGEST_CHAIN, MAX_SHORT_WRITE, MOST_IN_FLIGHT, ShortOps, Step, Weight};
use crate::handle::Common;
use crate::handle_id::HandleId;
use crate::kernel::Direction;
use crate::kernel::FileRequest;
use crate::kernel::{Completion, Kernel, Request};
use crate::memory::Memory;
use crate::operation::{IGNORED, NOBODY, Operation};
use crate::reactor::Reactor;
use crate::resource::{Handle, Resource};
use crate::slab::{Entry, InFlight};

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
        let (file, opened) = File::of(fd, &mut self.context.files.mounts)?;
        let id = self.handles.insert(descriptor, Resource::File(Box::new(file))).ok_or(Errno(libc::EMFILE))?;
        Ok((id, opened))
    }

    pub(super) fn file(&mut self, id: HandleId) -> Option<(&mut File, &mut Common, &mut Context<K>)> {
        match self.handles.get_mut(id) {
            Some(Handle { common, resource: Resource::File(file) }) if !common.closing => {
                Some((file, common, &mut self.context))
            }
            _ => None,
        }
    }

    /// Gives the descriptor of a file away, unless something is in flight on it or waits to be. The handle is gone then.
    pub fn release_file(&mut self, id: HandleId) -> Option<OwnedFd> {
        let (file, common, context) = self.file(id)?;
        if common.in_flight > 0 || file.is_waited_for() || context.files.waits_for(id) {
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
        let Some((file, _, context)) = self.file(id) else {
            return self.refuse(transfer.token, Errno(libc::EBADF), linked);
        };
        if transfer.position >= 0 && !file.may_place(transfer.direction) {
            return self.refuse(transfer.token, Errno(libc::ESPIPE), linked);
        }
        let chained = linked || !context.files.chain.is_empty();
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
        if !linked && self.context.files.chain.is_empty() {
            return self.context.settle(token, errno.negated());
        }
        self.push_step(Step::Refused(token, errno), linked);
    }

    /// Does a job; [`Event::FileDone`] or [`Event::Opened`] follows. `linked` as in [`transfer`](Self::transfer).
    pub fn job(&mut self, job: Job, linked: bool) {
        self.push_step(Step::Job(Box::new(job)), linked);
    }

    fn push_step(&mut self, step: Step, linked: bool) {
        let files = &mut self.context.files;
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
        self.context.files.waiting.push_back(Batch::Chain(chain));
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
        self.context.files.short_ops
    }

    /// Starts what waits, as far as there is room.
    pub(crate) fn start_waiting(&mut self, memory: &mut impl Memory) {
        while !self.context.files.blocked
            && let Some(next) = self.context.files.waiting.pop_front()
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
                self.context.files.waiting.push_front(back);
                // What is in flight may stay there for ever: a full queue does not wait for it.
                self.context.files.blocked = lack == Lack::Place && self.context.files.in_flight > 0;
                return;
            }
        }
    }

    /// Starts all steps in one submission, or none: they come back. What they need is there before the first of them is started.
    fn start_chain(&mut self, steps: Vec<Step>, memory: &mut impl Memory) -> Option<(Vec<Step>, Lack)> {
        let context = &mut self.context;
        if context.files.in_flight > 0 && context.files.in_flight + steps.len() > MOST_IN_FLIGHT {
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
                    self.context.files.bounces.take_back(load.carrier);
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
        let budget = self.context.files.bounces.budget_of_chain();
        let mut loads = Vec::with_capacity(steps.len());
        for step in steps {
            let &Step::Transfer(id, transfer) = step else {
                loads.push(None);
                continue;
            };
            let loaded = match self.file(id) {
                Some((file, _, context)) => Load::of(transfer, true, file, &mut context.files.bounces, budget, memory),
                None => Err(Errno(libc::ECANCELED)),
            };
            match loaded {
                Ok(Some(load)) => loads.push(Some(Ok(load))),
                Ok(None) => {
                    for load in loads.into_iter().flatten().flatten() {
                        self.context.files.bounces.take_back(load.carrier);
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
        if self.context.files.in_flight >= MOST_IN_FLIGHT {
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
        let Some((_, common, context)) = self.file(id) else {
            self.context.settle_all(&transfer, -libc::ECANCELED);
            return Start::Failed;
        };
        let request = FileRequest::Await { fd: common.fd(), writable: transfer.direction == Direction::Write };
        // SAFETY: a poll points at nothing.
        if unsafe { context.start_file(id, Some(common), FileOperation::Awaiting(transfer), request, false) }.is_err() {
            return Start::Full(Step::Await(id, transfer), Lack::Queue);
        }
        Start::Done
    }

    fn start_transfer(&mut self, id: HandleId, transfer: Transfer, memory: &mut impl Memory) -> Start {
        let Some((file, common, context)) = self.file(id) else {
            self.context.settle_all(&transfer, -libc::ECANCELED);
            return Start::Failed;
        };
        if file.never_waits(common.fd()) {
            let result = do_now(&transfer, common.fd(), context, memory).map_or_else(Errno::negated, u32::cast_signed);
            settle_transfer(common, &transfer, result, file, context);
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
        match Load::of(transfer, chained, file, &mut context.files.bounces, Budget::Kept, memory) {
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
            Some((file, common, context)) => settle_transfer(common, transfer, result, file, context),
            None => self.context.settle_all(transfer, result),
        }
        Start::Failed
    }

    fn start_loaded(&mut self, id: HandleId, transfer: Transfer, load: Load, chained: bool, linked: bool) -> Start {
        let Some((file, common, context)) = self.file(id) else {
            self.context.files.bounces.take_back(load.carrier);
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
        match unsafe { context.start_file(id, Some(common), operation, request, linked) } {
            Ok(()) => {
                file.commits.dirty |= leaves_dirt;
                Start::Done
            }
            Err(operation) => {
                if let FileOperation::Transfer { carrier, .. } = operation {
                    context.files.bounces.take_back(carrier);
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
        job.look(&mut self.context.files.mounts);
        let request = job.request(fds[0], fds[1]);
        let handle = job.handle;
        let mut found = self.handles.get_mut(handle);
        let common = found.as_mut().map(|found| &mut found.common);
        // SAFETY: it points at nothing but what the job owns, which stays where it is when the job's box is moved.
        match unsafe { self.context.start_file(handle, common, FileOperation::Job(job), request, linked) } {
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
        self.context.files.done(&operation);
        match operation {
            FileOperation::Transfer { transfer, carrier, chained, .. } => {
                let result = carrier.collect(&transfer, result, memory);
                self.context.files.bounces.take_back(carrier);
                self.advance(id, transfer, result, chained);
            }
            // Also where it is an end or an error that there is: the transfer will meet it.
            FileOperation::Awaiting(transfer) if result >= 0 && self.file(id).is_some() => {
                self.context.files.waiting.push_front(Batch::One(Step::Transfer(id, transfer)));
            }
            FileOperation::Awaiting(transfer) => self.advance(id, transfer, result, false),
            FileOperation::Job(job) => self.finish_job(&job, result, memory),
            FileOperation::Flush => self.finish_flush(id, result),
        }
        self.end_if_closed(id);
    }

    fn advance(&mut self, id: HandleId, mut transfer: Transfer, result: i32, chained: bool) {
        let Some((file, common, context)) = self.file(id) else {
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
            return settle_transfer(common, &transfer, result, file, context);
        }
        match transfer.advance(result, file.goes_on(transfer.direction)) {
            Progress::Settled(result) => settle_transfer(common, &transfer, result, file, context),
            Progress::Again => {
                context.files.waiting.push_front(Batch::One(Step::Transfer(id, transfer)));
            }
            Progress::Refused => {
                if result == -libc::EOPNOTSUPP {
                    file.never_now(transfer.direction);
                }
                context.files.waiting.push_front(Batch::One(Step::Transfer(id, transfer)));
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

impl<K: Kernel> Context<K> {
    pub(crate) fn settle(&mut self, token: u32, result: i32) {
        self.events.push_back(Event::FileDone { token, result });
    }

    /// Reports a transfer whose file is closed, and that the sync behind it will not be done.
    fn settle_all(&mut self, transfer: &Transfer, result: i32) {
        self.settle(transfer.token, result);
        if let Some(flush) = transfer.flush {
            self.settle(flush.token, -libc::ECANCELED);
        }
    }

    /// Starts an operation on files, on a handle or on none, unless the submission queue has no room: then it comes back.
    ///
    /// # Safety
    /// What the request points at must be the operation's own, or, where the kernel is asked to do or refuse it at once, hold until JavaScript runs again.
    pub(super) unsafe fn start_file(
        &mut self,
        handle: HandleId,
        common: Option<&mut Common>,
        operation: FileOperation,
        request: FileRequest,
        linked: bool,
    ) -> Result<(), FileOperation> {
        let weight = Weight::from(&operation);
        let id = self.operations.insert(handle, Operation::File(operation));
        // SAFETY: the operation stays in the slab until its terminal completion; and the queue is entered before JavaScript runs (`enter`), or never again.
        if unsafe { self.try_push(&Request::File { request, linked }, id.user_data()) } {
            self.files.started(weight);
            if let Some(common) = common {
                common.in_flight += 1;
                self.operations.link(id, &mut common.cancelable);
            }
            return Ok(());
        }
        match self.operations.remove(id, &mut InFlight::default()) {
            Some(Entry { operation: Operation::File(operation), .. }) => Err(operation),
            _ => unreachable!("just put in"),
        }
    }
}

/// Reports a transfer, and lets what waits for it go on: the sync behind it, or the next one at the file's position start.
fn settle_transfer<K: Kernel>(
    common: &Common,
    transfer: &Transfer,
    result: i32,
    file: &mut File,
    context: &mut Context<K>,
) {
    context.settle(transfer.token, result);
    if let Some(flush) = transfer.flush {
        let complete = transfer.done == transfer.place.length && result >= 0;
        written(common.id, flush, complete, file, context);
    }
    if transfer.at_cursor {
        if transfer.position >= 0 && transfer.done > 0 {
            set_cursor(common.fd(), transfer.rest_position());
        }
        let lane = file.lane(transfer.direction);
        match lane.queue.pop_front() {
            Some(next) => context.files.waiting.push_back(Batch::One(Step::Transfer(common.id, next))),
            None => lane.busy = false,
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

/// The file's own position, or -1 where it has none.
///
/// The kernel advances it for requests of a ring as well, but not when one ends early: a write that found no room after half of its bytes leaves
/// it where it was (seen on Linux 6.18), and the next would overwrite them. So it is read before and set after.
pub(super) fn cursor(fd: RawFd) -> i64 {
    // SAFETY: takes and returns integers only.
    unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
}

/// Sets the file's own position. It stays where it is for one that no file can have.
pub(super) fn set_cursor(fd: RawFd, position: i64) {
    // SAFETY: takes and returns integers only.
    unsafe { libc::lseek(fd, position, libc::SEEK_SET) };
}
