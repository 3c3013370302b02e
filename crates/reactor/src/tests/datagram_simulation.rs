//! Datagram sockets on the fake kernel, and what must hold of every event: each datagram arrives once, in order and at
//! its socket; each send is settled once, in order and with what the kernel answered.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;

use super::harness::Moving;
use crate::address::SocketAddress;
use crate::buffer_pool::BufferPool;
use crate::datagram::Outgoing;
use crate::event::Received;
use crate::fake::{Behavior, Delivered, Descriptors, Fake, FarEnd, Inbound, Mailbox, Outbound, Random, World};
use crate::receive_buffers::ReceiveBuffers;
use crate::{Event, HandleId, Reactor, Stats};

/// More turns than that are a livelock.
const MAX_TURNS: usize = 20_000;

/// Sends of more than this are refused by a socket that has a limit.
pub(super) const LARGEST: usize = 40;

/// One send, and what was reported of it.
pub(super) struct Send {
    pub(super) outbound: Outbound,
    /// It names whom it goes to, or has to by now: the socket has another peer.
    pub(super) named: bool,
    pub(super) status: Option<i32>,
}

pub(super) struct Socket {
    pub(super) id: HandleId,
    pub(super) fd: RawFd,
    pub(super) far_end: FarEnd,
    pub(super) unix: bool,
    /// Its `sockaddr`.
    pub(super) peer: Vec<u8>,
    pub(super) sends: Vec<Send>,
    /// Number of the first send that has not been reported.
    pub(super) unreported: usize,
    pub(super) received: usize,
    /// Errors that the network reports and that have not been told.
    pub(super) errors: VecDeque<i32>,
    pub(super) close_asked: bool,
    pub(super) closed: bool,
    pub(super) refusals: Vec<i32>,
}

pub(super) struct Simulation {
    pub(super) reactor: Reactor<Fake>,
    pub(super) world: Rc<RefCell<World>>,
    pub(super) memory: Moving,
    pub(super) random: Random,
    pub(super) sockets: Vec<Socket>,
    pub(super) lent: Vec<(Received, Vec<u8>)>,
    pub(super) buffers: usize,
    /// The other ends of descriptors that were sent along.
    pub(super) rights: Vec<FarEnd>,
    pub(super) serial: u32,
    pub(super) memory_goes: bool,
    pub(super) faulty: bool,
}

impl Simulation {
    /// Every other socket is a UNIX socket.
    pub(super) fn new(behavior: Behavior, sockets: usize, buffers: u16, per_turn: usize) -> Self {
        let (kernel, world) = Fake::new(behavior);
        let pool = BufferPool::new(1, 16).expect("memory");
        let mut reactor = Reactor::new(kernel, pool, per_turn);
        reactor.io.datagrams = Some(ReceiveBuffers::for_datagrams(&mut reactor.io.kernel, buffers).expect("memory"));
        let mut simulation = Self {
            reactor,
            world,
            memory: Moving::default(),
            random: Random::new(behavior.seed ^ 0xda7a),
            sockets: Vec::new(),
            lent: Vec::new(),
            buffers: usize::from(buffers),
            rights: Vec::new(),
            serial: 0,
            memory_goes: false,
            faulty: behavior.fault_rate > 0,
        };
        for index in 0..sockets {
            let (near, far_end) = Descriptors::pair();
            let (fd, unix) = (near.as_raw_fd(), index % 2 == 1);
            simulation.world.borrow_mut().descriptors.add(fd);
            simulation.world.borrow_mut().descriptors.get(fd).mailbox.peer = vec![0xa0; 16];
            let id = simulation.reactor.add_datagram(near, unix).expect("room");
            simulation.sockets.push(Socket {
                id,
                fd,
                far_end,
                unix,
                peer: vec![0xa0; 16],
                sends: Vec::new(),
                unreported: 0,
                received: 0,
                errors: VecDeque::new(),
                close_asked: false,
                closed: false,
                refusals: Vec::new(),
            });
        }
        simulation
    }

    /// Does something to the kernel's side of a socket, unless that is being closed.
    pub(super) fn mailbox(&mut self, socket: usize, act: impl FnOnce(&mut Mailbox, &mut usize)) {
        let Socket { fd, close_asked, .. } = self.sockets[socket];
        if !close_asked {
            let mut world = self.world.borrow_mut();
            let descriptor = world.descriptors.get(fd);
            act(&mut descriptor.mailbox, &mut descriptor.window);
        }
    }

    /// Bytes that no other datagram has, from four on.
    fn bytes(&mut self, socket: usize, length: usize) -> Vec<u8> {
        self.serial += 1;
        let mut bytes = self.serial.to_be_bytes().to_vec();
        bytes[0] = u8::try_from(socket).expect("few");
        bytes.resize(length.max(4), bytes[3]);
        bytes.truncate(length);
        bytes
    }

    pub(super) fn arrive(&mut self, socket: usize, length: usize, control: usize, with_right: bool) {
        if self.sockets[socket].close_asked {
            return;
        }
        let payload = self.bytes(socket, length);
        let name = self.bytes(socket, 8 + length % 20);
        let control = vec![7; control];
        let right = with_right.then(|| {
            let (near, far) = Descriptors::pair();
            self.rights.push(far);
            near
        });
        let inbound = Inbound::Datagram { name, payload, control, right };
        self.mailbox(socket, |mailbox, _| mailbox.inbound.push_back(inbound));
    }

    pub(super) fn fail(&mut self, socket: usize, errno: i32) {
        if !self.sockets[socket].close_asked {
            self.sockets[socket].errors.push_back(errno);
            self.mailbox(socket, |mailbox, _| mailbox.inbound.push_back(Inbound::Error(errno)));
        }
    }

    pub(super) fn send(&mut self, socket: usize, length: usize, named: bool, flags: i32, segment: u16) {
        if self.sockets[socket].close_asked {
            return;
        }
        let payload = self.bytes(socket, length);
        let named = named || self.sockets[socket].peer.is_empty();
        // Now and then the same one.
        let to = u8::try_from(self.random.below(2)).expect("few");
        let destination = if named { vec![to; 16] } else { self.sockets[socket].peer.clone() };
        let together = self.random.below(4) > 0;
        let span = self.memory.add(payload.clone());
        let to = named.then(|| self.memory.add(destination.clone()));
        self.sockets[socket].sends.push(Send {
            outbound: Outbound { payload, destination, segment, flags },
            named,
            status: None,
        });
        let outgoing = Outgoing { span, destination: to, flags, segment, together };
        self.reactor.send_datagram(self.sockets[socket].id, outgoing);
    }

    /// Gives a socket another peer, or none.
    pub(super) fn connect(&mut self, socket: usize, peer: u8) {
        if self.sockets[socket].close_asked {
            return;
        }
        let new = if peer == 0 { Vec::new() } else { vec![0xa0 | peer; 16] };
        let old = std::mem::replace(&mut self.sockets[socket].peer, new.clone());
        if !old.is_empty() {
            // SAFETY: the bytes are there.
            let old = unsafe { SocketAddress::from_raw(old.as_ptr(), 16) };
            let (datagram, ..) = self.reactor.datagram(self.sockets[socket].id).expect("open");
            datagram.keep_peer(&old);
        }
        for send in &mut self.sockets[socket].sends {
            send.named |= send.status.is_none();
        }
        self.mailbox(socket, |mailbox, _| mailbox.peer = new);
    }

    pub(super) fn close(&mut self, socket: usize) {
        self.sockets[socket].close_asked = true;
        self.reactor.close(self.sockets[socket].id);
    }

    /// The memory that is lent to us, from `start` on.
    fn read(&self, start: u32, length: usize) -> Vec<u8> {
        let pool = self.reactor.datagram_pool().expect("there").memory();
        assert!(start as usize + length <= pool.length(), "outside of the pool");
        // SAFETY: the bytes lie in the pool, and the kernel has let go of the buffer.
        unsafe { std::slice::from_raw_parts(pool.start().as_ptr().add(start as usize), length) }.to_vec()
    }

    pub(super) fn give_back(&mut self, pick: usize) {
        if !self.lent.is_empty() {
            let (received, bytes) = self.lent.swap_remove(pick % self.lent.len());
            let slice = received.slice;
            assert_eq!(self.read(slice.offset, slice.length as usize), bytes, "a lent buffer was written into");
            self.reactor.give_datagram_back(slice.buffer);
        }
    }

    pub(super) fn turn(&mut self) {
        self.reactor.turn(&mut self.memory).expect("nothing that is reported");
        self.memory.spoil();
        while let Some(event) = self.reactor.next_event() {
            self.note(&event);
        }
        let stats = self.reactor.stats();
        assert_eq!(stats.buffers_lent, self.lent.len());
        assert!(stats.starved <= self.sockets.len(), "the starved are listed twice");
    }

    fn open(&mut self, handle: HandleId) -> &mut Socket {
        let socket = self.sockets.iter_mut().find(|it| it.id == handle).expect("an event of a handle that we know");
        assert!(!socket.closed, "an event after Closed");
        socket
    }

    fn note(&mut self, event: &Event) {
        match *event {
            Event::Datagram { handle, received } => self.note_datagram(handle, received),
            Event::ReceiveFailed { handle, status } => {
                let socket = self.open(handle);
                assert!(!socket.close_asked, "an error after close()");
                assert_eq!(socket.errors.pop_front(), Some(-status), "an error that was not, or out of order");
            }
            Event::Sent { handle, status, count } => {
                for _ in 0..count {
                    self.note_sent(handle, status);
                }
            }
            Event::Closed { handle } => {
                let socket = self.open(handle);
                assert!(socket.close_asked, "closed without being asked");
                assert_eq!(socket.unreported, socket.sends.len(), "closed with a send unsettled");
                socket.closed = true;
            }
            ref other => unreachable!("datagrams alone: {other:?}"),
        }
    }

    fn note_datagram(&mut self, handle: HandleId, received: Received) {
        let Received { slice, name, name_length, control_length, truncated, control_truncated } = received;
        let payload = self.read(slice.offset, slice.length as usize);
        let socket = self.open(handle);
        assert!(!socket.close_asked, "a datagram after close()");
        socket.received += 1;
        let (fd, name_room) = (socket.fd, if socket.unix { 112 } else { 32 });
        let delivered = self.world.borrow_mut().descriptors.get(fd).mailbox.delivered.pop_front();
        let found = Delivered {
            name: self.read(name, usize::from(name_length)),
            payload: payload.clone(),
            truncated,
            // Where JavaScript looks for it: behind the room for the name.
            control: self.read(name + name_room, usize::from(control_length)),
            control_truncated,
        };
        assert_eq!(Some(found), delivered, "lost, doubled, out of order or another's");
        self.lent.push((received, payload));
    }

    fn note_sent(&mut self, handle: HandleId, status: i32) {
        let (gone, faulty) = (self.memory_goes, self.faulty);
        let socket = self.open(handle);
        let send = socket.sends.get_mut(socket.unreported).expect("a send for every report");
        send.status = Some(status);
        socket.unreported += 1;
        let waits = (!socket.unix || !send.named) && send.outbound.flags & libc::MSG_DONTWAIT == 0;
        let expected = match -status {
            0 => true,
            libc::EMSGSIZE => send.outbound.payload.len() > LARGEST,
            libc::EAGAIN => !waits,
            libc::ENOBUFS => faulty,
            libc::EFAULT => gone,
            libc::ECANCELED => socket.close_asked,
            errno => socket.refusals.contains(&errno),
        };
        assert!(expected, "{status}");
    }

    pub(super) fn settle(&mut self) {
        for _ in 0..MAX_TURNS {
            if !self.reactor.has_work() {
                if self.lent.is_empty() {
                    return;
                }
                let pick = self.random.below(self.lent.len());
                self.give_back(pick);
            } else {
                self.turn();
            }
        }
        panic!("a livelock: {:?}", self.reactor.stats());
    }

    /// Lets everything go out and come in.
    pub(super) fn finish(&mut self) {
        for socket in 0..self.sockets.len() {
            self.mailbox(socket, |_, window| *window = usize::MAX);
            self.reactor.read_start(self.sockets[socket].id);
        }
        self.settle();
        for socket in 0..self.sockets.len() {
            self.check_sent(socket);
            let Socket { fd, close_asked, closed, ref errors, .. } = self.sockets[socket];
            assert_eq!(closed, close_asked, "a close hangs");
            if !close_asked {
                let mut world = self.world.borrow_mut();
                let mailbox = &world.descriptors.get(fd).mailbox;
                assert!(mailbox.is_empty() && mailbox.delivered.is_empty(), "a receive hangs");
                assert!(errors.is_empty(), "an error was not told");
            }
        }
    }

    /// What the kernel has taken is what was reported as sent: each once, and as it was given.
    fn check_sent(&self, index: usize) {
        let socket = &self.sockets[index];
        if !socket.close_asked {
            assert_eq!(socket.unreported, socket.sends.len(), "a send hangs");
        }
        let world = self.world.borrow();
        let Some(descriptor) = world.descriptors.find(socket.fd) else { return };
        let taken: Vec<&Outbound> =
            descriptor.mailbox.offered.iter().filter(|it| it.result >= 0).map(|it| &it.outbound).collect();
        let reported: Vec<&Outbound> =
            socket.sends.iter().filter(|it| it.status == Some(0)).map(|it| &it.outbound).collect();
        if socket.unix {
            assert_eq!(taken, reported, "UNIX sockets keep the order");
        } else {
            let sorted = |mut list: Vec<&Outbound>| {
                list.sort_by_key(|it| (it.payload.clone(), it.destination.clone(), it.segment, it.flags));
                list.into_iter().cloned().collect::<Vec<_>>()
            };
            assert_eq!(sorted(taken), sorted(reported), "sent twice, not at all, or otherwise");
        }
    }

    pub(super) fn close_all(&mut self) {
        for socket in 0..self.sockets.len() {
            if !self.sockets[socket].close_asked {
                assert!(!self.sockets[socket].far_end.hung_up(), "closed too early");
                self.close(socket);
            }
        }
        self.settle();
        self.check_nothing_left();
        assert!(self.sockets.iter().all(|it| it.closed), "a close hangs");
    }

    pub(super) fn check_nothing_left(&self) {
        let stats = self.reactor.stats();
        assert_eq!(stats, Stats { turns: stats.turns, ..Stats::default() });
        assert_eq!(self.world.borrow().unfinished(), 0);
        let idle = self.reactor.datagram_pool().map_or(0, BufferPool::idle);
        assert_eq!(self.world.borrow().datagram_buffers.held() + idle, self.buffers, "a buffer is lost");
        assert!(self.sockets.iter().all(|it| it.far_end.hung_up()), "a descriptor is left open");
        assert!(self.rights.iter().all(FarEnd::hung_up), "a descriptor that was sent along is left open");
    }
}
