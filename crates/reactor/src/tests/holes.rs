//! Single moments at which something could be lost, each a hazard of its own.

use super::harness::Simulation;
use crate::address::SocketAddress;
use crate::fake::Behavior;
use crate::kernel::{CQE_F_BUFFER, Request};
use crate::{Errno, Event, HandleId, Span};

fn simulation(buffers: u16, per_turn: usize) -> Simulation {
    let mut simulation = Simulation::new(Behavior::faultless(), buffers, 32, per_turn);
    simulation.stream();
    simulation
}

/// The buffer came back, and those who starve were fed, before the news that one starves was read from the queue.
#[test]
fn news_of_an_empty_ring_may_be_older_than_the_buffer_that_came_back() {
    let mut simulation = simulation(1, 1);
    simulation.reactor.read_start(simulation.streams[0]);
    simulation.peer_sends(0, 64);
    simulation.turn();
    assert_eq!(simulation.lent.len(), 1);
    simulation.give_back(0);
    simulation.settle_and_give_back();
    assert_eq!(simulation.book(0).received.len(), 64);
}

#[test]
fn reading_again_while_the_cancel_is_on_its_way_reads_on() {
    let mut simulation = simulation(4, 16);
    simulation.reactor.read_start(simulation.streams[0]);
    simulation.settle();
    for _ in 0..3 {
        simulation.reactor.read_stop(simulation.streams[0]);
        simulation.reactor.read_start(simulation.streams[0]);
    }
    simulation.settle();
    simulation.peer_sends(0, 10);
    simulation.settle_and_give_back();
    assert_eq!(simulation.book(0).received.len(), 10);
}

/// The kernel hears of it when bytes come that nobody wants.
#[test]
fn who_stops_reading_gets_what_is_on_its_way_and_no_more() {
    let mut simulation = simulation(4, 16);
    simulation.reactor.read_start(simulation.streams[0]);
    simulation.settle();
    simulation.reactor.read_stop(simulation.streams[0]);
    simulation.settle();
    simulation.peer_sends(0, 10);
    simulation.settle();
    simulation.peer_sends(0, 10);
    simulation.settle();
    assert_eq!(simulation.book(0).received.len(), 10);
}

/// However much there is and however many buffers: a receive ends by itself, and is armed again only once what came has
/// been heard of.
#[test]
fn a_receive_is_not_armed_again_before_what_came_has_been_heard_of() {
    for seed in [0, 1] {
        let mut simulation = Simulation::new(Behavior { seed, ..Behavior::faultless() }, 64, 4096, 512);
        simulation.stream();
        simulation.reactor.read_start(simulation.streams[0]);
        simulation.peer_sends(0, 200_000);
        simulation.reactor.turn(&mut simulation.memory).expect("a ring that works");
        simulation.reactor.turn(&mut simulation.memory).expect("a ring that works");
        let mut arrived = 0;
        while let Some(event) = simulation.reactor.next_event() {
            if let Event::Received { slice, .. } = event {
                arrived += slice.length;
            }
        }
        if seed == 0 {
            assert!((65_536..65_536 + 4096).contains(&arrived), "{arrived}");
        }
        simulation.reactor.read_stop(simulation.streams[0]);
        simulation.reactor.turn(&mut simulation.memory).expect("a ring that works");
        if seed == 0 {
            assert!(simulation.reactor.next_event().is_none());
        }
    }
}

/// Each round of stopping and starting on an empty ring ends in ENOBUFS once more.
#[test]
fn a_stream_is_listed_once_among_the_starved() {
    let mut simulation = simulation(1, 16);
    simulation.reactor.read_start(simulation.streams[0]);
    simulation.peer_sends(0, 64);
    simulation.settle();
    for _ in 0..10 {
        simulation.reactor.read_stop(simulation.streams[0]);
        simulation.settle();
        simulation.reactor.read_start(simulation.streams[0]);
        simulation.settle();
    }
    assert_eq!(simulation.reactor.stats().starved, 1);
    simulation.settle_and_give_back();
    assert_eq!(simulation.book(0).received.len(), 64);
}

#[test]
fn starving_and_stopped_streams_leave_nothing_behind() {
    let mut simulation = simulation(1, 16);
    simulation.stream();
    for stream in 0..2 {
        simulation.reactor.read_start(simulation.streams[stream]);
        simulation.peer_sends(stream, 32);
    }
    simulation.settle();
    assert_eq!(simulation.reactor.stats().starved, 1);
    simulation.close_all();
}

/// A write whose memory is gone fails, and what waits behind it goes on.
#[test]
fn a_shutdown_behind_a_write_of_lost_memory_is_reported() {
    let mut simulation = simulation(1, 16);
    simulation.book(0).may_fail = true;
    simulation.write(0, &[10]);
    simulation.shut_down(0);
    simulation.memory.gone = true;
    simulation.settle();
    assert_eq!(simulation.book(0).written, [-libc::EFAULT]);
    assert_eq!(simulation.book(0).shut_down, Some(0));
    simulation.close_all();
}

#[test]
fn a_vectored_write_of_lost_memory_fails_as_a_whole() {
    let mut simulation = simulation(1, 16);
    simulation.book(0).may_fail = true;
    simulation.write(0, &[10, 10]);
    simulation.write(0, &[10]);
    simulation.memory.gone = true;
    simulation.settle();
    assert_eq!(simulation.book(0).written, [-libc::EFAULT, -libc::EFAULT]);
    simulation.memory.gone = false;
    simulation.close_all();
}

#[test]
fn the_kernel_short_of_memory_is_room_to_wait_for() {
    let mut simulation = Simulation::new(Behavior { fault_rate: 255, budget: 60, ..Behavior::faultless() }, 1, 32, 16);
    simulation.stream();
    simulation.write(0, &[10, 3]);
    simulation.finish();
    simulation.check_sent();
    simulation.close_all();
}

/// The memory of a send holds only until the turn is over: if the kernel takes nothing for good, that is an error to be
/// told, since a send left in the queue would read whatever is there later.
#[test]
fn a_send_never_outlives_its_turn_unnoticed() {
    let mut simulation = simulation(1, 16);
    simulation.peer(0, |it| it.window = 1000);
    simulation.write(0, &[10]);
    simulation.world.borrow_mut().refusal = Some(libc::EAGAIN);
    let outcome = simulation.reactor.turn(&mut simulation.memory);
    assert!(outcome.is_err());
    // Nor is it read later, when the kernel would take it again.
    simulation.world.borrow_mut().refusal = None;
    assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
    simulation.reactor.close(simulation.streams[0]);
    simulation.stop();
    assert!(simulation.world.borrow().executed.is_empty());
}

/// Whoever waits for something hears that it will not come, before the failure and after it.
#[test]
fn a_ring_that_fails_leaves_nobody_waiting() {
    let failed = -libc::EBADF;
    let mut simulation = simulation(1, 16);
    let (first, second) = (simulation.streams[0], simulation.stream());
    simulation.peer(0, |it| it.window = 5);
    simulation.reactor.read_start(first);
    simulation.reactor.read_start(second);
    simulation.write(0, &[10]);
    simulation.settle();
    simulation.reactor.close(second);
    simulation.world.borrow_mut().refusal = Some(libc::EBADF);
    assert_eq!(simulation.reactor.turn(&mut simulation.memory), Err(Errno(libc::EBADF)));
    let mut news: Vec<_> = std::iter::from_fn(|| simulation.reactor.next_event()).collect();
    assert_eq!(news.remove(0), Event::RingFailed { errno: Errno(libc::EBADF) }, "before what ends because of it");
    for expected in [
        Event::Written { handle: first, status: failed },
        Event::Ended { handle: first, status: failed },
        Event::Closed { handle: second },
    ] {
        let position = news.iter().position(|&event| event == expected);
        news.remove(position.unwrap_or_else(|| panic!("{expected:?}")));
    }
    assert!(news.is_empty(), "{news:?}");
    assert!(!simulation.reactor.has_work());

    simulation.reactor.shut_down_write(first);
    simulation.reactor.write(first, Span { region: 0, offset: 0, length: 1 }, true);
    simulation.reactor.connect(first, SocketAddress::ip("127.0.0.1", 1).expect("an address")).expect("an open stream");
    assert!(simulation.reactor.has_work());
    assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
    simulation.reactor.close(first);
    let news: Vec<_> = std::iter::from_fn(|| simulation.reactor.next_event()).collect();
    assert!(news.contains(&Event::Written { handle: first, status: failed }), "{news:?}");
    assert!(news.contains(&Event::Connected { handle: first, status: failed }), "{news:?}");
    assert!(!news.iter().any(|event| matches!(event, Event::RingFailed { .. })), "told once");
    assert_eq!(news.last(), Some(&Event::Closed { handle: first }));
    assert!(!simulation.reactor.has_work());
}

#[test]
fn a_full_submission_queue_delays_and_loses_nothing() {
    let behavior = Behavior { submission_entries: 2, completion_entries: 2, ..Behavior::faultless() };
    let mut simulation = Simulation::new(behavior, 2, 32, 16);
    for stream in 0..20 {
        simulation.stream();
        simulation.peer_sends(stream, 40);
        simulation.reactor.read_start(simulation.streams[stream]);
        simulation.write(stream, &[7, 8]);
    }
    // Opened and closed within one turn, with everything still in the backlog.
    for stream in 0..5 {
        simulation.close(stream);
    }
    simulation.finish();
    simulation.check_sent();
    simulation.close_all();
}

/// A kernel whose completion queue has overflowed takes nothing before room is made.
#[test]
fn an_overflow_is_reaped_so_that_the_kernel_takes_on_again() {
    let behavior = Behavior { submission_entries: 8, completion_entries: 2, ..Behavior::faultless() };
    let mut simulation = Simulation::new(behavior, 4, 32, 1);
    simulation.world.borrow_mut().busy_when_overflowed = true;
    for stream in 0..20 {
        simulation.stream();
        simulation.peer(stream, |it| it.window = 1000);
        simulation.peer_sends(stream, 40);
        simulation.reactor.read_start(simulation.streams[stream]);
        simulation.write(stream, &[7, 8]);
    }
    simulation.finish();
    simulation.check_sent();
    simulation.close_all();
}

/// While the kernel takes nothing, requests wait in order: the receive, its cancel, the close.
#[test]
fn a_handle_may_be_closed_with_its_requests_still_waiting() {
    let behavior = Behavior { submission_entries: 2, ..Behavior::faultless() };
    let mut simulation = Simulation::new(behavior, 2, 32, 16);
    for stream in 0..6 {
        simulation.stream();
        simulation.peer_sends(stream, 40);
    }
    simulation.world.borrow_mut().refusal = Some(libc::EBUSY);
    for stream in 0..6 {
        simulation.reactor.read_start(simulation.streams[stream]);
        simulation.reactor.read_stop(simulation.streams[stream]);
        simulation.reactor.read_start(simulation.streams[stream]);
        simulation.close(stream);
    }
    assert!(simulation.reactor.stats().backlog > 0);
    simulation.world.borrow_mut().refusal = None;
    simulation.close_all();
}

#[test]
fn the_end_of_the_process_waits_for_what_waits_for_room() {
    let behavior = Behavior { submission_entries: 2, ..Behavior::faultless() };
    let mut simulation = Simulation::new(behavior, 2, 32, 16);
    simulation.world.borrow_mut().refusal = Some(libc::EBUSY);
    for stream in 0..10 {
        simulation.stream();
        simulation.reactor.read_start(simulation.streams[stream]);
    }
    simulation.world.borrow_mut().refusal = None;
    simulation.stop();
    assert_eq!(simulation.reactor.stats().handles + simulation.reactor.stats().operations, 0);
}

/// More pieces than one vectored send takes.
#[test]
fn a_write_of_a_thousand_pieces_goes_out_in_order() {
    let mut simulation = simulation(1, 16);
    simulation.write(0, &[3; 1000]);
    simulation.write(0, &[0]);
    simulation.write(0, &[0, 0]);
    simulation.finish();
    simulation.check_sent();
    assert_eq!(simulation.book(0).written, [0, 0, 0]);
    let sends =
        simulation.world.borrow().executed.iter().filter(|it| matches!(it, Request::SendMessage { .. })).count();
    assert_eq!(sends, 4);
}

#[test]
fn handles_and_buffers_that_never_were_are_ignored() {
    let mut simulation = simulation(2, 16);
    for raw in [-1, i32::MIN, i32::MAX, 1, 12345] {
        let id = HandleId::from_raw(raw);
        simulation.reactor.read_start(id);
        simulation.reactor.read_stop(id);
        simulation.reactor.write(id, Span { region: 9, offset: 9, length: 9 }, true);
        simulation.reactor.shut_down_write(id);
        simulation.reactor.close(id);
        assert!(simulation.reactor.listen(id, 1).is_err());
        assert_eq!(simulation.reactor.descriptor(id), None);
    }
    for buffer in [0, 1, 2, 77, u16::MAX] {
        simulation.reactor.give_back(buffer);
    }
    simulation.settle();
    simulation.close_all();
}

/// A twice-given-back buffer must not be provided twice; the fake panics if it is.
#[test]
fn a_buffer_given_back_twice_is_given_back_once() {
    let mut simulation = simulation(2, 16);
    simulation.reactor.read_start(simulation.streams[0]);
    simulation.peer_sends(0, 10);
    simulation.settle();
    let buffer = simulation.lent[0].0.buffer;
    simulation.give_back(0);
    simulation.reactor.give_back(buffer);
    simulation.settle();
    simulation.peer_sends(0, 64);
    simulation.settle_and_give_back();
    assert_eq!(simulation.book(0).received.len(), 74);
}

/// `debug_assert!` makes these a panic in a debug build; in a release build they must do nothing.
#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "a completion without an operation"))]
fn completions_that_nobody_asked_for_are_ignored() {
    let mut simulation = simulation(2, 16);
    for user_data in [u64::MAX, 1, 7 << 56, 3 << 56 | 5, 3 << 56 | 1 << 32] {
        simulation.world.borrow_mut().forge(user_data, 5, CQE_F_BUFFER);
    }
    simulation.settle();
    simulation.close_all();
}

/// As with core, which writes at once: an answer followed by `destroy()` reaches the peer.
#[test]
fn what_was_written_right_before_the_close_is_sent() {
    let mut simulation = simulation(1, 16);
    simulation.peer(0, |it| it.window = 1000);
    simulation.reactor.read_start(simulation.streams[0]);
    simulation.write(0, &[100, 20]);
    simulation.close(0);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0]);
    assert!(simulation.book(0).closed);
}

/// It does not wait for a peer that has no room.
#[test]
fn what_does_not_fit_right_before_the_close_is_given_up() {
    let mut simulation = simulation(1, 16);
    simulation.peer(0, |it| it.window = 50);
    simulation.write(0, &[100]);
    simulation.close(0);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [-libc::ECANCELED]);
    assert!(simulation.book(0).closed);
}

/// Who has stopped, however the receive stood then, hears of a ring that has failed when it reads on.
#[test]
fn who_reads_on_after_a_failure_of_the_ring_hears_of_it() {
    for was_reading in [false, true] {
        let mut simulation = simulation(4, 16);
        simulation.stream();
        let [id, other] = [simulation.streams[0], simulation.streams[1]];
        if was_reading {
            simulation.reactor.read_start(id);
            simulation.settle();
            simulation.reactor.read_stop(id);
        }
        simulation.world.borrow_mut().refusal = Some(libc::EBADFD);
        // Another gives the kernel something to refuse.
        simulation.reactor.read_start(other);
        assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
        let told = |simulation: &mut Simulation| -> Vec<Event> {
            std::iter::from_fn(|| simulation.reactor.next_event()).collect()
        };
        let (failed, ended) =
            (Event::RingFailed { errno: Errno(libc::EBADFD) }, Event::Ended { handle: other, status: -libc::EBADFD });
        assert_eq!(told(&mut simulation), [failed, ended]);
        simulation.reactor.read_start(id);
        assert!(simulation.reactor.has_work(), "nobody would look");
        assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
        assert_eq!(told(&mut simulation), [Event::Ended { handle: id, status: -libc::EBADFD }]);
        assert!(!simulation.reactor.has_work());
    }
}
