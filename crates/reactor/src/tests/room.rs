//! Waiting for room costs nothing, whatever else polls find.

use super::harness::Simulation;
use crate::fake::Behavior;
use crate::kernel::Request;

fn simulation() -> Simulation {
    let mut simulation = Simulation::new(Behavior::faultless(), 4, 64, 16);
    simulation.stream();
    simulation
}

fn count(simulation: &Simulation, kind: impl Fn(&Request) -> bool) -> usize {
    simulation.world.borrow().executed.iter().filter(|request| kind(request)).count()
}

fn polls(simulation: &Simulation) -> usize {
    count(simulation, |request| matches!(request, Request::PollWritable { .. }))
}

fn sends(simulation: &Simulation) -> usize {
    count(simulation, |request| matches!(request, Request::Send { .. } | Request::SendMessage { .. }))
}

/// A poll is answered by the peer's end, which is no room: asking again would never end. `settle` fails then.
#[test]
fn a_peer_that_has_ended_and_does_not_read_costs_nothing() {
    let mut simulation = simulation();
    simulation.peer(0, |it| (it.inbound_end, it.window) = (Some(0), 10));
    simulation.write(0, &[100]);
    simulation.settle();
    assert_eq!((sends(&simulation), polls(&simulation)), (1, 2));

    // It goes on reading: each time there is room the send goes on, and nothing is polled anew.
    for _ in 0..9 {
        simulation.peer(0, |it| it.window = 10);
        simulation.settle();
    }
    assert_eq!((sends(&simulation), polls(&simulation)), (10, 2));
    assert_eq!(simulation.book(0).written, [0]);
    simulation.finish();
    simulation.check_sent();
    simulation.close_all();
}

/// Polls that go on telling of room when nobody waits for it are given up, and there is another for the next wait.
#[test]
fn news_that_nobody_waits_for_end_the_poll() {
    let mut simulation = simulation();
    simulation.peer(0, |it| (it.inbound_end, it.window) = (Some(0), 10));
    simulation.write(0, &[20]);
    simulation.settle();
    simulation.peer(0, |it| it.window = 20);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0]);

    simulation.peer(0, |it| it.poll_finds = libc::POLLHUP);
    simulation.settle();
    simulation.peer(0, |it| it.poll_finds = 0);
    assert_eq!(count(&simulation, |request| matches!(request, Request::Cancel { .. })), 1);
    simulation.write(0, &[50]);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0]);
    assert_eq!(polls(&simulation), 3);
    simulation.peer(0, |it| it.window = 50);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0, 0]);
    simulation.finish();
    simulation.check_sent();
    simulation.close_all();
}

/// An error queue that nobody reads answers every poll: what is promised is not there, and only time helps.
#[test]
fn room_that_is_promised_and_not_there_is_tried_for_after_pauses() {
    let mut simulation = simulation();
    simulation.world.borrow_mut().time_passes = false;
    simulation.peer(0, |it| it.poll_finds = libc::POLLOUT | libc::POLLERR);
    simulation.write(0, &[10]);
    simulation.settle();
    // At once, as was promised once, and as the poll for edges says for a beginning.
    assert!(sends(&simulation) <= 3, "{} attempts", sends(&simulation));
    let pauses = |simulation: &Simulation| count(simulation, |request| matches!(request, Request::Timeout { .. }));
    assert_eq!(pauses(&simulation), 1);

    simulation.peer(0, |it| (it.window, it.poll_finds) = (10, 0));
    simulation.world.borrow_mut().time_passes = true;
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0]);
    simulation.finish();
    simulation.close_all();
}

/// The pause is on no descriptor, so that closing has to end it by itself.
#[test]
fn closing_ends_a_pause() {
    let mut simulation = simulation();
    simulation.world.borrow_mut().time_passes = false;
    simulation.peer(0, |it| it.poll_finds = libc::POLLOUT);
    simulation.write(0, &[10]);
    simulation.settle();
    simulation.close_all();
}
