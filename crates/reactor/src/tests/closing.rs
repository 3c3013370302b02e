//! Closing at any moment: everything is settled, then closed, then silent.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::time::Instant;

use proptest::prelude::*;

use super::file_simulation::FileSimulation;
use super::harness::{Books, Simulation};
use super::streams::{act, actions, behavior};
use crate::address::SocketAddress;
use crate::error::Errno;
use crate::event::Event;
use crate::fake::{Behavior, FarEnd};
use crate::kernel::Request;

proptest! {
    #[test]
    fn whatever_is_going_on_is_settled_first(
        behavior in behavior(),
        per_turn in 1..20_usize,
        connecting in any::<bool>(),
        actions in actions(4, true, true),
    ) {
        let mut simulation = Simulation::new(behavior, 3, 32, per_turn);
        for _ in 0..4 {
            simulation.stream();
        }
        if connecting {
            // One that answers, and one that never does.
            let peer = SocketAddress::ip("127.0.0.1", 9).expect("an address");
            simulation.peer(0, |it| it.connected = Some(0));
            for stream in 0..2 {
                simulation.reactor.connect(simulation.streams[stream], peer).expect("started");
            }
        }
        for action in &actions {
            act(&mut simulation, action);
        }
        simulation.finish();
        simulation.check_sent();
        simulation.close_all();
    }

    #[test]
    fn the_end_of_the_process_waits_for_everything_in_flight(
        behavior in behavior(),
        actions in actions(4, true, true),
        unread in any::<bool>(),
    ) {
        let mut simulation = Simulation::new(behavior, 3, 32, 16);
        for _ in 0..4 {
            simulation.stream();
        }
        for action in &actions {
            act(&mut simulation, action);
        }
        if !unread {
            simulation.settle();
        }
        while !simulation.lent.is_empty() {
            simulation.give_back(0);
        }
        simulation.stop();
        for book in simulation.books.values_mut() {
            (book.closed, book.close_asked) = (true, true);
        }
        simulation.check_nothing_left();
    }
}

fn listening(simulation: &mut Simulation) -> crate::HandleId {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind(2)");
    let fd = listener.as_raw_fd();
    simulation.world.borrow_mut().descriptors.add(fd);
    let id = simulation.reactor.add_listener(listener.into()).expect("room");
    simulation.fds.push(fd);
    simulation.streams.push(id);
    simulation.books.insert(id, Books::default());
    simulation.reactor.listen(id, 16).expect("listen(2)");
    id
}

#[test]
fn a_listener_that_pauses_does_not_hold_up_its_close() {
    let mut simulation = Simulation::new(Behavior::faultless(), 2, 32, 16);
    let id = listening(&mut simulation);
    simulation.world.borrow_mut().time_passes = false;
    simulation.peer(0, |it| it.accept_error = Some(libc::ENOBUFS));
    simulation.settle();
    simulation.close(0);
    simulation.settle();
    assert!(simulation.books[&id].closed, "waits for the pause to end");
    simulation.check_nothing_left();
}

#[test]
fn the_end_of_the_process_does_not_wait_for_a_pause() {
    let mut simulation = Simulation::new(Behavior::faultless(), 2, 32, 16);
    listening(&mut simulation);
    simulation.world.borrow_mut().time_passes = false;
    simulation.peer(0, |it| it.accept_error = Some(libc::ENOBUFS));
    simulation.settle();
    let start = Instant::now();
    simulation.stop();
    simulation.books.values_mut().for_each(|book| (book.closed, book.close_asked) = (true, true));
    simulation.check_nothing_left();
    assert!(start.elapsed().as_millis() < 1000);
}

/// A close names what it cancels, whatever else is in flight, and cancels nothing where nothing is.
#[test]
fn a_close_cancels_its_own_operations_by_name() {
    let mut simulation = Simulation::new(Behavior::faultless(), 2, 32, 64);
    for stream in 0..30 {
        simulation.stream();
        simulation.reactor.read_start(simulation.streams[stream]);
        // Half of them wait for room as well.
        simulation.write(stream, &[if stream % 2 == 0 { 8 } else { 0 }]);
    }
    simulation.settle();
    simulation.world.borrow_mut().executed.clear();
    for stream in 0..4 {
        simulation.close(stream);
    }
    simulation.settle();
    let executed = std::mem::take(&mut simulation.world.borrow_mut().executed);
    assert_eq!(executed.len(), 2 + 1 + 2 + 1);
    assert!(executed.iter().all(|request| matches!(request, Request::Cancel { .. })));
    let silent = simulation.streams.len();
    simulation.stream();
    simulation.close(silent);
    simulation.settle();
    assert!(simulation.world.borrow().executed.is_empty());
    simulation.close_all();
}

/// Whoever is given a descriptor has it alone, with what the peer has sent.
#[test]
fn what_nothing_was_done_with_can_be_given_away() {
    let mut simulation = Simulation::new(Behavior::faultless(), 2, 32, 16);
    let id = simulation.stream();
    simulation.peer_sends(0, 8);
    let fd = simulation.fds[0];
    let given = simulation.reactor.release(id).expect("nothing is under way");
    assert_eq!((given.as_raw_fd(), simulation.reactor.owns(fd)), (fd, false));
    assert_eq!(simulation.reactor.release(id).err(), Some(Errno(libc::EBADF)));
    simulation.book(0).close_asked = true;
    simulation.book(0).inbound.clear();
    simulation.settle();
    assert!(simulation.book(0).closed);
    assert_eq!(simulation.reactor.stats().handles, 0);
    assert!(!simulation.far_ends[0].ended(), "the descriptor was closed");
    drop(given);
    assert!(simulation.far_ends[0].ended());
}

/// Bytes may be on their way, in either direction.
#[test]
fn what_is_under_way_is_not_given_away() {
    let mut simulation = Simulation::new(Behavior::faultless(), 2, 32, 16);
    for stream in 0..2 {
        simulation.stream();
        if stream == 0 {
            simulation.read_start(0);
        } else {
            simulation.write(1, &[8]);
        }
        let outcome = simulation.reactor.release(simulation.streams[stream]);
        assert_eq!(outcome.err(), Some(Errno(libc::EBUSY)), "{stream}");
    }
    simulation.settle();
    assert_eq!(simulation.reactor.release(simulation.streams[0]).err(), Some(Errno(libc::EBUSY)));
    simulation.close_all();
}

/// Wherever in a turn the ring fails, whoever waits is told once, and what is closed is closed, in that turn, before it
/// or after.
#[test]
fn a_ring_that_fails_at_any_enter_leaves_no_descriptor_open() {
    for entries in [2, 8, 64] {
        for enters in 0..40 {
            let mut files =
                FileSimulation::new(Behavior { submission_entries: entries, ..Behavior::faultless() }, true);
            for stream in 0..20 {
                let simulation = &mut files.simulation;
                let id = simulation.stream();
                simulation.book(stream).may_fail = true;
                simulation.peer(stream, |it| it.window = 4);
                simulation.reactor.read_start(id);
                simulation.reactor.write(id, simulation.memory.add(vec![1; 8]), true);
                simulation.world.borrow_mut().refusal = Some(libc::EPERM);
                simulation.world.borrow_mut().refuses_after = enters;
            }
            files.read(0, 512, false);
            files.read(512, 512, true);
            files.read(1024, 512, false);
            let mut failed = turn(&mut files);
            for stream in 0..10 {
                files.simulation.reactor.close(files.simulation.streams[stream]);
            }
            files.simulation.reactor.close_file(files.file, 77);
            for _ in 0..8 {
                failed |= turn(&mut files);
            }
            for stream in 10..20 {
                files.simulation.reactor.close(files.simulation.streams[stream]);
            }
            failed |= turn(&mut files);
            assert!(failed || enters > 0);
            let simulation = &files.simulation;
            assert!(simulation.far_ends.iter().all(FarEnd::ended), "a descriptor is left open, {entries} {enters}");
            // Its number may have a new owner by now: nothing is closed twice.
            assert_eq!(simulation.reactor.stats().handles, 0);
            assert_eq!(files.settled.len(), 4, "{entries} {enters}: {:?}", files.settled);
        }
    }
}

/// A turn of a ring that may fail. Whether it has.
fn turn(files: &mut FileSimulation) -> bool {
    let outcome = files.simulation.reactor.turn(&mut files.simulation.memory);
    assert!(matches!(outcome, Ok(()) | Err(Errno(libc::EPERM))));
    files.simulation.memory.spoil();
    while let Some(event) = files.simulation.reactor.next_event() {
        if let Event::FileDone { token, result } = event {
            assert_eq!(files.settled.insert(token, result), None, "settled twice");
        }
    }
    outcome.is_err()
}
