//! What a socket does besides moving bytes: the system calls that never block and are made synchronously, as core
//! makes them.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::raw::c_int;

use libc::socklen_t;

use crate::address::SocketAddress;
use crate::error::Errno;
use crate::options::{self, SocketOption};

/// The address family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `AF_INET`, ip(7).
    Ipv4,
    /// `AF_INET6`, ipv6(7).
    Ipv6,
    /// `AF_UNIX`, unix(7).
    Unix,
}

/// The kind of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `SOCK_STREAM`: TCP, or a UNIX stream.
    Stream,
    /// `SOCK_DGRAM`: UDP, or UNIX datagrams.
    Datagram,
}

/// What an open descriptor turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its address family.
    pub domain: Domain,
    /// Its kind.
    pub kind: Type,
    /// Whether listen(2) was called on it.
    pub listening: bool,
    /// Whether it has a peer.
    pub connected: bool,
}

/// Opens a socket: close-on-exec, and in blocking mode, which is of no importance here (see [`adopt`]) and what
/// programs expect that get it as their standard input or output.
///
/// # Errors
/// `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`; `EAFNOSUPPORT` where the kernel has no IPv6; `EACCES`/`EPERM`.
#[doc(alias = "socket")]
pub fn open(domain: Domain, kind: Type) -> Result<OwnedFd, Errno> {
    let domain = match domain {
        Domain::Ipv4 => libc::AF_INET,
        Domain::Ipv6 => libc::AF_INET6,
        Domain::Unix => libc::AF_UNIX,
    };
    let kind = match kind {
        Type::Stream => libc::SOCK_STREAM,
        Type::Datagram => libc::SOCK_DGRAM,
    };
    // SAFETY: socket(2) takes integers alone.
    let fd = Errno::check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives the socket its local address.
///
/// # Errors
/// The kernel's, with core's two changes: a UNIX path in a directory that does not exist is `EACCES`, not `ENOENT`,
/// and an address of another family than the socket's is `EINVAL`, not `EAFNOSUPPORT`. Otherwise `EADDRINUSE`,
/// `EADDRNOTAVAIL`, `EACCES` (privileged port, unwritable directory), `EINVAL` (bound already), `ENOTDIR`, `EROFS`, …
pub fn bind(fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
    // SAFETY: the pointer and the length describe one initialised address, which outlives the call.
    let returned = unsafe { libc::bind(fd, address.as_ptr(), address.len()) };
    match Errno::check(returned) {
        Ok(_) => Ok(()),
        Err(Errno::ENOENT) if address.family() == libc::AF_UNIX => Err(Errno::EACCES),
        Err(Errno::EAFNOSUPPORT) => Err(Errno::EINVAL),
        Err(errno) => Err(errno),
    }
}

/// Starts accepting connections, of which `backlog` may wait (at most `net.core.somaxconn`; negative: all of those).
///
/// # Errors
/// `EADDRINUSE` (also: no port left to bind), `EOPNOTSUPP` for datagrams, `EINVAL` for a connected socket or a UNIX
/// one that is not bound.
pub fn listen(fd: RawFd, backlog: i32) -> Result<(), Errno> {
    // SAFETY: listen(2) takes integers alone.
    Errno::check(unsafe { libc::listen(fd, backlog) }).map(drop)
}

/// Ends our side of the conversation; what was sent before still arrives. Of no effect where it has ended already.
///
/// # Errors
/// `ENOTCONN`.
#[doc(alias = "shutdown")]
pub(crate) fn shutdown_write(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: shutdown(2) takes integers alone.
    Errno::check(unsafe { libc::shutdown(fd, libc::SHUT_WR) }).map(drop)
}

/// The socket's own address; a port of 0 for one that is not bound.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`, `ENOBUFS`.
#[doc(alias = "getsockname")]
pub fn local_address(fd: RawFd) -> Result<SocketAddress, Errno> {
    read_address(fd, libc::getsockname)
}

/// The peer's address.
///
/// # Errors
/// `ENOTCONN` before connecting and after the connection was reset; `EBADF`, `ENOTSOCK`, `ENOBUFS`.
#[doc(alias = "getpeername")]
pub fn peer_address(fd: RawFd) -> Result<SocketAddress, Errno> {
    read_address(fd, libc::getpeername)
}

/// Who the process at the other end of a UNIX stream is: as it was when it connected, or when it listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process; 0 where it is in a namespace that cannot be seen from here.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

/// Who the peer is (unix(7)).
///
/// # Errors
/// `EOPNOTSUPP` for what is no UNIX socket, `ENOTCONN` before connecting; `EBADF`, `ENOTSOCK`.
#[doc(alias = "SO_PEERCRED")]
pub fn peer_credentials(fd: RawFd) -> Result<Credentials, Errno> {
    if describe(fd)?.domain != Domain::Unix {
        return Err(Errno(libc::EOPNOTSUPP));
    }
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = socklen_t::try_from(size_of::<libc::ucred>()).expect("small");
    // SAFETY: at most `length` bytes are written into a local of that size.
    Errno::check(unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut found).cast(), &raw mut length)
    })?;
    // What the kernel says where there is no peer.
    if found.uid == u32::MAX {
        return Err(Errno(libc::ENOTCONN));
    }
    Ok(Credentials { pid: found.pid, uid: found.uid, gid: found.gid })
}

/// Connects a UNIX socket without waiting, or not at all.
///
/// UNIX sockets connect in one step, so there is nothing to wait for but room in the listener's backlog, and core
/// does not wait for that. Through io_uring such a connect would occupy a kernel worker thread instead.
///
/// # Errors
/// `EAGAIN` where the listener's backlog is full, `ECONNREFUSED` where nobody listens, `ENOENT`, `EACCES`,
/// `EPROTOTYPE` (the peer is of another type), `EISCONN`, `ENOTSOCK`.
pub(crate) fn connect_unix_nowait(fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
    let _guard = NonBlocking::new(fd)?;
    connect(fd, address)
}

/// Connects a datagram socket, which only remembers the address and so never waits.
///
/// # Errors
/// `ENETUNREACH`, `EAFNOSUPPORT`, `EINVAL`, `EACCES` (a broadcast address without
/// [`Broadcast`](SocketOption::Broadcast)); for UNIX those of [`connect_unix_nowait`].
pub fn connect_datagram(fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
    connect(fd, address)
}

/// Makes closing discard what is unsent and reset the connection (RST) instead of ending it.
#[doc(alias = "SO_LINGER")]
pub fn set_reset_on_close(fd: RawFd) -> Result<(), Errno> {
    options::set(fd, SocketOption::Linger, 0)
}

/// Which family and type of socket an open descriptor is.
///
/// # Errors
/// `EBADF` where it is not open, `ENOTSOCK` where it is not a socket, `EAFNOSUPPORT` and `ESOCKTNOSUPPORT` where it
/// is one of a family or type that this crate does not speak.
pub(crate) fn classify(fd: RawFd) -> Result<(Domain, Type), Errno> {
    let domain = match options::family(fd)? {
        libc::AF_INET => Domain::Ipv4,
        libc::AF_INET6 => Domain::Ipv6,
        libc::AF_UNIX => Domain::Unix,
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    let kind = match options::get_raw::<c_int>(fd, (libc::SOL_SOCKET, libc::SO_TYPE))? {
        libc::SOCK_STREAM => Type::Stream,
        libc::SOCK_DGRAM => Type::Datagram,
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok((domain, kind))
}

/// Finds out what an open descriptor is, without changing it.
///
/// # Errors
/// Those of [`classify`].
pub fn describe(fd: RawFd) -> Result<Description, Errno> {
    let (domain, kind) = classify(fd)?;
    let listening = options::get_raw::<c_int>(fd, (libc::SOL_SOCKET, libc::SO_ACCEPTCONN))? != 0;
    let connected = match peer_address(fd) {
        Ok(_) => true,
        // A UNIX listener and a shut-down connection answer EINVAL in some kernels; neither has a peer.
        Err(Errno::ENOTCONN | Errno::EINVAL) => false,
        Err(errno) => return Err(errno),
    };
    Ok(Description { domain, kind, listening, connected })
}

/// Takes over a socket that somebody else opened, and makes it close-on-exec.
///
/// `O_NONBLOCK` stays as it is. It belongs to the open socket, so that other processes that have it too, as those of a
/// cluster do, would lose or get it as well; and it may come and go at any time by what they do. The ring does not
/// mind: of its requests only `MSG_*` flags say whether they wait.
///
/// # Errors
/// `EBADF`; the descriptor is then still the caller's.
///
/// # Safety
/// `fd` must be the caller's to give away: from success on, the result closes it.
pub unsafe fn adopt(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: FIOCLEX takes no argument and writes no memory.
    Errno::check(unsafe { libc::ioctl(fd, libc::FIOCLEX) })?;
    // SAFETY: the descriptor is open, as that has shown, and the caller gives it away.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A second descriptor of the same open socket, close-on-exec.
///
/// # Errors
/// `EMFILE`, `EBADF`.
#[doc(alias = "dup")]
pub fn duplicate(fd: &impl AsRawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: this fcntl(2) takes integers alone.
    let copy = Errno::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

pub(crate) fn connect(fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
    loop {
        // SAFETY: the pointer and the length describe one initialised address, which outlives the call.
        match Errno::check(unsafe { libc::connect(fd, address.as_ptr(), address.len()) }) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// `O_NONBLOCK` for a system call that must not wait. Where it was set already it stays so: it may be there for others,
/// who have the same open socket.
pub struct NonBlocking {
    fd: RawFd,
    was_blocking: bool,
}

impl NonBlocking {
    /// The descriptor must stay open for as long as this lives.
    ///
    /// # Errors
    /// `EBADF`; of what is open there, if it has no such mode.
    pub fn new(fd: RawFd) -> Result<Self, Errno> {
        // SAFETY: this fcntl(2) takes integers alone.
        let flags = Errno::check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
        let was_blocking = flags & libc::O_NONBLOCK == 0;
        if was_blocking {
            set_nonblocking(fd, true)?;
        }
        Ok(Self { fd, was_blocking })
    }
}

impl Drop for NonBlocking {
    fn drop(&mut self) {
        if self.was_blocking {
            // It could be set, so it can be cleared.
            let _ = set_nonblocking(self.fd, false);
        }
    }
}

pub(crate) fn set_nonblocking(fd: RawFd, nonblocking: bool) -> Result<(), Errno> {
    let flag = c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int, which outlives the call.
    Errno::check(unsafe { libc::ioctl(fd, libc::FIONBIO, &raw const flag) }).map(drop)
}

/// getsockname(2) and getpeername(2) have the same shape.
fn read_address(
    fd: RawFd,
    call: unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut socklen_t) -> c_int,
) -> Result<SocketAddress, Errno> {
    let mut address = SocketAddress::zeroed();
    // SAFETY: the address is as long as its length says, and nothing else refers to it.
    Errno::check(unsafe { call(fd, address.as_mut_ptr(), address.as_mut_len_ptr()) })?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::address::Endpoint;

    fn unique(name: &str) -> SocketAddress {
        SocketAddress::unix(format!("\0{name}-{}", std::process::id()).as_bytes()).unwrap()
    }

    fn status(fd: RawFd) -> (bool, bool) {
        // SAFETY: these fcntl(2) take integers alone.
        let (descriptor, file) = unsafe { (libc::fcntl(fd, libc::F_GETFD), libc::fcntl(fd, libc::F_GETFL)) };
        (descriptor & libc::FD_CLOEXEC != 0, file & libc::O_NONBLOCK != 0)
    }

    #[test]
    fn sockets_open_in_blocking_mode_and_close_on_exec() {
        for domain in [Domain::Ipv4, Domain::Ipv6, Domain::Unix] {
            for kind in [Type::Stream, Type::Datagram] {
                let socket = match open(domain, kind) {
                    Err(Errno::EAFNOSUPPORT) if domain == Domain::Ipv6 => continue,
                    socket => socket.unwrap(),
                };
                assert_eq!(status(socket.as_raw_fd()), (true, false));
                let expected = Description { domain, kind, listening: false, connected: false };
                assert_eq!(describe(socket.as_raw_fd()), Ok(expected));
            }
        }
    }

    #[test]
    fn a_used_port_cannot_be_bound() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = open(Domain::Ipv4, Type::Stream).unwrap();
        let address = local_address(taken.as_raw_fd()).unwrap();
        assert_eq!(bind(socket.as_raw_fd(), &address), Err(Errno::EADDRINUSE));
        // With SO_REUSEADDR, which core sets, binding succeeds and listening does not.
        options::set(socket.as_raw_fd(), SocketOption::ReuseAddress, 1).unwrap();
        let bound = bind(socket.as_raw_fd(), &address);
        assert_eq!(bound.and_then(|()| listen(socket.as_raw_fd(), 511)), Err(Errno::EADDRINUSE));
    }

    #[test]
    fn bind_errors_are_those_of_core() {
        let socket = open(Domain::Ipv4, Type::Stream).unwrap();
        let bind_ip = |text| bind(socket.as_raw_fd(), &SocketAddress::ip(text, 0).unwrap());
        assert_eq!(bind_ip("192.0.2.1"), Err(Errno::EADDRNOTAVAIL));
        assert_eq!(bind_ip("::1"), Err(Errno::EINVAL));
        assert_eq!(bind_ip("127.0.0.1"), Ok(()));
        assert_eq!(bind_ip("127.0.0.1"), Err(Errno::EINVAL));

        let socket = open(Domain::Unix, Type::Stream).unwrap();
        let bind_path = |path: &str| bind(socket.as_raw_fd(), &SocketAddress::unix(path.as_bytes()).unwrap());
        assert_eq!(bind_path("/no/such/directory/socket"), Err(Errno::EACCES));
        assert_eq!(bind_path("/dev/null/socket"), Err(Errno::ENOTDIR));
        assert_eq!(bind_path("/dev/null"), Err(Errno::EADDRINUSE));
    }

    #[test]
    fn listen_errors_are_the_kernels() {
        let datagram = open(Domain::Ipv4, Type::Datagram).unwrap();
        assert_eq!(listen(datagram.as_raw_fd(), 1), Err(Errno::EOPNOTSUPP));
        let unbound = open(Domain::Unix, Type::Stream).unwrap();
        assert_eq!(listen(unbound.as_raw_fd(), 1), Err(Errno::EINVAL));
        assert_eq!(listen(-1, 1), Err(Errno::EBADF));
    }

    #[test]
    fn listening_and_connected_sockets_are_described_as_such() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let expected = Description { domain: Domain::Ipv4, kind: Type::Stream, listening: true, connected: false };
        assert_eq!(describe(listener.as_raw_fd()), Ok(expected));

        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let expected = Description { listening: false, connected: true, ..expected };
        assert_eq!(describe(client.as_raw_fd()), Ok(expected));
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint::V4 { address: "127.0.0.1".into(), port };
        assert_eq!(peer_address(client.as_raw_fd()).unwrap().to_endpoint(), endpoint);
        assert_eq!(peer_address(listener.as_raw_fd()), Err(Errno::ENOTCONN));
    }

    #[test]
    fn what_is_no_socket_of_ours_is_refused_by_name() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(describe(file.as_raw_fd()), Err(Errno::ENOTSOCK));
        assert_eq!(describe(-1), Err(Errno::EBADF));
        let open_raw = |domain, kind| {
            // SAFETY: socket(2) takes integers alone, and what it gives is nobody else's.
            unsafe { OwnedFd::from_raw_fd(libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0)) }
        };
        let netlink = open_raw(libc::AF_NETLINK, libc::SOCK_DGRAM);
        assert_eq!(describe(netlink.as_raw_fd()), Err(Errno::EAFNOSUPPORT));
        let packets = open_raw(libc::AF_UNIX, libc::SOCK_SEQPACKET);
        assert_eq!(describe(packets.as_raw_fd()), Err(Errno::ESOCKTNOSUPPORT));
    }

    #[test]
    fn adopting_leaves_the_mode_to_whoever_else_has_the_socket() {
        for mode in [0, libc::SOCK_NONBLOCK] {
            // SAFETY: socket(2) takes integers alone.
            let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | mode, 0) };
            assert_eq!(status(fd), (false, mode != 0));
            // SAFETY: the descriptor was opened above, for this.
            let socket = unsafe { adopt(fd) }.unwrap();
            assert_eq!(socket.as_raw_fd(), fd);
            assert_eq!(status(fd), (true, mode != 0));
            assert_eq!(connect_unix_nowait(fd, &unique("nobody")), Err(Errno::ECONNREFUSED));
            assert_eq!(status(fd), (true, mode != 0), "as before, whatever came of it");
        }
    }

    #[test]
    fn unix_connects_now_or_says_why_not() {
        let listener = open(Domain::Unix, Type::Stream).unwrap();
        let address = unique("connect");
        let connect_one = || {
            let client = open(Domain::Unix, Type::Stream)?;
            let connected = connect_unix_nowait(client.as_raw_fd(), &address);
            assert_eq!(status(client.as_raw_fd()), (true, false), "blocking again, whatever came of it");
            connected.map(|()| client)
        };
        assert_eq!(connect_one().err(), Some(Errno::ECONNREFUSED));
        bind(listener.as_raw_fd(), &address).unwrap();
        assert_eq!(connect_one().err(), Some(Errno::ECONNREFUSED));
        listen(listener.as_raw_fd(), 0).unwrap();
        let client = connect_one().unwrap();
        assert_eq!(connect_one().err(), Some(Errno::EAGAIN), "a backlog of 0 is one connection");
        drop(client);

        let nowhere = SocketAddress::unix(b"/no/such/socket").unwrap();
        let client = open(Domain::Unix, Type::Stream).unwrap();
        assert_eq!(connect_unix_nowait(client.as_raw_fd(), &nowhere), Err(Errno::ENOENT));
    }

    #[test]
    fn shutdown_ends_one_direction() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let unconnected = open(Domain::Ipv4, Type::Stream).unwrap();
        assert_eq!(shutdown_write(unconnected.as_raw_fd()), Err(Errno::ENOTCONN));
        shutdown_write(client.as_raw_fd()).unwrap();
        shutdown_write(client.as_raw_fd()).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        assert!(describe(client.as_raw_fd()).unwrap().connected);
    }

    #[test]
    fn reset_on_close_reaches_the_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        set_reset_on_close(client.as_raw_fd()).unwrap();
        drop(client);
        assert_eq!(server.read(&mut [0]).map_err(Errno::from), Err(Errno::ECONNRESET));
        assert_eq!(peer_address(server.as_raw_fd()), Err(Errno::ENOTCONN));
    }

    #[test]
    fn datagram_sockets_connect_without_waiting() {
        let socket = open(Domain::Ipv4, Type::Datagram).unwrap();
        // The loopback interface's: there may be no route to others.
        let broadcast = SocketAddress::ip("127.255.255.255", 9).unwrap();
        assert_eq!(connect_datagram(socket.as_raw_fd(), &broadcast), Err(Errno::EACCES));
        let peer = SocketAddress::ip("127.0.0.1", 9).unwrap();
        connect_datagram(socket.as_raw_fd(), &peer).unwrap();
        assert_eq!(peer_address(socket.as_raw_fd()), Ok(peer));
    }

    #[test]
    fn a_duplicate_is_another_descriptor_of_the_same_socket() {
        let socket = open(Domain::Ipv4, Type::Stream).unwrap();
        let copy = duplicate(&socket).unwrap();
        assert_ne!(socket.as_raw_fd(), copy.as_raw_fd());
        assert!(status(copy.as_raw_fd()).0);
        options::set(socket.as_raw_fd(), SocketOption::NoDelay, 1).unwrap();
        assert_eq!(options::get(copy.as_raw_fd(), SocketOption::NoDelay), Ok(1));
    }
}
