//! Datagrams: each is received once and by whom it was sent to, each send is settled once and in order, whatever the
//! kernel does.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::datagram_simulation::{LARGEST, Simulation, Socket};
use super::streams::behavior;
use crate::Event;
use crate::fake::Behavior;

#[derive(Clone, Debug)]
enum Action {
    Arrives {
        socket: usize,
        length: usize,
        control: usize,
        right: bool,
    },
    NetworkFails(usize, i32),
    ReadStart(usize),
    ReadStop(usize),
    Control(usize, bool),
    Share(usize),
    Send {
        socket: usize,
        length: usize,
        named: bool,
        flags: i32,
        segment: u16,
    },
    Refuse(usize, i32),
    Limit(usize),
    /// The device does not take datagrams that go together.
    Apart(usize, i32),
    Room(usize, usize),
    /// Connects, or disconnects where it is 0.
    Connect(usize, u8),
    MemoryGoes,
    GiveBack(usize),
    Turn,
    Close(usize),
}

fn actions(sockets: usize, close: bool) -> impl Strategy<Value = Vec<Action>> {
    let socket = 0..sockets;
    let length = prop_oneof![2 => Just(0_usize), 20 => 1..80_usize, 1 => 65_000..70_000_usize];
    let control = prop_oneof![Just(0_usize), 1..60_usize, Just(300_usize)];
    let network = prop_oneof![Just(libc::ECONNREFUSED), Just(libc::EHOSTUNREACH)];
    let apart = prop_oneof![Just(0), Just(libc::EIO), Just(libc::EINVAL), Just(libc::EMSGSIZE)];
    let size = prop_oneof![1 => 0..80_usize, 1 => Just(8_usize), 1 => Just(5_usize)];
    let flags = prop_oneof![6 => Just(0), 1 => Just(libc::MSG_DONTWAIT), 1 => Just(libc::MSG_CONFIRM)];
    vec(
        prop_oneof![
            8 => (socket.clone(), length, control, 0..8).prop_map(|(socket, length, control, right)| {
                Action::Arrives { socket, length, control, right: right == 0 }
            }),
            1 => (socket.clone(), network.clone()).prop_map(|(socket, errno)| Action::NetworkFails(socket, errno)),
            4 => socket.clone().prop_map(Action::ReadStart),
            2 => socket.clone().prop_map(Action::ReadStop),
            2 => (socket.clone(), any::<bool>()).prop_map(|(socket, wanted)| Action::Control(socket, wanted)),
            1 => socket.clone().prop_map(Action::Share),
            8 => (socket.clone(), size, any::<bool>(), flags, prop_oneof![3 => Just(0_u16), 1 => 1..50_u16]).prop_map(
                |(socket, length, named, flags, segment)| Action::Send { socket, length, named, flags, segment }
            ),
            1 => (socket.clone(), network).prop_map(|(socket, errno)| Action::Refuse(socket, errno)),
            1 => socket.clone().prop_map(Action::Limit),
            1 => (socket.clone(), apart).prop_map(|(socket, errno)| Action::Apart(socket, errno)),
            3 => (socket.clone(), 1..6_usize).prop_map(|(socket, count)| Action::Room(socket, count)),
            2 => (socket.clone(), 0..3_u8).prop_map(|(socket, peer)| Action::Connect(socket, peer)),
            1 => (0..20).prop_map(move |it| if close && it == 0 { Action::MemoryGoes } else { Action::Turn }),
            5 => any::<usize>().prop_map(Action::GiveBack),
            8 => Just(Action::Turn),
            1 => socket.prop_map(move |socket| if close { Action::Close(socket) } else { Action::Turn }),
        ],
        1..120,
    )
}

fn act(simulation: &mut Simulation, action: &Action) {
    match *action {
        Action::Arrives { socket, length, control, right } => simulation.arrive(socket, length, control, right),
        Action::NetworkFails(socket, errno) => simulation.fail(socket, errno),
        Action::ReadStart(socket) => simulation.reactor.read_start(simulation.sockets[socket].id),
        Action::ReadStop(socket) => simulation.reactor.read_stop(simulation.sockets[socket].id),
        Action::Control(socket, wanted) => {
            simulation.reactor.set_datagram_control(simulation.sockets[socket].id, wanted);
        }
        Action::Share(socket) => simulation.reactor.share_datagram(simulation.sockets[socket].id),
        Action::Send { socket, length, named, flags, segment } => {
            simulation.send(socket, length, named, flags, segment);
        }
        Action::Refuse(socket, errno) => {
            simulation.sockets[socket].refusals.push(errno);
            simulation.mailbox(socket, |mailbox, _| mailbox.refusals.push_back(errno));
        }
        Action::Limit(socket) => simulation.mailbox(socket, |mailbox, _| mailbox.largest = LARGEST),
        Action::Apart(socket, errno) => simulation.mailbox(socket, |mailbox, _| mailbox.apart = errno),
        Action::Room(socket, count) => simulation.mailbox(socket, |_, window| *window = window.saturating_add(count)),
        Action::Connect(socket, peer) => simulation.connect(socket, peer),
        Action::MemoryGoes => (simulation.memory.gone, simulation.memory_goes) = (true, true),
        Action::GiveBack(pick) => simulation.give_back(pick),
        Action::Turn => {
            if simulation.reactor.has_work() {
                simulation.turn();
            }
        }
        Action::Close(socket) => simulation.close(socket),
    }
}

/// Powers of two, as the kernel wants them.
fn buffers() -> impl Strategy<Value = u16> {
    prop_oneof![Just(1_u16), Just(2), Just(4), Just(16)]
}

/// Does it all, and then what was under way comes to an end.
fn play(behavior: Behavior, buffers: u16, per_turn: usize, actions: &[Action]) {
    let mut simulation = Simulation::new(behavior, 4, buffers, per_turn);
    for action in actions {
        act(&mut simulation, action);
    }
    simulation.finish();
    simulation.close_all();
}

proptest! {
    #[test]
    fn each_arrives_once_and_each_send_is_settled_once(
        behavior in behavior(),
        buffers in buffers(),
        per_turn in 1..20_usize,
        actions in actions(4, false),
    ) {
        play(behavior, buffers, per_turn, &actions);
    }

    #[test]
    fn whatever_is_going_on_is_settled_before_a_close(
        behavior in behavior(),
        buffers in buffers(),
        per_turn in 1..20_usize,
        actions in actions(4, true),
    ) {
        play(behavior, buffers, per_turn, &actions);
    }

    #[test]
    fn the_end_of_the_process_waits_for_everything_in_flight(behavior in behavior(), actions in actions(4, true)) {
        let mut simulation = Simulation::new(behavior, 4, 4, 16);
        for action in &actions {
            act(&mut simulation, action);
        }
        while !simulation.lent.is_empty() {
            simulation.give_back(0);
        }
        simulation.reactor.shut_down(&mut simulation.memory, Duration::from_secs(5));
        simulation.check_nothing_left();
    }

    /// A socket that is flooded leaves buffers to the others.
    #[test]
    fn a_flood_starves_nobody(seed in any::<u64>(), buffers in buffers()) {
        let mut simulation = Simulation::new(Behavior { seed, fault_rate: 1, ..Behavior::faultless() }, 4, buffers, 8);
        for socket in 0..4 {
            simulation.reactor.read_start(simulation.sockets[socket].id);
        }
        for socket in 1..4 {
            (0..8).for_each(|_| simulation.arrive(socket, 10, 0, false));
        }
        let mut turns = 0;
        while (1..4).any(|socket| simulation.sockets[socket].received < 8) {
            (0..8).for_each(|_| simulation.arrive(0, 10, 0, false));
            if simulation.reactor.has_work() {
                simulation.turn();
            }
            while !simulation.lent.is_empty() {
                simulation.give_back(0);
            }
            turns += 1;
            prop_assert!(turns < 2_000, "starved");
        }
    }
}

fn one(buffers: u16, per_turn: usize) -> Simulation {
    let mut simulation = Simulation::new(Behavior::faultless(), 1, buffers, per_turn);
    simulation.reactor.read_start(simulation.sockets[0].id);
    simulation.settle();
    simulation
}

/// The buffer came back, and those who starve were fed, before the news that one starves was read from the queue.
#[test]
fn news_of_an_empty_ring_may_be_older_than_the_buffer_that_came_back() {
    let mut simulation = one(1, 1);
    simulation.arrive(0, 10, 0, false);
    simulation.arrive(0, 10, 0, false);
    simulation.turn();
    assert_eq!(simulation.lent.len(), 1);
    simulation.give_back(0);
    simulation.settle();
    assert_eq!(simulation.sockets[0].received, 2);
}

/// Each round of stopping and starting on an empty ring ends in `ENOBUFS` once more.
#[test]
fn a_socket_is_listed_once_among_the_starved() {
    let mut simulation = one(1, 16);
    simulation.arrive(0, 10, 0, false);
    simulation.arrive(0, 10, 0, false);
    while simulation.reactor.has_work() {
        simulation.turn();
    }
    for _ in 0..3 {
        simulation.reactor.read_stop(simulation.sockets[0].id);
        simulation.reactor.read_start(simulation.sockets[0].id);
        while simulation.reactor.has_work() {
            simulation.turn();
        }
    }
    assert_eq!(simulation.reactor.stats().starved, 1);
}

/// Other processes have the socket: what this one does not want is theirs.
#[test]
fn of_a_shared_socket_nothing_is_taken_before_the_last_was_heard_of() {
    let mut simulation = one(16, 16);
    let Socket { id, fd, .. } = simulation.sockets[0];
    simulation.reactor.share_datagram(id);
    simulation.settle();
    (0..5).for_each(|_| simulation.arrive(0, 10, 0, false));
    while simulation.sockets[0].received < 2 {
        simulation.turn();
        while !simulation.lent.is_empty() {
            simulation.give_back(0);
        }
    }
    let left = |simulation: &Simulation| simulation.world.borrow_mut().descriptors.get(fd).mailbox.inbound.len();
    assert_eq!(left(&simulation), 3);
    simulation.reactor.read_stop(id);
    simulation.settle();
    assert_eq!((simulation.sockets[0].received, left(&simulation)), (2, 3));
    simulation.reactor.read_start(id);
    simulation.settle();
    assert_eq!((simulation.sockets[0].received, left(&simulation)), (5, 0));
    simulation.close_all();
}

#[test]
fn who_stops_gets_no_more() {
    let mut simulation = one(4, 16);
    simulation.reactor.read_stop(simulation.sockets[0].id);
    simulation.settle();
    simulation.arrive(0, 10, 0, false);
    simulation.settle();
    assert_eq!(simulation.sockets[0].received, 0);
}

/// Nothing would come of asking such a socket again but the same error, without end.
#[test]
fn a_socket_that_is_beyond_use_is_not_asked_again() {
    let mut simulation = one(4, 16);
    simulation.fail(0, libc::ENOTSOCK);
    simulation.settle();
    simulation.reactor.read_start(simulation.sockets[0].id);
    simulation.settle();
    assert_eq!(simulation.world.borrow().executed.len(), 1);
    simulation.close_all();
}

/// One that is full is waited for, not asked again and again.
#[test]
fn a_full_socket_is_polled_once() {
    let mut simulation = one(4, 16);
    (0..300).for_each(|_| simulation.send(0, 4, true, 0, 0));
    simulation.settle();
    let polls = |simulation: &Simulation| {
        let world = simulation.world.borrow();
        world.executed.iter().filter(|it| matches!(it, crate::kernel::Request::PollWritable { .. })).count()
    };
    assert_eq!(polls(&simulation), 1);
    simulation.finish();
    assert_eq!(polls(&simulation), 1);
    simulation.close_all();
}

/// Whoever asked not to wait, and UNIX peers whose queue nobody can wait for, hear that there is no room.
#[test]
fn what_cannot_wait_for_room_is_refused() {
    let mut simulation = Simulation::new(Behavior::faultless(), 2, 4, 16);
    simulation.send(0, 4, true, libc::MSG_DONTWAIT, 0);
    simulation.send(1, 4, true, 0, 0);
    simulation.settle();
    for socket in &simulation.sockets {
        assert_eq!(socket.sends[0].status, Some(-libc::EAGAIN));
    }
    simulation.send(1, 4, false, 0, 0);
    simulation.settle();
    assert_eq!(simulation.sockets[1].sends[1].status, None, "its own peer can be waited for");
    simulation.finish();
    simulation.close_all();
}

#[test]
fn a_ring_that_fails_leaves_no_datagram_waiting() {
    let mut simulation = one(4, 16);
    (0..3).for_each(|_| simulation.send(0, 4, true, 0, 0));
    simulation.settle();
    simulation.send(0, 4, true, 0, 0);
    simulation.reactor.set_datagram_control(simulation.sockets[0].id, true);
    simulation.world.borrow_mut().refusal = Some(libc::EBADFD);
    assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
    let mut events = Vec::new();
    while let Some(event) = simulation.reactor.next_event() {
        events.push(event);
    }
    let sent: u32 = events
        .iter()
        .map(|event| match event {
            Event::Sent { status, count, .. } if *status == -libc::EBADFD => *count,
            _ => 0,
        })
        .sum();
    assert_eq!(sent, 4, "{events:?}");
    let failed = |event: &&Event| matches!(event, Event::ReceiveFailed { status, .. } if *status == -libc::EBADFD);
    assert_eq!(events.iter().filter(failed).count(), 1);
}
