//! Bytes that are offered to the kernel within the write.

use super::harness::Simulation;
use crate::fake::Behavior;

fn simulation(behavior: Behavior) -> Simulation {
    let mut simulation = Simulation::new(behavior, 4, 64, 16);
    simulation.stream();
    simulation
}

/// What is not taken goes behind what was, and before what is written later.
#[test]
fn what_has_no_room_waits_for_it() {
    let mut simulation = simulation(Behavior::faultless());
    simulation.peer(0, |it| it.window = 30);
    assert_eq!(simulation.write_nowait(0, 20), 20);
    assert!(!simulation.reactor.has_work(), "all of it is with the kernel");
    assert_eq!(simulation.write_nowait(0, 20), 10);
    assert_eq!(simulation.write_nowait(0, 20), 0, "others are to go before");
    simulation.write(0, &[5]);
    simulation.settle();
    assert_eq!(simulation.book(0).written, []);
    simulation.peer(0, |it| it.window = 100);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0, 0, 0]);
    let sent = simulation.peer(0, |it| it.sent.clone());
    assert_eq!(sent, simulation.book(0).outbound);
}

/// An answer's head, and its body behind it: one call, and neither waits for a turn.
#[test]
fn what_was_written_just_before_goes_with_it() {
    let mut simulation = simulation(Behavior::faultless());
    simulation.peer(0, |it| it.window = 100);
    simulation.write(0, &[3, 2]);
    assert_eq!(simulation.write_nowait(0, 20), 20);
    let sent = simulation.peer(0, |it| it.sent.clone());
    assert_eq!(sent, simulation.book(0).outbound);
    simulation.shut_down(0);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0]);
    assert_eq!(simulation.book(0).shut_down, Some(0));
}

/// Of both only a part is taken: of what goes before, or of what follows.
#[test]
fn what_was_written_just_before_may_fill_the_buffer() {
    for (window, taken) in [(0, 0), (3, 0), (5, 0), (9, 4), (25, 20)] {
        let mut simulation = simulation(Behavior::faultless());
        simulation.peer(0, |it| it.window = window);
        simulation.write(0, &[5]);
        assert_eq!(simulation.write_nowait(0, 20), taken);
        simulation.settle();
        simulation.peer(0, |it| it.window = 100);
        simulation.settle();
        let expected = if taken == 20 { &[0][..] } else { &[0, 0] };
        assert_eq!(simulation.book(0).written, expected, "window {window}");
        let sent = simulation.peer(0, |it| it.sent.clone());
        assert_eq!(sent, simulation.book(0).outbound);
    }
}

/// Many writes, or the end of the connection: the usual way.
#[test]
fn what_was_written_just_before_stays_behind() {
    let mut simulation = simulation(Behavior::faultless());
    simulation.peer(0, |it| it.window = 100);
    (0..20).for_each(|_| simulation.write(0, &[1]));
    assert_eq!(simulation.write_nowait(0, 20), 0);
    simulation.settle();
    assert_eq!(simulation.book(0).written, [0; 21]);

    let mut simulation = self::simulation(Behavior::faultless());
    simulation.book(0).may_fail = true;
    simulation.write(0, &[1]);
    simulation.peer(0, |it| it.send_error = Some(libc::ECONNRESET));
    assert_eq!(simulation.write_nowait(0, 20), 0);
    simulation.peer(0, |it| it.send_error = Some(libc::EPIPE));
    simulation.settle();
    assert_eq!(simulation.book(0).written, [-libc::ECONNRESET; 2]);
}

/// The error of a connection is told once by the kernel: the write whose bytes were refused has it.
#[test]
fn a_refusal_is_what_the_write_ends_with() {
    for errno in [libc::ECONNRESET, libc::EPIPE] {
        let mut simulation = simulation(Behavior::faultless());
        simulation.book(0).may_fail = true;
        simulation.peer(0, |it| it.send_error = Some(errno));
        simulation.write_nowait(0, 20);
        simulation.peer(0, |it| it.send_error = Some(libc::EPIPE));
        simulation.write(0, &[1]);
        simulation.settle();
        assert_eq!(simulation.book(0).written, [-errno, -errno]);
        simulation.write(0, &[1]);
        simulation.shut_down(0);
        simulation.settle();
        assert_eq!(simulation.book(0).written, [-errno, -errno, -libc::EPIPE]);
    }
}

#[test]
fn nothing_is_offered_where_it_may_not_be() {
    let mut simulation = simulation(Behavior::faultless());
    simulation.peer(0, |it| it.window = 100);
    let stream = simulation.streams[0];
    let address = crate::address::SocketAddress::ip("127.0.0.1", 1).expect("an address");
    simulation.reactor.connect(stream, address).expect("an open stream");
    let bytes = [0_u8; 8];
    let slice = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the bytes are a local, and only read.
    let offer = |simulation: &mut Simulation| unsafe {
        simulation.reactor.send_nowait(stream, &mut simulation.memory, &[slice])
    };
    assert_eq!(offer(&mut simulation), 0, "connecting");
    simulation.peer(0, |it| it.connected = Some(0));
    simulation.settle();
    assert_eq!(offer(&mut simulation), 8);
    simulation.close(0);
    assert_eq!(offer(&mut simulation), 0, "closing");
    simulation.settle();
    assert_eq!(offer(&mut simulation), 0, "gone");
}
