//! How what waits is started: one step, the steps of a chain, or a group of writes.
//!
//! A chain is planned, then pushed: the kernel has all of its steps in one submission, since what comes with the next
//! one would not wait for it.

use crate::bounce::Budget;
use crate::error::Errno;
use crate::file::MAX_IN_FLIGHT;
use crate::file::call::FileCall;
use crate::file::commit;
use crate::file::files::{Flow, Lack, Linked, NotNow, Prepared, Queued, Step};
use crate::file::start::{prepare_transfer, start_await, start_transfer};
use crate::handle_id::HandleId;
use crate::kernel::Kernel;
use crate::memory::Memory;
use crate::operation::FileOperation;
use crate::reactor::Reactor;
use crate::resource::{Handle, Resource};

/// Why a step of a chain could not be prepared.
enum Obstacle {
    /// There is no memory for it now.
    Memory(Step),
    /// It cannot be done.
    Failed(Step, Errno),
}

impl<K: Kernel> Reactor<K> {
    /// Starts what waits, as far as there is room.
    pub(crate) fn start_waiting(&mut self, memory: &mut impl Memory) {
        while self.files.flow == Flow::Open
            && let Some(next) = self.files.waiting.pop_front()
        {
            let back = match next {
                Queued::One(step) => {
                    self.start_step(step, memory).map_err(|NotNow(step, lack)| (Queued::One(step), lack))
                }
                Queued::Chain(steps) => {
                    self.start_chain(steps, memory).map_err(|(steps, lack)| (Queued::Chain(steps), lack))
                }
                Queued::Group(id) => {
                    if let Some((file, _, files, _)) = self.file(id) {
                        commit::start_group(id, file, files);
                    }
                    Ok(())
                }
            };
            if let Err((back, lack)) = back {
                self.files.waiting.push_front(back);
                // What is in flight may stay there for ever: a full queue does not wait for it.
                if lack == Lack::Place && self.files.in_flight > 0 {
                    self.files.flow = Flow::Blocked;
                }
                return;
            }
        }
    }

    fn start_step(&mut self, step: Step, memory: &mut impl Memory) -> Result<(), NotNow> {
        if self.files.in_flight >= MAX_IN_FLIGHT && !matches!(step, Step::Await(..)) {
            return Err(NotNow(step, Lack::Place));
        }
        match step {
            Step::Transfer(id, transfer) => match self.file(id) {
                Some((file, state, files, io)) => start_transfer(state, transfer, file, files, io, memory),
                None => {
                    self.io.settle_all(&transfer, -libc::ECANCELED);
                    Ok(())
                }
            },
            Step::Await(id, transfer) => match self.file(id) {
                Some((_, state, files, io)) => start_await(state, transfer, files, io),
                None => {
                    self.io.settle_all(&transfer, -libc::ECANCELED);
                    Ok(())
                }
            },
            Step::GroupSync(id) => match self.file(id) {
                Some((file, state, files, io)) => commit::start_sync(state, file, files, io),
                None => Ok(()),
            },
            Step::Call(call) => match self.prepare_call(call, true, memory) {
                Ok(prepared) => self.start(prepared, Linked::No),
                Err((call, errno)) => {
                    self.io.settle(call.token, errno.negated());
                    Ok(())
                }
            },
            Step::Refused(token, errno) => {
                self.io.settle(token, errno.negated());
                Ok(())
            }
        }
    }

    /// Starts all steps in one submission, or none: they come back. What cannot be done ends the chain, and cancels
    /// what follows.
    fn start_chain(&mut self, steps: Vec<Step>, memory: &mut impl Memory) -> Result<(), (Vec<Step>, Lack)> {
        let io = &mut self.io;
        if self.files.in_flight > 0 && self.files.in_flight + steps.len() > MAX_IN_FLIGHT {
            return Err((steps, Lack::Place));
        }
        if io.kernel.room() < steps.len() {
            let _ = io.make_room();
        }
        if !io.backlog.is_empty() || io.failure().is_some() || io.kernel.room() < steps.len() {
            return Err((steps, Lack::Queue));
        }
        let budget = self.files.bounces.budget_of_chain();
        let mut ready = Vec::with_capacity(steps.len());
        let mut failed = None;
        let mut steps = steps.into_iter();
        while let Some(step) = steps.next() {
            let linked = if steps.len() > 0 { Linked::ToNext } else { Linked::No };
            match self.prepare_step(step, linked, budget, memory) {
                Ok(prepared) => ready.push(prepared),
                Err(Obstacle::Memory(step)) => {
                    let before = ready.into_iter().map(|prepared| self.files.give_back(prepared));
                    return Err((before.chain([step]).chain(steps).collect(), Lack::Place));
                }
                Err(Obstacle::Failed(step, errno)) => {
                    failed = Some((step, errno));
                    break;
                }
            }
        }
        let mut ready = ready.into_iter();
        while let Some(prepared) = ready.next() {
            let linked = if ready.len() > 0 { Linked::ToNext } else { Linked::No };
            if let Err(NotNow(step, _)) = self.start(prepared, linked) {
                debug_assert!(false, "there was room for all of them");
                self.settle_step(step, Errno::ENOMEM);
            }
        }
        if let Some((step, errno)) = failed {
            self.settle_step(step, errno);
        }
        for step in steps {
            self.settle_step(step, Errno(libc::ECANCELED));
        }
        Ok(())
    }

    /// What a step of a chain asks for.
    fn prepare_step(
        &mut self,
        step: Step,
        linked: Linked,
        budget: Budget,
        memory: &mut impl Memory,
    ) -> Result<Prepared, Obstacle> {
        match step {
            Step::Transfer(id, transfer) => {
                let Some((file, state, files, _)) = self.file(id) else {
                    return Err(Obstacle::Failed(step, Errno(libc::ECANCELED)));
                };
                match prepare_transfer(state, transfer, linked, budget, file, files, memory) {
                    Ok(Some(prepared)) => Ok(prepared),
                    Ok(None) => Err(Obstacle::Memory(step)),
                    Err(errno) => Err(Obstacle::Failed(step, errno)),
                }
            }
            Step::Call(call) => self
                .prepare_call(call, false, memory)
                .map_err(|(call, errno)| Obstacle::Failed(Step::Call(call), errno)),
            Step::Refused(_, errno) => Err(Obstacle::Failed(step, errno)),
            Step::Await(..) | Step::GroupSync(_) => unreachable!("no step of a chain"),
        }
    }

    /// What a call asks for. By itself it may be [short](crate::file::ShortOps); in a chain it waits for others.
    ///
    /// # Errors
    /// `EBADF` for a handle that is not open, `EFAULT` where the value that is to be set is gone.
    fn prepare_call(
        &mut self,
        mut call: Box<FileCall>,
        by_itself: bool,
        memory: &mut impl Memory,
    ) -> Result<Prepared, (Box<FileCall>, Errno)> {
        let mut fd = -1;
        if call.op.is_about_open_file() {
            let Some(found) = self.descriptor(call.handle) else { return Err((call, Errno(libc::EBADF))) };
            fd = found;
        } else {
            call.handle = HandleId::from_raw(-1);
        }
        if let Err(errno) = call.gather(memory) {
            return Err((call, errno));
        }
        call.look(&mut self.files.mounts);
        let request = call.request(fd);
        let (handle, short) = (call.handle, by_itself && call.op.is_short());
        // SAFETY: it points at nothing but what the call owns, which stays where it is when the call's box is moved.
        Ok(unsafe { Prepared::new(handle, FileOperation::Call { call, short }, request) })
    }

    fn start(&mut self, prepared: Prepared, linked: Linked) -> Result<(), NotNow> {
        let leaves_dirt = prepared.leaves_dirt();
        match self.handles.get_mut(prepared.handle()) {
            Some(Handle { state, resource }) => {
                self.files.start(prepared, linked, Some(state), &mut self.io)?;
                if let Resource::File(file) = resource {
                    file.commits.dirty |= leaves_dirt;
                }
                Ok(())
            }
            None => self.files.start(prepared, linked, None, &mut self.io),
        }
    }

    /// Settles a step of a chain that is not started.
    fn settle_step(&mut self, step: Step, errno: Errno) {
        match step {
            Step::Transfer(_, transfer) | Step::Await(_, transfer) => {
                self.io.settle_all(&transfer, errno.negated());
            }
            Step::Call(call) => self.io.settle(call.token, errno.negated()),
            Step::Refused(token, _) => self.io.settle(token, errno.negated()),
            Step::GroupSync(_) => {}
        }
    }
}
