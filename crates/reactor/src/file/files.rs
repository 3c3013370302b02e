//! What waits to be handed to the kernel, and what is in flight.

use std::collections::VecDeque;

use crate::bounce::BouncePool;
use crate::context::Context;
use crate::error::Errno;
use crate::file::job::Job;
use crate::file::look::Mounts;
use crate::file::transfer::Transfer;
use crate::handle::Common;
use crate::handle_id::HandleId;
use crate::kernel::{FileRequest, Kernel, Request};
use crate::operation::{FileOperation, Operation};
use crate::slab::{Entry, InFlight};

/// Something to be started.
pub(crate) enum Step {
    Transfer(HandleId, Transfer),
    Job(Box<Job>),
    /// The sync of a group of writes; see [`commit`](crate::file::commit).
    Flush(HandleId),
    /// Waits until a transfer can go on.
    Await(HandleId, Transfer),
    /// Cannot be done: a step of a chain that ends with it.
    Refused(u32, Errno),
}

impl Step {
    /// The file that it is about.
    fn handle(&self) -> Option<HandleId> {
        match self {
            Self::Transfer(id, _) | Self::Flush(id) | Self::Await(id, _) => Some(*id),
            Self::Job(job) => Some(job.handle),
            Self::Refused(..) => None,
        }
    }
}

/// Operations that a worker of the kernel does, mostly in some microseconds: less than it takes to fall asleep and be woken. Whoever waits for nothing
/// else had better keep looking for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShortOps {
    /// Started so far.
    pub started: u64,
    /// In flight.
    pub in_flight: u64,
}

impl ShortOps {
    /// Completed so far.
    #[must_use]
    pub fn done(self) -> u64 {
        self.started - self.in_flight
    }
}

/// What waits and what is used.
#[derive(Default)]
pub(crate) struct Files {
    /// Each entry is started at once: one step, or the linked steps of a chain.
    pub(crate) waiting: VecDeque<Batch>,
    /// Steps of a chain that is still being told.
    pub(crate) chain: Vec<Step>,
    pub(crate) bounces: BouncePool,
    pub(crate) in_flight: usize,
    pub(crate) short_ops: ShortOps,
    /// Writes in flight from memory of JavaScript's.
    pub(crate) lent: usize,
    /// The first that waits can only be started once something has come back.
    pub(crate) blocked: bool,
    /// The ring has failed, and what was in flight then has been settled.
    pub(super) broken_off: bool,
    /// Batches that were done at once so far.
    batches: u32,
    /// What is known of file systems.
    pub(crate) mounts: Mounts,
}

/// What an operation counts as while it is in flight.
#[derive(Clone, Copy)]
struct Weight {
    takes_place: bool,
    short: bool,
    lent: bool,
}

impl From<&FileOperation> for Weight {
    fn from(owned: &FileOperation) -> Self {
        Self { takes_place: owned.takes_place(), short: owned.is_short(), lent: owned.is_lent() }
    }
}

/// One step or several, without an allocation for the one.
pub(crate) enum Batch {
    One(Step),
    Chain(Vec<Step>),
    /// The commits that wait on a file; see [`commit`](crate::file::commit).
    Group(HandleId),
}

impl Batch {
    /// Whether it is about a file.
    fn is_about(&self, id: HandleId) -> bool {
        match self {
            Self::One(step) => step.handle() == Some(id),
            Self::Chain(steps) => steps.iter().any(|step| step.handle() == Some(id)),
            Self::Group(group) => *group == id,
        }
    }
}

impl Files {
    /// Whether something that has not started is about a file.
    pub(crate) fn waits_for(&self, id: HandleId) -> bool {
        self.waiting.iter().any(|batch| batch.is_about(id)) || self.chain.iter().any(|step| step.handle() == Some(id))
    }

    pub(crate) fn next_batch(&mut self) -> u32 {
        self.batches = self.batches.wrapping_add(1);
        self.batches
    }

    /// Starts an operation on files, on a handle or on none, unless the submission queue has no room: then it comes back.
    ///
    /// # Safety
    /// What the request points at must be the operation's own, or, where the kernel is asked to do or refuse it at once, hold until JavaScript runs again.
    pub(crate) unsafe fn start<K: Kernel>(
        &mut self,
        context: &mut Context<K>,
        handle: HandleId,
        common: Option<&mut Common>,
        operation: FileOperation,
        request: FileRequest,
        linked: bool,
    ) -> Result<(), FileOperation> {
        let weight = Weight::from(&operation);
        let id = context.operations.insert(handle, Operation::File(operation));
        // SAFETY: the operation stays in the slab until its terminal completion; and the queue is entered before JavaScript runs (`enter`), or never again.
        if unsafe { context.try_push(&Request::File { request, linked }, id.user_data()) } {
            self.started(weight);
            if let Some(common) = common {
                common.in_flight += 1;
                context.operations.link(id, &mut common.cancelable);
            }
            return Ok(());
        }
        match context.operations.remove(id, &mut InFlight::default()) {
            Some(Entry { operation: Operation::File(operation), .. }) => Err(operation),
            _ => unreachable!("just put in"),
        }
    }

    /// Counts an operation that has started.
    fn started(&mut self, weight: Weight) {
        self.in_flight += usize::from(weight.takes_place);
        self.short_ops.started += u64::from(weight.short);
        self.short_ops.in_flight += u64::from(weight.short);
        self.lent += usize::from(weight.lent);
    }

    /// Takes it back.
    pub(crate) fn done(&mut self, owned: &FileOperation) {
        if owned.takes_place() {
            self.in_flight -= 1;
            self.blocked = false;
        }
        self.short_ops.in_flight -= u64::from(owned.is_short());
        self.lent -= usize::from(owned.is_lent());
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.blocked && !self.waiting.is_empty()
    }
}
