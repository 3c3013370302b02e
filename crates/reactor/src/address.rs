//! Socket addresses: text to `sockaddr` and back, for IPv4, IPv6 and UNIX sockets.

use std::ffi::{CStr, CString};
use std::fmt;
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::raw::c_char;
use std::ptr;

use libc::{sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, sockaddr_un, socklen_t};

use crate::error::Errno;

/// Where the address proper begins in every `sockaddr`: after the family.
const FAMILY_SIZE: usize = size_of::<sa_family_t>();

/// A `sockaddr` of any family together with its length.
///
/// It is both what `bind` and `connect` read and what `getsockname`, `accept` and `recvmsg` write, so its layout
/// is the kernel's. While an operation that reads or writes it is in flight it must not move.
#[derive(Clone, Copy)]
#[doc(alias = "sockaddr")]
pub struct SocketAddress {
    storage: sockaddr_storage,
    len: socklen_t,
}

/// An address as it is shown to people: what core's `socket.address()` and `remoteAddress` are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An IPv4 address and port.
    V4 {
        /// Dotted decimal.
        address: String,
        /// In host byte order.
        port: u16,
    },
    /// An IPv6 address and port.
    V6 {
        /// RFC 5952 text, followed by `%interface` for link-local addresses (and for those alone, as core does).
        address: String,
        /// In host byte order.
        port: u16,
    },
    /// A UNIX socket: its file's path, or `\0` and the name in the abstract namespace.
    Unix {
        /// Bytes, since a path need not be UTF-8.
        path: Vec<u8>,
    },
    /// A UNIX socket that was never bound, such as most clients and both ends of a `socketpair`.
    Unnamed,
    /// An address of a family that this crate does not speak.
    Other,
}

impl SocketAddress {
    /// Bytes that the kernel may write behind [`as_mut_ptr`](Self::as_mut_ptr): any address of any family fits.
    pub(crate) const CAPACITY: socklen_t = size_of::<sockaddr_storage>() as socklen_t;

    /// The longest UNIX socket path or abstract name (its leading NUL included), in bytes.
    ///
    /// A path of exactly this length leaves no room for the terminating NUL; Linux accepts it.
    pub(crate) const UNIX_PATH_MAX: usize = size_of::<sockaddr_un>() - mem::offset_of!(sockaddr_un, sun_path);

    /// An address for the kernel to fill: all zero, with the whole [`CAPACITY`](Self::CAPACITY) as its length.
    pub fn zeroed() -> Self {
        // SAFETY: sockaddr_storage is a C struct of integers, for which all-zero bytes are a valid value.
        let storage = unsafe { mem::zeroed() };
        Self { storage, len: Self::CAPACITY }
    }

    /// Parses an IPv4 or IPv6 address.
    ///
    /// `address` is numeric text, never a host name. IPv6 may carry a scope, as the name of an interface or as its
    /// index: `fe80::1%eth0`, `fe80::1%2`. `port` is in host byte order.
    ///
    /// # Errors
    /// `EINVAL` where `address` is neither. (An index is taken as it is: whether there is such an interface is for the
    /// kernel to say; see [`interface_index`].)
    pub fn ip(address: &str, port: u16) -> Result<Self, Errno> {
        if let Ok(address) = address.parse::<Ipv4Addr>() {
            return Ok(Self::from_v4(address, port));
        }
        let (address, scope) = match address.split_once('%') {
            Some((address, scope)) => (address, interface_index(scope)?),
            None => (address, 0),
        };
        let address = address.parse::<Ipv6Addr>().map_err(|_| Errno::EINVAL)?;
        Ok(Self::from_v6(address, port, scope))
    }

    /// The address of a UNIX socket: a path in the file system, or `\0` and a name in the abstract namespace.
    ///
    /// An abstract name is used exactly as given, whatever bytes are in it. (Core pads it with NUL bytes to the
    /// full length before libuv 1.48, which Node 20 has; pad it likewise to meet such a peer.)
    ///
    /// # Errors
    /// `EINVAL` where `path` is empty, is longer than [`UNIX_PATH_MAX`](Self::UNIX_PATH_MAX), or is a file path
    /// with a NUL in it. That is what core answers from Node 22 on; Node 20 cuts such a path off in silence, and so
    /// uses another file than the one that was named.
    pub fn unix(path: &[u8]) -> Result<Self, Errno> {
        let (&first, rest) = path.split_first().ok_or(Errno::EINVAL)?;
        let is_abstract = first == 0;
        if path.len() > Self::UNIX_PATH_MAX || (!is_abstract && rest.contains(&0)) {
            return Err(Errno::EINVAL);
        }
        let mut address = Self::unix_any();
        // SAFETY: the path was checked to fit sun_path, which begins FAMILY_SIZE bytes into the storage; a parameter
        // cannot overlap a local.
        unsafe {
            let start = (&raw mut address.storage).cast::<u8>().add(FAMILY_SIZE);
            ptr::copy_nonoverlapping(path.as_ptr(), start, path.len());
        }
        address.len = (FAMILY_SIZE + path.len()) as socklen_t;
        Ok(address)
    }

    /// Asks bind(2) for a name in the abstract namespace that nobody else has.
    pub fn unix_any() -> Self {
        let mut address = Self::zeroed();
        address.storage.ss_family = libc::AF_UNIX as sa_family_t;
        address.len = FAMILY_SIZE as socklen_t;
        address
    }

    /// An IPv4 address and port.
    pub(crate) fn from_v4(address: Ipv4Addr, port: u16) -> Self {
        Self::from_struct(sockaddr_in {
            sin_family: libc::AF_INET as sa_family_t,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
            sin_zero: [0; 8],
        })
    }

    /// An IPv6 address and port on the interface with index `scope` (0: any).
    pub fn from_v6(address: Ipv6Addr, port: u16, scope: u32) -> Self {
        Self::from_struct(sockaddr_in6 {
            sin6_family: libc::AF_INET6 as sa_family_t,
            sin6_port: port.to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: address.octets() },
            sin6_scope_id: scope,
        })
    }

    /// No address: connecting a datagram socket to it ends its connection.
    pub(crate) fn unspecified() -> Self {
        let mut address = Self::zeroed();
        address.len = size_of::<sockaddr_in>() as socklen_t;
        address
    }

    /// Copies an address that the kernel wrote, for example the name of a received message.
    ///
    /// `len` is the length that the kernel reported. It can exceed what a UNIX address has room for (a path that
    /// fills `sun_path` is counted with its terminator), and is cut to [`CAPACITY`](Self::CAPACITY).
    ///
    /// # Safety
    /// `address` must be valid for reads of `len` bytes or of `CAPACITY`, whichever is less. It need not be aligned.
    pub unsafe fn from_raw(address: *const u8, len: socklen_t) -> Self {
        let mut copy = Self::zeroed();
        copy.set_len(len);
        // SAFETY: the caller vouches for the source, and set_len() has cut the length to what the storage holds.
        unsafe { ptr::copy_nonoverlapping(address, (&raw mut copy.storage).cast::<u8>(), copy.len as usize) };
        copy
    }

    /// For a `const struct sockaddr *` parameter; goes with [`len`](Self::len).
    pub fn as_ptr(&self) -> *const sockaddr {
        (&raw const self.storage).cast()
    }

    /// For a `struct sockaddr *` that the kernel fills; goes with [`as_mut_len_ptr`](Self::as_mut_len_ptr).
    pub fn as_mut_ptr(&mut self) -> *mut sockaddr {
        (&raw mut self.storage).cast()
    }

    /// For a `socklen_t *`: capacity on the way in, length on the way out.
    ///
    /// What comes out may exceed the capacity; every reader here copes with that.
    pub(crate) fn as_mut_len_ptr(&mut self) -> *mut socklen_t {
        &raw mut self.len
    }

    /// The address's length in bytes, its family included.
    pub fn len(&self) -> socklen_t {
        self.len.min(Self::CAPACITY)
    }

    /// Whether there is no address at all, as after `recvmsg` on a connected socket.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the length that the kernel reported by other means than [`as_mut_len_ptr`](Self::as_mut_len_ptr).
    pub fn set_len(&mut self, len: socklen_t) {
        self.len = len.min(Self::CAPACITY);
    }

    /// `AF_INET`, `AF_INET6`, `AF_UNIX`, …; `AF_UNSPEC` where the address is too short to have a family.
    pub fn family(&self) -> i32 {
        if self.bytes().len() < FAMILY_SIZE { libc::AF_UNSPEC } else { i32::from(self.storage.ss_family) }
    }

    /// The address for people and for JavaScript.
    pub fn to_endpoint(&self) -> Endpoint {
        match self.family() {
            libc::AF_INET => match self.as_struct::<sockaddr_in>() {
                Some(v4) => Endpoint::V4 {
                    address: Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()).to_string(),
                    port: u16::from_be(v4.sin_port),
                },
                None => Endpoint::Other,
            },
            libc::AF_INET6 => match self.as_struct::<sockaddr_in6>() {
                Some(v6) => Endpoint::V6 { address: v6_text(v6), port: u16::from_be(v6.sin6_port) },
                None => Endpoint::Other,
            },
            libc::AF_UNIX => match &self.bytes()[FAMILY_SIZE..] {
                [] => Endpoint::Unnamed,
                name @ [0, ..] => Endpoint::Unix { path: name.to_vec() },
                path => {
                    let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
                    Endpoint::Unix { path: path[..end].to_vec() }
                }
            },
            _ if self.bytes().len() <= FAMILY_SIZE => Endpoint::Unnamed,
            _ => Endpoint::Other,
        }
    }

    /// The address, where it is an IPv4 one.
    pub fn as_v4(&self) -> Option<Ipv4Addr> {
        let v4 = self.as_struct::<sockaddr_in>()?;
        (self.family() == libc::AF_INET).then(|| Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()))
    }

    /// The index of the interface that an IPv6 address is about, where it is about one.
    pub fn scope(&self) -> Option<u32> {
        let v6 = self.as_struct::<sockaddr_in6>()?;
        (self.family() == libc::AF_INET6 && v6.sin6_scope_id != 0).then_some(v6.sin6_scope_id)
    }

    /// For structures that contain a whole `sockaddr_storage`.
    pub(crate) fn storage(&self) -> sockaddr_storage {
        self.storage
    }

    /// The part of the storage that is the address.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: len() is at most the storage's size, and every byte of the storage was initialised by zeroed() or
        // from_struct(); the kernel only ever overwrites bytes.
        unsafe { std::slice::from_raw_parts((&raw const self.storage).cast::<u8>(), self.len() as usize) }
    }

    /// Only for `sockaddr_in` and `sockaddr_in6`, which have no padding.
    fn from_struct<T: InternetAddress>(value: T) -> Self {
        let mut address = Self::zeroed();
        // SAFETY: sockaddr_storage is by definition as large and as aligned as any sockaddr_*.
        unsafe { (&raw mut address.storage).cast::<T>().write(value) };
        address.len = size_of::<T>() as socklen_t;
        address
    }

    /// The storage seen as `T`, where the address is long enough to be one.
    fn as_struct<T: InternetAddress>(&self) -> Option<&T> {
        // SAFETY: sockaddr_storage is by definition as large and as aligned as any sockaddr_*, and the structures
        // marked as InternetAddress are valid for any bytes.
        (self.bytes().len() >= size_of::<T>()).then(|| unsafe { &*(&raw const self.storage).cast::<T>() })
    }
}

impl PartialEq for SocketAddress {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for SocketAddress {}

impl fmt::Debug for SocketAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_endpoint().fmt(formatter)
    }
}

/// The `sockaddr` structures that consist of integers without padding: valid for any bytes, and fully initialised
/// when written.
trait InternetAddress {}
impl InternetAddress for sockaddr_in {}
impl InternetAddress for sockaddr_in6 {}

/// The text of an IPv6 address as core prints it.
fn v6_text(v6: &sockaddr_in6) -> String {
    let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
    let mut text = match address.segments() {
        // The deprecated IPv4-compatible addresses are dotted in inet_ntop(3), and so in core, but not in Rust.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            format!("::{}", Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => address.to_string(),
    };
    if address.is_unicast_link_local() && v6.sin6_scope_id != 0 {
        text.push('%');
        match interface_name(v6.sin6_scope_id) {
            Some(name) => text.push_str(&name),
            // An interface that has gone since: its number is still the truth.
            None => text.push_str(&v6.sin6_scope_id.to_string()),
        }
    }
    text
}

/// The index of the interface that `scope` names, or is the decimal index of; 0, any, where it is neither, as libuv has
/// it: an address that needs none does without, and of others the kernel says so.
///
/// # Errors
/// `EINVAL` where `scope` has a NUL in it, and whatever kept if_nametoindex(3) from opening its socket.
pub fn interface_index(scope: &str) -> Result<u32, Errno> {
    if scope.contains('\0') {
        return Err(Errno::EINVAL);
    }
    match index_of_name(scope) {
        Some(index) => Ok(index),
        None => match Errno::last_os_error() {
            errno @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => Err(errno),
            _ if scope.bytes().all(|byte| byte.is_ascii_digit()) => Ok(scope.parse().unwrap_or(0)),
            _ => Ok(0),
        },
    }
}

/// The index of the interface of this name, or `None` where there is none.
pub fn index_of_name(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the argument is a NUL-terminated string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => None,
        index => Some(index),
    }
}

/// The name of the interface with this index, or `None` where there is none.
pub(crate) fn interface_name(index: u32) -> Option<String> {
    let mut name = MaybeUninit::<[c_char; libc::IF_NAMESIZE]>::uninit();
    // SAFETY: if_indextoname(3) writes at most IF_NAMESIZE bytes, the terminating NUL included.
    let written = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if written.is_null() {
        return None;
    }
    // SAFETY: a non-null result is the buffer, in which a NUL-terminated string now is; it is copied before the
    // buffer goes.
    let name = unsafe { CStr::from_ptr(written) };
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
