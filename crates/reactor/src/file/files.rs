//! What waits to be handed to the kernel, and what is in flight.

use std::collections::VecDeque;

use crate::bounce::BouncePool;
use crate::error::Errno;
use crate::file::call::FileCall;
use crate::file::look::Mounts;
use crate::file::transfer::Transfer;
use crate::handle::HandleState;
use crate::handle_id::HandleId;
use crate::io::Io;
use crate::kernel::{FileRequest, Kernel, Request};
use crate::operation::{FileOperation, Operation};
use crate::slab::{Entry, InFlight};

/// Something to be started.
pub(crate) enum Step {
    Transfer(HandleId, Transfer),
    Call(Box<FileCall>),
    /// The sync of a group of writes; see [`commit`](crate::file::commit).
    GroupSync(HandleId),
    /// Waits until a transfer can go on.
    Await(HandleId, Transfer),
    /// Cannot be done: a step of a chain that ends with it.
    Refused(u32, Errno),
}

impl Step {
    /// The file that it is about.
    fn handle(&self) -> Option<HandleId> {
        match self {
            Self::Transfer(id, _) | Self::GroupSync(id) | Self::Await(id, _) => Some(*id),
            Self::Call(call) => Some(call.handle),
            Self::Refused(..) => None,
        }
    }
}

/// Operations that a worker of the kernel does, mostly in some microseconds: less than it takes to fall asleep and be
/// woken. Whoever waits for nothing else had better keep looking for a while.
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
    pub(crate) waiting: VecDeque<Queued>,
    /// Steps of a chain that is still being told.
    pub(crate) chain: Vec<Step>,
    pub(crate) bounces: BouncePool,
    pub(crate) in_flight: usize,
    pub(crate) short_ops: ShortOps,
    /// Writes in flight from memory of JavaScript's.
    pub(crate) in_place: usize,
    pub(crate) flow: Flow,
    /// Batches that were done at once so far.
    batches: u32,
    /// What is known of file systems.
    pub(crate) mounts: Mounts,
}

/// Whether what waits can be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    /// As far as anybody knows.
    #[default]
    Open,
    /// The first that waits can only be started once something has come back.
    Blocked,
    /// The ring has failed, and what was in flight then has been settled.
    Failed,
}

/// A step that cannot be started now, and what is missing.
pub(crate) struct NotNow(pub(crate) Step, pub(crate) Lack);

/// What was missing to start something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Room in the submission queue: there is some in the next turn.
    Queue,
    /// A place or memory that others have: something has to come back first.
    Place,
}

/// Whether the next request starts only when one has succeeded (`IOSQE_IO_LINK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    No,
    ToNext,
}

/// An operation that is ready to be started, and what it asks of the kernel.
pub(crate) struct Prepared {
    handle: HandleId,
    operation: FileOperation,
    request: FileRequest,
}

impl Prepared {
    /// An operation on a handle, or on none.
    ///
    /// # Safety
    /// What the request points at must be the operation's own, or, where the kernel is asked to do or refuse it at
    /// once, hold until JavaScript runs again; and so must what is written in place, which the kernel finds gone where
    /// it is. It is started before that, or never.
    pub(crate) unsafe fn new(handle: HandleId, operation: FileOperation, request: FileRequest) -> Self {
        Self { handle, operation, request }
    }

    pub(crate) fn handle(&self) -> HandleId {
        self.handle
    }

    pub(crate) fn leaves_dirt(&self) -> bool {
        self.operation.leaves_dirt()
    }
}

/// What an operation counts as while it is in flight.
#[derive(Clone, Copy)]
struct Weight {
    takes_place: bool,
    short: bool,
    in_place: bool,
}

impl From<&FileOperation> for Weight {
    fn from(owned: &FileOperation) -> Self {
        Self { takes_place: owned.takes_place(), short: owned.is_short(), in_place: owned.is_in_place() }
    }
}

/// One step or several, without an allocation for the one.
pub(crate) enum Queued {
    One(Step),
    Chain(Vec<Step>),
    /// The commits that wait on a file; see [`commit`](crate::file::commit).
    Group(HandleId),
}

impl Queued {
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
        self.waiting.iter().any(|queued| queued.is_about(id)) || self.chain.iter().any(|step| step.handle() == Some(id))
    }

    pub(crate) fn next_batch(&mut self) -> u32 {
        self.batches = self.batches.wrapping_add(1);
        self.batches
    }

    /// Starts an operation, unless the submission queue has no room: then its step comes back. `state` is that of its
    /// handle, where it has one.
    pub(crate) fn start<K: Kernel>(
        &mut self,
        prepared: Prepared,
        linked: Linked,
        state: Option<&mut HandleState>,
        io: &mut Io<K>,
    ) -> Result<(), NotNow> {
        let Prepared { handle, operation, request } = prepared;
        let weight = Weight::from(&operation);
        let id = io.operations.insert(handle, Operation::File(operation));
        let request = Request::File { request, linked: linked == Linked::ToNext };
        // SAFETY: the operation stays in the slab until its terminal completion, and what is not its own holds until
        // JavaScript runs again (`Prepared::new`): the queue is entered before that (`enter`), or never again.
        if unsafe { io.try_push(&request, id.user_data()) } {
            self.started(weight);
            if let Some(state) = state {
                state.in_flight += 1;
                io.operations.link(id, &mut state.cancelable);
            }
            return Ok(());
        }
        match io.operations.remove(id, &mut InFlight::default()) {
            Some(Entry { operation: Operation::File(operation), .. }) => {
                Err(NotNow(self.take_apart(handle, operation), Lack::Queue))
            }
            _ => unreachable!("just put in"),
        }
    }

    /// Undoes what was prepared.
    pub(crate) fn give_back(&mut self, prepared: Prepared) -> Step {
        self.take_apart(prepared.handle, prepared.operation)
    }

    /// The step that an operation was made of, which the kernel does not have.
    fn take_apart(&mut self, handle: HandleId, operation: FileOperation) -> Step {
        match operation {
            FileOperation::Transfer { transfer, carrier, .. } => {
                self.bounces.take_back(carrier);
                Step::Transfer(handle, transfer)
            }
            FileOperation::Call { call, .. } => Step::Call(call),
            FileOperation::GroupSync => Step::GroupSync(handle),
            FileOperation::Awaiting(transfer) => Step::Await(handle, transfer),
        }
    }

    /// Counts an operation that has started.
    fn started(&mut self, weight: Weight) {
        self.in_flight += usize::from(weight.takes_place);
        self.short_ops.started += u64::from(weight.short);
        self.short_ops.in_flight += u64::from(weight.short);
        self.in_place += usize::from(weight.in_place);
    }

    /// Takes it back.
    pub(crate) fn done(&mut self, owned: &FileOperation) {
        if owned.takes_place() {
            self.in_flight -= 1;
            if self.flow == Flow::Blocked {
                self.flow = Flow::Open;
            }
        }
        self.short_ops.in_flight -= u64::from(owned.is_short());
        self.in_place -= usize::from(owned.is_in_place());
    }

    pub(crate) fn has_work(&self) -> bool {
        self.flow == Flow::Open && !self.waiting.is_empty()
    }
}
