//! Multicast: which groups a datagram socket receives from, and by which interface.

use std::net::Ipv4Addr;
use std::os::fd::RawFd;
use std::os::raw::c_int;

use crate::address::SocketAddress;
use crate::error::Errno;
use crate::options::{OptionValue, set_raw};

/// The interface on which a group is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// The one that the routing table gives for the group.
    Any,
    /// By index, see [`interface_index`](crate::address::interface_index).
    Index(u32),
    /// By an IPv4 address that it has. For IPv4 groups only.
    Address(Ipv4Addr),
}

/// What to do about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Receive from it.
    Join,
    /// Do so no longer.
    Leave,
}

/// Joins or leaves a multicast group, whoever sends to it. The group's port does not matter.
///
/// # Errors
/// `EINVAL` where the address is no multicast group, or an IPv6 one with an interface by address; `EADDRINUSE` where it
/// is joined already, `EADDRNOTAVAIL` where it was not joined; `ENODEV` where there is no such interface, or none at
/// all that a group could be joined on; `ENOBUFS` past `net.ipv4.igmp_max_memberships`.
#[doc(alias = "MCAST_JOIN_GROUP")]
#[doc(alias = "MCAST_LEAVE_GROUP")]
#[doc(alias = "IP_ADD_MEMBERSHIP")]
#[doc(alias = "IP_DROP_MEMBERSHIP")]
pub fn change_membership(fd: RawFd, change: Change, group: &SocketAddress, interface: Interface) -> Result<(), Errno> {
    let gr_interface = match (interface, group.as_v4()) {
        (Interface::Any, _) => 0,
        (Interface::Index(index), _) => index,
        (Interface::Address(address), Some(group)) => {
            let request =
                libc::ip_mreqn { imr_multiaddr: in_addr(group), imr_address: in_addr(address), imr_ifindex: 0 };
            let name = match change {
                Change::Join => libc::IP_ADD_MEMBERSHIP,
                Change::Leave => libc::IP_DROP_MEMBERSHIP,
            };
            return set_raw(fd, (libc::IPPROTO_IP, name), &request);
        }
        (Interface::Address(_), None) => return Err(Errno::EINVAL),
    };
    let name = match change {
        Change::Join => libc::MCAST_JOIN_GROUP,
        Change::Leave => libc::MCAST_LEAVE_GROUP,
    };
    set_raw(fd, (level(group)?, name), &libc::group_req { gr_interface, gr_group: group.storage() })
}

/// Joins or leaves a multicast group for what one source sends to it (RFC 4607).
///
/// # Errors
/// Those of [`change_membership`], except that a source that is joined already is `EADDRNOTAVAIL`; also `EINVAL` where
/// source and group are of different families.
#[doc(alias = "MCAST_JOIN_SOURCE_GROUP")]
#[doc(alias = "MCAST_LEAVE_SOURCE_GROUP")]
#[doc(alias = "IP_ADD_SOURCE_MEMBERSHIP")]
#[doc(alias = "IP_DROP_SOURCE_MEMBERSHIP")]
pub fn change_source_membership(
    fd: RawFd,
    change: Change,
    group: &SocketAddress,
    source: &SocketAddress,
    interface: Interface,
) -> Result<(), Errno> {
    let gsr_interface = match (interface, group.as_v4(), source.as_v4()) {
        _ if group.family() != source.family() => return Err(Errno::EINVAL),
        (Interface::Any, ..) => 0,
        (Interface::Index(index), ..) => index,
        (Interface::Address(address), Some(group), Some(source)) => {
            let request = libc::ip_mreq_source {
                imr_multiaddr: in_addr(group),
                imr_interface: in_addr(address),
                imr_sourceaddr: in_addr(source),
            };
            let name = match change {
                Change::Join => libc::IP_ADD_SOURCE_MEMBERSHIP,
                Change::Leave => libc::IP_DROP_SOURCE_MEMBERSHIP,
            };
            return set_raw(fd, (libc::IPPROTO_IP, name), &request);
        }
        (Interface::Address(_), ..) => return Err(Errno::EINVAL),
    };
    let name = match change {
        Change::Join => libc::MCAST_JOIN_SOURCE_GROUP,
        Change::Leave => libc::MCAST_LEAVE_SOURCE_GROUP,
    };
    let request = libc::group_source_req { gsr_interface, gsr_group: group.storage(), gsr_source: source.storage() };
    set_raw(fd, (level(group)?, name), &request)
}

/// Sends multicast datagrams by the interface that has this address, or, those of an IPv6 socket, by the one of this
/// index; `0.0.0.0` and 0: as routed.
///
/// # Errors
/// `EADDRNOTAVAIL` where no interface has the address, `ENODEV` where there is none of that index; `ENOPROTOOPT` where
/// the socket is of the other family.
#[doc(alias = "IP_MULTICAST_IF")]
#[doc(alias = "IPV6_MULTICAST_IF")]
pub fn set_outgoing_interface(fd: RawFd, interface: Interface) -> Result<(), Errno> {
    match interface {
        Interface::Address(address) => set_raw(fd, (libc::IPPROTO_IP, libc::IP_MULTICAST_IF), &in_addr(address)),
        Interface::Index(index) => set_raw(fd, (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF), &index.cast_signed()),
        Interface::Any => set_outgoing_interface(fd, Interface::Address(Ipv4Addr::UNSPECIFIED)),
    }
}

impl OptionValue for libc::in_addr {}
impl OptionValue for libc::group_req {}
impl OptionValue for libc::group_source_req {}
impl OptionValue for libc::ip_mreq_source {}

fn level(group: &SocketAddress) -> Result<c_int, Errno> {
    match group.family() {
        libc::AF_INET => Ok(libc::IPPROTO_IP),
        libc::AF_INET6 => Ok(libc::IPPROTO_IPV6),
        _ => Err(Errno::EINVAL),
    }
}

fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use super::*;
    use crate::address::interface_index;
    use crate::socket::{self, Domain, Type};

    fn ip(text: &str) -> SocketAddress {
        SocketAddress::ip(text, 0).unwrap()
    }

    /// The loopback interface takes groups by index and by address, though it is not flagged for multicast.
    #[test]
    fn groups_are_joined_once_and_left_once() {
        let lo = interface_index("lo").unwrap();
        for (domain, group, interfaces) in [
            (Domain::Ipv4, "239.1.2.3", &[Interface::Index(lo), Interface::Address(Ipv4Addr::LOCALHOST)][..]),
            (Domain::Ipv6, "ff02::1234", &[Interface::Index(lo)]),
        ] {
            let socket = match socket::open(domain, Type::Datagram) {
                Err(Errno::EAFNOSUPPORT) => continue,
                socket => socket.unwrap(),
            };
            for &interface in interfaces {
                let change = |change| change_membership(socket.as_raw_fd(), change, &ip(group), interface);
                assert_eq!(change(Change::Leave), Err(Errno::EADDRNOTAVAIL));
                assert_eq!(change(Change::Join), Ok(()));
                assert_eq!(change(Change::Join), Err(Errno::EADDRINUSE));
                assert_eq!(change(Change::Leave), Ok(()));
            }
        }
    }

    #[test]
    fn sources_are_joined_and_left() {
        let lo = interface_index("lo").unwrap();
        let socket = socket::open(Domain::Ipv4, Type::Datagram).unwrap();
        for interface in [Interface::Index(lo), Interface::Address(Ipv4Addr::LOCALHOST)] {
            let change = |change, source| {
                change_source_membership(socket.as_raw_fd(), change, &ip("232.1.2.3"), &ip(source), interface)
            };
            assert_eq!(change(Change::Join, "127.0.0.1"), Ok(()));
            assert_eq!(change(Change::Join, "127.0.0.1"), Err(Errno::EADDRNOTAVAIL));
            assert_eq!(change(Change::Join, "::1"), Err(Errno::EINVAL));
            assert_eq!(change(Change::Leave, "127.0.0.2"), Err(Errno::EADDRNOTAVAIL));
            assert_eq!(change(Change::Leave, "127.0.0.1"), Ok(()));
        }
    }

    #[test]
    fn what_cannot_be_joined_is_refused() {
        let lo = Interface::Index(interface_index("lo").unwrap());
        let address = Interface::Address(Ipv4Addr::LOCALHOST);
        let socket = socket::open(Domain::Ipv4, Type::Datagram).unwrap();
        let fd = socket.as_raw_fd();
        let join = |group: &SocketAddress, interface| change_membership(fd, Change::Join, group, interface);
        assert_eq!(join(&ip("10.0.0.1"), lo), Err(Errno::EINVAL));
        assert_eq!(join(&ip("239.1.2.3"), Interface::Index(i32::MAX as u32)), Err(Errno::ENODEV));
        assert_eq!(join(&ip("ff02::1"), address), Err(Errno::EINVAL));
        assert_eq!(join(&SocketAddress::unix(b"\0x").unwrap(), lo), Err(Errno::EINVAL));
        assert_eq!(
            set_outgoing_interface(fd, Interface::Address(Ipv4Addr::new(192, 0, 2, 1))),
            Err(Errno::EADDRNOTAVAIL)
        );
        assert_eq!(set_outgoing_interface(fd, lo), Err(Errno::ENOPROTOOPT));
    }

    #[test]
    fn members_receive() {
        let receiver = UdpSocket::bind("0.0.0.0:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let group = ip("239.77.66.55");
        let localhost = Ipv4Addr::LOCALHOST;
        change_membership(receiver.as_raw_fd(), Change::Join, &group, Interface::Address(localhost)).unwrap();

        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        set_outgoing_interface(sender.as_raw_fd(), Interface::Address(localhost)).unwrap();
        sender.send_to(b"hello", ("239.77.66.55", receiver.local_addr().unwrap().port())).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"hello"[..], sender.local_addr().unwrap()));
    }
}
