//! Descriptors that streams receive: never more than the limit, however fast they come, and none is left open.

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use super::harness::Moving;
use crate::buffer_pool::BufferPool;
use crate::fake::{Behavior, Descriptors, Fake, FarEnd, Inbound, World};
use crate::receive_buffers::ReceiveBuffers;
use crate::{Event, HandleId, Reactor};

const LIMIT: usize = 4;
const MESSAGES: usize = 40;
/// Of one message: more than the limit.
const RIGHTS: usize = 6;

/// A stream that takes descriptors, and the other ends of those that wait to be received.
fn flooded(behavior: Behavior) -> (Reactor<Fake>, Rc<RefCell<World>>, HandleId, Vec<FarEnd>) {
    let (kernel, world) = Fake::new(behavior);
    let mut reactor = Reactor::new(kernel, BufferPool::new(1, 16).expect("memory"), 64);
    reactor.io.datagrams = Some(ReceiveBuffers::for_datagrams(&mut reactor.io.kernel, 8).expect("memory"));
    let (near, _) = Descriptors::pair();
    let fd = near.as_raw_fd();
    world.borrow_mut().descriptors.add(fd);
    let stream = reactor.add_stream(near).expect("room");
    let mut far_ends = Vec::new();
    for _ in 0..MESSAGES {
        let (rights, others): (Vec<_>, Vec<_>) = (0..RIGHTS).map(|_| Descriptors::pair()).unzip();
        far_ends.extend(others);
        let message = Inbound::Message { payload: vec![1], rights };
        world.borrow_mut().descriptors.get(fd).mailbox.inbound.push_back(message);
    }
    reactor.receive_descriptors(stream, LIMIT).expect("a stream");
    reactor.read_start(stream);
    (reactor, world, stream, far_ends)
}

/// Those of the messages that have left the kernel: the others are not ours.
fn open(far_ends: &[FarEnd], messages: usize) -> usize {
    far_ends[..messages * RIGHTS].iter().filter(|it| !it.hung_up()).count()
}

#[test]
fn the_next_message_comes_when_the_descriptors_of_the_last_are_taken() {
    for seed in 0..50 {
        let (mut reactor, _world, stream, far_ends) =
            flooded(Behavior { seed, fault_rate: 40, budget: 60, ..Behavior::faultless() });
        let mut memory = Moving::default();
        for message in 1..=MESSAGES {
            let mut events = Vec::new();
            for turn in 0.. {
                // Whoever stops and goes on is not given more by that either.
                if turn % 3 == 2 {
                    reactor.read_stop(stream);
                    reactor.read_start(stream);
                }
                reactor.turn(&mut memory).expect("a turn");
                events.extend(std::iter::from_fn(|| reactor.next_event()));
                if !events.is_empty() && turn > 20 {
                    break;
                }
                assert!(turn < 1000, "nothing comes");
            }
            let [Event::Message { slice, descriptors, lost, .. }] = events[..] else {
                panic!("one message: {events:?}")
            };
            assert_eq!((usize::from(descriptors), lost), (LIMIT, true));
            assert_eq!(open(&far_ends, message), LIMIT);
            reactor.give_datagram_back(slice.buffer);
            assert_eq!(reactor.take_descriptors(stream).len(), LIMIT);
            assert_eq!(open(&far_ends, message), 0);
        }
    }
}

#[test]
fn a_close_closes_those_that_were_not_taken_and_those_that_come_meanwhile() {
    for seed in 0..200 {
        let (mut reactor, world, stream, far_ends) =
            flooded(Behavior { seed, fault_rate: 40, budget: 60, ..Behavior::faultless() });
        let mut memory = Moving::default();
        for _ in 0..seed % 4 {
            reactor.turn(&mut memory).expect("a turn");
        }
        reactor.close(stream);
        let mut closed = false;
        while !closed {
            reactor.turn(&mut memory).expect("a turn");
            while let Some(event) = reactor.next_event() {
                match event {
                    Event::Message { slice, .. } => reactor.give_datagram_back(slice.buffer),
                    Event::Closed { .. } => closed = true,
                    other => panic!("{other:?}"),
                }
            }
        }
        drop(reactor);
        // With it go those that the kernel still has.
        drop(world);
        assert_eq!(open(&far_ends, MESSAGES), 0);
    }
}
