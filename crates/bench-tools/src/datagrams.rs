//! Many datagrams in one system call (`recvmmsg(2)`, `sendmmsg(2)`), and what becomes of those that do not fit.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

use crate::address::set_option;

/// Largest payload of a UDP datagram over IPv4.
pub(crate) const LARGEST: usize = 65_507;

/// Room for datagrams that one call receives or sends.
pub(crate) struct Batch {
    headers: Vec<libc::mmsghdr>,
    /// Pointed to by `headers`, as are the names and the bytes: none of the three ever grows.
    parts: Vec<libc::iovec>,
    names: Vec<libc::sockaddr_storage>,
    bytes: Vec<u8>,
    size: usize,
}

impl Batch {
    /// Room for `count` datagrams of up to `size` bytes.
    pub(crate) fn new(count: usize, size: usize) -> Self {
        let mut bytes = vec![0_u8; count * size];
        let base = bytes.as_mut_ptr();
        let mut parts: Vec<libc::iovec> = (0..count)
            .map(|index| libc::iovec { iov_base: base.wrapping_add(index * size).cast(), iov_len: size })
            .collect();
        // SAFETY: all-zero bytes are a valid address without a family.
        let names = vec![unsafe { std::mem::zeroed::<libc::sockaddr_storage>() }; count];
        // SAFETY: all-zero bytes are a valid header that points to nothing.
        let mut headers = vec![unsafe { std::mem::zeroed::<libc::mmsghdr>() }; count];
        let first = parts.as_mut_ptr();
        for (index, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_iov = first.wrapping_add(index);
            header.msg_hdr.msg_iovlen = 1;
        }
        Self { headers, parts, names, bytes, size }
    }

    /// Receives what is there, up to the capacity. With `named` senders' names are kept, and sending goes back to them.
    /// `flags` as of `recvmmsg(2)`. Returns how many came: none where there are none and `MSG_DONTWAIT` is set.
    pub(crate) fn receive(&mut self, socket: &Socket, flags: libc::c_int, named: bool) -> io::Result<usize> {
        let first = self.names.as_mut_ptr();
        for (index, (header, part)) in self.headers.iter_mut().zip(&mut self.parts).enumerate() {
            part.iov_len = self.size;
            if named {
                header.msg_hdr.msg_name = first.wrapping_add(index).cast();
                header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            }
        }
        // SAFETY: every header points to room of its own inside this batch, which is not touched during the call.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as libc::c_uint,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        match usize::try_from(got) {
            Ok(count) => Ok(count),
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Ok(0),
                error => Err(error),
            },
        }
    }

    /// A datagram that was received.
    pub(crate) fn received(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.size..][..self.headers[index].msg_len as usize]
    }

    /// Makes the datagrams that were received those to be sent: an echo of each.
    pub(crate) fn turn_round(&mut self, count: usize) {
        for (header, part) in self.headers.iter().zip(&mut self.parts).take(count) {
            part.iov_len = header.msg_len as usize;
        }
    }

    /// Sends everything to who sent the datagram at `index` of another batch.
    pub(crate) fn copy_name(&mut self, other: &Self, index: usize) {
        self.names.fill(other.names[index]);
        let first = self.names.as_mut_ptr();
        for (at, header) in self.headers.iter_mut().enumerate() {
            header.msg_hdr.msg_name = first.wrapping_add(at).cast();
            header.msg_hdr.msg_namelen = other.headers[index].msg_hdr.msg_namelen;
        }
    }

    /// Where to write a datagram of `length` bytes that is to be sent.
    pub(crate) fn outgoing(&mut self, index: usize, length: usize) -> &mut [u8] {
        self.parts[index].iov_len = length;
        &mut self.bytes[index * self.size..][..length]
    }

    /// Sends the first `count`, all of them, waiting for room.
    pub(crate) fn send(&mut self, socket: &Socket, count: usize) -> io::Result<()> {
        let mut done = 0;
        while done < count {
            let rest = &mut self.headers[done..count];
            // SAFETY: the headers point to bytes and names of this batch, which are not touched during the call.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, 0) };
            match usize::try_from(sent) {
                Ok(sent) => done += sent,
                Err(_) => match io::Error::last_os_error() {
                    error if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOBUFS | libc::EAGAIN)) => {}
                    error => return Err(error),
                },
            }
        }
        Ok(())
    }
}

/// Waits until one of the sockets has something to read, or for so many nanoseconds.
pub(crate) fn wait_for_input(sockets: &[Socket], nanoseconds: i64) -> io::Result<()> {
    let mut entries: Vec<libc::pollfd> = sockets
        .iter()
        .map(|socket| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    let time = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds.clamp(0, 999_999_999) };
    // SAFETY: the entries and the time live across the call.
    let status =
        unsafe { libc::ppoll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, &raw const time, std::ptr::null()) };
    match status {
        0.. => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        },
    }
}

/// Lets this thread's waits end when they should, not up to 50 µs later.
pub(crate) fn sharpen_timers() {
    // SAFETY: this option takes a number and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// Gives a socket of the load generator a receive buffer that holds `bytes`, beyond the system's limit where that is
/// allowed: what is lost should be lost at the server.
pub(crate) fn enlarge_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    let forced = set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes as libc::c_int);
    forced.or_else(|_| socket.set_recv_buffer_size(bytes))
}

/// Datagrams that a socket of ours has lost because its receive buffer was full (`SO_MEMINFO`).
pub(crate) fn drops(socket: &Socket) -> io::Result<u64> {
    /// `SK_MEMINFO_DROPS`, the last of nine numbers.
    const DROPS: usize = 8;
    let mut numbers = [0_u32; DROPS + 1];
    let mut length = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the numbers and their size live across the call.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if status == 0 { Ok(numbers[DROPS].into()) } else { Err(io::Error::last_os_error()) }
}

/// What `sink` answers and `source` is asked with: a number in decimal digits.
pub(crate) fn number_in(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    use socket2::{Domain, Type};

    fn pair() -> (Socket, Socket) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
        let bound = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        bound.bind(&any).unwrap();
        let other = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        other.connect(&bound.local_addr().unwrap()).unwrap();
        (bound, other)
    }

    #[test]
    fn turns_round_datagrams_of_different_lengths() {
        let (server, client) = pair();
        let mut ours = Batch::new(3, 100);
        for (index, length) in [1, 100, 0].into_iter().enumerate() {
            ours.outgoing(index, length).fill(b'0' + index as u8);
        }
        ours.send(&client, 3).unwrap();
        let mut theirs = Batch::new(8, 200);
        assert_eq!(theirs.receive(&server, libc::MSG_DONTWAIT, true).unwrap(), 3);
        theirs.turn_round(3);
        theirs.send(&server, 3).unwrap();
        assert_eq!(ours.receive(&client, libc::MSG_DONTWAIT, false).unwrap(), 3);
        assert_eq!(ours.received(0), b"0");
        assert_eq!(ours.received(1), [b'1'; 100]);
        assert_eq!(ours.received(2), b"");
        assert_eq!(ours.receive(&client, libc::MSG_DONTWAIT, false).unwrap(), 0, "nothing is left");
    }

    #[test]
    fn counts_what_a_full_buffer_drops() {
        let (server, client) = pair();
        server.set_recv_buffer_size(4096).unwrap();
        let mut batch = Batch::new(64, 500);
        batch.send(&client, 64).unwrap();
        let mut got = 0;
        let mut room = Batch::new(64, 500);
        loop {
            match room.receive(&server, libc::MSG_DONTWAIT, false).unwrap() {
                0 => break,
                count => got += count as u64,
            }
        }
        assert!(got < 64);
        assert_eq!(got + drops(&server).unwrap(), 64);
    }
}
