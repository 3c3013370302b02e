//! Waiting for room costs nothing, whatever else polls find.

use super::harness::Bench;
use crate::fake::Temper;
use crate::kernel::Request;

fn bench() -> Bench {
    let mut bench = Bench::new(Temper::kind(), 4, 64, 16);
    bench.stream();
    bench
}

fn count(bench: &Bench, kind: impl Fn(&Request) -> bool) -> usize {
    bench.world.borrow().executed.iter().filter(|request| kind(request)).count()
}

fn polls(bench: &Bench) -> usize {
    count(bench, |request| matches!(request, Request::PollWritable { .. }))
}

fn sends(bench: &Bench) -> usize {
    count(bench, |request| matches!(request, Request::Send { .. } | Request::SendMessage { .. }))
}

/// A poll is answered by the peer's end, which is no room: asking again would never end. `settle` fails then.
#[test]
fn a_peer_that_has_ended_and_does_not_read_costs_nothing() {
    let mut bench = bench();
    bench.peer(0, |it| (it.inbound_end, it.window) = (Some(0), 10));
    bench.write(0, &[100]);
    bench.settle();
    assert_eq!((sends(&bench), polls(&bench)), (1, 2));

    // It goes on reading: each time there is room the send goes on, and nothing is polled anew.
    for _ in 0..9 {
        bench.peer(0, |it| it.window = 10);
        bench.settle();
    }
    assert_eq!((sends(&bench), polls(&bench)), (10, 2));
    assert_eq!(bench.book(0).written, [0]);
    bench.finish();
    bench.check_sent();
    bench.close_all();
}

/// Polls that go on telling of room when nobody waits for it are given up, and there is another for the next wait.
#[test]
fn news_that_nobody_waits_for_end_the_poll() {
    let mut bench = bench();
    bench.peer(0, |it| (it.inbound_end, it.window) = (Some(0), 10));
    bench.write(0, &[20]);
    bench.settle();
    bench.peer(0, |it| it.window = 20);
    bench.settle();
    assert_eq!(bench.book(0).written, [0]);

    bench.peer(0, |it| it.poll_finds = libc::POLLHUP);
    bench.settle();
    bench.peer(0, |it| it.poll_finds = 0);
    assert_eq!(count(&bench, |request| matches!(request, Request::Cancel { .. })), 1);
    bench.write(0, &[50]);
    bench.settle();
    assert_eq!(bench.book(0).written, [0]);
    assert_eq!(polls(&bench), 3);
    bench.peer(0, |it| it.window = 50);
    bench.settle();
    assert_eq!(bench.book(0).written, [0, 0]);
    bench.finish();
    bench.check_sent();
    bench.close_all();
}

/// An error queue that nobody reads answers every poll: what is promised is not there, and only time helps.
#[test]
fn room_that_is_promised_and_not_there_is_tried_for_after_pauses() {
    let mut bench = bench();
    bench.world.borrow_mut().time_passes = false;
    bench.peer(0, |it| it.poll_finds = libc::POLLOUT | libc::POLLERR);
    bench.write(0, &[10]);
    bench.settle();
    // At once, as was promised once, and as the poll for edges says for a beginning.
    assert!(sends(&bench) <= 3, "{} attempts", sends(&bench));
    let pauses = |bench: &Bench| count(bench, |request| matches!(request, Request::Timeout { .. }));
    assert_eq!(pauses(&bench), 1);

    bench.peer(0, |it| (it.window, it.poll_finds) = (10, 0));
    bench.world.borrow_mut().time_passes = true;
    bench.settle();
    assert_eq!(bench.book(0).written, [0]);
    bench.finish();
    bench.close_all();
}

/// The pause is on no descriptor, so that closing has to end it by itself.
#[test]
fn closing_ends_a_pause() {
    let mut bench = bench();
    bench.world.borrow_mut().time_passes = false;
    bench.peer(0, |it| it.poll_finds = libc::POLLOUT);
    bench.write(0, &[10]);
    bench.settle();
    bench.close_all();
}
