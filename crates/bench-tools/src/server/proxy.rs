//! A proxy without any runtime, on epoll(7): what there is to reach for one that copies every byte in and out, and for
//! one that has the kernel move what it has received from socket to socket (splice(2)).

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::{Options, announce, end_with_input};
use crate::address::{Address, set_no_delay};
use crate::send_file::{Pipe, pipe_of};

/// How bytes get from one socket to the other.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Through memory of the process.
    Copy,
    /// Through a pipe.
    Splice,
}

/// Most bytes that are moved at once.
const PIECE: u32 = 65_536;

/// Who listens, among the events.
const LISTENER: u64 = u64::MAX;

const READABLE: u32 = libc::EPOLLIN.cast_unsigned();
const WRITABLE: u32 = libc::EPOLLOUT.cast_unsigned();

/// Serves until standard input closes. The server behind it is the one that BENCH_UPSTREAM names.
pub(crate) fn run(options: &Options, way: Way) -> anyhow::Result<()> {
    end_with_input();
    let upstream: Address = std::env::var("BENCH_UPSTREAM")?.parse()?;
    let (listener, got) = options.address.listen()?;
    let mut proxy = Proxy { epoll: Epoll::new()?, ends: Vec::new(), free: Vec::new() };
    proxy.epoll.control(libc::EPOLL_CTL_ADD, listener.as_raw_fd(), LISTENER, READABLE)?;
    announce(&got);
    loop {
        for event in proxy.epoll.wait()? {
            let (number, ready) = (event.u64, event.events);
            if number == LISTENER {
                proxy.enter(listener.accept()?.0.into(), upstream.connect()?.into(), way)?;
            } else {
                proxy.go_on(usize::try_from(number)?, ready);
            }
        }
    }
}

/// Connections, as pairs of ends: the other one of `end` is `end ^ 1`.
struct Proxy {
    epoll: Epoll,
    ends: Vec<Option<End>>,
    /// The first ends of pairs that are over.
    free: Vec<usize>,
}

/// One of the two sockets of a connection.
struct End {
    socket: TcpStream,
    /// What was read of it and not been passed on.
    carrier: Carrier,
    /// Bytes of that.
    held: usize,
    /// Events that are watched.
    interest: u32,
}

enum Carrier {
    Memory { bytes: Vec<u8>, start: usize },
    Pipe(Pipe),
}

impl Proxy {
    fn enter(&mut self, client: TcpStream, upstream: TcpStream, way: Way) -> anyhow::Result<()> {
        let first = self.free.pop().unwrap_or(self.ends.len());
        if first == self.ends.len() {
            self.ends.extend([None, None]);
        }
        for (end, socket) in [(first, client), (first + 1, upstream)] {
            socket.set_nonblocking(true)?;
            set_no_delay(&socket);
            self.epoll.control(libc::EPOLL_CTL_ADD, socket.as_raw_fd(), end as u64, READABLE)?;
            let carrier = match way {
                Way::Copy => Carrier::Memory { bytes: vec![0; PIECE as usize], start: 0 },
                Way::Splice => Carrier::Pipe(pipe_of(PIECE)?),
            };
            self.ends[end] = Some(End { socket, carrier, held: 0, interest: READABLE });
        }
        Ok(())
    }

    fn go_on(&mut self, end: usize, ready: u32) {
        let ok =
            (ready & WRITABLE == 0 || self.pass(end ^ 1).is_ok()) && (ready & !WRITABLE == 0 || self.pass(end).is_ok());
        if !ok && self.ends[end].is_some() {
            let first = end & !1;
            self.ends[first..first + 2].fill_with(|| None);
            self.free.push(first);
        }
    }

    /// Passes a piece on from an end to the other one. An error: the connection is over.
    fn pass(&mut self, end: usize) -> io::Result<()> {
        let first = end & !1;
        let [Some(one), Some(other)] = &mut self.ends[first..first + 2] else {
            return Err(ErrorKind::NotConnected.into());
        };
        let (from, to) = if end == first { (one, other) } else { (other, one) };
        if from.held == 0 {
            let Some(length) = would_block(from.take())? else { return Ok(()) };
            if length == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            from.held = length;
        }
        from.held -= would_block(from.give(&to.socket))?.unwrap_or(0);
        let wanted = if from.held == 0 { (READABLE, 0) } else { (0, WRITABLE) };
        from.watch(&self.epoll, end, from.interest & !READABLE | wanted.0)?;
        to.watch(&self.epoll, end ^ 1, to.interest & !WRITABLE | wanted.1)
    }
}

impl End {
    /// Reads a piece: its length.
    fn take(&mut self) -> io::Result<usize> {
        match &mut self.carrier {
            Carrier::Memory { bytes, start } => {
                *start = 0;
                self.socket.read(bytes)
            }
            Carrier::Pipe(pipe) => splice(self.socket.as_raw_fd(), pipe.writer.as_raw_fd(), PIECE as usize),
        }
    }

    /// Writes what is held: how much of it.
    fn give(&mut self, mut to: &TcpStream) -> io::Result<usize> {
        match &mut self.carrier {
            Carrier::Memory { bytes, start } => {
                let sent = to.write(&bytes[*start..*start + self.held])?;
                *start += sent;
                Ok(sent)
            }
            Carrier::Pipe(pipe) => splice(pipe.reader.as_raw_fd(), to.as_raw_fd(), self.held),
        }
    }

    fn watch(&mut self, epoll: &Epoll, end: usize, interest: u32) -> io::Result<()> {
        if interest == self.interest {
            return Ok(());
        }
        self.interest = interest;
        epoll.control(libc::EPOLL_CTL_MOD, self.socket.as_raw_fd(), end as u64, interest)
    }
}

/// `None`: not now.
fn would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some),
    }
}

fn splice(from: RawFd, to: RawFd, length: usize) -> io::Result<usize> {
    let (none, flags) = (std::ptr::null_mut(), libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK);
    // SAFETY: takes descriptors and numbers only; neither end has an offset.
    let moved = unsafe { libc::splice(from, none, to, none, length, flags) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: takes and returns integers only.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        // SAFETY: it has just been made for us.
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) })) }
    }

    fn control(&self, what: i32, fd: RawFd, number: u64, events: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: number };
        // SAFETY: the event is only read while this call runs.
        let status = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), what, fd, &raw mut event) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn wait(&self) -> io::Result<Vec<libc::epoll_event>> {
        const MOST: usize = 256;
        let mut events: Vec<libc::epoll_event> = Vec::with_capacity(MOST);
        // SAFETY: there is room for as many as are asked for.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), MOST as i32, -1) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: the kernel has filled that many.
        unsafe { events.set_len(count) };
        Ok(events)
    }
}
