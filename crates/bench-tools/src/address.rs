//! Addresses of servers: `host:port`, `[v6]:port`, `udp:host:port` or `unix:/path`.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::str::FromStr;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// UDP over IPv4 or IPv6.
    Udp(SocketAddr),
    /// A UNIX stream socket at a path.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let (kind, name): (fn(SocketAddr) -> Self, _) = match text.strip_prefix("udp:") {
            Some(name) => (Self::Udp, name),
            None => (Self::Tcp, text),
        };
        let mut found = name.to_socket_addrs()?;
        found.next().map(kind).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such address"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(to, "{address}"),
            Self::Udp(address) => write!(to, "udp:{address}"),
            Self::Unix(path) => write!(to, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// The address as the kernel takes it.
    pub(crate) fn to_kernel(&self) -> io::Result<SockAddr> {
        match self {
            Self::Tcp(address) | Self::Udp(address) => Ok((*address).into()),
            Self::Unix(path) => SockAddr::unix(path),
        }
    }

    /// A new blocking socket of the right family and type, without delay where that is known.
    pub(crate) fn socket(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                socket.set_tcp_nodelay(true)?;
                Ok(socket)
            }
            Self::Udp(address) => Socket::new(Domain::for_address(*address), Type::DGRAM, None),
            Self::Unix(_) => Socket::new(Domain::UNIX, Type::STREAM, None),
        }
    }

    /// Whether it is one of datagrams.
    pub(crate) fn is_udp(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// A blocking socket connected to the address.
    pub(crate) fn connect(&self) -> io::Result<Socket> {
        let socket = self.socket()?;
        socket.connect(&self.to_kernel()?)?;
        Ok(socket)
    }

    /// Gives a socket that is about to connect the `index`-th of the source addresses 127.0.0.2, 127.0.0.3, … so that
    /// each of them has the full range of ephemeral ports. Does nothing for destinations outside 127.0.0.0/8.
    pub(crate) fn spread_source(&self, socket: &Socket, index: usize) -> io::Result<()> {
        const SOURCES: usize = 64;
        let Self::Tcp(SocketAddr::V4(to)) = self else { return Ok(()) };
        if !to.ip().is_loopback() {
            return Ok(());
        }
        // The port is chosen in connect(2), when the destination is known: a port may then serve many destinations.
        const NO_PORT: libc::c_int = libc::IP_BIND_ADDRESS_NO_PORT;
        set_option(socket, libc::IPPROTO_IP, NO_PORT, 1)?;
        let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(index % SOURCES).unwrap_or(0));
        socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())
    }

    /// A listening socket (a bound one for UDP), and the address it got (port 0 becomes the one chosen).
    pub(crate) fn listen(&self) -> io::Result<(Socket, Address)> {
        const BACKLOG: i32 = 4096;
        let socket = match self {
            Self::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                socket.set_reuse_address(true)?;
                socket
            }
            Self::Udp(_) | Self::Unix(_) => self.socket()?,
        };
        socket.bind(&self.to_kernel()?)?;
        if !matches!(self, Self::Udp(_)) {
            socket.listen(BACKLOG)?;
        }
        let got = match self {
            Self::Tcp(_) => socket.local_addr()?.as_socket().map_or_else(|| self.clone(), Self::Tcp),
            Self::Udp(_) => socket.local_addr()?.as_socket().map_or_else(|| self.clone(), Self::Udp),
            Self::Unix(_) => self.clone(),
        };
        Ok((socket, got))
    }
}

/// Switches Nagle's algorithm off on a descriptor that may as well be a UNIX socket.
pub(crate) fn set_no_delay(fd: &impl std::os::fd::AsFd) {
    // Refused on UNIX sockets, which have no delay to begin with.
    let _ = SockRef::from(fd).set_tcp_nodelay(true);
}

/// Sets a socket option that takes an int: `setsockopt(2)`.
pub(crate) fn set_option(socket: &Socket, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the option takes an int, whose address and size are given.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for text in ["127.0.0.1:80", "[::1]:8080", "udp:127.0.0.1:53", "unix:/tmp/a b"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!("127.0.0.1".parse::<Address>().is_err());
    }
}
