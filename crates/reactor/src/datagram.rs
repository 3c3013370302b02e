//! Datagram sockets: UDP and UNIX.
//!
//! **Receiving.** One multishot `recvmsg` per socket that wants to receive. Each completion fills a buffer of
//! [`BufferGroup::Datagrams`], which is large enough for any datagram, and so never consumed bit by bit; pages of it
//! that nothing was written to cost nothing. In the buffer lie a header of the kernel's, the sender's name, control
//! data and the payload, see [`Received`]. A datagram of no bytes ends a multishot, as do errors and the kernel's whim:
//! a missing `F_MORE` re-arms it, within the turn where a datagram has done it, lest a flood of empty ones cost a turn
//! each; an empty buffer ring does so when a buffer comes back. Meanwhile the socket's own queue takes what arrives,
//! and drops what does not fit.
//!
//! A socket that other processes have as well receives one by one: see `datagram/one_by_one.rs`.
//!
//! **Sending.** Datagrams queue up here and go out as `sendmsg` with `MSG_DONTWAIT`: done or refused while the kernel
//! takes the request, so that many can be in flight in order and none of JavaScript's memory is held. Where a socket's
//! buffer is full the queue waits for `POLLOUT`; of datagrams that were handed over together, later ones may then
//! overtake those refused. UNIX sockets promise order, and send one at a time. To a UNIX peer that is only named per
//! datagram nothing waits (`POLLOUT` knows nothing of its queue): a full queue is reported with `EAGAIN`. UDP datagrams
//! may go together: see `datagram/sending.rs`.
//!
//! **Another peer.** What was sent to the socket's peer is for that peer, also where the socket gets another or none
//! before the kernel has taken it: it is offered before ([`offer_datagrams`](crate::Reactor::offer_datagrams)), and
//! what does not fit is sent by name from then on.
//!
//! **Closing.** What was sent before is offered to the kernel once; what does not fit is given up and reported with
//! `ECANCELED`.

mod one_by_one;
mod sending;

use std::collections::VecDeque;

use io_uring::types::RecvMsgOut;

use crate::address::SocketAddress;
use crate::buffer_pool::{BufferPool, Slice};
use crate::control;
use crate::error::Errno;
use crate::event::{Event, Received};
use crate::handle::HandleState;
use crate::io::Io;
use crate::kernel::{BufferGroup, Cqe, Kernel};
use crate::memory::Span;
use crate::message::DatagramMessage;
use crate::operation::CancelableOperation;
use crate::receive_buffers::{CONTROL, HEADER, INTERNET_NAME, UNIX_CONTROL, UNIX_NAME};
use crate::room::Room;
use crate::slab::OperationId;

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// The payload.
    pub span: Span,
    /// Where to: a `sockaddr`. `None` for the socket's peer.
    pub destination: Option<Span>,
    /// `MSG_*` flags of this datagram.
    pub flags: i32,
    /// Let the kernel (or the network device) cut the payload into datagrams of this size; 0: it is one.
    pub segment: u16,
    /// It may go out in one request with others that follow it or that it follows. See `datagram/sending.rs`.
    pub together: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Queued,
    /// With so many, itself among them; zero where it is not the first of them.
    InFlight(usize),
    Done(i32),
}

#[derive(Default, PartialEq, Eq)]
enum Receiving {
    #[default]
    Idle,
    Armed(OperationId),
    /// A cancel is on its way.
    Stopping,
    /// One by one: the last one is still to be heard of, which it is with so many events.
    Unheard(u64),
    /// There was no buffer.
    Starved,
    /// The socket is beyond use.
    Ended,
}

/// A datagram socket.
pub struct Datagram {
    unix: bool,
    wants_to_receive: bool,
    /// Other processes have the socket, too.
    shared: bool,
    receiving: Receiving,
    /// Room for control data, from the next arming on.
    control: usize,
    /// Room for control data in what is armed.
    armed_control: usize,
    /// In the order of sending, with what has become of each.
    queue: VecDeque<(Outgoing, Progress)>,
    /// Number of the first in the queue, counted over the life of the socket.
    first: usize,
    /// Number of the first that is not in flight or done.
    next: usize,
    in_flight: usize,
    listed: bool,
    /// Waiting for room in the socket's buffer.
    waiting: bool,
    room: Room,
    /// Peers that the socket has had while something was queued for them, in order: those of the datagrams without a
    /// destination of their own up to that number, which is not among them.
    former: VecDeque<(usize, SocketAddress)>,
}

impl Datagram {
    /// `unix` tells an `AF_UNIX` socket.
    pub(crate) fn new(unix: bool) -> Self {
        Self {
            unix,
            wants_to_receive: false,
            shared: false,
            receiving: Receiving::Idle,
            control: 0,
            armed_control: 0,
            queue: VecDeque::new(),
            first: 0,
            next: 0,
            in_flight: 0,
            listed: false,
            waiting: false,
            room: Room::default(),
            former: VecDeque::new(),
        }
    }

    fn name_room(&self) -> usize {
        if self.unix { UNIX_NAME } else { INTERNET_NAME }
    }

    /// Lets datagrams come.
    pub(crate) fn receive_start<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        self.wants_to_receive = true;
        self.arm(state, io);
    }

    /// Lets no more come. What is already on its way is still delivered.
    pub(crate) fn receive_stop<K: Kernel>(&mut self, io: &mut Io<K>) {
        self.wants_to_receive = false;
        self.disarm(io);
    }

    /// Gives control data room or takes it away.
    pub(crate) fn set_control<K: Kernel>(&mut self, io: &mut Io<K>, wanted: bool) {
        self.control = match (wanted, self.unix) {
            (false, _) => 0,
            (true, false) => CONTROL,
            (true, true) => UNIX_CONTROL,
        };
        if self.control != self.armed_control {
            self.disarm(io);
        }
    }

    fn disarm<K: Kernel>(&mut self, io: &mut Io<K>) {
        // One that starves stays in the list of those, and is asked when there is a buffer.
        if let Receiving::Armed(operation) = self.receiving {
            self.receiving = Receiving::Stopping;
            io.cancel(operation);
        }
    }

    fn arm<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if !self.wants_to_receive || state.closing || self.receiving != Receiving::Idle {
            return;
        }
        if self.shared {
            self.receiving = Receiving::Armed(io.start(state, CancelableOperation::PollReadable));
            return;
        }
        let mut message = io.datagram_message();
        #[allow(clippy::cast_possible_truncation, reason = "small constants")]
        {
            message.header.msg_namelen = self.name_room() as _;
            message.header.msg_controllen = self.control as _;
        }
        self.armed_control = self.control;
        let operation = CancelableOperation::ReceiveDatagrams(message);
        self.receiving = Receiving::Armed(io.start(state, operation));
    }

    /// A buffer has come back.
    pub(crate) fn feed<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>) {
        if self.receiving == Receiving::Starved {
            self.receiving = Receiving::Idle;
            self.arm(state, io);
        }
    }

    /// A completion of the receive.
    pub(crate) fn received<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, completion: &Cqe) {
        if let Some(receivers) = &mut io.datagrams
            && let Some(slice) = receivers.take(completion)
        {
            match self.parse(receivers.pool(), slice) {
                Some(received) if !state.closing => {
                    io.events.push_back(Event::Datagram { handle: state.id, received });
                }
                _ => io.give_back(BufferGroup::Datagrams, slice.buffer),
            }
        }
        if completion.more() {
            return;
        }
        if completion.result < 0 {
            return self.receive_ended(state, io, -completion.result);
        }
        self.receiving = Receiving::Idle;
        self.arm(state, io);
        io.enter_again |= matches!(self.receiving, Receiving::Armed(_));
    }

    /// A receive has ended with that error, or a wait for what is to be received.
    fn receive_ended<K: Kernel>(&mut self, state: &mut HandleState, io: &mut Io<K>, errno: i32) {
        self.receiving = Receiving::Idle;
        match errno {
            _ if state.closing => {}
            libc::ENOBUFS => {
                if self.wants_to_receive
                    && let Some(receivers) = &mut io.datagrams
                {
                    self.receiving = Receiving::Starved;
                    receivers.starve(state.id);
                }
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => self.arm(state, io),
            errno => {
                io.events.push_back(Event::ReceiveFailed { handle: state.id, status: -errno });
                // Any other is an error of the network's, which was reported here once and has left the socket as it
                // was.
                if matches!(errno, libc::EBADF | libc::ENOTSOCK | libc::EINVAL | libc::EFAULT | libc::EOPNOTSUPP) {
                    self.receiving = Receiving::Ended;
                } else {
                    self.arm(state, io);
                }
            }
        }
    }

    /// Finds the parts of a datagram. Every length is held against what the kernel has really written: a header may
    /// tell of a payload longer than the buffer (`MSG_TRUNC`). `None` where there is not even a whole header.
    ///
    /// Descriptors that a peer has sent along are closed: nobody has asked for any.
    fn parse(&self, pool: &BufferPool, slice: Slice) -> Option<Received> {
        let bytes = pool.bytes(&slice);
        let mut room = DatagramMessage::empty_header();
        #[allow(clippy::cast_possible_truncation, reason = "small constants")]
        {
            room.msg_namelen = self.name_room() as _;
            room.msg_controllen = self.armed_control as _;
        }
        let message = RecvMsgOut::parse(bytes, &room).ok()?;
        // SAFETY: the kernel has just written them, and a datagram is parsed once.
        drop(unsafe { control::take_descriptors(message.control_data()) });
        let front = u32::try_from(HEADER + self.name_room() + self.armed_control).ok()?;
        Some(Received {
            slice: Slice {
                buffer: slice.buffer,
                offset: slice.offset + front,
                length: u32::try_from(message.payload_data().len()).ok()?,
            },
            name: slice.offset + u32::try_from(HEADER).ok()?,
            name_length: u8::try_from(message.name_data().len()).ok()?,
            control_length: u16::try_from(message.control_data().len()).ok()?,
            truncated: message.is_payload_truncated(),
            control_truncated: message.is_control_data_truncated(),
        })
    }

    /// The ring has failed: what is in flight will never complete, and what is wanted will not be done.
    pub(crate) fn abort<K: Kernel>(&mut self, state: &HandleState, io: &mut Io<K>, errno: Errno) {
        self.settle_all(state, io, errno.negated());
        (self.in_flight, self.listed, self.waiting) = (0, false, false);
        if self.wants_to_receive && !state.closing && self.receiving != Receiving::Ended {
            self.receiving = Receiving::Ended;
            io.events.push_back(Event::ReceiveFailed { handle: state.id, status: errno.negated() });
        }
    }

    /// The handle is being closed.
    pub(crate) fn close(&mut self) {
        self.wants_to_receive = false;
    }
}
