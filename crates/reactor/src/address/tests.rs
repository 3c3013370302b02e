//! Addresses there and back: by text, and through the kernel.

use proptest::prelude::*;

use super::*;
use crate::options::{self, SocketOption};
use crate::socket::{self, Domain, Type};
use std::os::fd::AsRawFd;

fn v6(address: &str, port: u16) -> Endpoint {
    Endpoint::V6 { address: address.into(), port }
}

/// What getsockname(2) makes of an address that a socket was bound to.
fn through_bind(domain: Domain, address: &SocketAddress) -> Result<SocketAddress, Errno> {
    let socket = socket::open(domain, Type::Datagram)?;
    if domain != Domain::Unix {
        options::set(socket.as_raw_fd(), SocketOption::FreeBind, 1)?;
    }
    socket::bind(socket.as_raw_fd(), address)?;
    socket::local_address(socket.as_raw_fd())
}

#[test]
#[cfg_attr(miri, ignore = "asks the kernel or the C library")]
fn ip_text_is_parsed_strictly() {
    let endpoint = |text: &str| SocketAddress::ip(text, 80).map(|address| address.to_endpoint());
    assert_eq!(endpoint("127.0.0.1"), Ok(Endpoint::V4 { address: "127.0.0.1".into(), port: 80 }));
    assert_eq!(endpoint("::1"), Ok(v6("::1", 80)));
    assert_eq!(endpoint("2001:DB8:0:0:1:0:0:1"), Ok(v6("2001:db8::1:0:0:1", 80)));
    assert_eq!(endpoint("::ffff:10.0.0.1"), Ok(v6("::ffff:10.0.0.1", 80)));
    for text in [
        "",
        "localhost",
        "127.1",
        "127.0.0.01",
        "256.0.0.1",
        "127.0.0.1 ",
        "1.2.3.4%lo",
        "[::1]",
        "::1::",
        ":::",
        "fe80::1%lo\0",
    ] {
        assert_eq!(endpoint(text), Err(Errno::EINVAL), "{text:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "asks the kernel or the C library")]
fn scopes_are_names_or_indices_and_shown_for_link_local_addresses_alone() {
    let endpoint = |text: &str| SocketAddress::ip(text, 1).map(|address| address.to_endpoint());
    let lo = interface_index("lo").expect("every Linux has a loopback interface");
    assert_eq!(interface_name(lo).as_deref(), Some("lo"));
    assert_eq!(endpoint("fe80::1%lo"), Ok(v6("fe80::1%lo", 1)));
    assert_eq!(endpoint(&format!("fe80::1%{lo}")), Ok(v6("fe80::1%lo", 1)));
    assert_eq!(endpoint("fe80::1%4000000000"), Ok(v6("fe80::1%4000000000", 1)));
    for nobodys in ["no-such-interface", "0", "-1", "4294967296", ""] {
        assert_eq!(SocketAddress::ip(&format!("::1%{nobodys}"), 1), SocketAddress::ip("::1", 1), "{nobodys:?}");
    }
    assert_eq!(endpoint("ff02::1%lo"), Ok(v6("ff02::1", 1)));
    assert_ne!(SocketAddress::ip("ff02::1%lo", 1), SocketAddress::ip("ff02::1", 1));
}

#[test]
fn unix_paths_are_taken_whole_or_not_at_all() {
    let endpoint = |path: &[u8]| SocketAddress::unix(path).map(|address| address.to_endpoint());
    let longest = [b'x'; SocketAddress::UNIX_PATH_MAX];
    for path in [&b"/run/socket"[..], b"relative", b"\xff\xfe", b"\0", b"\0name", b"\0with\0nul", &longest] {
        assert_eq!(endpoint(path), Ok(Endpoint::Unix { path: path.to_vec() }));
    }
    assert_eq!(endpoint(b""), Err(Errno::EINVAL));
    assert_eq!(endpoint(b"a\0b"), Err(Errno::EINVAL));
    assert_eq!(endpoint(&[b'x'; SocketAddress::UNIX_PATH_MAX + 1]), Err(Errno::EINVAL));
    assert_eq!(endpoint(&[0; SocketAddress::UNIX_PATH_MAX + 1]), Err(Errno::EINVAL));
}

#[test]
#[cfg_attr(miri, ignore = "asks the kernel or the C library")]
fn a_path_that_fills_the_structure_comes_back_whole() {
    let directory = std::env::temp_dir().join(format!("address-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut path = directory.join("x").into_os_string().into_encoded_bytes();
    path.resize(SocketAddress::UNIX_PATH_MAX, b'x');
    let bound = through_bind(Domain::Unix, &SocketAddress::unix(&path).unwrap());
    std::fs::remove_dir_all(&directory).unwrap();
    // The kernel counts the terminator that has no room, so the length says 111 where the structure has 110.
    assert_eq!(bound.unwrap().to_endpoint(), Endpoint::Unix { path });
}

#[test]
#[cfg_attr(miri, ignore = "asks the kernel or the C library")]
fn unbound_and_absent_addresses_are_unnamed() {
    let socket = socket::open(Domain::Unix, Type::Stream).unwrap();
    assert_eq!(socket::local_address(socket.as_raw_fd()).unwrap().to_endpoint(), Endpoint::Unnamed);
    let mut absent = SocketAddress::zeroed();
    absent.set_len(0);
    assert!(absent.is_empty());
    assert_eq!((absent.family(), absent.to_endpoint()), (libc::AF_UNSPEC, Endpoint::Unnamed));
    assert_eq!(SocketAddress::zeroed().to_endpoint(), Endpoint::Other);
}

#[test]
#[cfg_attr(miri, ignore = "asks the kernel or the C library")]
fn autobind_gives_a_name_of_its_own() {
    let bound = through_bind(Domain::Unix, &SocketAddress::unix_any()).unwrap().to_endpoint();
    assert!(matches!(&bound, Endpoint::Unix { path } if path.len() == 6 && path[0] == 0), "{bound:?}");
}

#[test]
fn lengths_that_do_not_fit_the_family_are_coped_with() {
    let mut address = SocketAddress::ip("127.0.0.1", 1).unwrap();
    address.set_len(4);
    assert_eq!(address.to_endpoint(), Endpoint::Other);
    address.set_len(1);
    assert_eq!(address.to_endpoint(), Endpoint::Unnamed);
    address.set_len(u32::MAX);
    assert_eq!(address.len(), SocketAddress::CAPACITY);
    // SAFETY: as a kernel might: a length beyond the capacity, behind which nothing may be read.
    unsafe { *address.as_mut_len_ptr() = u32::MAX };
    assert_eq!(address.len(), SocketAddress::CAPACITY);
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel or the C library")]
    fn v4_survives_the_kernel(octets: [u8; 3], port: u16) {
        let text = format!("127.{}.{}.{}", octets[0], octets[1], octets[2]);
        let address = SocketAddress::ip(&text, port).unwrap();
        prop_assert_eq!(address.to_endpoint(), Endpoint::V4 { address: text, port });
        let client = socket::open(Domain::Ipv4, Type::Datagram).unwrap();
        // Loopback's broadcast address and port 0 cannot be connected to; binding those is tried instead.
        if port != 0 && socket::connect_datagram(client.as_raw_fd(), &address).is_ok() {
            prop_assert_eq!(socket::peer_address(client.as_raw_fd()).unwrap(), address);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel or the C library")]
    fn v6_text_is_that_of_the_c_library(
        segments in prop::array::uniform8(prop_oneof![3 => Just(0u16), 1 => 1u16..16, 2 => any::<u16>()]),
        mapped: bool,
        port: u16,
    ) {
        let mut segments = segments;
        if mapped {
            segments[..6].copy_from_slice(&[0, 0, 0, 0, 0, 0xffff]);
        }
        let address = SocketAddress::from_v6(Ipv6Addr::from(segments), port, 0);
        let mut text = [0u8; 64];
        // SAFETY: getnameinfo(3) reads the address by its length and writes at most the length of the buffer.
        let failed = unsafe {
            let (host, size) = (text.as_mut_ptr().cast(), text.len() as socklen_t);
            libc::getnameinfo(address.as_ptr(), address.len(), host, size, ptr::null_mut(), 0, libc::NI_NUMERICHOST)
        };
        prop_assert_eq!(failed, 0);
        let text = CStr::from_bytes_until_nul(&text).unwrap().to_str().unwrap();
        prop_assert_eq!(address.to_endpoint(), v6(text, port));
        prop_assert_eq!(SocketAddress::ip(text, port), Ok(address));
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel or the C library")]
    fn v6_survives_the_kernel(segments in prop::array::uniform6(any::<u16>())) {
        let [a, b, c, d, e, f] = segments;
        let address = SocketAddress::from_v6(Ipv6Addr::new(0x2001, 0xdb8, a, b, c, d, e, f), 0, 0);
        match through_bind(Domain::Ipv6, &address) {
            Ok(bound) => match (bound.to_endpoint(), address.to_endpoint()) {
                (Endpoint::V6 { address: bound, port }, Endpoint::V6 { address, .. }) => {
                    prop_assert_eq!(bound, address);
                    prop_assert_ne!(port, 0);
                }
                other => prop_assert!(false, "{:?}", other),
            },
            // A host without IPv6.
            Err(errno) => prop_assert!(matches!(errno, Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL), "{}", errno),
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel or the C library")]
    fn abstract_names_survive_the_kernel(name in prop::collection::vec(any::<u8>(), 8..SocketAddress::UNIX_PATH_MAX)) {
        let path = [&[0], &name[..]].concat();
        let address = SocketAddress::unix(&path).unwrap();
        let bound = through_bind(Domain::Unix, &address).unwrap();
        prop_assert_eq!(bound, address);
        prop_assert_eq!(bound.to_endpoint(), Endpoint::Unix { path });
    }

    #[test]
    fn raw_bytes_never_do_harm(bytes in prop::collection::vec(any::<u8>(), 128), len in 0u32..200) {
        // SAFETY: the vector has CAPACITY bytes.
        let address = unsafe { SocketAddress::from_raw(bytes.as_ptr(), len) };
        prop_assert!(address.len() <= SocketAddress::CAPACITY);
        let _ = address.to_endpoint();
    }
}
