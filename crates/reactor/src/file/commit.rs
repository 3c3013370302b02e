//! Group commit: writes that are each followed by a sync of their file, asked for at the same time, share one sync.
//!
//! A sync writes out everything that the file's writes have left in memory, and waits for the disk: for eight records
//! as long as for one. So a chain of a write and a sync of the same file is not linked in the kernel (where, besides,
//! this thread would have to be woken in between: work that is deferred to it is what continues a chain). It waits with
//! others of its kind:
//!
//! 1. It joins those that [wait](Commits::waiting).
//! 2. When no group is under way on the file, all that wait become one: their writes start at once, in the order in
//!    which they were asked for.
//! 3. When the last of the writes is done, one sync starts for those that were written completely. A write that failed
//!    or was short has cancelled its own sync, and nobody else's.
//! 4. The result of the sync is everyone's, and what has come to wait meanwhile is the next group.
//!
//! A group of one needs no second request: the write itself says that it is done only when the disk has it
//! (`RWF_DSYNC`). That writes out nothing but its own bytes. So it is done only where all that was written through this
//! handle before has been synced since; what others have written to the file is their business.
//!
//! When the file is closed, what waits is cancelled, and whoever waits for a sync is told so as well.

use std::collections::VecDeque;

use crate::file::File;
use crate::file::files::{Files, Linked, NotNow, Prepared, Queued, Step};
use crate::file::transfer::{Commit, Role, SyncedBy, Transfer};
use crate::handle::HandleState;
use crate::handle_id::HandleId;
use crate::io::Io;
use crate::kernel::{Direction, Durability, FileOp, FileRequest, Kernel, Operands};
use crate::operation::FileOperation;

/// Most writes of one group.
const MAX_GROUP: usize = 256;

/// The commits of one file.
pub(crate) struct Commits {
    /// There may be changes through this handle that no sync has been about; at first, those of whoever opened it
    /// before.
    pub(crate) dirty: bool,
    /// For the next group.
    pub(crate) waiting: VecDeque<Transfer>,
    /// Writes of the present group that are not done.
    pub(crate) writing: usize,
    /// Those of the present group that are, and wait for the sync.
    pub(crate) written: Vec<Commit>,
}

impl Default for Commits {
    fn default() -> Self {
        Self { dirty: true, waiting: VecDeque::new(), writing: 0, written: Vec::new() }
    }
}

impl Commits {
    pub(crate) fn is_busy(&self) -> bool {
        self.writing > 0 || !self.written.is_empty()
    }

    /// Whether somebody waits for one.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_busy() || !self.waiting.is_empty()
    }

    /// Ends them, as far as that is up to us: the tokens of those that wait, for their turn or for a sync. A write that
    /// the kernel has is told of when it is done, and cancels its sync then.
    pub(crate) fn take_tokens(&mut self) -> Vec<u32> {
        self.writing = 0;
        let mut tokens = self.take_written();
        for transfer in self.waiting.drain(..) {
            tokens.push(transfer.token);
            tokens.extend(transfer.commit().map(|commit| commit.token));
        }
        tokens
    }

    pub(crate) fn take_written(&mut self) -> Vec<u32> {
        self.written.drain(..).map(|commit| commit.token).collect()
    }
}

/// Takes the two steps of a chain for what they are, if they are that.
pub(crate) fn commit_of(chain: &[Step], file: &File) -> Option<Transfer> {
    let [Step::Transfer(id, write), Step::Call(call)] = chain else { return None };
    let FileOp::Sync { data_only } = call.op else { return None };
    // Writes at the file's own position have to be done one after the other.
    let placed = file.is_seekable() && (file.append || write.position >= 0);
    let commits = placed && write.direction == Direction::Write && call.handle == *id;
    let commit = Commit { token: call.token, data_only, by: SyncedBy::Group };
    commits.then_some(Transfer { role: Role::Commit(commit), ..*write })
}

/// What a write has to see to itself.
pub(crate) fn durability(transfer: &Transfer) -> Durability {
    match transfer.commit() {
        Some(Commit { by: SyncedBy::Write, data_only: true, .. }) => Durability::DataSynced,
        Some(Commit { by: SyncedBy::Write, data_only: false, .. }) => Durability::Synced,
        _ => Durability::Written,
    }
}

/// Lets a write wait for the next group.
pub(crate) fn join(id: HandleId, transfer: Transfer, file: &mut File, files: &mut Files) {
    if file.commits.waiting.is_empty() && !file.commits.is_busy() {
        files.waiting.push_back(Queued::Group(id));
    }
    file.commits.waiting.push_back(transfer);
}

/// Makes a group of those that wait.
pub(crate) fn start_group(id: HandleId, file: &mut File, files: &mut Files) {
    let commits = &mut file.commits;
    let size = commits.waiting.len().min(MAX_GROUP);
    commits.writing = size;
    let by = if size == 1 && !commits.dirty { SyncedBy::Write } else { SyncedBy::Group };
    // In front, since what waits behind was asked for later.
    for mut transfer in commits.waiting.drain(..size).rev() {
        if let Role::Commit(commit) = &mut transfer.role {
            commit.by = by;
        }
        files.waiting.push_front(Queued::One(Step::Transfer(id, transfer)));
    }
}

/// A write is done, or will never be.
pub(crate) fn written<K: Kernel>(
    id: HandleId,
    commit: Commit,
    complete: bool,
    file: &mut File,
    files: &mut Files,
    io: &mut Io<K>,
) {
    file.commits.writing = file.commits.writing.saturating_sub(1);
    if commit.by == SyncedBy::Write {
        file.commits.dirty |= !complete;
        io.settle(commit.token, if complete { 0 } else { -libc::ECANCELED });
    } else if complete {
        file.commits.written.push(commit);
    } else {
        io.settle(commit.token, -libc::ECANCELED);
    }
    if file.commits.writing > 0 {
        return;
    }
    if file.commits.written.is_empty() {
        next_group(id, file, files);
    } else {
        files.waiting.push_back(Queued::One(Step::GroupSync(id)));
    }
}

/// Starts the sync of a group.
pub(crate) fn start_sync<K: Kernel>(
    state: &mut HandleState,
    file: &mut File,
    files: &mut Files,
    io: &mut Io<K>,
) -> Result<(), NotNow> {
    let data_only = file.commits.written.iter().all(|commit| commit.data_only);
    let request =
        FileRequest::Op { op: FileOp::Sync { data_only }, operands: Operands::of(state.fd()), by_worker: false };
    // It is about what is done, not about what is still under way.
    let under_way = state.in_flight > 0;
    // SAFETY: a sync points at nothing.
    let prepared = unsafe { Prepared::new(state.id, FileOperation::GroupSync, request) };
    files.start(prepared, Linked::No, Some(state), io)?;
    file.commits.dirty &= under_way;
    Ok(())
}

/// The sync of a group is done.
pub(crate) fn synced<K: Kernel>(id: HandleId, result: i32, file: &mut File, files: &mut Files, io: &mut Io<K>) {
    file.commits.dirty |= result < 0;
    for token in file.commits.take_written() {
        io.settle(token, result);
    }
    next_group(id, file, files);
}

/// Lets the next group start, where somebody waits for one.
fn next_group(id: HandleId, file: &File, files: &mut Files) {
    if !file.commits.waiting.is_empty() {
        files.waiting.push_back(Queued::Group(id));
    }
}
