//! Datagrams, case by case: what the mixtures of [`datagrams`](super::datagrams) come by too seldom, or what they
//! cannot tell from a success.

use super::datagram_simulation::Simulation;
use crate::Event;
use crate::datagram::Outgoing;
use crate::fake::Behavior;
use crate::kernel::Request;

/// What one socket hands over before another gets its turn.
const WINDOW: usize = 256;

fn simulation(sockets: usize, per_turn: usize) -> Simulation {
    Simulation::new(Behavior::faultless(), sockets, 4, per_turn)
}

/// One that receives.
fn receiving(buffers: u16, per_turn: usize) -> Simulation {
    let mut simulation = Simulation::new(Behavior::faultless(), 1, buffers, per_turn);
    simulation.reactor.read_start(simulation.sockets[0].id);
    simulation.settle();
    simulation
}

/// Has the next sends of a socket end in these errors.
fn refuse(simulation: &mut Simulation, socket: usize, errors: &[i32]) {
    simulation.mailbox(socket, |mailbox, window| {
        mailbox.refusals.extend(errors);
        *window = usize::MAX;
    });
}

/// Sends some datagrams that do not go together: each is longer than the one before.
fn send(simulation: &mut Simulation, socket: usize, count: usize) {
    for _ in 0..count {
        let length = 4 + simulation.sockets[socket].sends.len();
        simulation.send(socket, length, true, 0, 0);
    }
}

fn statuses(simulation: &Simulation, socket: usize) -> Vec<Option<i32>> {
    simulation.sockets[socket].sends.iter().map(|send| send.status).collect()
}

fn offered(simulation: &mut Simulation, socket: usize) -> usize {
    let mut offered = 0;
    simulation.mailbox(socket, |mailbox, _| offered = mailbox.offered.len());
    offered
}

fn requests(simulation: &Simulation, which: impl Fn(&Request) -> bool) -> usize {
    simulation.world.borrow().executed.iter().filter(|request| which(request)).count()
}

fn events(simulation: &mut Simulation) -> Vec<Event> {
    std::iter::from_fn(|| simulation.reactor.next_event()).collect()
}

/// What is told of sends once nothing is left to do.
fn told(simulation: &mut Simulation) -> Vec<(i32, u32)> {
    let mut told = Vec::new();
    while simulation.reactor.has_work() {
        simulation.reactor.turn(&mut simulation.memory).expect("a turn");
        told.extend(events(simulation).iter().filter_map(|event| match *event {
            Event::Sent { status, count, .. } => Some((status, count)),
            _ => None,
        }));
    }
    told
}

/// The second went, and is told so, although the first did not go and the socket is closed meanwhile.
#[test]
fn what_was_sent_is_not_told_as_given_up() {
    let mut simulation = simulation(1, 16);
    refuse(&mut simulation, 0, &[libc::EAGAIN]);
    simulation.mailbox(0, |_, window| *window = 1);
    send(&mut simulation, 0, 3);
    simulation.turn();
    assert_eq!(statuses(&simulation, 0), [None; 3], "in the order of sending");
    simulation.close(0);
    simulation.settle();
    assert_eq!(statuses(&simulation, 0), [Some(-libc::ECANCELED), Some(0), Some(-libc::ECANCELED)]);
    simulation.check_nothing_left();
}

/// The kernel has no room for the request itself. Closing must not take that for a datagram which the socket has no
/// room for.
#[test]
fn what_found_no_room_in_the_ring_goes_before_a_close() {
    let behavior = Behavior { submission_entries: 2, completion_entries: 1, ..Behavior::faultless() };
    let mut simulation = Simulation::new(behavior, 2, 4, 16);
    simulation.world.borrow_mut().busy_when_overflowed = true;
    for socket in 0..2 {
        refuse(&mut simulation, socket, &[]);
    }
    // Two fill the queue, two more fill it again, and their completions do not fit: there is no room until somebody
    // reaps.
    send(&mut simulation, 0, 4);
    send(&mut simulation, 1, 1);
    simulation.turn();
    assert_eq!(statuses(&simulation, 1), [None]);
    assert_eq!(offered(&mut simulation, 1), 0);
    simulation.close(1);
    simulation.settle();
    assert_eq!(statuses(&simulation, 1), [Some(0)]);
    simulation.close_all();
}

/// Closed in the tick that it was sent in.
#[test]
fn what_was_sent_right_before_a_close_goes() {
    let mut simulation = simulation(2, 16);
    for socket in 0..2 {
        refuse(&mut simulation, socket, &[]);
        send(&mut simulation, socket, 3);
        simulation.close(socket);
    }
    simulation.settle();
    for socket in 0..2 {
        assert_eq!(statuses(&simulation, socket), [Some(0); 3]);
    }
    simulation.check_nothing_left();
}

/// That there was no room for the first says nothing of those that a turn has not come to yet.
#[test]
fn everything_that_was_sent_before_a_close_is_offered() {
    let mut simulation = simulation(1, 1000);
    refuse(&mut simulation, 0, &[libc::EAGAIN]);
    send(&mut simulation, 0, WINDOW + 1);
    simulation.close(0);
    simulation.settle();
    assert_eq!(statuses(&simulation, 0)[1..], [Some(0); WINDOW]);
    simulation.check_nothing_left();
}

#[test]
fn what_the_kernel_has_is_counted_until_it_answers_and_no_longer() {
    let mut simulation = simulation(1, 1);
    refuse(&mut simulation, 0, &[libc::EAGAIN]);
    send(&mut simulation, 0, 3);
    let id = simulation.sockets[0].id;
    assert_eq!(simulation.reactor.datagram_queue(id), (3, 15));
    simulation.turn();
    // The first was refused and the others are in flight.
    assert_eq!(simulation.reactor.datagram_queue(id), (3, 15));
    simulation.turn();
    // The second is done, and waits to be told after the first.
    assert_eq!((simulation.reactor.datagram_queue(id), simulation.sockets[0].unreported), ((2, 10), 0));
    simulation.settle();
    assert_eq!(simulation.reactor.datagram_queue(id), (0, 0));
    simulation.close_all();
}

#[test]
fn a_turn_takes_a_window_of_each_socket() {
    let mut simulation = simulation(3, 1000);
    for socket in 0..3 {
        refuse(&mut simulation, socket, &[]);
        send(&mut simulation, socket, WINDOW + 50);
    }
    simulation.turn();
    let taken: Vec<usize> = (0..3).map(|socket| offered(&mut simulation, socket)).collect();
    assert_eq!(taken, [WINDOW, 1, WINDOW], "UNIX sockets send one at a time");
    simulation.settle();
    simulation.finish();
    simulation.close_all();
}

#[test]
fn successes_in_a_row_are_one_event_and_failures_one_each() {
    let mut simulation = simulation(1, 16);
    let (gone, no_memory) = (libc::ECONNREFUSED, libc::ENOBUFS);
    refuse(&mut simulation, 0, &[gone, gone, no_memory]);
    send(&mut simulation, 0, 6);
    assert_eq!(told(&mut simulation), [(-gone, 1), (-gone, 1), (-no_memory, 1), (0, 3)]);
}

/// A destination longer than any address is refused before the kernel sees it. What follows goes.
#[test]
fn what_cannot_be_handed_over_is_told_in_its_place() {
    let mut simulation = simulation(1, 16);
    refuse(&mut simulation, 0, &[]);
    simulation.send(0, 5, true, 0, 0);
    let (span, destination) = (simulation.memory.add(vec![1; 6]), simulation.memory.add(vec![0; 129]));
    let outgoing = Outgoing { span, destination: Some(destination), flags: 0, segment: 0, together: true };
    simulation.reactor.send_datagram(simulation.sockets[0].id, outgoing);
    simulation.send(0, 7, true, 0, 0);
    assert_eq!(told(&mut simulation), [(0, 1), (-libc::EINVAL, 1), (0, 1)]);
}

/// So many alike, which go together but for the last: that is for another destination.
fn alike(simulation: &mut Simulation, count: usize) {
    let like = Like::default();
    let sends: Vec<Like> = (1..=count).map(|number| Like { to: u8::from(number == count), ..like }).collect();
    queue(simulation, 0, &sends);
}

/// A datagram to be sent.
#[derive(Clone, Copy)]
struct Like {
    length: usize,
    together: bool,
    flags: i32,
    segment: u16,
    to: u8,
}

impl Default for Like {
    fn default() -> Self {
        Self { length: 20, together: true, flags: 0, segment: 0, to: 0 }
    }
}

fn queue(simulation: &mut Simulation, socket: usize, sends: &[Like]) {
    for &Like { length, together, flags, segment, to } in sends {
        let span = simulation.memory.add(vec![9; length]);
        let destination = Some(simulation.memory.add(vec![to; 16]));
        let outgoing = Outgoing { span, destination, flags, segment, together };
        simulation.reactor.send_datagram(simulation.sockets[socket].id, outgoing);
    }
}

#[test]
fn who_goes_together() {
    let like = Like::default();
    let lengths = |lengths: &[usize]| lengths.iter().map(|&length| Like { length, ..like }).collect::<Vec<_>>();
    let odd = |one: Like| vec![like, like, one, one, like, like];
    let alone = |one: Like| (odd(one), vec![2, 1, 1, 2]);
    let cases: [(Vec<Like>, Vec<usize>); 13] = [
        (lengths(&[20, 20, 20]), vec![3]),
        // The last may be shorter, and is the last then. None is empty.
        (lengths(&[20, 20, 10, 10, 10, 20]), vec![3, 2, 1]),
        (lengths(&[20, 10, 5]), vec![2, 1]),
        (lengths(&[20, 20, 30, 30]), vec![2, 2]),
        (lengths(&[20, 20, 0, 0, 20, 20]), vec![2, 1, 1, 2]),
        // As many, and as many bytes, as every kernel takes.
        (lengths(&[20; 150]), vec![64, 64, 22]),
        (lengths(&[30_000; 5]), vec![2, 2, 1]),
        // Not what nobody has asked for, what is cut up already, what must not wait and what the kernel puts together.
        alone(Like { together: false, ..like }),
        alone(Like { segment: 5, ..like }),
        alone(Like { flags: libc::MSG_DONTWAIT, ..like }),
        alone(Like { flags: libc::MSG_MORE, ..like }),
        // Not with others of another kind.
        (odd(Like { flags: libc::MSG_CONFIRM, ..like }), vec![2, 2, 2]),
        (odd(Like { to: 1, ..like }), vec![2, 2, 2]),
    ];
    for (number, (sends, groups)) in cases.into_iter().enumerate() {
        // The second socket is a UNIX socket: its datagrams go one by one, whatever is asked.
        for (socket, groups) in [groups, vec![1; sends.len()]].into_iter().enumerate() {
            let mut simulation = simulation(2, 1000);
            refuse(&mut simulation, socket, &[]);
            queue(&mut simulation, socket, &sends);
            let told = told(&mut simulation);
            assert!(told.iter().all(|sent| sent.0 == 0), "case {number}: {told:?}");
            assert_eq!(told.iter().map(|sent| sent.1 as usize).sum::<usize>(), sends.len(), "case {number}");
            assert_eq!(
                requests(&simulation, |it| matches!(it, Request::SendDatagram { .. })),
                groups.len(),
                "case {number}"
            );
            // The kernel's answer is the sum of those that went together.
            let mut results = Vec::new();
            simulation.mailbox(socket, |mailbox, _| results.extend(mailbox.offered.iter().map(|it| it.result)));
            let mut rest = sends.as_slice();
            let expected: Vec<i32> = groups
                .iter()
                .flat_map(|&count| {
                    let group = rest.split_off(..count).expect("as many as were sent");
                    let sum: usize = group.iter().map(|it| it.length).sum();
                    vec![i32::try_from(sum).expect("small"); count]
                })
                .collect();
            assert_eq!(results, expected, "case {number}");
        }
    }
}

#[test]
fn of_those_that_go_together_an_error_is_the_answer_to_the_first_alone() {
    let mut simulation = simulation(1, 16);
    refuse(&mut simulation, 0, &[libc::ECONNREFUSED]);
    alike(&mut simulation, 5);
    assert_eq!(told(&mut simulation), [(-libc::ECONNREFUSED, 1), (0, 4)]);
    assert_eq!(requests(&simulation, |it| matches!(it, Request::SendDatagram { .. })), 3);
}

#[test]
fn what_fails_because_it_goes_together_goes_alone() {
    for errno in [libc::EINVAL, libc::EMSGSIZE, libc::EIO, libc::ENOBUFS, libc::ENOMEM] {
        let mut simulation = simulation(1, 16);
        refuse(&mut simulation, 0, &[errno]);
        alike(&mut simulation, 5);
        assert_eq!(told(&mut simulation), [(0, 5)], "{errno}");
        assert_eq!(requests(&simulation, |it| matches!(it, Request::SendDatagram { .. })), 6);
    }
}

#[test]
fn what_goes_together_is_counted_and_given_up_one_by_one() {
    let mut simulation = simulation(1, 16);
    simulation.send(0, 4, true, libc::MSG_CONFIRM, 0);
    alike(&mut simulation, 5);
    let id = simulation.sockets[0].id;
    // The socket is full for the first, and for the four behind it.
    simulation.turn();
    assert_eq!(simulation.reactor.datagram_queue(id), (6, 104));
    simulation.reactor.close(id);
    assert_eq!(told(&mut simulation), [(-libc::ECANCELED, 1); 6]);
}

#[test]
fn room_for_control_data_comes_and_goes() {
    let mut simulation = receiving(4, 16);
    let id = simulation.sockets[0].id;
    for wanted in [false, true, true, false, false, true] {
        simulation.reactor.set_datagram_control(id, wanted);
        simulation.settle();
        simulation.arrive(0, 10, 40, false);
        simulation.turn();
        let (received, _) = simulation.lent.last().expect("it has arrived");
        assert_eq!((received.control_length > 0, received.control_truncated), (wanted, !wanted));
        simulation.give_back(0);
        simulation.settle();
    }
    // One in the beginning, and one for each change.
    assert_eq!(requests(&simulation, |it| matches!(it, Request::ReceiveDatagrams { .. })), 4);
    simulation.close_all();
}

#[test]
fn whoever_changes_their_mind_asks_the_kernel_once() {
    let mut simulation = receiving(4, 16);
    let id = simulation.sockets[0].id;
    for _ in 0..3 {
        simulation.reactor.read_stop(id);
        simulation.reactor.read_start(id);
    }
    simulation.settle();
    assert_eq!(requests(&simulation, |it| matches!(it, Request::Cancel { .. })), 1);
    simulation.arrive(0, 10, 0, false);
    simulation.settle();
    assert_eq!(simulation.sockets[0].received, 1);
    simulation.close_all();
}

/// Each of them ends the receive.
#[test]
fn datagrams_of_no_bytes_do_not_cost_a_turn_each() {
    let mut simulation = receiving(8, 6);
    (0..8).for_each(|number| simulation.arrive(0, if number % 4 == 3 { 10 } else { 0 }, 0, false));
    // As many as a turn may bring, and not one more.
    for received in [6, 8] {
        simulation.turn();
        assert_eq!(simulation.sockets[0].received, received);
    }
    simulation.close_all();
}

/// The kernel has found the ring empty before it was told to stop.
#[test]
fn who_has_stopped_does_not_starve() {
    let mut simulation = receiving(1, 1);
    (0..2).for_each(|_| simulation.arrive(0, 10, 0, false));
    simulation.turn();
    simulation.reactor.read_stop(simulation.sockets[0].id);
    while simulation.reactor.has_work() {
        simulation.turn();
    }
    assert_eq!(simulation.reactor.stats().starved, 0);
    simulation.finish();
    assert_eq!(simulation.sockets[0].received, 2);
    simulation.close_all();
}

/// Nothing would come of asking such a socket again but the same error, without end.
#[test]
fn errors_of_the_socket_end_its_receiving_and_errors_of_the_network_do_not() {
    for errno in [libc::EBADF, libc::ENOTSOCK, libc::EINVAL, libc::EFAULT, libc::EOPNOTSUPP, libc::ECONNREFUSED] {
        let mut simulation = receiving(4, 16);
        simulation.fail(0, errno);
        simulation.settle();
        simulation.reactor.read_start(simulation.sockets[0].id);
        simulation.settle();
        let armed = requests(&simulation, |it| matches!(it, Request::ReceiveDatagrams { .. }));
        assert_eq!(armed, if errno == libc::ECONNREFUSED { 2 } else { 1 }, "{errno}");
        // What has ended is not told a second time when the ring fails.
        simulation.world.borrow_mut().refusal = Some(libc::EBADFD);
        simulation.reactor.read_stop(simulation.sockets[0].id);
        simulation.reactor.read_start(simulation.sockets[0].id);
        send(&mut simulation, 0, 1);
        assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
        let failures =
            events(&mut simulation).iter().filter(|event| matches!(event, Event::ReceiveFailed { .. })).count();
        assert_eq!(failures, usize::from(errno == libc::ECONNREFUSED), "{errno}");
    }
}

/// Who receives is told once that the ring has failed, who does not is not; what is sent afterwards is told as well,
/// however the socket stood.
#[test]
fn after_a_failure_of_the_ring_all_is_told_once() {
    // One that is full and is waited for, one that has more to send, one that receives, one that has done nothing, one
    // that is being closed.
    let mut simulation = simulation(5, 1);
    simulation.reactor.read_start(simulation.sockets[2].id);
    simulation.reactor.read_start(simulation.sockets[4].id);
    send(&mut simulation, 0, 1);
    simulation.settle();
    for socket in 1..5 {
        refuse(&mut simulation, socket, &[]);
    }
    send(&mut simulation, 2, 1);
    send(&mut simulation, 1, 2);
    simulation.turn();
    // The answer to the first of the second socket arrives with the failure: its next one has just been listed.
    simulation.close(4);
    simulation.world.borrow_mut().refusal = Some(libc::EBADFD);
    assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
    let mut told = events(&mut simulation);
    // What is sent from then on is told, to each without the help of another.
    for socket in (0..4).chain(0..4) {
        send(&mut simulation, socket, 1);
        assert!(simulation.reactor.has_work(), "nobody would look at {socket}");
        assert!(simulation.reactor.turn(&mut simulation.memory).is_err());
        told.extend(events(&mut simulation));
        assert!(!simulation.reactor.has_work());
    }
    let of = |socket: usize| {
        let id = simulation.sockets[socket].id;
        let (mut sent, mut failed, mut closed) = (0, 0, 0);
        for event in &told {
            match *event {
                Event::Sent { handle, count, .. } if handle == id => sent += count,
                Event::ReceiveFailed { handle, status } if handle == id => {
                    assert_eq!(status, -libc::EBADFD);
                    failed += 1;
                }
                Event::Closed { handle } if handle == id => closed += 1,
                _ => {}
            }
        }
        (sent, failed, closed)
    };
    assert_eq!([of(0), of(1), of(2), of(3), of(4)], [(3, 0, 0), (4, 0, 0), (2, 1, 0), (2, 0, 0), (0, 0, 1)]);
}
