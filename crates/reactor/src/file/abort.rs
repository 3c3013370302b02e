//! What becomes of file operations when the ring has failed.
//!
//! Whoever waits is told. What the kernel has taken it may still do, so its memory stays where it is: the operations
//! are kept, and leaked with the ring in the end.

use crate::error::Errno;
use crate::file::File;
use crate::file::files::{Files, Flow, Queued, Step};
use crate::file::transfer::Transfer;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::Kernel;
use crate::operation::{FileOperation, Operation};

impl File {
    /// Settles what waits for the file's own position, and a close: the descriptor is closed without the ring where it
    /// still is ours.
    pub(crate) fn abort<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, errno: Errno) {
        for token in self.commits.take_tokens() {
            io.settle(token, errno.negated());
        }
        for transfer in self.waiting_at_cursor() {
            io.settle(transfer.token, errno.negated());
        }
        if let Some(token) = self.closer.take() {
            io.settle(token, if state.has_descriptor() { 0 } else { errno.negated() });
        }
    }
}

impl Files {
    /// Settles everything that is asked of files, once: what is in flight is not taken out, and never completes.
    pub(crate) fn abort<K: Kernel>(&mut self, io: &mut Io<K>, errno: Errno) {
        let queued = std::mem::take(&mut self.waiting).into_iter();
        let waiting = queued.flat_map(|queued| match queued {
            Queued::One(step) => vec![step],
            Queued::Chain(steps) => steps,
            Queued::Group(_) => vec![],
        });
        let mut settled = Vec::new();
        for step in waiting.chain(std::mem::take(&mut self.chain)) {
            match step {
                Step::Transfer(_, transfer) | Step::Await(_, transfer) => settled.extend(outcomes(&transfer, errno)),
                Step::Refused(token, errno) => settled.push((token, errno.negated())),
                Step::Call(call) => settled.push((call.token, errno.negated())),
                Step::GroupSync(_) => {}
            }
        }
        if std::mem::replace(&mut self.flow, Flow::Failed) != Flow::Failed {
            for operation in io.operations.iter() {
                match operation {
                    Operation::File(FileOperation::Transfer { transfer, .. } | FileOperation::Awaiting(transfer)) => {
                        settled.extend(outcomes(transfer, errno));
                    }
                    Operation::File(FileOperation::Call { call, .. }) => settled.push((call.token, errno.negated())),
                    _ => {}
                }
            }
        }
        for (token, result) in settled {
            io.settle(token, result);
        }
    }
}

/// What is known to be done is told as done. The sync behind a write is not.
fn outcomes(transfer: &Transfer, errno: Errno) -> impl Iterator<Item = (u32, i32)> + use<> {
    let result = match i32::try_from(transfer.done) {
        Ok(done) if done > 0 => done,
        _ => errno.negated(),
    };
    let commit = transfer.commit().map(|commit| (commit.token, errno.negated()));
    [Some((transfer.token, result)), commit].into_iter().flatten()
}
