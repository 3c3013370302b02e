//! Bytes that are offered to the kernel within the write.

use super::harness::Bench;
use crate::fake::Temper;

fn bench(temper: Temper) -> Bench {
    let mut bench = Bench::new(temper, 4, 64, 16);
    bench.stream();
    bench
}

/// What is not taken goes behind what was, and before what is written later.
#[test]
fn what_has_no_room_waits_for_it() {
    let mut bench = bench(Temper::kind());
    bench.peer(0, |it| it.window = 30);
    assert_eq!(bench.write_at_once(0, 20), 20);
    assert!(!bench.reactor.has_work(), "all of it is with the kernel");
    assert_eq!(bench.write_at_once(0, 20), 10);
    assert_eq!(bench.write_at_once(0, 20), 0, "others are to go before");
    bench.write(0, &[5]);
    bench.settle();
    assert_eq!(bench.book(0).written, []);
    bench.peer(0, |it| it.window = 100);
    bench.settle();
    assert_eq!(bench.book(0).written, [0, 0, 0]);
    let sent = bench.peer(0, |it| it.sent.clone());
    assert_eq!(sent, bench.book(0).outbound);
}

/// The error of a connection is told once by the kernel: the write whose bytes were refused has it.
#[test]
fn a_refusal_is_what_the_write_ends_with() {
    for errno in [libc::ECONNRESET, libc::EPIPE] {
        let mut bench = bench(Temper::kind());
        bench.book(0).may_fail = true;
        bench.peer(0, |it| it.send_error = Some(errno));
        bench.write_at_once(0, 20);
        bench.peer(0, |it| it.send_error = Some(libc::EPIPE));
        bench.write(0, &[1]);
        bench.settle();
        assert_eq!(bench.book(0).written, [-errno, -errno]);
        bench.write(0, &[1]);
        bench.shut_down(0);
        bench.settle();
        assert_eq!(bench.book(0).written, [-errno, -errno, -libc::EPIPE]);
    }
}

#[test]
fn nothing_is_offered_where_it_may_not_be() {
    let mut bench = bench(Temper::kind());
    bench.peer(0, |it| it.window = 100);
    let stream = bench.streams[0];
    let address = crate::address::SocketAddress::ip("127.0.0.1", 1).expect("an address");
    bench.reactor.connect(stream, address).expect("an open stream");
    let bytes = [0_u8; 8];
    // SAFETY: the bytes are a local.
    let offer = |bench: &mut Bench| unsafe { bench.reactor.send_now(stream, bytes.as_ptr(), bytes.len()) };
    assert_eq!(offer(&mut bench), 0, "connecting");
    bench.peer(0, |it| it.connected = Some(0));
    bench.settle();
    assert_eq!(offer(&mut bench), 8);
    bench.close(0);
    assert_eq!(offer(&mut bench), 0, "closing");
    bench.settle();
    assert_eq!(offer(&mut bench), 0, "gone");
}
