//! Waiting for room in a socket's send buffer, at no cost while there is none.
//!
//! A poll for `POLLOUT` also completes on `POLLRDHUP`, `POLLHUP` and `POLLERR`, asked for or not: those of a peer that
//! has ended and does not read are there for as long as the socket is, so that whoever polls once more after every
//! refusal never sleeps again. So what a poll says is looked at, and there are two ways to ask:
//!
//! - **Once** (one shot), the usual way: answered as soon as anything is the case.
//! - **At edges** (multishot): answered when something changes, and stays armed. From the first time on that the other
//!   way was of no use: its answer was not that there is room, or there was none after all. It is given up when it
//!   tells of room that nobody waits for any more, since UNIX and datagram sockets do so for every message that leaves.
//!
//! Where room was promised and not found (the device's queue is full, memory is short, an error queue that nobody
//! reads), no change need ever follow: after a pause, each twice as long as the one before, the kernel is asked anew.

use std::time::Duration;

use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{Cqe, Kernel};
use crate::operation::CancelableOperation;
use crate::slab::OperationId;

/// What makes another attempt worth while: there is room, or an error that it will bring to light.
const PROMISING: i32 = (libc::POLLOUT | libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) as i32;

/// The first pause, and how often it is doubled: up to 64 ms.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const MAX_DOUBLINGS: u8 = 6;

#[derive(Default)]
enum Poll {
    #[default]
    Off,
    Armed(OperationId),
    /// A cancel is on its way.
    Stopping,
}

/// Who waits, as the poll's news arrive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A send was refused.
    Yes,
    /// A send is about to be made, or with the kernel.
    Trying,
    /// There is nothing to be sent.
    No,
}

/// The wait of one socket.
#[derive(Default)]
pub(crate) struct Room {
    poll: Poll,
    pause: Option<OperationId>,
    /// Asks for edges.
    edges: bool,
    /// There was said to be room, and nothing was sent since.
    promised: bool,
    /// Promises that were broken in a row.
    broken: u8,
}

impl Room {
    /// The kernel has taken something.
    pub(crate) fn progress(&mut self) {
        self.promised = false;
        self.broken = 0;
    }

    /// A send was refused, or taken in part. [`polled`](Self::polled) will say when to try again.
    pub(crate) fn wait<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if std::mem::take(&mut self.promised) {
            self.edges = true;
            self.pause(state, io);
        }
        self.arm(state, io);
    }

    fn arm<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if matches!(self.poll, Poll::Off) {
            let operation = CancelableOperation::PollWritable { edges: self.edges };
            self.poll = Poll::Armed(io.start(state, operation));
        }
    }

    fn pause<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if self.pause.is_none() {
            self.pause = Some(io.start_pause(state, SHORTEST_PAUSE * (1 << self.broken)));
            self.broken = MAX_DOUBLINGS.min(self.broken + 1);
        }
    }

    /// The poll has news. True: try again.
    pub(crate) fn polled<K: Kernel>(
        &mut self,
        state: &mut HandleState,
        io: &mut Io<K>,
        completion: &Cqe,
        waiting: Waiting,
    ) -> bool {
        if !completion.more() {
            self.poll = Poll::Off;
        }
        if state.closing {
            return false;
        }
        let promising = completion.result > 0 && completion.result & PROMISING != 0;
        match waiting {
            Waiting::No => self.stop(io),
            // Old news: the kernel answers sends while it takes them, and polls later.
            Waiting::Trying => {}
            Waiting::Yes if promising => self.promised = true,
            // It was given up to ask anew, or when nobody waited.
            Waiting::Yes if completion.result == -libc::ECANCELED => self.arm(state, io),
            // There is no polling, so time must do.
            Waiting::Yes if completion.result < 0 => self.pause(state, io),
            // One that stays armed was ended: the completion queue is full. Were all to ask anew at once, they would be
            // answered at once, and fill it again.
            Waiting::Yes if self.edges && !completion.more() => self.pause(state, io),
            Waiting::Yes => {
                self.edges = true;
                self.arm(state, io);
            }
        }
        promising && waiting == Waiting::Yes
    }

    /// The pause is over. Who still waits asks anew: a poll that is armed says what is the case, not only what changes.
    pub(crate) fn paused<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, waiting: Waiting) {
        self.pause = None;
        if waiting == Waiting::Yes && !state.closing {
            self.stop(io);
            self.arm(state, io);
        }
    }

    fn stop<K: Kernel>(&mut self, io: &mut Io<K>) {
        if let Poll::Armed(operation) = self.poll {
            self.poll = Poll::Stopping;
            io.cancel(operation);
        }
    }
}
