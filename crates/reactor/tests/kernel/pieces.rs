//! What waits behind a receive, taken by system calls.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use iouring_reactor::Config;
use iouring_reactor::kernel::Kernel;

use crate::node::{Node, available, pattern, run};

/// Bytes that certainly find room between the two ends of a connection, and of which some are left behind a receive.
const LENGTH: usize = 160 * 1024;

/// A connection on which so many bytes wait to be received.
fn full() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let room: libc::c_int = 512 * 1024;
    // SAFETY: setsockopt(2) reads an integer. What is accepted inherits the room, which the window is offered by.
    let status = unsafe {
        let (room, length) = ((&raw const room).cast(), size_of::<libc::c_int>() as libc::socklen_t);
        libc::setsockopt(listener.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, room, length)
    };
    assert_eq!(status, 0);
    let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    far.write_all(&pattern(3, LENGTH)).unwrap();
    let mut waiting: libc::c_int = 0;
    while (waiting as usize) < LENGTH {
        // SAFETY: FIONREAD writes an integer.
        assert_eq!(unsafe { libc::ioctl(near.as_raw_fd(), libc::FIONREAD, &raw mut waiting) }, 0);
        thread::sleep(Duration::from_millis(1));
    }
    (near, far)
}

#[test]
fn comes_in_order_and_before_the_end() {
    if !available() {
        return;
    }
    for takes in [true, false] {
        let mut node = Node::new(&Config::default(), false);
        let (near, mut far) = full();
        let id = node.add(near.into());
        if takes {
            node.reactor.read_start_in_pieces(id);
        } else {
            node.reactor.read_start(id);
        }
        run(&mut [&mut node], |nodes| nodes[0].book(id).received.len() == LENGTH);
        // Nothing waits any more: the ring receives what comes next, and the end.
        far.write_all(b"and more").unwrap();
        drop(far);
        run(&mut [&mut node], |nodes| nodes[0].book(id).ended == Some(0));
        let book = node.book(id);
        assert!(book.received == [pattern(3, LENGTH), b"and more".to_vec()].concat());
        assert_eq!(book.pieces > 0, takes && node.reactor.kernel().bounds_receives());
        node.finish();
    }
}
