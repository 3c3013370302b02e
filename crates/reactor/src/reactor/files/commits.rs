//! Groups of writes that share a sync: how they start and end. See [`commit`](crate::file::commit).

use crate::file::commit::{LARGEST_GROUP, next_group};
use crate::file::files::{Batch, Step};
use crate::file::transfer::{Flush, Transfer};
use crate::handle_id::HandleId;
use crate::kernel::{FileRequest, Kernel};
use crate::operation::FileOperation;
use crate::reactor::Reactor;
use crate::reactor::files::{Lack, Start};
use crate::resource::{Handle, Resource};

impl<K: Kernel> Reactor<K> {
    /// Lets a write wait for the next group.
    pub(super) fn commit(&mut self, id: HandleId, transfer: Transfer) {
        let Some((file, _, files, _)) = self.file(id) else { return };
        if file.commits.waiting.is_empty() && !file.commits.is_busy() {
            files.waiting.push_back(Batch::Group(id));
        }
        file.commits.waiting.push_back(transfer);
    }

    /// Makes a group of those that wait.
    pub(super) fn start_group(&mut self, id: HandleId) {
        let Some((file, _, files, _)) = self.file(id) else { return };
        let commits = &mut file.commits;
        let size = commits.waiting.len().min(LARGEST_GROUP);
        commits.writing = size;
        let with_write = size == 1 && !commits.dirty;
        // In front, since what waits behind was asked for later.
        for transfer in commits.waiting.drain(..size).rev() {
            let flush = transfer.flush.map(|flush| Flush { with_write, ..flush });
            files.waiting.push_front(Batch::One(Step::Transfer(id, Transfer { flush, ..transfer })));
        }
    }

    /// Starts the sync of a group.
    pub(super) fn start_flush(&mut self, id: HandleId) -> Start {
        let Some((file, common, files, context)) = self.file(id) else { return Start::Failed };
        let data_only = file.commits.written.iter().all(|flush| flush.data_only);
        let request = FileRequest::Sync { fd: common.fd(), data_only };
        // It is about what is done, not about what is still under way.
        let under_way = common.in_flight > 0;
        // SAFETY: a sync points at nothing.
        if unsafe { files.start(context, id, Some(common), FileOperation::Flush, request, false) }.is_err() {
            return Start::Full(Step::Flush(id), Lack::Queue);
        }
        file.commits.dirty &= under_way;
        Start::Done
    }

    /// The sync is done.
    pub(super) fn finish_flush(&mut self, id: HandleId, result: i32) {
        let Some(Handle { resource: Resource::File(file), .. }) = self.handles.get_mut(id) else { return };
        file.commits.dirty |= result < 0;
        for token in file.commits.take_written() {
            self.context.settle(token, result);
        }
        next_group(id, file, &mut self.files);
    }
}
