//! Single moments at which something could be lost, each a hazard of its own.

use super::harness::Bench;
use crate::address::SocketAddress;
use crate::fake::Temper;
use crate::kernel::{CQE_F_BUFFER, Request};
use crate::{Errno, Event, HandleId, Source};

fn bench(buffers: u16, per_turn: usize) -> Bench {
    let mut bench = Bench::new(Temper::kind(), buffers, 32, per_turn);
    bench.stream();
    bench
}

/// The buffer came back, and those who starve were fed, before the news that one starves was read from the queue.
#[test]
fn news_of_an_empty_ring_may_be_older_than_the_buffer_that_came_back() {
    let mut bench = bench(1, 1);
    bench.reactor.read_start(bench.streams[0]);
    bench.peer_sends(0, 64);
    bench.turn();
    assert_eq!(bench.lent.len(), 1);
    bench.give_back(0);
    bench.settle_and_give_back();
    assert_eq!(bench.book(0).received.len(), 64);
}

#[test]
fn reading_again_while_the_cancel_is_on_its_way_reads_on() {
    let mut bench = bench(4, 16);
    bench.reactor.read_start(bench.streams[0]);
    bench.settle();
    for _ in 0..3 {
        bench.reactor.read_stop(bench.streams[0]);
        bench.reactor.read_start(bench.streams[0]);
    }
    bench.settle();
    bench.peer_sends(0, 10);
    bench.settle_and_give_back();
    assert_eq!(bench.book(0).received.len(), 10);
}

/// The kernel hears of it when bytes come that nobody wants.
#[test]
fn who_stops_reading_gets_what_is_on_its_way_and_no_more() {
    let mut bench = bench(4, 16);
    bench.reactor.read_start(bench.streams[0]);
    bench.settle();
    bench.reactor.read_stop(bench.streams[0]);
    bench.settle();
    bench.peer_sends(0, 10);
    bench.settle();
    bench.peer_sends(0, 10);
    bench.settle();
    assert_eq!(bench.book(0).received.len(), 10);
}

/// However much there is and however many buffers: a receive ends by itself, and is armed again only once what came has been heard of.
#[test]
fn a_receive_is_not_armed_again_before_what_came_has_been_heard_of() {
    for seed in [0, 1] {
        let mut bench = Bench::new(Temper { seed, ..Temper::kind() }, 64, 4096, 512);
        bench.stream();
        bench.reactor.read_start(bench.streams[0]);
        bench.peer_sends(0, 200_000);
        bench.reactor.turn(&mut bench.memory).expect("a ring that works");
        bench.reactor.turn(&mut bench.memory).expect("a ring that works");
        let mut arrived = 0;
        while let Some(event) = bench.reactor.next_event() {
            if let Event::Received { slice, .. } = event {
                arrived += slice.length;
            }
        }
        if seed == 0 {
            assert!((65_536..65_536 + 4096).contains(&arrived), "{arrived}");
        }
        bench.reactor.read_stop(bench.streams[0]);
        bench.reactor.turn(&mut bench.memory).expect("a ring that works");
        if seed == 0 {
            assert!(bench.reactor.next_event().is_none());
        }
    }
}

/// Each round of stopping and starting on an empty ring ends in ENOBUFS once more.
#[test]
fn a_stream_is_listed_once_among_the_starved() {
    let mut bench = bench(1, 16);
    bench.reactor.read_start(bench.streams[0]);
    bench.peer_sends(0, 64);
    bench.settle();
    for _ in 0..10 {
        bench.reactor.read_stop(bench.streams[0]);
        bench.settle();
        bench.reactor.read_start(bench.streams[0]);
        bench.settle();
    }
    assert_eq!(bench.reactor.stats().starved, 1);
    bench.settle_and_give_back();
    assert_eq!(bench.book(0).received.len(), 64);
}

#[test]
fn starving_and_stopped_streams_leave_nothing_behind() {
    let mut bench = bench(1, 16);
    bench.stream();
    for stream in 0..2 {
        bench.reactor.read_start(bench.streams[stream]);
        bench.peer_sends(stream, 32);
    }
    bench.settle();
    assert_eq!(bench.reactor.stats().starved, 1);
    bench.close_all();
}

/// A write whose memory is gone fails, and what waits behind it goes on.
#[test]
fn a_shutdown_behind_a_write_of_lost_memory_is_reported() {
    let mut bench = bench(1, 16);
    bench.book(0).may_fail = true;
    bench.write(0, &[10]);
    bench.shut_down(0);
    bench.memory.gone = true;
    bench.settle();
    assert_eq!(bench.book(0).written, [-libc::EFAULT]);
    assert_eq!(bench.book(0).shut_down, Some(0));
    bench.close_all();
}

#[test]
fn a_vectored_write_of_lost_memory_fails_as_a_whole() {
    let mut bench = bench(1, 16);
    bench.book(0).may_fail = true;
    bench.write(0, &[10, 10]);
    bench.write(0, &[10]);
    bench.memory.gone = true;
    bench.settle();
    assert_eq!(bench.book(0).written, [-libc::EFAULT, -libc::EFAULT]);
    bench.memory.gone = false;
    bench.close_all();
}

#[test]
fn the_kernel_short_of_memory_is_room_to_wait_for() {
    let mut bench = Bench::new(Temper { malice: 255, budget: 60, ..Temper::kind() }, 1, 32, 16);
    bench.stream();
    bench.write(0, &[10, 3]);
    bench.finish();
    bench.check_sent();
    bench.close_all();
}

/// The memory of a send holds only until the turn is over: if the kernel takes nothing for good, that is an error to be told, since
/// a send left in the queue would read whatever is there later.
#[test]
fn a_send_never_outlives_its_turn_unnoticed() {
    let mut bench = bench(1, 16);
    bench.peer(0, |it| it.window = 1000);
    bench.write(0, &[10]);
    bench.world.borrow_mut().refusal = Some(libc::EAGAIN);
    let outcome = bench.reactor.turn(&mut bench.memory);
    assert!(outcome.is_err());
    // Nor is it read later, when the kernel would take it again.
    bench.world.borrow_mut().refusal = None;
    assert!(bench.reactor.turn(&mut bench.memory).is_err());
    bench.reactor.close(bench.streams[0]);
    bench.stop();
    assert!(bench.world.borrow().executed.is_empty());
}

/// Whoever waits for something hears that it will not come, before the failure and after it.
#[test]
fn a_ring_that_fails_leaves_nobody_waiting() {
    let failed = -libc::EBADF;
    let mut bench = bench(1, 16);
    let (first, second) = (bench.streams[0], bench.stream());
    bench.peer(0, |it| it.window = 5);
    bench.reactor.read_start(first);
    bench.reactor.read_start(second);
    bench.write(0, &[10]);
    bench.settle();
    bench.reactor.close(second);
    bench.world.borrow_mut().refusal = Some(libc::EBADF);
    assert_eq!(bench.reactor.turn(&mut bench.memory), Err(Errno(libc::EBADF)));
    let mut news: Vec<_> = std::iter::from_fn(|| bench.reactor.next_event()).collect();
    for expected in [
        Event::Written { handle: first, status: failed },
        Event::Ended { handle: first, status: failed },
        Event::Closed { handle: second },
    ] {
        let position = news.iter().position(|&event| event == expected);
        news.remove(position.unwrap_or_else(|| panic!("{expected:?}")));
    }
    assert!(news.is_empty(), "{news:?}");
    assert!(!bench.reactor.has_work());

    bench.reactor.shut_down_write(first);
    bench.reactor.write(first, Source { region: 0, offset: 0, length: 1 }, true);
    bench.reactor.connect(first, SocketAddress::ip("127.0.0.1", 1).expect("an address")).expect("an open stream");
    assert!(bench.reactor.has_work());
    assert!(bench.reactor.turn(&mut bench.memory).is_err());
    bench.reactor.close(first);
    let news: Vec<_> = std::iter::from_fn(|| bench.reactor.next_event()).collect();
    assert!(news.contains(&Event::Written { handle: first, status: failed }), "{news:?}");
    assert!(news.contains(&Event::Connected { handle: first, status: failed }), "{news:?}");
    assert_eq!(news.last(), Some(&Event::Closed { handle: first }));
    assert!(!bench.reactor.has_work());
}

#[test]
fn a_full_submission_queue_delays_and_loses_nothing() {
    let temper = Temper { submission_entries: 2, completion_entries: 2, ..Temper::kind() };
    let mut bench = Bench::new(temper, 2, 32, 16);
    for stream in 0..20 {
        bench.stream();
        bench.peer_sends(stream, 40);
        bench.reactor.read_start(bench.streams[stream]);
        bench.write(stream, &[7, 8]);
    }
    // Opened and closed within one turn, with everything still in the backlog.
    for stream in 0..5 {
        bench.close(stream);
    }
    bench.finish();
    bench.check_sent();
    bench.close_all();
}

/// A kernel whose completion queue has overflowed takes nothing before room is made.
#[test]
fn an_overflow_is_reaped_so_that_the_kernel_takes_on_again() {
    let temper = Temper { submission_entries: 8, completion_entries: 2, ..Temper::kind() };
    let mut bench = Bench::new(temper, 4, 32, 1);
    bench.world.borrow_mut().busy_when_overflowed = true;
    for stream in 0..20 {
        bench.stream();
        bench.peer(stream, |it| it.window = 1000);
        bench.peer_sends(stream, 40);
        bench.reactor.read_start(bench.streams[stream]);
        bench.write(stream, &[7, 8]);
    }
    bench.finish();
    bench.check_sent();
    bench.close_all();
}

/// While the kernel takes nothing, requests wait in order: the receive, its cancel, the close.
#[test]
fn a_handle_may_be_closed_with_its_requests_still_waiting() {
    let temper = Temper { submission_entries: 2, ..Temper::kind() };
    let mut bench = Bench::new(temper, 2, 32, 16);
    for stream in 0..6 {
        bench.stream();
        bench.peer_sends(stream, 40);
    }
    bench.world.borrow_mut().refusal = Some(libc::EBUSY);
    for stream in 0..6 {
        bench.reactor.read_start(bench.streams[stream]);
        bench.reactor.read_stop(bench.streams[stream]);
        bench.reactor.read_start(bench.streams[stream]);
        bench.close(stream);
    }
    assert!(bench.reactor.stats().backlog > 0);
    bench.world.borrow_mut().refusal = None;
    bench.close_all();
}

#[test]
fn the_end_of_the_process_waits_for_what_waits_for_room() {
    let temper = Temper { submission_entries: 2, ..Temper::kind() };
    let mut bench = Bench::new(temper, 2, 32, 16);
    bench.world.borrow_mut().refusal = Some(libc::EBUSY);
    for stream in 0..10 {
        bench.stream();
        bench.reactor.read_start(bench.streams[stream]);
    }
    bench.world.borrow_mut().refusal = None;
    bench.stop();
    assert_eq!(bench.reactor.stats().handles + bench.reactor.stats().operations, 0);
}

/// More pieces than one vectored send takes.
#[test]
fn a_write_of_a_thousand_pieces_goes_out_in_order() {
    let mut bench = bench(1, 16);
    bench.write(0, &[3; 1000]);
    bench.write(0, &[0]);
    bench.write(0, &[0, 0]);
    bench.finish();
    bench.check_sent();
    assert_eq!(bench.book(0).written, [0, 0, 0]);
    let sends = bench.world.borrow().executed.iter().filter(|it| matches!(it, Request::SendMessage { .. })).count();
    assert_eq!(sends, 4);
}

#[test]
fn handles_and_buffers_that_never_were_are_ignored() {
    let mut bench = bench(2, 16);
    for raw in [-1, i32::MIN, i32::MAX, 1, 12345] {
        let id = HandleId::from_raw(raw);
        bench.reactor.read_start(id);
        bench.reactor.read_stop(id);
        bench.reactor.write(id, Source { region: 9, offset: 9, length: 9 }, true);
        bench.reactor.shut_down_write(id);
        bench.reactor.close(id);
        assert!(bench.reactor.listen(id, 1).is_err());
        assert_eq!(bench.reactor.descriptor(id), None);
    }
    for buffer in [0, 1, 2, 77, u16::MAX] {
        bench.reactor.give_back(buffer);
    }
    bench.settle();
    bench.close_all();
}

/// A twice-given-back buffer must not be provided twice; the fake panics if it is.
#[test]
fn a_buffer_given_back_twice_is_given_back_once() {
    let mut bench = bench(2, 16);
    bench.reactor.read_start(bench.streams[0]);
    bench.peer_sends(0, 10);
    bench.settle();
    let buffer = bench.lent[0].0.buffer;
    bench.give_back(0);
    bench.reactor.give_back(buffer);
    bench.settle();
    bench.peer_sends(0, 64);
    bench.settle_and_give_back();
    assert_eq!(bench.book(0).received.len(), 74);
}

/// `debug_assert!` makes these a panic in a debug build; in a release build they must do nothing.
#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "a completion without an operation"))]
fn completions_that_nobody_asked_for_are_ignored() {
    let mut bench = bench(2, 16);
    for user_data in [u64::MAX, 1, 7 << 56, 3 << 56 | 5, 3 << 56 | 1 << 32] {
        bench.world.borrow_mut().forge(user_data, 5, CQE_F_BUFFER);
    }
    bench.settle();
    bench.close_all();
}

/// As with core, which writes at once: an answer followed by `destroy()` reaches the peer.
#[test]
fn what_was_written_right_before_the_close_is_sent() {
    let mut bench = bench(1, 16);
    bench.peer(0, |it| it.window = 1000);
    bench.reactor.read_start(bench.streams[0]);
    bench.write(0, &[100, 20]);
    bench.close(0);
    bench.settle();
    assert_eq!(bench.book(0).written, [0]);
    assert!(bench.book(0).closed);
}

/// It does not wait for a peer that has no room.
#[test]
fn what_does_not_fit_right_before_the_close_is_given_up() {
    let mut bench = bench(1, 16);
    bench.peer(0, |it| it.window = 50);
    bench.write(0, &[100]);
    bench.close(0);
    bench.settle();
    assert_eq!(bench.book(0).written, [-libc::ECANCELED]);
    assert!(bench.book(0).closed);
}
