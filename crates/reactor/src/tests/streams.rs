//! Every byte goes through once and in order, both ways.

use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::Bench;
use crate::Event;
use crate::fake::Temper;
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
    WriteAtOnce(usize, usize),
    ShutDown(usize),
    GiveBack(usize),
    Turn,
    Close(usize),
}

pub(crate) fn temper() -> impl Strategy<Value = Temper> {
    (any::<u64>(), 2..24_usize, 1..24_usize, any::<bool>(), prop_oneof![Just(0_u8), 1..120_u8], 0..400_u32).prop_map(
        |(seed, submission_entries, completion_entries, incremental, malice, budget)| Temper {
            seed,
            submission_entries,
            completion_entries,
            incremental,
            malice,
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
            3 => (stream.clone(), 0..200_usize).prop_map(|(stream, length)| Action::WriteAtOnce(stream, length)),
            1 => stream.clone().prop_map(Action::ShutDown),
            5 => any::<usize>().prop_map(Action::GiveBack),
            6 => Just(Action::Turn),
            2 => stream.prop_map(move |stream| if close { Action::Close(stream) } else { Action::Turn }),
        ],
        1..120,
    )
}

pub(crate) fn act(bench: &mut Bench, action: &Action) {
    match *action {
        Action::PeerSends(stream, count) => bench.peer_sends(stream, count),
        Action::PeerEnds(stream, end) => {
            if !bench.book(stream).close_asked {
                bench.peer(stream, |it| it.inbound_end = it.inbound_end.or(Some(end)));
            }
        }
        Action::PeerReads(stream, count) => {
            if !bench.book(stream).close_asked {
                bench.peer(stream, |it| it.window += count);
            }
        }
        Action::SendsFail(stream) => {
            if !bench.book(stream).close_asked {
                bench.book(stream).may_fail = true;
                bench.peer(stream, |it| it.send_error = Some(libc::EPIPE));
            }
        }
        Action::ReadStart(stream) => bench.reactor.read_start(bench.streams[stream]),
        Action::ReadStop(stream) => bench.reactor.read_stop(bench.streams[stream]),
        Action::Write(stream, ref pieces) => bench.write(stream, pieces),
        Action::WriteAtOnce(stream, length) => drop(bench.write_at_once(stream, length)),
        Action::ShutDown(stream) => bench.shut_down(stream),
        Action::GiveBack(pick) => bench.give_back(pick),
        Action::Turn => {
            if bench.reactor.has_work() {
                bench.turn();
            }
        }
        Action::Close(stream) => bench.close(stream),
    }
}

fn bench(temper: Temper, buffers: u16, size: u32, per_turn: usize, streams: usize) -> Bench {
    let mut bench = Bench::new(temper, buffers, size, per_turn);
    for _ in 0..streams {
        bench.stream();
    }
    bench
}

proptest! {
    #[test]
    fn every_byte_arrives_once_and_in_order(
        temper in temper(),
        buffers in 1..6_u16,
        size in 1..100_u32,
        per_turn in 1..20_usize,
        actions in actions(4, false, false),
    ) {
        let mut bench = bench(temper, buffers, size, per_turn, 4);
        for action in &actions {
            act(&mut bench, action);
        }
        bench.finish();
        bench.check_sent();
        for stream in 0..4 {
            prop_assert!(bench.book(stream).written.iter().all(|&status| status == 0));
            prop_assert_eq!(bench.book(stream).written.len(), bench.book(stream).asked);
        }
        bench.close_all();
    }

    #[test]
    fn every_write_is_settled_when_sending_fails(
        temper in temper(),
        per_turn in 1..20_usize,
        actions in actions(3, false, true),
    ) {
        let mut bench = bench(temper, 4, 64, per_turn, 3);
        for action in &actions {
            act(&mut bench, action);
        }
        bench.finish();
        bench.check_sent();
        bench.close_all();
    }

    /// Many streams, few buffers, all sending at once: all get through.
    #[test]
    fn nobody_starves(temper in temper(), buffers in 1..4_u16, per_turn in 1..20_usize, streams in 2..24_usize) {
        let mut bench = bench(temper, buffers, 16, per_turn, streams);
        for stream in 0..streams {
            bench.reactor.read_start(bench.streams[stream]);
            bench.peer_sends(stream, 100);
        }
        bench.finish();
        bench.close_all();
    }

    /// A stream that never stops sending leaves something to the others.
    #[test]
    fn a_flood_starves_nobody(seed in any::<u64>(), buffers in 1..4_u16) {
        let mut bench = bench(Temper { seed, malice: 1, ..Temper::kind() }, buffers, 16, 8, 4);
        for stream in 0..4 {
            bench.reactor.read_start(bench.streams[stream]);
        }
        for stream in 1..4 {
            bench.peer_sends(stream, 64);
        }
        let mut turns = 0;
        while (1..4).any(|stream| bench.book(stream).received.len() < 64) {
            bench.peer_sends(0, 64);
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

/// A receive that ends after so many bytes goes on when they have been heard of, and is not kept from it by what comes for others meanwhile.
#[test]
fn a_receive_goes_on_when_its_own_bytes_have_been_heard_of() {
    const RUN: usize = 64 * 1024;
    let mut bench = bench(Temper::kind(), 16, RUN as u32, 16, 2);
    bench.world.borrow_mut().bounds_receives = true;
    bench.reactor.read_start(bench.streams[0]);
    bench.peer_sends(0, 4 * RUN);
    bench.turn();
    assert_eq!(bench.book(0).received.len(), RUN);

    let armed =
        |bench: &Bench| bench.world.borrow().executed.iter().filter(|it| matches!(it, Request::Receive { .. })).count();
    let before = armed(&bench);
    bench.reactor.set_unheard(1);
    bench.turn();
    assert_eq!(armed(&bench), before, "nobody has had the chance to say that it is enough");

    bench.reactor.read_start(bench.streams[1]);
    let mut turns = 0;
    while bench.book(0).received.len() < 4 * RUN {
        // The last event that was taken out is always the other's.
        bench.peer_sends(1, 1);
        bench.turn();
        bench.reactor.set_unheard(1);
        while !bench.lent.is_empty() {
            bench.give_back(0);
        }
        turns += 1;
        assert!(turns < 20, "it waits for what is not its own");
    }
}

/// Bytes and the end behind them in one turn: the answer to the bytes comes first, and its failure is the news of the end.
#[test]
fn an_end_is_told_of_when_the_bytes_before_it_have_been_answered() {
    for (end, refusal, status) in
        [(0, 0, 0), (0, libc::EPIPE, -libc::EPIPE), (libc::ECONNRESET, libc::EPIPE, -libc::ECONNRESET)]
    {
        let mut bench = bench(Temper::kind(), 4, 64, 16, 1);
        let stream = bench.streams[0];
        bench.book(0).may_fail = true;
        bench.reactor.read_start(stream);
        bench.peer_sends(0, 10);
        bench.peer(0, |it| it.inbound_end = Some(end));
        bench.turn();
        assert_eq!((bench.book(0).received.len(), bench.book(0).ended), (10, None));
        // JavaScript has not been called yet.
        bench.reactor.set_unheard(1);
        bench.turn();
        assert_eq!(bench.book(0).ended, None);

        bench.peer(0, |it| {
            it.window = 100;
            it.send_error = (refusal != 0).then_some(refusal);
        });
        bench.write(0, &[5]);
        bench.reactor.set_unheard(0);
        bench.reactor.turn(&mut bench.memory).expect("a ring that works");
        let written = bench.reactor.next_event();
        assert!(matches!(written, Some(Event::Written { status: outcome, .. }) if outcome == status), "{written:?}");
        let ended = bench.reactor.next_event();
        assert!(matches!(ended, Some(Event::Ended { status: 0, .. })), "{ended:?}");
    }
}

/// With core the listener hears of a connection before the one who has made it.
#[test]
fn a_connect_is_told_of_behind_the_rest_and_before_its_close() {
    let mut bench = bench(Temper::kind(), 4, 64, 16, 3);
    let [connecting, reading, closing] = bench.streams[..] else { unreachable!() };
    let address = crate::address::SocketAddress::unix(b"/nowhere/at/all").expect("an address");
    bench.reactor.connect(connecting, address).expect("an open stream");
    bench.reactor.read_start(reading);
    bench.peer_sends(1, 10);
    bench.reactor.turn(&mut bench.memory).expect("a ring that works");
    assert!(matches!(bench.reactor.next_event(), Some(Event::Received { .. })));
    assert!(matches!(bench.reactor.next_event(), Some(Event::Connected { .. })));

    let address = crate::address::SocketAddress::unix(b"/nowhere/at/all").expect("an address");
    bench.reactor.connect(closing, address).expect("an open stream");
    bench.reactor.close(closing);
    bench.reactor.turn(&mut bench.memory).expect("a ring that works");
    let news: Vec<_> = std::iter::from_fn(|| bench.reactor.next_event()).collect();
    assert!(matches!(news[..], [Event::Connected { .. }, Event::Closed { .. }]), "{news:?}");
}
