//! What TypeScript calls for datagram sockets alone: see [`crate::native_reactor`].

use std::net::Ipv4Addr;
use std::sync::Arc;

use iouring_reactor::Adopted;
use iouring_reactor::address::{SocketAddress, index_of_name};
use iouring_reactor::multicast::{self, Change, Interface};
use iouring_reactor::socket::{self, Description, Type};
use iouring_reactor::{Errno, HandleId};
use napi::bindgen_prelude::{ArrayBuffer, Env, Unknown};
use napi_derive::napi;

use crate::native_reactor::{Endpoint, NativeReactor, address, domain_of, endpoint, status};
use crate::numbers::count;
use crate::protocol::Domain;

/// An IPv4 or IPv6 address as libuv reads it: up to the first NUL, and behind `%` the name of an interface. A name that
/// no interface has says nothing, and an index is no name.
fn numeric(text: &str) -> Result<SocketAddress, Errno> {
    let text = text.split('\0').next().unwrap_or_default();
    match text.split_once('%') {
        None => SocketAddress::ip(text, 0),
        Some((address, interface)) => {
            let address = address.parse().map_err(|_| Errno::EINVAL)?;
            Ok(SocketAddress::from_v6(address, 0, index_of_name(interface).unwrap_or(0)))
        }
    }
}

/// The interface on which a group is joined: for an IPv4 group an IPv4 address that it has, for an IPv6 one any IPv6
/// address, of which the interface behind `%` is all that counts.
fn interface(text: Option<&str>, group: &SocketAddress) -> Result<Interface, Errno> {
    let Some(text) = text else { return Ok(Interface::Any) };
    let address = numeric(text)?;
    match (address.as_v4(), group.as_v4()) {
        (Some(Ipv4Addr::UNSPECIFIED), Some(_)) => Ok(Interface::Any),
        (Some(address), Some(_)) => Ok(Interface::Address(address)),
        (None, None) => Ok(address.scope().map_or(Interface::Any, Interface::Index)),
        _ => Err(Errno::EINVAL),
    }
}

/// Datagrams that wait for room.
#[napi(object, object_from_js = false)]
pub struct DatagramQueue {
    /// How many.
    pub count: u32,
    /// Bytes of their payloads.
    pub bytes: u32,
}

#[napi]
impl NativeReactor {
    /// The receive buffers of datagram sockets, once there has been one.
    #[napi(getter, ts_return_type = "ArrayBuffer")]
    pub fn datagram_pool(&self) -> napi::Result<Unknown<'static>> {
        let memory = self
            .instance
            .with(|reactor| reactor.datagram_pool().map(|pool| Arc::clone(pool.memory())))
            .flatten()
            .ok_or_else(|| napi::Error::from_reason("no datagram socket has been opened"))?;
        self.exposed(&memory)
    }

    /// Opens a datagram socket: a handle.
    #[napi]
    pub fn open_datagram(&self, domain: Domain) -> i32 {
        let domain = domain_of(domain);
        match socket::open(domain, Type::Datagram) {
            Ok(descriptor) => self.add_datagram(descriptor, domain == socket::Domain::Unix),
            Err(errno) => errno.negated(),
        }
    }

    /// Takes over an open datagram socket, of the UNIX domain or not: a handle. The descriptor belongs to the reactor
    /// from then on. `EEXIST` where it does already, or the event loop watches it for a handle of core's.
    #[napi]
    pub fn adopt_datagram(&self, fd: i32, unix: bool) -> i32 {
        self.take_over(fd, Adopted::Datagram { unix }, false)
    }

    /// What libuv calls a socket's kind: `TCP`, `PIPE` or `UDP`; null for what is none of these.
    #[napi]
    pub fn socket_kind(&self, fd: i32) -> Option<&'static str> {
        match socket::describe(fd).ok()? {
            Description { kind: Type::Stream, domain: socket::Domain::Unix, .. } => Some("PIPE"),
            Description { kind: Type::Stream, .. } => Some("TCP"),
            Description { domain: socket::Domain::Unix, .. } => None,
            Description { .. } => Some("UDP"),
        }
    }

    fn add_datagram(&self, descriptor: std::os::fd::OwnedFd, unix: bool) -> i32 {
        match self.instance.with(|reactor| reactor.add_datagram(descriptor, unix)) {
            Some(Ok(handle)) => HandleId::raw(handle),
            Some(Err(errno)) => errno.negated(),
            None => -libc::EBADF,
        }
    }

    /// Hands the kernel what JavaScript has sent, as far as there is room: before something changes that it is sent
    /// with.
    #[napi]
    pub fn offer_datagrams(&self, handle: i32) {
        self.instance.offer_datagrams(HandleId::from_raw(handle));
    }

    /// Does the same, and tells what of it waits for room.
    #[napi]
    pub fn datagram_queue(&self, handle: i32) -> DatagramQueue {
        self.offer_datagrams(handle);
        let (datagrams, bytes) =
            self.instance.with(|reactor| reactor.datagram_queue(HandleId::from_raw(handle))).unwrap_or_default();
        DatagramQueue { count: count(datagrams), bytes: count(bytes) }
    }

    /// Connects a datagram socket, at once. With an empty text it is connected no longer. What was sent before goes to
    /// the peer that it was sent to.
    #[napi]
    pub fn connect_datagram(&self, handle: i32, text: String, port: i32) -> i32 {
        self.offer_datagrams(handle);
        let peer = if text.is_empty() { Ok(None) } else { address(&text, port).map(Some) };
        status(self.instance.with(|reactor| reactor.connect_datagram(HandleId::from_raw(handle), peer?.as_ref())))
    }

    /// The `sockaddr` of an address, to be sent to: as bytes, or a negative errno.
    ///
    /// # Errors
    /// Where JavaScript has no memory for them.
    #[napi]
    pub fn socket_address<'env>(
        &self,
        env: &'env Env,
        text: String,
        port: i32,
    ) -> napi::Result<napi::Either<ArrayBuffer<'env>, i32>> {
        Ok(match address(&text, port) {
            // In memory of JavaScript's own, which a script may change.
            Ok(address) => napi::Either::A(ArrayBuffer::copy_from(env, address.bytes())?),
            Err(errno) => napi::Either::B(errno.negated()),
        })
    }

    /// The address that a `sockaddr` stands for.
    #[napi]
    pub fn describe_address(&self, bytes: &[u8]) -> napi::Either<Endpoint, i32> {
        let length = u32::try_from(bytes.len()).unwrap_or(0);
        // SAFETY: the slice is as long as said.
        endpoint(Ok(unsafe { SocketAddress::from_raw(bytes.as_ptr(), length) }))
    }

    /// Joins or leaves a multicast group, for what one source sends to it where there is a source, on an interface
    /// given by an address or by its index. Opens nothing: `EBADF` on a handle that is not there, once the addresses
    /// have been found to be some.
    #[napi]
    pub fn membership(
        &self,
        handle: i32,
        join: bool,
        group: String,
        source: Option<String>,
        interface_address: Option<String>,
        interface_index: Option<u32>,
    ) -> i32 {
        let change = if join { Change::Join } else { Change::Leave };
        let outcome = || {
            let group = numeric(&group)?;
            let source = source.as_deref().map(numeric).transpose()?;
            if source.as_ref().is_some_and(|source| source.family() != group.family()) {
                return Err(Errno::EINVAL);
            }
            let fd = self.descriptor(handle)?;
            let interface = match interface_index {
                Some(index) => Interface::Index(index),
                None => interface(interface_address.as_deref(), &group)?,
            };
            match source {
                None => multicast::change_membership(fd, change, &group, interface),
                Some(source) => multicast::change_source_membership(fd, change, &group, &source, interface),
            }
        };
        status(Some(outcome()))
    }

    /// The interface that multicast leaves by: one that has this IPv4 address, or the one behind `%` in an IPv6
    /// address.
    #[napi]
    pub fn multicast_interface(&self, handle: i32, address: String) -> i32 {
        let outcome = || {
            let address = numeric(&address)?;
            let fd = self.descriptor(handle)?;
            match address.as_v4() {
                Some(address) => multicast::set_outgoing_interface(fd, Interface::Address(address)),
                None => multicast::set_outgoing_interface(fd, Interface::Index(address.scope().unwrap_or(0))),
            }
        };
        status(Some(outcome()))
    }
}
