//! Datagrams: each is received once and by whom it was sent to, each send is settled once and in order, whatever the kernel does.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::datagram_bench::{Bench, LARGEST};
use super::streams::temper;
use crate::Event;
use crate::fake::Temper;

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

fn act(bench: &mut Bench, action: &Action) {
    match *action {
        Action::Arrives { socket, length, control, right } => bench.arrive(socket, length, control, right),
        Action::NetworkFails(socket, errno) => bench.fail(socket, errno),
        Action::ReadStart(socket) => bench.reactor.read_start(bench.sockets[socket].id),
        Action::ReadStop(socket) => bench.reactor.read_stop(bench.sockets[socket].id),
        Action::Control(socket, wanted) => bench.reactor.set_datagram_control(bench.sockets[socket].id, wanted),
        Action::Send { socket, length, named, flags, segment } => bench.send(socket, length, named, flags, segment),
        Action::Refuse(socket, errno) => {
            bench.sockets[socket].refusals.push(errno);
            bench.mailbox(socket, |mailbox, _| mailbox.refusals.push_back(errno));
        }
        Action::Limit(socket) => bench.mailbox(socket, |mailbox, _| mailbox.largest = LARGEST),
        Action::Apart(socket, errno) => bench.mailbox(socket, |mailbox, _| mailbox.apart = errno),
        Action::Room(socket, count) => bench.mailbox(socket, |_, window| *window = window.saturating_add(count)),
        Action::Connect(socket, peer) => bench.connect(socket, peer),
        Action::MemoryGoes => (bench.memory.gone, bench.memory_goes) = (true, true),
        Action::GiveBack(pick) => bench.give_back(pick),
        Action::Turn => {
            if bench.reactor.has_work() {
                bench.turn();
            }
        }
        Action::Close(socket) => bench.close(socket),
    }
}

/// Powers of two, as the kernel wants them.
fn buffers() -> impl Strategy<Value = u16> {
    prop_oneof![Just(1_u16), Just(2), Just(4)]
}

/// Does it all, and then what was under way comes to an end.
fn play(temper: Temper, buffers: u16, per_turn: usize, actions: &[Action]) {
    let mut bench = Bench::new(temper, 4, buffers, per_turn);
    for action in actions {
        act(&mut bench, action);
    }
    bench.finish();
    bench.close_all();
}

proptest! {
    #[test]
    fn each_arrives_once_and_each_send_is_settled_once(
        temper in temper(),
        buffers in buffers(),
        per_turn in 1..20_usize,
        actions in actions(4, false),
    ) {
        play(temper, buffers, per_turn, &actions);
    }

    #[test]
    fn whatever_is_going_on_is_settled_before_a_close(
        temper in temper(),
        buffers in buffers(),
        per_turn in 1..20_usize,
        actions in actions(4, true),
    ) {
        play(temper, buffers, per_turn, &actions);
    }

    #[test]
    fn the_end_of_the_process_waits_for_everything_in_flight(temper in temper(), actions in actions(4, true)) {
        let mut bench = Bench::new(temper, 4, 4, 16);
        for action in &actions {
            act(&mut bench, action);
        }
        while !bench.lent.is_empty() {
            bench.give_back(0);
        }
        bench.reactor.shut_down(&mut bench.memory, Duration::from_secs(5));
        bench.check_nothing_left();
    }

    /// A socket that is flooded leaves buffers to the others.
    #[test]
    fn a_flood_starves_nobody(seed in any::<u64>(), buffers in buffers()) {
        let mut bench = Bench::new(Temper { seed, malice: 1, ..Temper::kind() }, 4, buffers, 8);
        for socket in 0..4 {
            bench.reactor.read_start(bench.sockets[socket].id);
        }
        for socket in 1..4 {
            (0..8).for_each(|_| bench.arrive(socket, 10, 0, false));
        }
        let mut turns = 0;
        while (1..4).any(|socket| bench.sockets[socket].received < 8) {
            (0..8).for_each(|_| bench.arrive(0, 10, 0, false));
            if bench.reactor.has_work() {
                bench.turn();
            }
            while !bench.lent.is_empty() {
                bench.give_back(0);
            }
            turns += 1;
            prop_assert!(turns < 2_000, "starved");
        }
    }
}

fn one(buffers: u16, per_turn: usize) -> Bench {
    let mut bench = Bench::new(Temper::kind(), 1, buffers, per_turn);
    bench.reactor.read_start(bench.sockets[0].id);
    bench.settle();
    bench
}

/// The buffer came back, and those who starve were fed, before the news that one starves was read from the queue.
#[test]
fn news_of_an_empty_ring_may_be_older_than_the_buffer_that_came_back() {
    let mut bench = one(1, 1);
    bench.arrive(0, 10, 0, false);
    bench.arrive(0, 10, 0, false);
    bench.turn();
    assert_eq!(bench.lent.len(), 1);
    bench.give_back(0);
    bench.settle();
    assert_eq!(bench.sockets[0].received, 2);
}

/// Each round of stopping and starting on an empty ring ends in `ENOBUFS` once more.
#[test]
fn a_socket_is_listed_once_among_the_starved() {
    let mut bench = one(1, 16);
    bench.arrive(0, 10, 0, false);
    bench.arrive(0, 10, 0, false);
    while bench.reactor.has_work() {
        bench.turn();
    }
    for _ in 0..3 {
        bench.reactor.read_stop(bench.sockets[0].id);
        bench.reactor.read_start(bench.sockets[0].id);
        while bench.reactor.has_work() {
            bench.turn();
        }
    }
    assert_eq!(bench.reactor.stats().starved, 1);
}

#[test]
fn who_stops_gets_no_more() {
    let mut bench = one(4, 16);
    bench.reactor.read_stop(bench.sockets[0].id);
    bench.settle();
    bench.arrive(0, 10, 0, false);
    bench.settle();
    assert_eq!(bench.sockets[0].received, 0);
}

/// Nothing would come of asking such a socket again but the same error, without end.
#[test]
fn a_socket_that_is_beyond_use_is_not_asked_again() {
    let mut bench = one(4, 16);
    bench.fail(0, libc::ENOTSOCK);
    bench.settle();
    bench.reactor.read_start(bench.sockets[0].id);
    bench.settle();
    assert_eq!(bench.world.borrow().executed.len(), 1);
    bench.close_all();
}

/// One that is full is waited for, not asked again and again.
#[test]
fn a_full_socket_is_polled_once() {
    let mut bench = one(4, 16);
    (0..300).for_each(|_| bench.send(0, 4, true, 0, 0));
    bench.settle();
    let polls = |bench: &Bench| {
        let world = bench.world.borrow();
        world.executed.iter().filter(|it| matches!(it, crate::kernel::Request::PollWritable { .. })).count()
    };
    assert_eq!(polls(&bench), 1);
    bench.finish();
    assert_eq!(polls(&bench), 1);
    bench.close_all();
}

/// Whoever asked not to wait, and UNIX peers whose queue nobody can wait for, hear that there is no room.
#[test]
fn what_cannot_wait_for_room_is_refused() {
    let mut bench = Bench::new(Temper::kind(), 2, 4, 16);
    bench.send(0, 4, true, libc::MSG_DONTWAIT, 0);
    bench.send(1, 4, true, 0, 0);
    bench.settle();
    for socket in &bench.sockets {
        assert_eq!(socket.sends[0].status, Some(-libc::EAGAIN));
    }
    bench.send(1, 4, false, 0, 0);
    bench.settle();
    assert_eq!(bench.sockets[1].sends[1].status, None, "its own peer can be waited for");
    bench.finish();
    bench.close_all();
}

#[test]
fn a_ring_that_fails_leaves_no_datagram_waiting() {
    let mut bench = one(4, 16);
    (0..3).for_each(|_| bench.send(0, 4, true, 0, 0));
    bench.settle();
    bench.send(0, 4, true, 0, 0);
    bench.reactor.set_datagram_control(bench.sockets[0].id, true);
    bench.world.borrow_mut().refusal = Some(libc::EBADFD);
    assert!(bench.reactor.turn(&mut bench.memory).is_err());
    let mut events = Vec::new();
    while let Some(event) = bench.reactor.next_event() {
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
