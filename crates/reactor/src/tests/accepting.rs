//! Every connection is reported or closed; no descriptor is lost.

use std::net::TcpListener;
use std::os::fd::AsRawFd;

use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::{Bench, Books};
use super::streams::temper;
use crate::fake::{Descriptors, FarEnd, Temper};
use crate::{HandleId, kernel::Request};

#[derive(Clone, Debug)]
enum Action {
    Arrive(u8),
    Fails(i32),
    Turn,
    Close,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let errors = [
        libc::ECONNABORTED,
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOBUFS,
        libc::ENOMEM,
        libc::EINTR,
        libc::EAGAIN,
        libc::ECANCELED,
        libc::EINVAL,
    ];
    vec(
        prop_oneof![
            6 => (1..6_u8).prop_map(Action::Arrive),
            2 => proptest::sample::select(errors.to_vec()).prop_map(Action::Fails),
            6 => Just(Action::Turn),
            1 => Just(Action::Close),
        ],
        1..60,
    )
}

struct Setting {
    bench: Bench,
    listener: HandleId,
    clients: Vec<FarEnd>,
    failed: bool,
    closed: bool,
}

impl Setting {
    fn new(temper: Temper, per_turn: usize) -> Self {
        let mut bench = Bench::new(temper, 2, 32, per_turn);
        // A real one: `listen(2)` is called on it. Nobody ever connects to it.
        let socket = TcpListener::bind("127.0.0.1:0").expect("bind(2)");
        let fd = socket.as_raw_fd();
        bench.world.borrow_mut().descriptors.add(fd);
        let listener = bench.reactor.add_listener(socket.into()).expect("room");
        bench.fds.push(fd);
        bench.streams.push(listener);
        bench.books.insert(listener, Books::default());
        bench.reactor.listen(listener, 16).expect("listen(2)");
        Self { bench, listener, clients: Vec::new(), failed: false, closed: false }
    }

    fn arrive(&mut self) {
        let (near, far) = Descriptors::pair();
        self.bench.peer(0, |it| it.waiting.push_back(near));
        self.clients.push(far);
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Turn => {
                if self.bench.reactor.has_work() {
                    self.bench.turn();
                }
            }
            _ if self.closed => {}
            Action::Arrive(count) => (0..count).for_each(|_| self.arrive()),
            Action::Fails(errno) => {
                // EINVAL is the one that ends a listener.
                self.failed |= errno == libc::EINVAL;
                self.bench.peer(0, |it| it.accept_error = Some(errno));
            }
            Action::Close => {
                self.closed = true;
                self.bench.close(0);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_connection_is_reported_or_closed(temper in temper(), per_turn in 1..20_usize, actions in actions()) {
        let mut setting = Setting::new(temper, per_turn);
        for action in &actions {
            setting.act(action);
        }
        setting.bench.settle();
        let open = setting.clients.iter().filter(|client| !client.hung_up()).count();
        let waiting = if setting.closed { 0 } else { setting.bench.peer(0, |it| it.waiting.len()) };
        prop_assert_eq!(open, setting.bench.accepted.len() + waiting, "a descriptor is lost");
        if !setting.closed && !setting.failed {
            prop_assert_eq!(waiting, 0, "connections wait and nobody accepts them");
        }
        prop_assert!(setting.bench.accept_failures.len() <= 1);
        prop_assert!(setting.bench.accepted.iter().all(|&(listener, _)| listener == setting.listener));
        if !setting.closed {
            setting.bench.close(0);
        }
        setting.bench.close_all();
        prop_assert!(setting.clients.iter().all(FarEnd::hung_up));
    }
}

/// The kernel looks for a free descriptor before it looks for a connection: with none left, arming alone fails.
#[test]
fn having_no_descriptor_left_is_no_reason_to_spin() {
    let mut setting = Setting::new(Temper::kind(), 16);
    setting.bench.world.borrow_mut().time_passes = false;
    let mut turns = 0;
    while setting.bench.reactor.has_work() && turns < 100 {
        setting.bench.turn();
        setting.bench.peer(0, |it| it.accept_error = Some(libc::EMFILE));
        turns += 1;
    }
    assert!(turns < 10, "armed again and again");
    // When the pause is over, it serves again.
    setting.bench.world.borrow_mut().time_passes = true;
    setting.bench.peer(0, |it| it.accept_error = None);
    setting.arrive();
    setting.bench.settle();
    assert_eq!(setting.bench.accepted.len(), 1);
    let armed = setting.bench.world.borrow().executed.iter().filter(|it| matches!(it, Request::Accept { .. })).count();
    assert!(armed <= 4, "{armed}");
}

/// All that wait at once would keep everybody else waiting for what becomes of them.
#[test]
fn a_turn_takes_as_many_connections_as_there_is_time_for() {
    let mut setting = Setting::new(Temper::kind(), 64);
    setting.bench.turn();
    (0..100).for_each(|_| setting.arrive());
    let mut taken = Vec::new();
    let mut before = 0;
    for in_time in [true, false, false, false, false, false, true, true] {
        setting.bench.turn();
        setting.bench.reactor.pace(in_time);
        taken.push(setting.bench.accepted.len() - before);
        before = setting.bench.accepted.len();
    }
    assert_eq!(taken, [16, 16, 8, 4, 2, 1, 1, 2]);
    setting.bench.close(0);
    setting.bench.close_all();
}

/// Whoever has yet to hear of those that were taken is not given more: another process may have time for them.
#[test]
fn no_more_connections_are_taken_than_javascript_hears_of() {
    let mut setting = Setting::new(Temper::kind(), 64);
    setting.bench.turn();
    (0..100).for_each(|_| setting.arrive());
    setting.bench.turn();
    for _ in 0..10 {
        setting.bench.reactor.set_unheard(setting.bench.accepted.len());
        setting.bench.turn();
    }
    assert_eq!(setting.bench.accepted.len(), 16);
    setting.bench.reactor.set_unheard(0);
    setting.bench.turn();
    assert_eq!(setting.bench.accepted.len(), 32);
    setting.bench.close(0);
    setting.bench.close_all();
}

/// Where other processes have the socket too, it would have been theirs. The kernel may do an accept that is being cancelled.
#[test]
fn what_was_accepted_before_a_close_is_told_of() {
    let mut late = 0;
    for seed in 0..20 {
        let mut setting = Setting::new(Temper { malice: 1, seed, ..Temper::kind() }, 16);
        setting.bench.turn();
        setting.arrive();
        setting.bench.close(0);
        setting.bench.settle();
        assert!(setting.bench.books[&setting.listener].closed);
        let told = setting.bench.accepted.len();
        // Who was not accepted waits with the socket, which nobody else has here.
        assert_eq!(told == 0, setting.clients[0].hung_up(), "closed unheard");
        late += told;
        setting.bench.close_all();
    }
    assert!(late > 0);
}

/// At the end of a thread there is nobody left to tell.
#[test]
fn what_is_accepted_while_everything_ends_is_closed() {
    let mut setting = Setting::new(Temper::kind(), 16);
    setting.bench.turn();
    (0..3).for_each(|_| setting.arrive());
    setting.bench.turn();
    setting.bench.stop();
    assert_eq!(setting.bench.reactor.stats().handles, 0);
    assert!(setting.clients.iter().take(2).all(FarEnd::hung_up), "a descriptor is left open");
}

/// The error is that of the moment in which the kernel did the accept: descriptors may have come back by the time that we see it.
#[test]
fn a_shortage_that_is_over_turns_nobody_away() {
    let mut setting = Setting::new(Temper::kind(), 16);
    setting.bench.world.borrow_mut().time_passes = false;
    setting.bench.turn();
    setting.arrive();
    setting.bench.peer(0, |it| it.accept_error = Some(libc::EMFILE));
    // Not after a pause: time stands still.
    setting.bench.settle();
    assert_eq!(setting.bench.accepted.len(), 1);
    setting.bench.close(0);
    setting.bench.close_all();
}
