//! Every option on a real socket.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use super::SocketOption::*;
use super::*;
use crate::socket::{self, Domain, Type};

/// What an option is tried on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Tcp,
    Udp,
    Unix,
}

fn sockets(kind: Kind) -> Vec<OwnedFd> {
    let (domains, kind) = match kind {
        Kind::Tcp => (&[Domain::Ipv4, Domain::Ipv6][..], Type::Stream),
        Kind::Udp => (&[Domain::Ipv4, Domain::Ipv6][..], Type::Datagram),
        Kind::Unix => (&[Domain::Unix][..], Type::Datagram),
    };
    // A host without IPv6 has one socket less to try.
    domains.iter().filter_map(|&domain| socket::open(domain, kind).ok()).collect()
}

/// What an option is tried on, its value on a new socket, another value that can be set, and how that reads back.
/// None where the kernel or the host decides.
type Attempt = (SocketOption, Kind, Option<i32>, i32, Option<i32>);

/// Every option that can be set, except for those with a test of their own.
const SETTABLE: &[Attempt] = &[
    (ReuseAddress, Kind::Tcp, Some(0), 1, Some(1)),
    (ReusePort, Kind::Tcp, Some(0), 1, Some(1)),
    (NoDelay, Kind::Tcp, Some(0), 1, Some(1)),
    (KeepAlive, Kind::Tcp, Some(0), 1, Some(1)),
    (KeepIdle, Kind::Tcp, None, 42, Some(42)),
    (KeepInterval, Kind::Tcp, None, 7, Some(7)),
    (KeepCount, Kind::Tcp, None, 3, Some(3)),
    (Linger, Kind::Tcp, Some(-1), 5, Some(5)),
    (RecvBuffer, Kind::Udp, None, 8192, Some(16384)),
    (SendBuffer, Kind::Udp, None, 8192, Some(16384)),
    (Broadcast, Kind::Udp, Some(0), 1, Some(1)),
    (TypeOfService, Kind::Udp, Some(0), 0xb8, Some(0xb8)),
    (UnicastHops, Kind::Udp, None, 3, Some(3)),
    (MulticastHops, Kind::Udp, Some(1), 9, Some(9)),
    (MulticastLoop, Kind::Udp, Some(1), 0, Some(0)),
    (MulticastAll, Kind::Udp, Some(1), 0, Some(0)),
    (PacketInfo, Kind::Udp, Some(0), 1, Some(1)),
    (RecvTypeOfService, Kind::Udp, Some(0), 1, Some(1)),
    (Timestamp, Kind::Udp, Some(0), 1, Some(1)),
    (DropCounter, Kind::Udp, Some(0), 1, Some(1)),
    (UdpSegment, Kind::Udp, Some(0), 1200, Some(1200)),
    (UdpGro, Kind::Udp, Some(0), 1, Some(1)),
    (IncomingCpu, Kind::Udp, None, 0, None),
    (BusyPoll, Kind::Udp, None, 0, Some(0)),
    (Priority, Kind::Udp, Some(0), 6, Some(6)),
    (FreeBind, Kind::Udp, Some(0), 1, Some(1)),
    (QuickAck, Kind::Tcp, None, 0, Some(0)),
    (Cork, Kind::Tcp, Some(0), 1, Some(1)),
    (DeferAccept, Kind::Tcp, Some(0), 1, Some(1)),
    (FastOpen, Kind::Tcp, Some(0), 16, None),
    (FastOpenConnect, Kind::Tcp, Some(0), 1, Some(1)),
    (MaxSegment, Kind::Tcp, None, 1000, None),
    (SynRetries, Kind::Tcp, None, 2, Some(2)),
    (UserTimeout, Kind::Tcp, Some(0), 12345, Some(12345)),
    (UnsentLowWater, Kind::Tcp, None, 4096, Some(4096)),
    (RecvLowWater, Kind::Tcp, Some(1), 100, Some(100)),
    (PassCredentials, Kind::Unix, Some(0), 1, Some(1)),
    (BindToInterface, Kind::Tcp, Some(0), 1, Some(1)),
];

#[test]
fn options_reach_the_kernel_and_read_back() {
    for &(option, kind, initial, value, read) in SETTABLE {
        for socket in sockets(kind) {
            let fd = socket.as_raw_fd();
            if let Some(initial) = initial {
                assert_eq!(get(fd, option), Ok(initial), "{option:?} on a new socket");
            }
            assert_eq!(set(fd, option, value), Ok(()), "{option:?}");
            if let Some(read) = read {
                assert_eq!(get(fd, option), Ok(read), "{option:?} after setting it to {value}");
            }
        }
    }
}

#[test]
fn every_option_is_tried_somewhere_in_these_tests() {
    let elsewhere = [Ipv6Only, MulticastInterface, Error, Mark];
    for &option in SocketOption::ALL {
        let tried = SETTABLE.iter().any(|&(other, ..)| other == option) || elsewhere.contains(&option);
        assert!(tried, "{option:?}");
    }
}

#[test]
fn a_mark_takes_a_privilege_and_is_never_left_out_in_silence() {
    for socket in sockets(Kind::Udp) {
        let fd = socket.as_raw_fd();
        match set(fd, Mark, 7) {
            Ok(()) => assert_eq!(get(fd, Mark), Ok(7)),
            Err(errno) => assert_eq!((errno, get(fd, Mark)), (Errno::EPERM, Ok(0))),
        }
    }
}

#[test]
fn numbers_are_dense_and_lead_back() {
    for (number, &option) in (0u32..).zip(SocketOption::ALL) {
        assert_eq!(option as u32, number);
        assert_eq!(SocketOption::try_from(number), Ok(option));
    }
    let end = SocketOption::ALL.len() as u32;
    assert_eq!(SocketOption::try_from(end), Err(Errno::ENOPROTOOPT));
    assert_eq!(SocketOption::try_from(u32::MAX), Err(Errno::ENOPROTOOPT));
}

#[test]
fn an_ipv6_socket_takes_options_for_its_ipv4_traffic_too() {
    let Ok(socket) = socket::open(Domain::Ipv6, Type::Datagram) else {
        return;
    };
    let fd = socket.as_raw_fd();
    set(fd, TypeOfService, 0x10).unwrap();
    set(fd, UnicastHops, 11).unwrap();
    set(fd, MulticastHops, 12).unwrap();
    assert_eq!(get_raw::<c_int>(fd, (libc::IPPROTO_IP, libc::IP_TOS)), Ok(0x10));
    assert_eq!(get_raw::<c_int>(fd, (libc::IPPROTO_IP, libc::IP_TTL)), Ok(11));
    assert_eq!(get_raw::<c_int>(fd, (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL)), Ok(12));
    set(fd, Ipv6Only, 1).unwrap();
    assert_eq!(get(fd, Ipv6Only), Ok(1));
    assert_eq!(set(fd, UnicastHops, 13), Ok(()));
}

#[test]
fn the_multicast_interface_is_set_by_index() {
    let lo = crate::address::interface_index("lo").unwrap() as i32;
    for socket in sockets(Kind::Udp) {
        let fd = socket.as_raw_fd();
        assert_eq!(set(fd, MulticastInterface, lo), Ok(()));
        match family(fd) {
            Ok(libc::AF_INET6) => assert_eq!(get(fd, MulticastInterface), Ok(lo)),
            _ => assert_eq!(get(fd, MulticastInterface), Err(Errno::ENOPROTOOPT)),
        }
        assert_eq!(set(fd, MulticastInterface, 0), Ok(()));
        assert!(matches!(set(fd, MulticastInterface, i32::MAX), Err(Errno::ENODEV | Errno::EADDRNOTAVAIL)));
    }
}

#[test]
fn the_pending_error_is_read_once() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket::local_address(closed.as_raw_fd()).unwrap();
    drop(closed);
    let socket = socket::open(Domain::Ipv4, Type::Stream).unwrap();
    let fd = socket.as_raw_fd();
    socket::set_nonblocking(fd, true).unwrap();
    assert_eq!(socket::connect(fd, &address), Err(Errno::EINPROGRESS));
    assert_eq!(get(fd, Error), Ok(Errno::ECONNREFUSED.0));
    assert_eq!(get(fd, Error), Ok(0));
    assert_eq!(set(fd, Error, 0), Err(Errno::ENOPROTOOPT));
}

#[test]
fn values_out_of_range_are_refused() {
    let refused = |fd, option, value| assert_eq!(set(fd, option, value), Err(Errno::EINVAL), "{option:?} {value}");
    for socket in sockets(Kind::Udp) {
        for (option, values) in [
            (TypeOfService, &[-1, 256][..]),
            (UnicastHops, &[-2, 0, 256]),
            (MulticastHops, &[-2, 256]),
            (MulticastInterface, &[-1]),
            (Linger, &[-2, i32::MIN]),
            (UdpSegment, &[-1, 65536]),
        ] {
            values.iter().for_each(|&value| refused(socket.as_raw_fd(), option, value));
        }
    }
    let tcp = socket::open(Domain::Ipv4, Type::Stream).unwrap();
    for (option, value) in [(KeepIdle, 0), (KeepIdle, 32768), (KeepCount, 128), (SynRetries, 0), (MaxSegment, 1)] {
        refused(tcp.as_raw_fd(), option, value);
    }
}

#[test]
fn options_of_other_sockets_are_refused_by_name() {
    let unix = socket::open(Domain::Unix, Type::Stream).unwrap();
    let udp = socket::open(Domain::Ipv4, Type::Datagram).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(set(unix.as_raw_fd(), TypeOfService, 0), Err(Errno::ENOPROTOOPT));
    assert_eq!(get(unix.as_raw_fd(), TypeOfService), Err(Errno::ENOPROTOOPT));
    assert_eq!(set(unix.as_raw_fd(), NoDelay, 1), Err(Errno::EOPNOTSUPP));
    assert!(matches!(set(udp.as_raw_fd(), NoDelay, 1), Err(Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)));
    assert!(matches!(set(udp.as_raw_fd(), Ipv6Only, 1), Err(Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)));
    assert_eq!(set(file.as_raw_fd(), NoDelay, 1), Err(Errno::ENOTSOCK));
    assert_eq!(set(file.as_raw_fd(), TypeOfService, 1), Err(Errno::ENOTSOCK));
    assert_eq!(get(-1, KeepAlive), Err(Errno::EBADF));
}

#[test]
fn linger_has_three_meanings() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    for value in [0, 30, -1] {
        set(socket.as_raw_fd(), Linger, value).unwrap();
        assert_eq!(get(socket.as_raw_fd(), Linger), Ok(value));
    }
}
