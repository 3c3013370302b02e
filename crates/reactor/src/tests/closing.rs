//! Closing at any moment: everything is settled, then closed, then silent.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::time::Instant;

use proptest::prelude::*;

use super::harness::{Bench, Books};
use super::streams::{act, actions, temper};
use crate::address::SocketAddress;
use crate::fake::Temper;

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
        prop_assert!(bench.stop());
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
    assert!(bench.stop());
    assert!(start.elapsed().as_millis() < 1000);
}
