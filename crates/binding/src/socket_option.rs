//! Socket options as JavaScript names them.

use iouring_reactor::options;
use napi_derive::napi;

use crate::unregistered as napi;

/// A socket option whose value is one integer. A *switch* is off at 0 and on at any other value, and reads as 0 or 1.
#[napi]
#[derive(Debug)]
pub enum SocketOption {
    /// Bind although connections in TIME_WAIT hold the port; for datagrams: share it. A switch, off. socket(7).
    ReuseAddress,
    /// Several sockets of one user bind the same port and share its load. A switch, off. socket(7).
    ReusePort,
    /// An IPv6 socket refuses IPv4. A switch, off unless `net.ipv6.bindv6only` says otherwise; before bind only.
    /// ipv6(7).
    Ipv6Only,
    /// Send small segments at once (no Nagle algorithm). A switch, off. tcp(7).
    NoDelay,
    /// Probe idle connections. A switch, off. socket(7).
    KeepAlive,
    /// Idle time before the first keep-alive probe. Seconds, 1 to 32767; 7200. tcp(7).
    KeepIdle,
    /// Time between keep-alive probes. Seconds, 1 to 32767; 75. tcp(7).
    KeepInterval,
    /// Unanswered keep-alive probes before the connection is dropped. 1 to 127; 9. tcp(7).
    KeepCount,
    /// How long close waits for unsent data. -1: not at all, the kernel sends it behind our back (the default);
    /// 0: discard it and reset the connection; otherwise seconds. socket(7).
    Linger,
    /// Receive buffer in bytes; from `net.core.rmem_default`, at most `net.core.rmem_max`. The kernel doubles
    /// what is set, for its own bookkeeping, and reads back the doubled value. socket(7).
    RecvBuffer,
    /// Send buffer in bytes, doubled likewise; from `net.core.wmem_default`, at most `net.core.wmem_max`.
    /// socket(7).
    SendBuffer,
    /// May send to broadcast addresses. A switch, off. socket(7).
    Broadcast,
    /// The byte that carries DSCP (upper six bits) and, for datagrams, ECN (lower two; TCP keeps its own there).
    /// 0 to 255; 0. ip(7), ipv6(7).
    TypeOfService,
    /// Hops that what is sent may take. 1 to 255, or -1 for the system's default, usually 64. ip(7), ipv6(7).
    UnicastHops,
    /// Hops that multicast datagrams may take. 0 to 255, or -1 for the default, 1. ip(7), ipv6(7).
    MulticastHops,
    /// Multicast datagrams that this host sends come back to its own members. A switch, on. ip(7), ipv6(7).
    MulticastLoop,
    /// The interface that multicast datagrams leave by. Its index; 0: as routed. ip(7), ipv6(7). IPv4 sockets do
    /// not tell: reading gives `ENOPROTOOPT`.
    MulticastInterface,
    /// Also receive from groups that another socket of this host joined. A switch, on. ip(7).
    MulticastAll,
    /// The socket's pending error as a positive number, 0 if there is none; reading clears it. Read-only.
    /// socket(7).
    Error,
    /// Datagrams come with the address and interface they were sent to. A switch, off. ip(7), ipv6(7).
    PacketInfo,
    /// Datagrams come with their type-of-service byte, and so with ECN. A switch, off. ip(7), ipv6(7).
    RecvTypeOfService,
    /// Datagrams come with the time of their arrival in nanoseconds. A switch, off. socket(7).
    Timestamp,
    /// Datagrams come with the number of those dropped so far because the receive buffer was full. A switch, off.
    /// socket(7).
    DropCounter,
    /// What is sent in one call leaves as datagrams of this many bytes. 0 to 65535; 0: as one. udp(7).
    UdpSegment,
    /// Datagrams of one flow may be delivered as one buffer, with their size beside it. A switch, off. udp(7).
    UdpGro,
    /// The CPU that handled the socket's last packet; setting it steers among sockets that share a port. socket(7).
    IncomingCpu,
    /// How long a receive may poll the network device when nothing is queued. Microseconds; `net.core.busy_read`.
    /// Raising it takes `CAP_NET_ADMIN`. socket(7).
    BusyPoll,
    /// Priority in the network device's queues. 0 to 6; 0. Above 6 takes `CAP_NET_ADMIN`. socket(7).
    Priority,
    /// Bind to addresses that this host does not have yet. A switch, off. ip(7).
    FreeBind,
    /// Acknowledge at once instead of with delay. A switch that the kernel may turn off again. tcp(7).
    QuickAck,
    /// Hold partial segments back, at most 200 ms. A switch, off. tcp(7).
    Cork,
    /// A listener wakes when data arrives, not when the handshake is done; seconds to wait, rounded up to whole
    /// retransmissions. 0: off. tcp(7).
    DeferAccept,
    /// On a listener: connections with data in their SYN that may be pending. 0: none. tcp(7).
    FastOpen,
    /// On a client: send the first data with the SYN. A switch, off. tcp(7).
    FastOpenConnect,
    /// Largest segment in bytes; set before connecting. 88 to 32767, 0 for the kernel's choice. tcp(7).
    MaxSegment,
    /// Attempts at a handshake before giving up. 1 to 127; `net.ipv4.tcp_syn_retries`. tcp(7).
    SynRetries,
    /// How long sent data may stay unacknowledged before the connection is dropped. Milliseconds; 0: the system's
    /// default. tcp(7).
    UserTimeout,
    /// Unsent bytes above which the socket does not report itself writable. 0 to 2³¹−1;
    /// `net.ipv4.tcp_notsent_lowat`, which reads as -1 where it is unlimited. tcp(7).
    UnsentLowWater,
    /// Bytes that make the socket readable. At least 1; 1. socket(7).
    RecvLowWater,
    /// UNIX sockets: messages come with the sender's process, user and group. A switch, off. unix(7).
    PassCredentials,
    /// A number that routing and the packet filter tell packets by. 0: none. Takes `CAP_NET_ADMIN` or, of Linux 5.17
    /// on, `CAP_NET_RAW`. socket(7).
    Mark,
    /// Only what comes in by this network interface, and out by it. Its index; 0: any.
    BindToInterface,
}

/// The numbers are the reactor's: the enum above is there for the generator of the TypeScript side.
const _: () = {
    assert!(SocketOption::ReuseAddress as u32 == options::SocketOption::ReuseAddress as u32);
    assert!(SocketOption::ReusePort as u32 == options::SocketOption::ReusePort as u32);
    assert!(SocketOption::Ipv6Only as u32 == options::SocketOption::Ipv6Only as u32);
    assert!(SocketOption::NoDelay as u32 == options::SocketOption::NoDelay as u32);
    assert!(SocketOption::KeepAlive as u32 == options::SocketOption::KeepAlive as u32);
    assert!(SocketOption::KeepIdle as u32 == options::SocketOption::KeepIdle as u32);
    assert!(SocketOption::KeepInterval as u32 == options::SocketOption::KeepInterval as u32);
    assert!(SocketOption::KeepCount as u32 == options::SocketOption::KeepCount as u32);
    assert!(SocketOption::Linger as u32 == options::SocketOption::Linger as u32);
    assert!(SocketOption::RecvBuffer as u32 == options::SocketOption::RecvBuffer as u32);
    assert!(SocketOption::SendBuffer as u32 == options::SocketOption::SendBuffer as u32);
    assert!(SocketOption::Broadcast as u32 == options::SocketOption::Broadcast as u32);
    assert!(SocketOption::TypeOfService as u32 == options::SocketOption::TypeOfService as u32);
    assert!(SocketOption::UnicastHops as u32 == options::SocketOption::UnicastHops as u32);
    assert!(SocketOption::MulticastHops as u32 == options::SocketOption::MulticastHops as u32);
    assert!(SocketOption::MulticastLoop as u32 == options::SocketOption::MulticastLoop as u32);
    assert!(SocketOption::MulticastInterface as u32 == options::SocketOption::MulticastInterface as u32);
    assert!(SocketOption::MulticastAll as u32 == options::SocketOption::MulticastAll as u32);
    assert!(SocketOption::Error as u32 == options::SocketOption::Error as u32);
    assert!(SocketOption::PacketInfo as u32 == options::SocketOption::PacketInfo as u32);
    assert!(SocketOption::RecvTypeOfService as u32 == options::SocketOption::RecvTypeOfService as u32);
    assert!(SocketOption::Timestamp as u32 == options::SocketOption::Timestamp as u32);
    assert!(SocketOption::DropCounter as u32 == options::SocketOption::DropCounter as u32);
    assert!(SocketOption::UdpSegment as u32 == options::SocketOption::UdpSegment as u32);
    assert!(SocketOption::UdpGro as u32 == options::SocketOption::UdpGro as u32);
    assert!(SocketOption::IncomingCpu as u32 == options::SocketOption::IncomingCpu as u32);
    assert!(SocketOption::BusyPoll as u32 == options::SocketOption::BusyPoll as u32);
    assert!(SocketOption::Priority as u32 == options::SocketOption::Priority as u32);
    assert!(SocketOption::FreeBind as u32 == options::SocketOption::FreeBind as u32);
    assert!(SocketOption::QuickAck as u32 == options::SocketOption::QuickAck as u32);
    assert!(SocketOption::Cork as u32 == options::SocketOption::Cork as u32);
    assert!(SocketOption::DeferAccept as u32 == options::SocketOption::DeferAccept as u32);
    assert!(SocketOption::FastOpen as u32 == options::SocketOption::FastOpen as u32);
    assert!(SocketOption::FastOpenConnect as u32 == options::SocketOption::FastOpenConnect as u32);
    assert!(SocketOption::MaxSegment as u32 == options::SocketOption::MaxSegment as u32);
    assert!(SocketOption::SynRetries as u32 == options::SocketOption::SynRetries as u32);
    assert!(SocketOption::UserTimeout as u32 == options::SocketOption::UserTimeout as u32);
    assert!(SocketOption::UnsentLowWater as u32 == options::SocketOption::UnsentLowWater as u32);
    assert!(SocketOption::RecvLowWater as u32 == options::SocketOption::RecvLowWater as u32);
    assert!(SocketOption::PassCredentials as u32 == options::SocketOption::PassCredentials as u32);
    assert!(SocketOption::Mark as u32 == options::SocketOption::Mark as u32);
    assert!(SocketOption::BindToInterface as u32 == options::SocketOption::BindToInterface as u32);
};
