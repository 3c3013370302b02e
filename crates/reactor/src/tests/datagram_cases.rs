//! Datagrams, case by case: what the mixtures of [`datagrams`](super::datagrams) come by too seldom, or what they cannot tell from a success.

use super::datagram_bench::Bench;
use crate::Event;
use crate::datagram::Outgoing;
use crate::fake::Temper;
use crate::kernel::Request;

/// What one socket hands over before another gets its turn.
const WINDOW: usize = 256;

fn bench(sockets: usize, per_turn: usize) -> Bench {
    Bench::new(Temper::kind(), sockets, 4, per_turn)
}

/// One that receives.
fn receiving(buffers: u16, per_turn: usize) -> Bench {
    let mut bench = Bench::new(Temper::kind(), 1, buffers, per_turn);
    bench.reactor.read_start(bench.sockets[0].id);
    bench.settle();
    bench
}

/// Has the next sends of a socket end in these errors.
fn refuse(bench: &mut Bench, socket: usize, errors: &[i32]) {
    bench.mailbox(socket, |mailbox, window| {
        mailbox.refusals.extend(errors);
        *window = usize::MAX;
    });
}

/// Sends some datagrams that do not go together: each is longer than the one before.
fn send(bench: &mut Bench, socket: usize, count: usize) {
    for _ in 0..count {
        let length = 4 + bench.sockets[socket].sends.len();
        bench.send(socket, length, true, 0, 0);
    }
}

fn statuses(bench: &Bench, socket: usize) -> Vec<Option<i32>> {
    bench.sockets[socket].sends.iter().map(|send| send.status).collect()
}

fn offered(bench: &mut Bench, socket: usize) -> usize {
    let mut offered = 0;
    bench.mailbox(socket, |mailbox, _| offered = mailbox.offered.len());
    offered
}

fn requests(bench: &Bench, which: impl Fn(&Request) -> bool) -> usize {
    bench.world.borrow().executed.iter().filter(|request| which(request)).count()
}

fn events(bench: &mut Bench) -> Vec<Event> {
    std::iter::from_fn(|| bench.reactor.next_event()).collect()
}

/// What is told of sends once nothing is left to do.
fn told(bench: &mut Bench) -> Vec<(i32, u32)> {
    let mut told = Vec::new();
    while bench.reactor.has_work() {
        bench.reactor.turn(&mut bench.memory).expect("a turn");
        told.extend(events(bench).iter().filter_map(|event| match *event {
            Event::Sent { status, count, .. } => Some((status, count)),
            _ => None,
        }));
    }
    told
}

/// The second went, and is told so, although the first did not go and the socket is closed meanwhile.
#[test]
fn what_was_sent_is_not_told_as_given_up() {
    let mut bench = bench(1, 16);
    refuse(&mut bench, 0, &[libc::EAGAIN]);
    bench.mailbox(0, |_, window| *window = 1);
    send(&mut bench, 0, 3);
    bench.turn();
    assert_eq!(statuses(&bench, 0), [None; 3], "in the order of sending");
    bench.close(0);
    bench.settle();
    assert_eq!(statuses(&bench, 0), [Some(-libc::ECANCELED), Some(0), Some(-libc::ECANCELED)]);
    bench.check_nothing_left();
}

/// The kernel has no room for the request itself. Closing must not take that for a datagram which the socket has no room for.
#[test]
fn what_found_no_room_in_the_ring_goes_before_a_close() {
    let temper = Temper { submission_entries: 2, completion_entries: 1, ..Temper::kind() };
    let mut bench = Bench::new(temper, 2, 4, 16);
    bench.world.borrow_mut().busy_when_overflowed = true;
    for socket in 0..2 {
        refuse(&mut bench, socket, &[]);
    }
    // Two fill the queue, two more fill it again, and their completions do not fit: there is no room until somebody reaps.
    send(&mut bench, 0, 4);
    send(&mut bench, 1, 1);
    bench.turn();
    assert_eq!(statuses(&bench, 1), [None]);
    assert_eq!(offered(&mut bench, 1), 0);
    bench.close(1);
    bench.settle();
    assert_eq!(statuses(&bench, 1), [Some(0)]);
    bench.close_all();
}

/// Closed in the tick that it was sent in.
#[test]
fn what_was_sent_right_before_a_close_goes() {
    let mut bench = bench(2, 16);
    for socket in 0..2 {
        refuse(&mut bench, socket, &[]);
        send(&mut bench, socket, 3);
        bench.close(socket);
    }
    bench.settle();
    for socket in 0..2 {
        assert_eq!(statuses(&bench, socket), [Some(0); 3]);
    }
    bench.check_nothing_left();
}

/// That there was no room for the first says nothing of those that a turn has not come to yet.
#[test]
fn everything_that_was_sent_before_a_close_is_offered() {
    let mut bench = bench(1, 1000);
    refuse(&mut bench, 0, &[libc::EAGAIN]);
    send(&mut bench, 0, WINDOW + 1);
    bench.close(0);
    bench.settle();
    assert_eq!(statuses(&bench, 0)[1..], [Some(0); WINDOW]);
    bench.check_nothing_left();
}

#[test]
fn what_the_kernel_has_is_counted_until_it_answers_and_no_longer() {
    let mut bench = bench(1, 1);
    refuse(&mut bench, 0, &[libc::EAGAIN]);
    send(&mut bench, 0, 3);
    let id = bench.sockets[0].id;
    assert_eq!(bench.reactor.datagram_queue(id), (3, 15));
    bench.turn();
    // The first was refused and the others are in flight.
    assert_eq!(bench.reactor.datagram_queue(id), (3, 15));
    bench.turn();
    // The second is done, and waits to be told after the first.
    assert_eq!((bench.reactor.datagram_queue(id), bench.sockets[0].unreported), ((2, 10), 0));
    bench.settle();
    assert_eq!(bench.reactor.datagram_queue(id), (0, 0));
    bench.close_all();
}

#[test]
fn a_turn_takes_a_window_of_each_socket() {
    let mut bench = bench(3, 1000);
    for socket in 0..3 {
        refuse(&mut bench, socket, &[]);
        send(&mut bench, socket, WINDOW + 50);
    }
    bench.turn();
    let taken: Vec<usize> = (0..3).map(|socket| offered(&mut bench, socket)).collect();
    assert_eq!(taken, [WINDOW, 1, WINDOW], "UNIX sockets send one at a time");
    bench.settle();
    bench.finish();
    bench.close_all();
}

#[test]
fn successes_in_a_row_are_one_event_and_failures_one_each() {
    let mut bench = bench(1, 16);
    let (gone, no_memory) = (libc::ECONNREFUSED, libc::ENOBUFS);
    refuse(&mut bench, 0, &[gone, gone, no_memory]);
    send(&mut bench, 0, 6);
    assert_eq!(told(&mut bench), [(-gone, 1), (-gone, 1), (-no_memory, 1), (0, 3)]);
}

/// A destination longer than any address is refused before the kernel sees it. What follows goes.
#[test]
fn what_cannot_be_handed_over_is_told_in_its_place() {
    let mut bench = bench(1, 16);
    refuse(&mut bench, 0, &[]);
    bench.send(0, 5, true, 0, 0);
    let (source, destination) = (bench.memory.add(vec![1; 6]), bench.memory.add(vec![0; 129]));
    let outgoing = Outgoing { source, destination: Some(destination), flags: 0, segment: 0, together: true };
    bench.reactor.send_datagram(bench.sockets[0].id, outgoing);
    bench.send(0, 7, true, 0, 0);
    assert_eq!(told(&mut bench), [(0, 1), (-libc::EINVAL, 1), (0, 1)]);
}

/// So many alike, which go together but for the last: that is for another destination.
fn alike(bench: &mut Bench, count: usize) {
    let like = Like::default();
    let sends: Vec<Like> = (1..=count).map(|number| Like { to: u8::from(number == count), ..like }).collect();
    queue(bench, 0, &sends);
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

fn queue(bench: &mut Bench, socket: usize, sends: &[Like]) {
    for &Like { length, together, flags, segment, to } in sends {
        let source = bench.memory.add(vec![9; length]);
        let destination = Some(bench.memory.add(vec![to; 16]));
        let outgoing = Outgoing { source, destination, flags, segment, together };
        bench.reactor.send_datagram(bench.sockets[socket].id, outgoing);
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
            let mut bench = bench(2, 1000);
            refuse(&mut bench, socket, &[]);
            queue(&mut bench, socket, &sends);
            let told = told(&mut bench);
            assert!(told.iter().all(|sent| sent.0 == 0), "case {number}: {told:?}");
            assert_eq!(told.iter().map(|sent| sent.1 as usize).sum::<usize>(), sends.len(), "case {number}");
            assert_eq!(
                requests(&bench, |it| matches!(it, Request::SendDatagram { .. })),
                groups.len(),
                "case {number}"
            );
            // The kernel's answer is the sum of those that went together.
            let mut results = Vec::new();
            bench.mailbox(socket, |mailbox, _| results.extend(mailbox.offered.iter().map(|it| it.result)));
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
    let mut bench = bench(1, 16);
    refuse(&mut bench, 0, &[libc::ECONNREFUSED]);
    alike(&mut bench, 5);
    assert_eq!(told(&mut bench), [(-libc::ECONNREFUSED, 1), (0, 4)]);
    assert_eq!(requests(&bench, |it| matches!(it, Request::SendDatagram { .. })), 3);
}

#[test]
fn what_fails_because_it_goes_together_goes_alone() {
    for errno in [libc::EINVAL, libc::EMSGSIZE, libc::EIO, libc::ENOBUFS, libc::ENOMEM] {
        let mut bench = bench(1, 16);
        refuse(&mut bench, 0, &[errno]);
        alike(&mut bench, 5);
        assert_eq!(told(&mut bench), [(0, 5)], "{errno}");
        assert_eq!(requests(&bench, |it| matches!(it, Request::SendDatagram { .. })), 6);
    }
}

#[test]
fn what_goes_together_is_counted_and_given_up_one_by_one() {
    let mut bench = bench(1, 16);
    bench.send(0, 4, true, libc::MSG_CONFIRM, 0);
    alike(&mut bench, 5);
    let id = bench.sockets[0].id;
    // The socket is full for the first, and for the four behind it.
    bench.turn();
    assert_eq!(bench.reactor.datagram_queue(id), (6, 104));
    bench.reactor.close(id);
    assert_eq!(told(&mut bench), [(-libc::ECANCELED, 1); 6]);
}

#[test]
fn room_for_control_data_comes_and_goes() {
    let mut bench = receiving(4, 16);
    let id = bench.sockets[0].id;
    for wanted in [false, true, true, false, false, true] {
        bench.reactor.set_datagram_control(id, wanted);
        bench.settle();
        bench.arrive(0, 10, 40, false);
        bench.turn();
        let (received, _) = bench.lent.last().expect("it has arrived");
        assert_eq!((received.control_length > 0, received.control_truncated), (wanted, !wanted));
        bench.give_back(0);
        bench.settle();
    }
    // One in the beginning, and one for each change.
    assert_eq!(requests(&bench, |it| matches!(it, Request::ReceiveDatagrams { .. })), 4);
    bench.close_all();
}

#[test]
fn whoever_changes_their_mind_asks_the_kernel_once() {
    let mut bench = receiving(4, 16);
    let id = bench.sockets[0].id;
    for _ in 0..3 {
        bench.reactor.read_stop(id);
        bench.reactor.read_start(id);
    }
    bench.settle();
    assert_eq!(requests(&bench, |it| matches!(it, Request::Cancel { .. })), 1);
    bench.arrive(0, 10, 0, false);
    bench.settle();
    assert_eq!(bench.sockets[0].received, 1);
    bench.close_all();
}

/// Each of them ends the receive.
#[test]
fn datagrams_of_no_bytes_do_not_cost_a_turn_each() {
    let mut bench = receiving(8, 6);
    (0..8).for_each(|number| bench.arrive(0, if number % 4 == 3 { 10 } else { 0 }, 0, false));
    // As many as a turn may bring, and not one more.
    for received in [6, 8] {
        bench.turn();
        assert_eq!(bench.sockets[0].received, received);
    }
    bench.close_all();
}

/// The kernel has found the ring empty before it was told to stop.
#[test]
fn who_has_stopped_does_not_starve() {
    let mut bench = receiving(1, 1);
    (0..2).for_each(|_| bench.arrive(0, 10, 0, false));
    bench.turn();
    bench.reactor.read_stop(bench.sockets[0].id);
    while bench.reactor.has_work() {
        bench.turn();
    }
    assert_eq!(bench.reactor.stats().starved, 0);
    bench.finish();
    assert_eq!(bench.sockets[0].received, 2);
    bench.close_all();
}

/// Nothing would come of asking such a socket again but the same error, without end.
#[test]
fn errors_of_the_socket_end_its_receiving_and_errors_of_the_network_do_not() {
    for errno in [libc::EBADF, libc::ENOTSOCK, libc::EINVAL, libc::EFAULT, libc::EOPNOTSUPP, libc::ECONNREFUSED] {
        let mut bench = receiving(4, 16);
        bench.fail(0, errno);
        bench.settle();
        bench.reactor.read_start(bench.sockets[0].id);
        bench.settle();
        let armed = requests(&bench, |it| matches!(it, Request::ReceiveDatagrams { .. }));
        assert_eq!(armed, if errno == libc::ECONNREFUSED { 2 } else { 1 }, "{errno}");
        // What has ended is not told a second time when the ring fails.
        bench.world.borrow_mut().refusal = Some(libc::EBADFD);
        bench.reactor.read_stop(bench.sockets[0].id);
        bench.reactor.read_start(bench.sockets[0].id);
        send(&mut bench, 0, 1);
        assert!(bench.reactor.turn(&mut bench.memory).is_err());
        let failures = events(&mut bench).iter().filter(|event| matches!(event, Event::ReceiveFailed { .. })).count();
        assert_eq!(failures, usize::from(errno == libc::ECONNREFUSED), "{errno}");
    }
}

/// Who receives is told once that the ring has failed, who does not is not; what is sent afterwards is told as well, however the socket stood.
#[test]
fn after_a_failure_of_the_ring_all_is_told_once() {
    // One that is full and is waited for, one that has more to send, one that receives, one that has done nothing, one that is being closed.
    let mut bench = bench(5, 1);
    bench.reactor.read_start(bench.sockets[2].id);
    bench.reactor.read_start(bench.sockets[4].id);
    send(&mut bench, 0, 1);
    bench.settle();
    for socket in 1..5 {
        refuse(&mut bench, socket, &[]);
    }
    send(&mut bench, 2, 1);
    send(&mut bench, 1, 2);
    bench.turn();
    // The answer to the first of the second socket arrives with the failure: its next one has just been listed.
    bench.close(4);
    bench.world.borrow_mut().refusal = Some(libc::EBADFD);
    assert!(bench.reactor.turn(&mut bench.memory).is_err());
    let mut told = events(&mut bench);
    // What is sent from then on is told, to each without the help of another.
    for socket in (0..4).chain(0..4) {
        send(&mut bench, socket, 1);
        assert!(bench.reactor.has_work(), "nobody would look at {socket}");
        assert!(bench.reactor.turn(&mut bench.memory).is_err());
        told.extend(events(&mut bench));
        assert!(!bench.reactor.has_work());
    }
    let of = |socket: usize| {
        let id = bench.sockets[socket].id;
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
