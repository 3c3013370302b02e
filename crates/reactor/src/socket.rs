//! What a socket does besides moving bytes: the system calls that never block and are made synchronously, as core
//! makes them.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::raw::{c_int, c_ulong};

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

/// Opens a socket: close-on-exec, and in blocking mode.
///
/// Blocking mode is what io_uring wants: on a socket with `O_NONBLOCK` it answers `EAGAIN` where otherwise it would
/// wait for the socket and complete later.
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
pub fn shutdown_write(fd: RawFd) -> Result<(), Errno> {
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

/// Connects a UNIX socket now or not at all.
///
/// UNIX sockets connect in one step, so there is nothing to wait for but room in the listener's backlog, and core
/// does not wait for that. Through io_uring such a connect would occupy a kernel worker thread instead.
/// The descriptor's file status is changed meanwhile: do not share it.
///
/// # Errors
/// `EAGAIN` where the listener's backlog is full, `ECONNREFUSED` where nobody listens, `ENOENT`, `EACCES`,
/// `EPROTOTYPE` (the peer is of another type), `EISCONN`, `ENOTSOCK`.
pub fn connect_unix_now(fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
    set_nonblocking(fd, true)?;
    let connected = connect(fd, address);
    set_nonblocking(fd, false)?;
    connected
}

/// Connects a datagram socket, which only remembers the address and so never waits.
///
/// # Errors
/// `ENETUNREACH`, `EAFNOSUPPORT`, `EINVAL`, `EACCES` (a broadcast address without
/// [`Broadcast`](SocketOption::Broadcast)); for UNIX those of [`connect_unix_now`].
pub fn connect_datagram(fd: RawFd, address: &SocketAddress) -> Result<(), Errno> {
    connect(fd, address)
}

/// Makes closing discard what is unsent and reset the connection (RST) instead of ending it.
#[doc(alias = "SO_LINGER")]
pub fn set_reset_on_close(fd: RawFd) -> Result<(), Errno> {
    options::set(fd, SocketOption::Linger, 0)
}

/// Finds out what an open descriptor is, without changing it.
///
/// # Errors
/// `EBADF` where it is not open, `ENOTSOCK` where it is not a socket, `EAFNOSUPPORT` and `ESOCKTNOSUPPORT` where it
/// is one of a family or type that this crate does not speak.
pub fn describe(fd: RawFd) -> Result<Description, Errno> {
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
    let listening = options::get_raw::<c_int>(fd, (libc::SOL_SOCKET, libc::SO_ACCEPTCONN))? != 0;
    let connected = match peer_address(fd) {
        Ok(_) => true,
        // A UNIX listener and a shut-down connection answer EINVAL in some kernels; neither has a peer.
        Err(Errno::ENOTCONN | Errno::EINVAL) => false,
        Err(errno) => return Err(errno),
    };
    Ok(Description {
        domain,
        kind,
        listening,
        connected,
    })
}

/// Takes over a socket that somebody else opened: describes it, makes it close-on-exec, and clears `O_NONBLOCK`
/// (see [`open`]), which also clears it for whoever else has the same open socket.
///
/// # Errors
/// Those of [`describe`]; the descriptor is then still the caller's, and unchanged.
///
/// # Safety
/// `fd` must be the caller's to give away: from success on, the result closes it.
pub unsafe fn adopt(fd: RawFd) -> Result<(OwnedFd, Description), Errno> {
    let description = describe(fd)?;
    set_nonblocking(fd, false)?;
    // SAFETY: FIOCLEX takes no argument and writes no memory.
    Errno::check(unsafe { libc::ioctl(fd, libc::FIOCLEX) })?;
    // SAFETY: the descriptor is open, as describe() has shown, and the caller gives it away.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, description))
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

pub(crate) fn set_nonblocking(fd: RawFd, nonblocking: bool) -> Result<(), Errno> {
    let flag = c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int, which outlives the call.
    Errno::check(unsafe { libc::ioctl(fd, libc::FIONBIO as c_ulong as _, &raw const flag) }).map(drop)
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
