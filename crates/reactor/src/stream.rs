//! Connected stream sockets: TCP and UNIX. Here is what a stream is, how it is connected and how it ends; a file each
//! has what it [receives](receiving) and what it [sends](sending).
//!
//! **Descriptors** that travel with the bytes of UNIX streams have a module of their own: [`crate::scm_rights`].
//!
//! **Closing.** What was written in the same turn is offered to the kernel once. What does not fit is given up and
//! reported with `ECANCELED`; then the close request cancels whatever is in flight.

mod receive_nowait;
mod receiving;
mod send_nowait;
mod sending;

pub use send_nowait::MAX_SLICES_NOWAIT;

use std::collections::VecDeque;

use self::receiving::Receiving;
use self::sending::{Segment, Sending};
use crate::address::SocketAddress;
use crate::error::Errno;
use crate::event::Event;
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::Kernel;
use crate::operation::CancelableOperation;
use crate::room::Room;
use crate::scm_rights::ScmRights;
use crate::socket;

/// A stream socket.
#[derive(Default)]
pub(crate) struct Stream {
    receiving: Receiving,
    /// Number of the last event with bytes; see [`Io::heard`].
    last_bytes: u64,
    wants_to_read: bool,
    /// It did not want to once: it may again.
    has_stopped: bool,
    /// The reader has a use for [`Event::Readable`](crate::Event::Readable).
    takes_pieces: bool,
    /// The last receive, or piece, has left bytes with the kernel.
    more_waits: bool,
    /// It never will again, and is to be told when nothing is on its way any more.
    ceasing: bool,
    sending: Sending,
    room: Room,
    queue: VecDeque<Segment>,
    /// What bytes were refused with that were offered at once: they are queued next, and end with it.
    refused: Option<i32>,
    shutdown: bool,
    connecting: bool,
    /// There from the first descriptor that travels.
    scm_rights: Option<Box<ScmRights>>,
}

impl Stream {
    /// Starts connecting. A UNIX socket connects at once or not at all, as core's does, instead of waiting for the
    /// listener.
    pub(crate) fn connect<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, peer: SocketAddress) {
        if peer.family() == libc::AF_UNIX {
            let status = socket::connect_unix_nowait(state.fd(), &peer).map_or_else(Errno::negated, |()| 0);
            io.connects.push_back(Event::Connected { handle: state.id, status });
            return;
        }
        self.connecting = true;
        io.start(state, CancelableOperation::Connect(Box::new(peer)));
    }

    /// Whether nothing has been asked of it that is not over.
    pub(crate) fn is_untouched(&self) -> bool {
        let reads = self.wants_to_read || self.has_stopped || self.ceasing;
        !reads && self.queue.is_empty() && !self.connecting && !self.shutdown && self.scm_rights.is_none()
    }

    /// The handle is being closed.
    pub(crate) fn close(&mut self) {
        self.wants_to_read = false;
    }

    /// The connect has ended.
    pub(crate) fn connected<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, result: i32) {
        self.connecting = false;
        if state.closing {
            return;
        }
        // A router's word that there is nobody, which came within connect(2), is a success to io_uring: it asks for
        // `sk_err` alone, and that word is in `sk_err_soft`. libuv asks for `SO_ERROR`, which is both.
        let status = if result == 0 { io.kernel.pending_error(state.fd()) } else { result };
        io.connects.push_back(Event::Connected { handle: state.id, status });
    }

    /// The ring has failed: what is in flight will never complete, and what is wanted will not be done.
    pub(crate) fn abort<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, errno: Errno) {
        let status = errno.negated();
        if self.connecting {
            self.connected(state, io, status);
        }
        self.rest(io);
        self.settle_writes(state, io, status);
        if std::mem::take(&mut self.shutdown) {
            io.events.push_back(Event::ShutDown { handle: state.id, status });
        }
        match self.receiving {
            Receiving::Ending(status) => self.ended(state, io, status),
            Receiving::Broken(_) | Receiving::Ended => {}
            _ if state.closing => {}
            _ if self.wants_to_read || self.ceasing => self.ended(state, io, status),
            // Who has stopped hears of it when he goes on.
            _ => self.receiving = Receiving::Broken(status),
        }
    }
}
