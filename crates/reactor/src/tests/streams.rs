//! Every byte goes through once and in order, both ways.

use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::Simulation;
use crate::Event;
use crate::fake::Behavior;
use crate::kernel::Request;

#[derive(Clone, Debug)]
pub(crate) enum Action {
    PeerSends(usize, usize),
    PeerEnds(usize, i32),
    PeerReads(usize, usize),
    SendsFail(usize),
    ReadStart(usize),
    ReadStop(usize),
    Write(usize, Vec<usize>),
    WriteNowait(usize, usize),
    ShutDown(usize),
    GiveBack(usize),
    Turn,
    Close(usize),
}

pub(crate) fn behavior() -> impl Strategy<Value = Behavior> {
    (any::<u64>(), 2..24_usize, 1..24_usize, any::<bool>(), prop_oneof![Just(0_u8), 1..120_u8], 0..400_u32).prop_map(
        |(seed, submission_entries, completion_entries, incremental, fault_rate, budget)| Behavior {
            seed,
            submission_entries,
            completion_entries,
            incremental,
            fault_rate,
            budget,
        },
    )
}

/// What is done to `streams` streams; `close` and `fail` say what may happen to them.
pub(crate) fn actions(streams: usize, close: bool, fail: bool) -> impl Strategy<Value = Vec<Action>> {
    let stream = 0..streams;
    let size = prop_oneof![0..4_usize, 0..200_usize];
    vec(
        prop_oneof![
            6 => (stream.clone(), 1..300_usize).prop_map(|(stream, count)| Action::PeerSends(stream, count)),
            1 => (stream.clone(), prop_oneof![Just(0), Just(libc::ECONNRESET)]).prop_map(|(stream, end)| Action::PeerEnds(stream, end)),
            4 => (stream.clone(), 1..300_usize).prop_map(|(stream, count)| Action::PeerReads(stream, count)),
            1 => stream.clone().prop_map(move |stream| if fail { Action::SendsFail(stream) } else { Action::Turn }),
            4 => stream.clone().prop_map(Action::ReadStart),
            3 => stream.clone().prop_map(Action::ReadStop),
            5 => (stream.clone(), vec(size, 1..4)).prop_map(|(stream, pieces)| Action::Write(stream, pieces)),
            3 => (stream.clone(), 0..200_usize).prop_map(|(stream, length)| Action::WriteNowait(stream, length)),
            1 => stream.clone().prop_map(Action::ShutDown),
            5 => any::<usize>().prop_map(Action::GiveBack),
            6 => Just(Action::Turn),
            2 => stream.prop_map(move |stream| if close { Action::Close(stream) } else { Action::Turn }),
        ],
        1..120,
    )
}

pub(crate) fn act(simulation: &mut Simulation, action: &Action) {
    match *action {
        Action::PeerSends(stream, count) => simulation.peer_sends(stream, count),
        Action::PeerEnds(stream, end) => {
            if !simulation.book(stream).close_asked {
                simulation.peer(stream, |it| it.inbound_end = it.inbound_end.or(Some(end)));
            }
        }
        Action::PeerReads(stream, count) => {
            if !simulation.book(stream).close_asked {
                simulation.peer(stream, |it| it.window += count);
            }
        }
        Action::SendsFail(stream) => {
            if !simulation.book(stream).close_asked {
                simulation.book(stream).may_fail = true;
                simulation.peer(stream, |it| it.send_error = Some(libc::EPIPE));
            }
        }
        Action::ReadStart(stream) => simulation.read_start(stream),
        Action::ReadStop(stream) => simulation.reactor.read_stop(simulation.streams[stream]),
        Action::Write(stream, ref pieces) => simulation.write(stream, pieces),
        Action::WriteNowait(stream, length) => drop(simulation.write_nowait(stream, length)),
        Action::ShutDown(stream) => simulation.shut_down(stream),
        Action::GiveBack(pick) => simulation.give_back(pick),
        Action::Turn => {
            if simulation.reactor.has_work() {
                simulation.turn();
            }
        }
        Action::Close(stream) => simulation.close(stream),
    }
}

fn simulation(behavior: Behavior, buffers: u16, size: u32, per_turn: usize, streams: usize) -> Simulation {
    let mut simulation = Simulation::new(behavior, buffers, size, per_turn);
    for _ in 0..streams {
        simulation.stream();
    }
    simulation
}

proptest! {
    #[test]
    fn every_byte_arrives_once_and_in_order(
        behavior in behavior(),
        buffers in 1..6_u16,
        size in 1..100_u32,
        per_turn in 1..20_usize,
        actions in actions(4, false, false),
    ) {
        let mut simulation = simulation(behavior, buffers, size, per_turn, 4);
        for action in &actions {
            act(&mut simulation, action);
        }
        simulation.finish();
        simulation.check_sent();
        for stream in 0..4 {
            prop_assert!(simulation.book(stream).written.iter().all(|&status| status == 0));
            prop_assert_eq!(simulation.book(stream).written.len(), simulation.book(stream).asked);
        }
        simulation.close_all();
    }

    #[test]
    fn who_ceases_to_read_hears_of_all_that_was_taken_and_leaves_the_rest(
        behavior in behavior(),
        buffers in 1..6_u16,
        size in 1..100_u32,
        per_turn in 1..20_usize,
        before in actions(3, false, false),
        after in actions(3, false, false),
    ) {
        let mut simulation = simulation(behavior, buffers, size, per_turn, 3);
        for action in &before {
            act(&mut simulation, action);
        }
        for stream in 0..2 {
            simulation.cease(stream);
        }
        for action in &after {
            act(&mut simulation, action);
        }
        simulation.finish();
        simulation.check_sent();
        simulation.close_all();
    }

    #[test]
    fn every_write_is_settled_when_sending_fails(
        behavior in behavior(),
        per_turn in 1..20_usize,
        actions in actions(3, false, true),
    ) {
        let mut simulation = simulation(behavior, 4, 64, per_turn, 3);
        for action in &actions {
            act(&mut simulation, action);
        }
        simulation.finish();
        simulation.check_sent();
        simulation.close_all();
    }

    /// Many streams, few buffers, all sending at once: all get through.
    #[test]
    fn nobody_starves(behavior in behavior(), buffers in 1..4_u16, per_turn in 1..20_usize, streams in 2..24_usize) {
        let mut simulation = simulation(behavior, buffers, 16, per_turn, streams);
        for stream in 0..streams {
            simulation.read_start(stream);
            simulation.peer_sends(stream, 100);
        }
        simulation.finish();
        simulation.close_all();
    }

    /// A stream that never stops sending leaves something to the others.
    #[test]
    fn a_flood_starves_nobody(seed in any::<u64>(), buffers in 1..4_u16) {
        let mut simulation = simulation(Behavior { seed, fault_rate: 1, ..Behavior::faultless() }, buffers, 16, 8, 4);
        for stream in 0..4 {
            simulation.read_start(stream);
        }
        for stream in 1..4 {
            simulation.peer_sends(stream, 64);
        }
        let mut turns = 0;
        while (1..4).any(|stream| simulation.book(stream).received.len() < 64) {
            simulation.peer_sends(0, 64);
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

fn receives(simulation: &Simulation) -> usize {
    simulation.world.borrow().executed.iter().filter(|it| matches!(it, Request::Receive { .. })).count()
}

/// Streams that find no buffer are served in turn: each buffer that comes back serves one, and nobody asks in vain.
#[test]
fn a_buffer_that_comes_back_has_one_stream_ask_for_it() {
    const STREAMS: usize = 8;
    let mut simulation = simulation(Behavior::faultless(), 2, 16, 64, STREAMS);
    for stream in 0..STREAMS {
        simulation.read_start(stream);
        simulation.peer_sends(stream, 16);
    }
    simulation.turn();
    let served =
        |simulation: &mut Simulation| (0..STREAMS).filter(|&it| !simulation.book(it).received.is_empty()).count();
    let asked = receives(&simulation);
    assert_eq!((asked, served(&mut simulation)), (STREAMS, 2));
    for more in 1..=STREAMS - 2 {
        assert!(!simulation.reactor.has_work(), "there is no buffer");
        simulation.give_back(0);
        simulation.turn();
        assert_eq!((receives(&simulation), served(&mut simulation)), (asked + more, 2 + more));
    }
    simulation.finish();
    simulation.close_all();
}

/// While there is no buffer no receive is armed, and those for which nothing comes keep none from those behind them.
#[test]
fn who_waits_for_nothing_lets_others_have_the_buffer() {
    const STREAMS: usize = 8;
    let mut simulation = simulation(Behavior::faultless(), 1, 16, 64, STREAMS);
    simulation.read_start(0);
    simulation.peer_sends(0, 16);
    simulation.turn();
    let asked = receives(&simulation);
    for stream in 1..STREAMS {
        simulation.read_start(stream);
    }
    simulation.peer_sends(STREAMS - 1, 16);
    simulation.turn();
    assert_eq!(receives(&simulation), asked);
    assert!(!simulation.reactor.has_work(), "there is no buffer");
    simulation.give_back(0);
    for _ in 1..STREAMS {
        assert!(simulation.reactor.has_work(), "a buffer is left, and somebody waits for one");
        simulation.turn();
    }
    assert_eq!(simulation.book(STREAMS - 1).received.len(), 16);
    simulation.finish();
    simulation.close_all();
}

/// A receive that ends after so many bytes goes on when they have been heard of, and is not kept from it by what comes
/// for others meanwhile.
#[test]
fn a_receive_goes_on_when_its_own_bytes_have_been_heard_of() {
    const RUN: usize = 64 * 1024;
    let mut simulation = simulation(Behavior::faultless(), 16, RUN as u32, 16, 2);
    simulation.world.borrow_mut().bounds_receives = true;
    simulation.reactor.read_start(simulation.streams[0]);
    simulation.peer_sends(0, 4 * RUN);
    simulation.turn();
    assert_eq!(simulation.book(0).received.len(), RUN);

    let before = receives(&simulation);
    simulation.reactor.set_unheard(1);
    simulation.turn();
    assert_eq!(receives(&simulation), before, "nobody has had the chance to say that it is enough");

    simulation.reactor.read_start(simulation.streams[1]);
    let mut turns = 0;
    while simulation.book(0).received.len() < 4 * RUN {
        // The last event that was taken out is always the other's.
        simulation.peer_sends(1, 1);
        simulation.turn();
        simulation.reactor.set_unheard(1);
        while !simulation.lent.is_empty() {
            simulation.give_back(0);
        }
        turns += 1;
        assert!(turns < 20, "it waits for what is not its own");
    }
}

/// Bytes and the end behind them in one turn: the answer to the bytes comes first, and its failure is the news of the
/// end.
#[test]
fn an_end_is_told_of_when_the_bytes_before_it_have_been_answered() {
    for (end, refusal, status) in
        [(0, 0, 0), (0, libc::EPIPE, -libc::EPIPE), (libc::ECONNRESET, libc::EPIPE, -libc::ECONNRESET)]
    {
        let mut simulation = simulation(Behavior::faultless(), 4, 64, 16, 1);
        let stream = simulation.streams[0];
        simulation.book(0).may_fail = true;
        simulation.reactor.read_start(stream);
        simulation.peer_sends(0, 10);
        simulation.peer(0, |it| it.inbound_end = Some(end));
        simulation.turn();
        assert_eq!((simulation.book(0).received.len(), simulation.book(0).ended), (10, None));
        // JavaScript has not been called yet.
        simulation.reactor.set_unheard(1);
        simulation.turn();
        assert_eq!(simulation.book(0).ended, None);

        simulation.peer(0, |it| {
            it.window = 100;
            it.send_error = (refusal != 0).then_some(refusal);
        });
        simulation.write(0, &[5]);
        simulation.reactor.set_unheard(0);
        simulation.reactor.turn(&mut simulation.memory).expect("a ring that works");
        let written = simulation.reactor.next_event();
        assert!(matches!(written, Some(Event::Written { status: outcome, .. }) if outcome == status), "{written:?}");
        let ended = simulation.reactor.next_event();
        assert!(matches!(ended, Some(Event::Ended { status, .. }) if status == -end), "{ended:?}");
    }
}

/// Who has stopped has bytes to read yet, and hears of what has broken down when it goes on: whether the error came
/// with the bytes or later.
#[test]
fn an_error_is_told_to_who_reads() {
    for later in [false, true] {
        let mut simulation = simulation(Behavior::faultless(), 4, 64, 16, 1);
        let stream = simulation.streams[0];
        let reset = |simulation: &Simulation| simulation.peer(0, |it| it.inbound_end = Some(libc::ECONNRESET));
        simulation.reactor.read_start(stream);
        simulation.peer_sends(0, 10);
        if !later {
            reset(&simulation);
        }
        simulation.turn();
        simulation.reactor.read_stop(stream);
        if later {
            reset(&simulation);
        }
        for _ in 0..4 {
            simulation.turn();
        }
        assert_eq!((simulation.book(0).received.len(), simulation.book(0).ended), (10, None));
        assert!(!simulation.reactor.has_work(), "it waits for who reads");
        simulation.reactor.read_start(stream);
        simulation.turn();
        assert_eq!(simulation.book(0).ended, Some(-libc::ECONNRESET));
        simulation.give_back(0);
    }
}

/// With core the listener hears of a connection before the one who has made it.
#[test]
fn a_connect_is_told_of_behind_the_rest_and_before_its_close() {
    let mut simulation = simulation(Behavior::faultless(), 4, 64, 16, 3);
    let [connecting, reading, closing] = simulation.streams[..] else { unreachable!() };
    let address = crate::address::SocketAddress::unix(b"/nowhere/at/all").expect("an address");
    simulation.reactor.connect(connecting, address).expect("an open stream");
    simulation.reactor.read_start(reading);
    simulation.peer_sends(1, 10);
    simulation.reactor.turn(&mut simulation.memory).expect("a ring that works");
    assert!(matches!(simulation.reactor.next_event(), Some(Event::Received { .. })));
    assert!(matches!(simulation.reactor.next_event(), Some(Event::Connected { .. })));

    let address = crate::address::SocketAddress::unix(b"/nowhere/at/all").expect("an address");
    simulation.reactor.connect(closing, address).expect("an open stream");
    simulation.reactor.close(closing);
    simulation.reactor.turn(&mut simulation.memory).expect("a ring that works");
    let news: Vec<_> = std::iter::from_fn(|| simulation.reactor.next_event()).collect();
    assert!(matches!(news[..], [Event::Connected { .. }, Event::Closed { .. }]), "{news:?}");
}

/// What a receive in flight delivers comes before what is taken past it.
#[test]
fn a_piece_is_taken_only_while_it_is_on_offer() {
    let mut simulation = Simulation::new(Behavior::faultless(), 4, 64, 64);
    let stream = simulation.stream();
    simulation.peer_sends(0, 10);
    let take = |simulation: &mut Simulation| {
        let mut piece = [0_u8; 8];
        let room = libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: piece.len() };
        // SAFETY: the room is a local.
        unsafe { simulation.reactor.receive_nowait(stream, room) }
    };
    assert_eq!(take(&mut simulation), 0, "nobody reads");
    simulation.reactor.read_start_in_pieces(stream);
    assert_eq!(take(&mut simulation), 0, "a receive is in flight");
    simulation.settle();
    assert_eq!(take(&mut simulation), 0, "nothing was said to wait");
    assert_eq!(simulation.book(0).received.len(), 10);
    simulation.close_all();
}
