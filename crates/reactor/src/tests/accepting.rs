//! Every connection is reported or closed; no descriptor is lost.

use std::net::TcpListener;
use std::os::fd::AsRawFd;

use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::{Books, Simulation};
use super::streams::behavior;
use crate::fake::{Behavior, Descriptors, FarEnd};
use crate::spare_descriptor::SpareDescriptor;
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
    simulation: Simulation,
    listener: HandleId,
    clients: Vec<FarEnd>,
    failed: bool,
    closed: bool,
}

impl Setting {
    fn new(behavior: Behavior, per_turn: usize) -> Self {
        let mut simulation = Simulation::new(behavior, 2, 32, per_turn);
        // A real one: `listen(2)` is called on it. Nobody ever connects to it.
        let socket = TcpListener::bind("127.0.0.1:0").expect("bind(2)");
        let fd = socket.as_raw_fd();
        simulation.world.borrow_mut().descriptors.add(fd);
        let listener = simulation.reactor.add_listener(socket.into()).expect("room");
        simulation.fds.push(fd);
        simulation.streams.push(listener);
        simulation.books.insert(listener, Books::default());
        simulation.reactor.listen(listener, 16).expect("listen(2)");
        Self { simulation, listener, clients: Vec::new(), failed: false, closed: false }
    }

    fn arrive(&mut self) {
        let (near, far) = Descriptors::pair();
        self.simulation.peer(0, |it| it.waiting.push_back(near));
        self.clients.push(far);
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Turn => {
                if self.simulation.reactor.has_work() {
                    self.simulation.turn();
                }
            }
            _ if self.closed => {}
            Action::Arrive(count) => (0..count).for_each(|_| self.arrive()),
            Action::Fails(errno) => {
                // EINVAL is the one that ends a listener.
                self.failed |= errno == libc::EINVAL;
                self.simulation.peer(0, |it| it.accept_error = Some(errno));
            }
            Action::Close => {
                self.closed = true;
                self.simulation.close(0);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_connection_is_reported_or_closed(behavior in behavior(), per_turn in 1..20_usize, actions in actions()) {
        let mut setting = Setting::new(behavior, per_turn);
        for action in &actions {
            setting.act(action);
        }
        setting.simulation.settle();
        let open = setting.clients.iter().filter(|client| !client.hung_up()).count();
        let waiting = if setting.closed { 0 } else { setting.simulation.peer(0, |it| it.waiting.len()) };
        prop_assert_eq!(open, setting.simulation.accepted.len() + waiting, "a descriptor is lost");
        if !setting.closed && !setting.failed {
            prop_assert_eq!(waiting, 0, "connections wait and nobody accepts them");
        }
        prop_assert!(setting.simulation.accept_failures.len() <= 1);
        prop_assert!(setting.simulation.accepted.iter().all(|&(listener, _)| listener == setting.listener));
        if !setting.closed {
            setting.simulation.close(0);
        }
        setting.simulation.close_all();
        prop_assert!(setting.clients.iter().all(FarEnd::hung_up));
    }
}

/// The kernel looks for a free descriptor before it looks for a connection: with none left, arming alone fails.
#[test]
fn having_no_descriptor_left_is_no_reason_to_spin() {
    let mut setting = Setting::new(Behavior::faultless(), 16);
    setting.simulation.world.borrow_mut().time_passes = false;
    let mut turns = 0;
    while setting.simulation.reactor.has_work() && turns < 100 {
        setting.simulation.turn();
        setting.simulation.peer(0, |it| it.accept_error = Some(libc::EMFILE));
        turns += 1;
    }
    assert!(turns < 10, "armed again and again");
    // When the pause is over, it serves again.
    setting.simulation.world.borrow_mut().time_passes = true;
    setting.simulation.peer(0, |it| it.accept_error = None);
    setting.arrive();
    setting.simulation.settle();
    assert_eq!(setting.simulation.accepted.len(), 1);
    let armed =
        setting.simulation.world.borrow().executed.iter().filter(|it| matches!(it, Request::Accept { .. })).count();
    assert!(armed <= 4, "{armed}");
}

/// All that wait at once would keep everybody else waiting for what becomes of them.
#[test]
fn a_turn_takes_as_many_connections_as_there_is_time_for() {
    let mut setting = Setting::new(Behavior::faultless(), 64);
    setting.simulation.turn();
    (0..100).for_each(|_| setting.arrive());
    let mut taken = Vec::new();
    let mut before = 0;
    for in_time in [true, false, false, false, false, false, true, true] {
        setting.simulation.turn();
        setting.simulation.reactor.pace(in_time);
        taken.push(setting.simulation.accepted.len() - before);
        before = setting.simulation.accepted.len();
    }
    assert_eq!(taken, [16, 16, 8, 4, 2, 1, 1, 2]);
    setting.simulation.close(0);
    setting.simulation.close_all();
}

/// Whoever has yet to hear of those that were taken is not given more: another process may have time for them.
#[test]
fn no_more_connections_are_taken_than_javascript_hears_of() {
    let mut setting = Setting::new(Behavior::faultless(), 64);
    setting.simulation.turn();
    (0..100).for_each(|_| setting.arrive());
    setting.simulation.turn();
    for _ in 0..10 {
        setting.simulation.reactor.set_unheard(setting.simulation.accepted.len());
        setting.simulation.turn();
    }
    assert_eq!(setting.simulation.accepted.len(), 16);
    setting.simulation.reactor.set_unheard(0);
    setting.simulation.turn();
    assert_eq!(setting.simulation.accepted.len(), 32);
    setting.simulation.close(0);
    setting.simulation.close_all();
}

/// Where other processes have the socket too, it would have been theirs. The kernel may do an accept that is being
/// cancelled.
#[test]
fn what_was_accepted_before_a_close_is_told_of() {
    let mut late = 0;
    for seed in 0..20 {
        let mut setting = Setting::new(Behavior { fault_rate: 1, seed, ..Behavior::faultless() }, 16);
        setting.simulation.turn();
        setting.arrive();
        setting.simulation.close(0);
        setting.simulation.settle();
        assert!(setting.simulation.books[&setting.listener].closed);
        let told = setting.simulation.accepted.len();
        // Who was not accepted waits with the socket, which nobody else has here.
        assert_eq!(told == 0, setting.clients[0].hung_up(), "closed unheard");
        late += told;
        setting.simulation.close_all();
    }
    assert!(late > 0);
}

/// At the end of a thread there is nobody left to tell.
#[test]
fn what_is_accepted_while_everything_ends_is_closed() {
    let mut setting = Setting::new(Behavior::faultless(), 16);
    setting.simulation.turn();
    (0..3).for_each(|_| setting.arrive());
    setting.simulation.turn();
    setting.simulation.stop();
    assert_eq!(setting.simulation.reactor.stats().handles, 0);
    assert!(setting.clients.iter().take(2).all(FarEnd::hung_up), "a descriptor is left open");
}

/// The error is that of the moment in which the kernel did the accept: descriptors may have come back by the time that
/// we see it.
#[test]
fn a_shortage_that_is_over_turns_nobody_away() {
    let mut setting = Setting::new(Behavior::faultless(), 16);
    setting.simulation.world.borrow_mut().time_passes = false;
    setting.simulation.turn();
    setting.arrive();
    setting.simulation.peer(0, |it| it.accept_error = Some(libc::EMFILE));
    // Not after a pause: time stands still.
    setting.simulation.settle();
    assert_eq!(setting.simulation.accepted.len(), 1);
    setting.simulation.close(0);
    setting.simulation.close_all();
}

#[test]
fn the_spare_descriptor_is_taken_again_with_the_next_connection() {
    let mut setting = Setting::new(Behavior::faultless(), 16);
    // As after a shortage in which another thread was faster.
    setting.simulation.reactor.io.spare_descriptor = SpareDescriptor::default();
    setting.arrive();
    setting.simulation.settle();
    assert_eq!(setting.simulation.accepted.len(), 1);
    assert!(setting.simulation.reactor.io.spare_descriptor.is_there());
}
