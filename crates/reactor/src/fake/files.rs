//! The one file of the fake: its content is a function of the position, and writes are counted as done and forgotten.
//! Its attributes have that content as well, as far as there is room.
//!
//! Requests with `RWF_NOWAIT` are done or refused while they are taken; all others in any order, links of a chain one
//! after the other.

use crate::error::Errno;
use crate::fake::{Flight, World};
use crate::kernel::{Direction, FileOp, FileRequest, Request};

/// The byte at `position + index`.
pub(crate) fn content(position: i64, index: usize) -> u8 {
    let place = usize::try_from(position).expect("not negative") + index;
    u8::try_from(place % 249).expect("below 249")
}

/// What the next request is linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Nothing.
    None,
    /// A chain whose steps have succeeded so far.
    Open,
    /// A chain of which a step has failed: those that follow are cancelled.
    Broken,
}

impl World {
    /// Requests about files between push and reaping.
    pub(crate) fn file_requests_live(&self) -> usize {
        let flights = self.submission.iter().chain(&self.flights);
        flights.filter(|flight| matches!(flight.request, Request::File { .. })).count()
    }

    pub(super) fn execute_file(&mut self, user_data: u64, request: &FileRequest, linked: bool, flight: Flight) {
        let before = std::mem::replace(&mut self.chain, if linked { Chain::Open } else { Chain::None });
        if linked || before != Chain::None {
            let broken = before == Chain::Broken;
            let result = if broken { -libc::ECANCELED } else { self.play_file(request) };
            if linked && (broken || result < wanted(request)) {
                self.chain = Chain::Broken;
            }
            self.post(user_data, result, 0);
        } else if nowait(request) {
            let result = self.play_nowait(request).map_or_else(Errno::negated, u32::cast_signed);
            self.post(user_data, result, 0);
        } else {
            self.flights.push(flight);
        }
    }

    /// Does it, or refuses because it would have to wait.
    pub(super) fn play_nowait(&mut self, request: &FileRequest) -> Result<u32, Errno> {
        let refusal = if self.fault() { [libc::EAGAIN, libc::EOPNOTSUPP][self.random.below(2)] } else { 0 };
        let result = if refusal == 0 { self.play_file(request) } else { -refusal };
        u32::try_from(result).map_err(|_| Errno(-result))
    }

    /// Does it: bytes moved, 0, or a negative errno.
    pub(super) fn play_file(&mut self, request: &FileRequest) -> i32 {
        if self.fault() {
            return -[libc::EINTR, libc::ENOMEM, libc::EIO, libc::ENOSPC][self.random.below(4)];
        }
        let (data, length, position) = match *request {
            FileRequest::Transfer { direction, data, length, position, .. } => {
                ((direction == Direction::Read).then_some(data), length, position)
            }
            FileRequest::Op { op: FileOp::FGetXattr, operands, .. } => (Some(operands.data), operands.length, 0),
            _ => return 0,
        };
        let position = usize::try_from(position.max(0)).expect("a position");
        let mut count = length as usize;
        if data.is_some() {
            count = count.min(self.file_length.saturating_sub(position));
        }
        if count > 1 && self.fault() {
            count = 1 + self.random.below(count - 1);
        }
        if let Some(data) = data {
            for index in 0..count {
                // SAFETY: the request promises room for `length` bytes until its completion, which is not posted yet.
                unsafe { data.add(index).write(content(position.try_into().expect("small"), index)) };
            }
        }
        i32::try_from(count).expect("tests move little")
    }
}

fn nowait(request: &FileRequest) -> bool {
    matches!(request, FileRequest::Transfer { nowait: true, .. })
}

/// What a step must give for the next one to start.
fn wanted(request: &FileRequest) -> i32 {
    match *request {
        FileRequest::Transfer { length, .. } => i32::try_from(length).expect("little"),
        _ => 0,
    }
}
