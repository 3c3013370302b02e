//! Closing at any moment: everything is settled, then closed, then silent.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::time::Instant;

use proptest::prelude::*;

use super::files::Table;
use super::harness::{Bench, Books};
use super::streams::{act, actions, temper};
use crate::address::SocketAddress;
use crate::error::Errno;
use crate::event::Event;
use crate::fake::{FarEnd, Temper};
use crate::kernel::Request;

proptest! {
    #[test]
    fn whatever_is_going_on_is_settled_first(
        temper in temper(),
        per_turn in 1..20_usize,
        connecting in any::<bool>(),
        actions in actions(4, true, true),
    ) {
        let mut bench = Bench::new(temper, 3, 32, per_turn);
        for _ in 0..4 {
            bench.stream();
        }
        if connecting {
            // One that answers, and one that never does.
            let peer = SocketAddress::ip("127.0.0.1", 9).expect("an address");
            bench.peer(0, |it| it.connected = Some(0));
            for stream in 0..2 {
                bench.reactor.connect(bench.streams[stream], peer).expect("started");
            }
        }
        for action in &actions {
            act(&mut bench, action);
        }
        bench.finish();
        bench.check_sent();
        bench.close_all();
    }

    #[test]
    fn the_end_of_the_process_waits_for_everything_in_flight(
        temper in temper(),
        actions in actions(4, true, true),
        unread in any::<bool>(),
    ) {
        let mut bench = Bench::new(temper, 3, 32, 16);
        for _ in 0..4 {
            bench.stream();
        }
        for action in &actions {
            act(&mut bench, action);
        }
        if !unread {
            bench.settle();
        }
        while !bench.lent.is_empty() {
            bench.give_back(0);
        }
        bench.stop();
        for book in bench.books.values_mut() {
            (book.closed, book.close_asked) = (true, true);
        }
        bench.check_nothing_left();
    }
}

fn listening(bench: &mut Bench) -> crate::HandleId {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind(2)");
    let fd = listener.as_raw_fd();
    bench.world.borrow_mut().descriptors.add(fd);
    let id = bench.reactor.add_listener(listener.into()).expect("room");
    bench.fds.push(fd);
    bench.streams.push(id);
    bench.books.insert(id, Books::default());
    bench.reactor.listen(id, 16).expect("listen(2)");
    id
}

#[test]
fn a_listener_that_pauses_does_not_hold_up_its_close() {
    let mut bench = Bench::new(Temper::kind(), 2, 32, 16);
    let id = listening(&mut bench);
    bench.world.borrow_mut().time_passes = false;
    bench.peer(0, |it| it.accept_error = Some(libc::ENOBUFS));
    bench.settle();
    bench.close(0);
    bench.settle();
    assert!(bench.books[&id].closed, "waits for the pause to end");
    bench.check_nothing_left();
}

#[test]
fn the_end_of_the_process_does_not_wait_for_a_pause() {
    let mut bench = Bench::new(Temper::kind(), 2, 32, 16);
    listening(&mut bench);
    bench.world.borrow_mut().time_passes = false;
    bench.peer(0, |it| it.accept_error = Some(libc::ENOBUFS));
    bench.settle();
    let start = Instant::now();
    bench.stop();
    bench.books.values_mut().for_each(|book| (book.closed, book.close_asked) = (true, true));
    bench.check_nothing_left();
    assert!(start.elapsed().as_millis() < 1000);
}

/// A close names what it cancels, whatever else is in flight, and cancels nothing where nothing is.
#[test]
fn a_close_cancels_its_own_operations_by_name() {
    let mut bench = Bench::new(Temper::kind(), 2, 32, 64);
    for stream in 0..30 {
        bench.stream();
        bench.reactor.read_start(bench.streams[stream]);
        // Half of them wait for room as well.
        bench.write(stream, &[if stream % 2 == 0 { 8 } else { 0 }]);
    }
    bench.settle();
    bench.world.borrow_mut().executed.clear();
    for stream in 0..4 {
        bench.close(stream);
    }
    bench.settle();
    let executed = std::mem::take(&mut bench.world.borrow_mut().executed);
    assert_eq!(executed.len(), 2 + 1 + 2 + 1);
    assert!(executed.iter().all(|request| matches!(request, Request::Cancel { .. })));
    let silent = bench.streams.len();
    bench.stream();
    bench.close(silent);
    bench.settle();
    assert!(bench.world.borrow().executed.is_empty());
    bench.close_all();
}

/// Wherever in a turn the ring fails, whoever waits is told once, and what is closed is closed, in that turn, before it or after.
#[test]
fn a_ring_that_fails_at_any_enter_leaves_no_descriptor_open() {
    for entries in [2, 8, 64] {
        for enters in 0..40 {
            let mut table = Table::new(Temper { submission_entries: entries, ..Temper::kind() }, true);
            for stream in 0..20 {
                let bench = &mut table.bench;
                let id = bench.stream();
                bench.book(stream).may_fail = true;
                bench.peer(stream, |it| it.window = 4);
                bench.reactor.read_start(id);
                bench.reactor.write(id, bench.memory.add(vec![1; 8]), true);
                bench.world.borrow_mut().refusal = Some(libc::EPERM);
                bench.world.borrow_mut().refuses_after = enters;
            }
            table.read(0, 512, false);
            table.read(512, 512, true);
            table.read(1024, 512, false);
            let mut failed = turn(&mut table);
            for stream in 0..10 {
                table.bench.reactor.close(table.bench.streams[stream]);
            }
            table.bench.reactor.close_file(table.file, 77);
            for _ in 0..8 {
                failed |= turn(&mut table);
            }
            for stream in 10..20 {
                table.bench.reactor.close(table.bench.streams[stream]);
            }
            failed |= turn(&mut table);
            assert!(failed || enters > 0);
            let bench = &table.bench;
            assert!(bench.far_ends.iter().all(FarEnd::ended), "a descriptor is left open, {entries} {enters}");
            // Its number may have a new owner by now: nothing is closed twice.
            assert_eq!(bench.reactor.stats().handles, 0);
            assert_eq!(table.settled.len(), 4, "{entries} {enters}: {:?}", table.settled);
        }
    }
}

/// A turn of a ring that may fail. Whether it has.
fn turn(table: &mut Table) -> bool {
    let outcome = table.bench.reactor.turn(&mut table.bench.memory);
    assert!(matches!(outcome, Ok(()) | Err(Errno(libc::EPERM))));
    table.bench.memory.spoil();
    while let Some(event) = table.bench.reactor.next_event() {
        if let Event::FileDone { token, result } = event {
            assert_eq!(table.settled.insert(token, result), None, "settled twice");
        }
    }
    outcome.is_err()
}
