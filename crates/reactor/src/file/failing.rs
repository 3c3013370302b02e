//! What becomes of file operations when the ring has failed.
//!
//! Whoever waits is told. What the kernel has taken it may still do, so its memory stays where it is: the operations are kept, and leaked with the
//! ring in the end.

use crate::context::Context;
use crate::error::Errno;
use crate::file::transfer::Transfer;
use crate::file::{Batch, File, OwnedByFile, Step};
use crate::handle::Common;
use crate::kernel::Kernel;
use crate::operation::Owned;

impl File {
    /// Settles what waits for the file's own position, and a close: the descriptor is closed without the ring where it still is ours.
    pub(crate) fn break_off<K: Kernel>(&mut self, common: &Common, context: &mut Context<K>, errno: Errno) {
        self.cursor_busy = false;
        for transfer in self.waiting_at_cursor() {
            context.settle(transfer.token, errno.negated());
        }
        if let Some(token) = self.closer.take() {
            context.settle(token, if common.has_descriptor() { 0 } else { errno.negated() });
        }
    }
}

impl<K: Kernel> Context<K> {
    /// Settles everything that is asked of files, once: what is in flight is not taken out, and never completes.
    pub(crate) fn break_off_files(&mut self, errno: Errno) {
        let batches = std::mem::take(&mut self.files.waiting).into_iter();
        let waiting = batches.flat_map(|batch| match batch {
            Batch::One(step) => vec![step],
            Batch::Chain(steps) => steps,
        });
        let mut settled: Vec<(u32, i32)> = waiting
            .chain(std::mem::take(&mut self.files.chain))
            .map(|step| match step {
                Step::Transfer(_, transfer) => (transfer.token, outcome(&transfer, errno)),
                Step::Job(job) => (job.token, errno.negated()),
            })
            .collect();
        if !std::mem::replace(&mut self.files.broken_off, true) {
            settled.extend(self.operations.iter().filter_map(|operation| match &operation.owned {
                Owned::File(OwnedByFile::Now(transfer) | OwnedByFile::Bounced(transfer, ..)) => {
                    Some((transfer.token, outcome(transfer, errno)))
                }
                Owned::File(OwnedByFile::Job(job)) => Some((job.token, errno.negated())),
                _ => None,
            }));
        }
        for (token, result) in settled {
            self.settle(token, result);
        }
    }
}

/// What is known to be done is told as done.
fn outcome(transfer: &Transfer, errno: Errno) -> i32 {
    match i32::try_from(transfer.done) {
        Ok(done) if done > 0 => done,
        _ => errno.negated(),
    }
}
