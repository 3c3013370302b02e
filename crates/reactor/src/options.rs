//! Socket options: one number each for JavaScript, and the kernel's level, name and type behind it.

use std::mem;
use std::os::fd::RawFd;
use std::os::raw::c_int;

use libc::socklen_t;

use crate::error::Errno;

/// Defines the options with their protocol numbers, the list of all, and the way back from a number.
macro_rules! socket_options {
    ($(#[$attribute:meta])* pub enum $enum:ident { $($(#[$documentation:meta])* $name:ident = $number:literal,)* }) => {
        $(#[$attribute])*
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $enum { $($(#[$documentation])* $name = $number,)* }

        impl $enum {
            /// Every option, in the order of their numbers.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];
        }

        impl TryFrom<u32> for $enum {
            type Error = Errno;

            /// # Errors
            /// `ENOPROTOOPT` for a number that is no option's.
            fn try_from(number: u32) -> Result<Self, Errno> {
                match number {
                    $($number => Ok(Self::$name),)*
                    _ => Err(Errno::ENOPROTOOPT),
                }
            }
        }
    };
}

socket_options! {
    /// A socket option whose value is one integer.
    ///
    /// The numbers are part of the protocol with TypeScript and never change their meaning. Where an option exists
    /// for both IP versions, the socket's own family decides which is meant; on an IPv6 socket that also carries
    /// IPv4 (as mapped addresses), [`set`] sets both, so that it never acts on half of the traffic.
    ///
    /// A *switch* is off at 0 and on at any other value, and reads as 0 or 1.
    pub enum SocketOption {
        /// Bind although connections in TIME_WAIT hold the port; for datagrams: share it. A switch, off. socket(7).
        #[doc(alias = "SO_REUSEADDR")]
        ReuseAddress = 0,
        /// Several sockets of one user bind the same port and share its load. A switch, off. socket(7).
        #[doc(alias = "SO_REUSEPORT")]
        ReusePort = 1,
        /// An IPv6 socket refuses IPv4. A switch, off unless `net.ipv6.bindv6only` says otherwise; before bind only.
        /// ipv6(7).
        #[doc(alias = "IPV6_V6ONLY")]
        Ipv6Only = 2,
        /// Send small segments at once (no Nagle algorithm). A switch, off. tcp(7).
        #[doc(alias = "TCP_NODELAY")]
        NoDelay = 3,
        /// Probe idle connections. A switch, off. socket(7).
        #[doc(alias = "SO_KEEPALIVE")]
        KeepAlive = 4,
        /// Idle time before the first keep-alive probe. Seconds, 1 to 32767; 7200. tcp(7).
        #[doc(alias = "TCP_KEEPIDLE")]
        KeepIdle = 5,
        /// Time between keep-alive probes. Seconds, 1 to 32767; 75. tcp(7).
        #[doc(alias = "TCP_KEEPINTVL")]
        KeepInterval = 6,
        /// Unanswered keep-alive probes before the connection is dropped. 1 to 127; 9. tcp(7).
        #[doc(alias = "TCP_KEEPCNT")]
        KeepCount = 7,
        /// How long close waits for unsent data. -1: not at all, the kernel sends it behind our back (the default);
        /// 0: discard it and reset the connection; otherwise seconds. socket(7).
        #[doc(alias = "SO_LINGER")]
        Linger = 8,
        /// Receive buffer in bytes; from `net.core.rmem_default`, at most `net.core.rmem_max`. The kernel doubles
        /// what is set, for its own bookkeeping, and reads back the doubled value. socket(7).
        #[doc(alias = "SO_RCVBUF")]
        RecvBuffer = 9,
        /// Send buffer in bytes, doubled likewise; from `net.core.wmem_default`, at most `net.core.wmem_max`.
        /// socket(7).
        #[doc(alias = "SO_SNDBUF")]
        SendBuffer = 10,
        /// May send to broadcast addresses. A switch, off. socket(7).
        #[doc(alias = "SO_BROADCAST")]
        Broadcast = 11,
        /// The byte that carries DSCP (upper six bits) and, for datagrams, ECN (lower two; TCP keeps its own there).
        /// 0 to 255; 0. ip(7), ipv6(7).
        #[doc(alias = "IP_TOS")]
        #[doc(alias = "IPV6_TCLASS")]
        TypeOfService = 12,
        /// Hops that what is sent may take. 1 to 255, or -1 for the system's default, usually 64. ip(7), ipv6(7).
        #[doc(alias = "IP_TTL")]
        #[doc(alias = "IPV6_UNICAST_HOPS")]
        UnicastHops = 13,
        /// Hops that multicast datagrams may take. 0 to 255, or -1 for the default, 1. ip(7), ipv6(7).
        #[doc(alias = "IP_MULTICAST_TTL")]
        #[doc(alias = "IPV6_MULTICAST_HOPS")]
        MulticastHops = 14,
        /// Multicast datagrams that this host sends come back to its own members. A switch, on. ip(7), ipv6(7).
        #[doc(alias = "IP_MULTICAST_LOOP")]
        #[doc(alias = "IPV6_MULTICAST_LOOP")]
        MulticastLoop = 15,
        /// The interface that multicast datagrams leave by. Its index; 0: as routed. ip(7), ipv6(7). IPv4 sockets do
        /// not tell: reading gives `ENOPROTOOPT`.
        #[doc(alias = "IP_MULTICAST_IF")]
        #[doc(alias = "IPV6_MULTICAST_IF")]
        MulticastInterface = 16,
        /// Also receive from groups that another socket of this host joined. A switch, on. ip(7).
        #[doc(alias = "IP_MULTICAST_ALL")]
        #[doc(alias = "IPV6_MULTICAST_ALL")]
        MulticastAll = 17,
        /// The socket's pending error as a positive number, 0 if there is none; reading clears it. Read-only.
        /// socket(7).
        #[doc(alias = "SO_ERROR")]
        Error = 18,
        /// Datagrams come with the address and interface they were sent to. A switch, off. ip(7), ipv6(7).
        #[doc(alias = "IP_PKTINFO")]
        #[doc(alias = "IPV6_RECVPKTINFO")]
        PacketInfo = 19,
        /// Datagrams come with their type-of-service byte, and so with ECN. A switch, off. ip(7), ipv6(7).
        #[doc(alias = "IP_RECVTOS")]
        #[doc(alias = "IPV6_RECVTCLASS")]
        RecvTypeOfService = 20,
        /// Datagrams come with the time of their arrival in nanoseconds. A switch, off. socket(7).
        #[doc(alias = "SO_TIMESTAMPNS")]
        Timestamp = 21,
        /// Datagrams come with the number of those dropped so far because the receive buffer was full. A switch, off.
        /// socket(7).
        #[doc(alias = "SO_RXQ_OVFL")]
        DropCounter = 22,
        /// What is sent in one call leaves as datagrams of this many bytes. 0 to 65535; 0: as one. udp(7).
        #[doc(alias = "UDP_SEGMENT")]
        #[doc(alias = "GSO")]
        UdpSegment = 23,
        /// Datagrams of one flow may be delivered as one buffer, with their size beside it. A switch, off. udp(7).
        #[doc(alias = "UDP_GRO")]
        #[doc(alias = "GRO")]
        UdpGro = 24,
        /// The CPU that handled the socket's last packet; setting it steers among sockets that share a port. socket(7).
        #[doc(alias = "SO_INCOMING_CPU")]
        IncomingCpu = 25,
        /// How long a receive may poll the network device when nothing is queued. Microseconds; `net.core.busy_read`.
        /// Raising it takes `CAP_NET_ADMIN`. socket(7).
        #[doc(alias = "SO_BUSY_POLL")]
        BusyPoll = 26,
        /// Priority in the network device's queues. 0 to 6; 0. Above 6 takes `CAP_NET_ADMIN`. socket(7).
        #[doc(alias = "SO_PRIORITY")]
        Priority = 27,
        /// Bind to addresses that this host does not have yet. A switch, off. ip(7).
        #[doc(alias = "IP_FREEBIND")]
        #[doc(alias = "IPV6_FREEBIND")]
        FreeBind = 28,
        /// Acknowledge at once instead of with delay. A switch that the kernel may turn off again. tcp(7).
        #[doc(alias = "TCP_QUICKACK")]
        QuickAck = 29,
        /// Hold partial segments back, at most 200 ms. A switch, off. tcp(7).
        #[doc(alias = "TCP_CORK")]
        Cork = 30,
        /// A listener wakes when data arrives, not when the handshake is done; seconds to wait, rounded up to whole
        /// retransmissions. 0: off. tcp(7).
        #[doc(alias = "TCP_DEFER_ACCEPT")]
        DeferAccept = 31,
        /// On a listener: connections with data in their SYN that may be pending. 0: none. tcp(7).
        #[doc(alias = "TCP_FASTOPEN")]
        FastOpen = 32,
        /// On a client: send the first data with the SYN. A switch, off. tcp(7).
        #[doc(alias = "TCP_FASTOPEN_CONNECT")]
        FastOpenConnect = 33,
        /// Largest segment in bytes; set before connecting. 88 to 32767, 0 for the kernel's choice. tcp(7).
        #[doc(alias = "TCP_MAXSEG")]
        MaxSegment = 34,
        /// Attempts at a handshake before giving up. 1 to 127; `net.ipv4.tcp_syn_retries`. tcp(7).
        #[doc(alias = "TCP_SYNCNT")]
        SynRetries = 35,
        /// How long sent data may stay unacknowledged before the connection is dropped. Milliseconds; 0: the system's
        /// default. tcp(7).
        #[doc(alias = "TCP_USER_TIMEOUT")]
        UserTimeout = 36,
        /// Unsent bytes above which the socket does not report itself writable. 0 to 2³¹−1;
        /// `net.ipv4.tcp_notsent_lowat`, which reads as -1 where it is unlimited. tcp(7).
        #[doc(alias = "TCP_NOTSENT_LOWAT")]
        UnsentLowWater = 37,
        /// Bytes that make the socket readable. At least 1; 1. socket(7).
        #[doc(alias = "SO_RCVLOWAT")]
        RecvLowWater = 38,
        /// UNIX sockets: messages come with the sender's process, user and group. A switch, off. unix(7).
        #[doc(alias = "SO_PASSCRED")]
        PassCredentials = 39,
        /// A number that routing and the packet filter tell packets by. 0: none. Takes `CAP_NET_ADMIN` or, of Linux
        /// 5.17 on, `CAP_NET_RAW`. socket(7).
        #[doc(alias = "SO_MARK")]
        Mark = 40,
        /// Only what comes in by this network interface, and out by it. Its index; 0: any.
        #[doc(alias = "SO_BINDTOIFINDEX")]
        #[doc(alias = "SO_BINDTODEVICE")]
        BindToInterface = 41,
    }
}

/// Where the kernel keeps an option: the level and name of setsockopt(2).
type Place = (c_int, c_int);

/// An option's place, or its two places where each IP version has its own.
enum Places {
    One(Place),
    ByFamily { v4: Place, v6: Place },
}

impl SocketOption {
    fn places(self) -> Places {
        use Places::{ByFamily, One};
        use libc::{IPPROTO_IP as V4, IPPROTO_IPV6 as V6, SOL_SOCKET as SOCKET, SOL_TCP as TCP, SOL_UDP as UDP};

        match self {
            Self::ReuseAddress => One((SOCKET, libc::SO_REUSEADDR)),
            Self::ReusePort => One((SOCKET, libc::SO_REUSEPORT)),
            Self::Ipv6Only => One((V6, libc::IPV6_V6ONLY)),
            Self::NoDelay => One((TCP, libc::TCP_NODELAY)),
            Self::KeepAlive => One((SOCKET, libc::SO_KEEPALIVE)),
            Self::KeepIdle => One((TCP, libc::TCP_KEEPIDLE)),
            Self::KeepInterval => One((TCP, libc::TCP_KEEPINTVL)),
            Self::KeepCount => One((TCP, libc::TCP_KEEPCNT)),
            Self::Linger => One((SOCKET, libc::SO_LINGER)),
            Self::RecvBuffer => One((SOCKET, libc::SO_RCVBUF)),
            Self::SendBuffer => One((SOCKET, libc::SO_SNDBUF)),
            Self::Broadcast => One((SOCKET, libc::SO_BROADCAST)),
            Self::TypeOfService => ByFamily { v4: (V4, libc::IP_TOS), v6: (V6, libc::IPV6_TCLASS) },
            Self::UnicastHops => ByFamily { v4: (V4, libc::IP_TTL), v6: (V6, libc::IPV6_UNICAST_HOPS) },
            Self::MulticastHops => ByFamily { v4: (V4, libc::IP_MULTICAST_TTL), v6: (V6, libc::IPV6_MULTICAST_HOPS) },
            Self::MulticastLoop => ByFamily { v4: (V4, libc::IP_MULTICAST_LOOP), v6: (V6, libc::IPV6_MULTICAST_LOOP) },
            Self::MulticastInterface => ByFamily { v4: (V4, libc::IP_MULTICAST_IF), v6: (V6, libc::IPV6_MULTICAST_IF) },
            Self::MulticastAll => ByFamily { v4: (V4, libc::IP_MULTICAST_ALL), v6: (V6, libc::IPV6_MULTICAST_ALL) },
            Self::Error => One((SOCKET, libc::SO_ERROR)),
            Self::PacketInfo => ByFamily { v4: (V4, libc::IP_PKTINFO), v6: (V6, libc::IPV6_RECVPKTINFO) },
            Self::RecvTypeOfService => ByFamily { v4: (V4, libc::IP_RECVTOS), v6: (V6, libc::IPV6_RECVTCLASS) },
            Self::Timestamp => One((SOCKET, libc::SO_TIMESTAMPNS)),
            Self::DropCounter => One((SOCKET, libc::SO_RXQ_OVFL)),
            Self::UdpSegment => One((UDP, libc::UDP_SEGMENT)),
            Self::UdpGro => One((UDP, libc::UDP_GRO)),
            Self::IncomingCpu => One((SOCKET, libc::SO_INCOMING_CPU)),
            Self::BusyPoll => One((SOCKET, libc::SO_BUSY_POLL)),
            Self::Priority => One((SOCKET, libc::SO_PRIORITY)),
            Self::FreeBind => ByFamily { v4: (V4, libc::IP_FREEBIND), v6: (V6, libc::IPV6_FREEBIND) },
            Self::QuickAck => One((TCP, libc::TCP_QUICKACK)),
            Self::Cork => One((TCP, libc::TCP_CORK)),
            Self::DeferAccept => One((TCP, libc::TCP_DEFER_ACCEPT)),
            Self::FastOpen => One((TCP, libc::TCP_FASTOPEN)),
            Self::FastOpenConnect => One((TCP, libc::TCP_FASTOPEN_CONNECT)),
            Self::MaxSegment => One((TCP, libc::TCP_MAXSEG)),
            Self::SynRetries => One((TCP, libc::TCP_SYNCNT)),
            Self::UserTimeout => One((TCP, libc::TCP_USER_TIMEOUT)),
            Self::UnsentLowWater => One((TCP, libc::TCP_NOTSENT_LOWAT)),
            Self::RecvLowWater => One((SOCKET, libc::SO_RCVLOWAT)),
            Self::PassCredentials => One((SOCKET, libc::SO_PASSCRED)),
            Self::Mark => One((SOCKET, libc::SO_MARK)),
            Self::BindToInterface => One((SOCKET, libc::SO_BINDTOIFINDEX)),
        }
    }

    /// Refuses what the two IP versions would treat differently, before one of them has taken it.
    fn check(self, value: i32) -> Result<(), Errno> {
        let fits = match self {
            Self::TypeOfService => (0..=255).contains(&value),
            Self::UnicastHops => value == -1 || (1..=255).contains(&value),
            Self::MulticastHops => (-1..=255).contains(&value),
            Self::MulticastInterface => value >= 0,
            Self::Linger => value >= -1,
            _ => true,
        };
        if fits { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

/// Sets an option; see each for its unit and range.
///
/// # Errors
/// `EINVAL`/`EDOM` for a value out of range, `ENOPROTOOPT`/`EOPNOTSUPP` for an option that this kind of socket does
/// not have, `EACCES`/`EPERM` without the privilege it takes, `EBADF`/`ENOTSOCK`. Never a silent success.
#[doc(alias = "setsockopt")]
pub fn set(fd: RawFd, option: SocketOption, value: i32) -> Result<(), Errno> {
    option.check(value)?;
    match option.places() {
        Places::One(place) if option == SocketOption::Linger => {
            let linger = libc::linger { l_onoff: c_int::from(value >= 0), l_linger: value.max(0) };
            set_raw(fd, place, &linger)
        }
        Places::One(place) => set_raw(fd, place, &value),
        Places::ByFamily { v4, v6 } => match family(fd)? {
            libc::AF_INET => set_v4(fd, option, v4, value),
            libc::AF_INET6 => {
                set_raw(fd, v6, &value)?;
                // A socket that carries no IPv4 takes these without effect, so V6ONLY need not be asked.
                set_v4(fd, option, v4, value)
            }
            _ => Err(Errno::ENOPROTOOPT),
        },
    }
}

/// Reads an option; see each for its unit. On IPv6 sockets this is the value for IPv6.
///
/// # Errors
/// `ENOPROTOOPT`/`EOPNOTSUPP` for an option that this kind of socket does not have, `EBADF`/`ENOTSOCK`.
#[doc(alias = "getsockopt")]
pub fn get(fd: RawFd, option: SocketOption) -> Result<i32, Errno> {
    match option.places() {
        Places::One(place) if option == SocketOption::Linger => {
            let linger = get_raw::<libc::linger>(fd, place)?;
            Ok(if linger.l_onoff == 0 { -1 } else { linger.l_linger })
        }
        Places::One(place) => get_raw(fd, place),
        Places::ByFamily { v4, v6 } => match family(fd)? {
            libc::AF_INET if option == SocketOption::MulticastInterface => Err(Errno::ENOPROTOOPT),
            libc::AF_INET => get_raw(fd, v4),
            libc::AF_INET6 => get_raw(fd, v6),
            _ => Err(Errno::ENOPROTOOPT),
        },
    }
}

/// The socket's address family. `ENOTSOCK` tells that the descriptor is something else.
pub(crate) fn family(fd: RawFd) -> Result<c_int, Errno> {
    get_raw(fd, (libc::SOL_SOCKET, libc::SO_DOMAIN))
}

/// The IPv4 side of an option, where the interface is not named by a bare integer.
fn set_v4(fd: RawFd, option: SocketOption, place: Place, value: i32) -> Result<(), Errno> {
    if option != SocketOption::MulticastInterface {
        return set_raw(fd, place, &value);
    }
    let any = libc::in_addr { s_addr: libc::INADDR_ANY };
    set_raw(fd, place, &libc::ip_mreqn { imr_multiaddr: any, imr_address: any, imr_ifindex: value })
}

/// The C types that options of this crate have: plain integers and structures of them, valid for any bytes.
pub(crate) trait OptionValue: Copy {}
impl OptionValue for c_int {}
impl OptionValue for libc::linger {}
impl OptionValue for libc::ip_mreqn {}

/// setsockopt(2).
pub(crate) fn set_raw<T: OptionValue>(fd: RawFd, (level, name): Place, value: &T) -> Result<(), Errno> {
    // SAFETY: the kernel reads at most size_of::<T>() bytes from the reference, and keeps nothing of it.
    let returned =
        unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast(), size_of::<T>() as socklen_t) };
    Errno::check(returned).map(drop)
}

/// getsockopt(2). What the kernel leaves unwritten (some options are one byte long) is zero.
pub(crate) fn get_raw<T: OptionValue>(fd: RawFd, (level, name): Place) -> Result<T, Errno> {
    // SAFETY: an OptionValue is valid for any bytes, so for all-zero ones.
    let mut value: T = unsafe { mem::zeroed() };
    let mut len = size_of::<T>() as socklen_t;
    // SAFETY: the kernel writes at most len bytes to value, any bytes of which are valid.
    Errno::check(unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut len) })?;
    Ok(value)
}

#[cfg(test)]
mod tests;
