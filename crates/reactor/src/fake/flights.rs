//! What the fake does with requests: some as it takes them, the others when something has happened, in any order.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::files::Chain;
use super::{Flight, WORK_PER_ENTER, World};
use crate::error::Errno;
use crate::kernel::{
    BufferGroup, CQE_F_BUF_MORE, CQE_F_BUFFER, CQE_F_MORE, CQE_F_SOCK_NONEMPTY, Extent, FileRequest, Request,
};
use crate::user_data::IGNORED;

impl World {
    /// Takes a request: does it, if it is one that is done or refused at once.
    pub(super) fn execute(&mut self, flight: Flight) {
        self.executed.push(flight.request);
        let (request, user_data) = (flight.request, flight.user_data);
        let ends_chain = matches!(request, Request::Cancel { .. });
        assert!(
            matches!(request, Request::File { .. }) || ends_chain || self.chain == Chain::None,
            "linked: {request:?}"
        );
        if ends_chain {
            self.chain = Chain::None;
        }
        match request {
            Request::Send { fd, data, length } => {
                let result = self.send(fd, &[(data, length as usize)]);
                self.post(user_data, result, 0);
            }
            Request::SendMessage { fd, message } => {
                // SAFETY: sends hold their memory until the enter that takes them, which is this one.
                #[allow(clippy::unnecessary_cast, reason = "the type of the length is not the same in all C libraries")]
                let slices: Vec<(*const u8, usize)> = unsafe {
                    let header = &*message;
                    std::slice::from_raw_parts(header.msg_iov, header.msg_iovlen as usize)
                        .iter()
                        .map(|slice| (slice.iov_base.cast_const().cast::<u8>(), slice.iov_len))
                        .collect()
                };
                let result = self.send(fd, &slices);
                self.post(user_data, result, 0);
            }
            Request::SendDatagram { fd, message, flags } => {
                let result = self.send_datagram(fd, message, flags);
                self.post(user_data, result, 0);
            }
            Request::Cancel { user_data: target } => {
                let found = self.flights.iter().position(|flight| flight.user_data == target);
                match found {
                    // It was just being served, and may go on after that.
                    Some(index) if self.can_go_on(&self.flights[index]) && self.fault() => {
                        self.go_on(index);
                        self.post(IGNORED, -libc::EALREADY, 0);
                    }
                    Some(index) => {
                        self.cancel(index);
                        self.post(IGNORED, 0, 0);
                    }
                    None => self.post(IGNORED, -libc::ENOENT, 0),
                }
            }
            Request::Close { fd } => {
                // SAFETY: the request gave the descriptor to the kernel, and it is its first close, as was checked when
                // it was pushed.
                self.descriptors.close(&unsafe { OwnedFd::from_raw_fd(fd) });
                self.post(user_data, 0, 0);
            }
            Request::File { request, linked } => self.execute_file(flight.user_data, &request, linked, flight),
            Request::PollWritable { fd, edges: true } => {
                self.descriptors.get(fd).told = 0;
                self.flights.push(flight);
            }
            Request::Receive { .. } if self.buffers.is_empty() => self.post(user_data, -libc::ENOBUFS, 0),
            Request::ReceiveDatagrams { .. } | Request::ReceiveMessage { .. }
                if self.group(BufferGroup::Datagrams).is_empty() =>
            {
                self.post(user_data, -libc::ENOBUFS, 0);
            }
            _ => {
                self.flights.push(flight);
            }
        }
    }

    pub(super) fn send(&mut self, fd: RawFd, slices: &[(*const u8, usize)]) -> i32 {
        if self.fault() {
            self.descriptors.get(fd).refused();
            return [-libc::EINTR, -libc::EAGAIN, -libc::ENOBUFS][self.random.below(3)];
        }
        let offered = slices.iter().map(|slice| slice.1).sum();
        let descriptor = self.descriptors.get(fd);
        if let Some(errno) = descriptor.send_error {
            return -errno;
        }
        let mut room = descriptor.window.min(offered);
        if descriptor.window < offered {
            descriptor.refused();
        }
        if room == 0 && offered > 0 {
            return -libc::EAGAIN;
        }
        if room > 1 && self.fault() {
            self.descriptors.get(fd).refused();
            room = 1 + self.random.below(room - 1);
        }
        let descriptor = self.descriptors.get(fd);
        descriptor.window -= room;
        let mut left = room;
        for &(start, length) in slices {
            let length = length.min(left);
            left -= length;
            // SAFETY: as in `execute`.
            descriptor.sent.extend_from_slice(unsafe { std::slice::from_raw_parts(start, length) });
        }
        i32::try_from(room).expect("tests send little")
    }

    /// Receives past the rings. Nothing may be in flight that receives as well: it would turn bytes round.
    pub(super) fn receive(&mut self, fd: RawFd, room: &mut [u8]) -> Result<usize, Errno> {
        let receives = |flight: &Flight| matches!(flight.request, Request::Receive { fd: other, .. } if other == fd);
        assert!(!self.flights.iter().chain(&self.submission).any(receives), "received under a receive");
        if self.fault() {
            return Err(Errno([libc::EINTR, libc::EAGAIN, libc::ENOBUFS][self.random.below(3)]));
        }
        let descriptor = self.descriptors.get(fd);
        if descriptor.inbound.is_empty() {
            return match descriptor.inbound_end {
                None => Err(Errno(libc::EAGAIN)),
                Some(0) => Ok(0),
                Some(errno) => Err(Errno(errno)),
            };
        }
        let count = descriptor.inbound.len().min(room.len());
        for (place, byte) in room.iter_mut().zip(descriptor.inbound.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    /// Ends a flight before its time. What it had been about to deliver may still come.
    fn cancel(&mut self, index: usize) {
        let deliver = self.behavior.fault_rate > 0 && self.random.chance(128);
        match self.flights[index].request {
            Request::Receive { fd, .. } if deliver && !self.buffers.is_empty() => {
                if self.descriptors.get(fd).inbound.is_empty() {
                    self.end(index, -libc::ECANCELED, 0);
                } else {
                    let (length, flags) = self.fill(fd);
                    self.end(index, length, flags);
                }
            }
            Request::ReceiveDatagrams { fd, message } if deliver && !self.descriptors.get(fd).mailbox.is_empty() => {
                let (result, flags) = self.deliver_datagram(fd, message);
                self.end(index, result, flags);
            }
            Request::ReceiveMessage { fd, message } if deliver && !self.descriptors.get(fd).mailbox.is_empty() => {
                let (result, flags) = self.deliver_message(fd, message);
                self.end(index, result, flags);
            }
            Request::Accept { fd } if deliver => {
                let accepted = self.descriptors.accept(fd);
                self.end(index, accepted.unwrap_or(-libc::ECANCELED), 0);
            }
            _ => self.end(index, -libc::ECANCELED, 0),
        }
    }

    /// Whether a flight has something to deliver.
    pub(super) fn can_go_on(&self, flight: &Flight) -> bool {
        let descriptor = flight.fd().and_then(|fd| self.descriptors.find(fd));
        match (flight.request, descriptor) {
            (Request::Timeout { .. }, _) => self.time_passes,
            (Request::File { request: FileRequest::Await { writable: false, .. }, .. }, _) => !self.nothing_to_read,
            (Request::File { .. }, _) => true,
            (Request::Receive { .. }, Some(it)) => !it.inbound.is_empty() || it.inbound_end.is_some(),
            (Request::ReceiveDatagrams { .. } | Request::ReceiveMessage { .. }, Some(it)) => !it.mailbox.is_empty(),
            (Request::PollReadable { .. }, Some(it)) => !it.mailbox.is_empty(),
            (Request::Accept { .. }, Some(it)) => !it.waiting.is_empty() || it.accept_error.is_some(),
            (Request::PollWritable { edges: false, .. }, Some(it)) => it.poll() != 0,
            (Request::PollWritable { edges: true, .. }, Some(it)) => it.poll() & !it.told != 0,
            (Request::Connect { .. }, Some(it)) => it.connected.is_some(),
            _ => false,
        }
    }

    /// Runs deferred work: whatever can go on, in any order. Time passes when there is nothing else to do: what the
    /// kernel has at hand takes less of it than the shortest pause.
    pub(super) fn work(&mut self) {
        for _ in 0..WORK_PER_ENTER {
            let (late, able): (Vec<usize>, Vec<usize>) = (0..self.flights.len())
                .filter(|&index| self.can_go_on(&self.flights[index]))
                .partition(|&index| matches!(self.flights[index].request, Request::Timeout { .. }));
            let is_idle = able.is_empty() && self.completion.is_empty() && self.pending.is_empty();
            let able = if is_idle { late } else { able };
            if able.is_empty() || self.fault() {
                break;
            }
            let index = able[self.random.below(able.len())];
            self.go_on(index);
        }
    }

    fn go_on(&mut self, index: usize) {
        // A full completion queue ends a multishot, and so does the kernel's whim.
        let full = self.completion.len() + self.pending.len() >= self.behavior.completion_entries;
        let more = if full || self.fault() { 0 } else { CQE_F_MORE };
        let user_data = self.flights[index].user_data;
        match self.flights[index].request {
            Request::Receive { fd, extent } => {
                if self.fault() {
                    let errno = [libc::EINTR, libc::EAGAIN, libc::ECANCELED][self.random.below(3)];
                    self.end(index, -errno, 0);
                } else if self.buffers.is_empty() {
                    self.end(index, -libc::ENOBUFS, 0);
                } else if !self.descriptors.get(fd).inbound.is_empty() {
                    let (length, flags) = self.fill(fd);
                    let left = match extent {
                        Extent::Endless => u32::MAX,
                        Extent::Single => 0,
                        Extent::Bounded(limit) => limit.saturating_sub(u32::try_from(length).unwrap_or(0)),
                    };
                    if let (Request::Receive { extent, .. }, Extent::Bounded(_)) =
                        (&mut self.flights[index].request, extent)
                    {
                        *extent = Extent::Bounded(left);
                    }
                    if more == 0 || left == 0 {
                        self.end(index, length, flags);
                    } else {
                        self.post(user_data, length, flags | more);
                    }
                } else {
                    let status = self.descriptors.get(fd).inbound_end.expect("can go on");
                    // The end of a stream may come with a buffer that holds nothing.
                    let flags = if status == 0 && self.random.chance(64) { self.take_buffer(0) } else { 0 };
                    self.end(index, -status, flags);
                }
            }
            Request::ReceiveDatagrams { fd, message } => {
                if self.fault() {
                    let errno = [libc::EINTR, libc::EAGAIN, libc::ECANCELED][self.random.below(3)];
                    return self.end(index, -errno, 0);
                }
                // An empty datagram ends the receive, as an end of the stream would.
                let empty = self.descriptors.get(fd).mailbox.next_is_empty();
                let (result, flags) = self.deliver_datagram(fd, message);
                if result < 0 || empty || more == 0 {
                    self.end(index, result, flags);
                } else {
                    self.post(user_data, result, flags | more);
                }
            }
            Request::ReceiveMessage { fd, message } => {
                if self.fault() {
                    let errno = [libc::EINTR, libc::EAGAIN, libc::ECANCELED][self.random.below(3)];
                    return self.end(index, -errno, 0);
                }
                let (result, flags) = self.deliver_message(fd, message);
                self.end(index, result, flags);
            }
            Request::Accept { fd } => {
                let error = self.descriptors.get(fd).accept_error.take();
                if let Some(errno) = error {
                    self.end(index, -errno, 0);
                } else if self.fault() {
                    let errno = [libc::EINTR, libc::ECONNABORTED, libc::ENOBUFS, libc::EPROTO][self.random.below(4)];
                    self.end(index, -errno, 0);
                } else {
                    let accepted = self.descriptors.accept(fd).expect("can go on");
                    let others_wait = !self.descriptors.get(fd).waiting.is_empty() && !self.fault();
                    self.end(index, accepted, if others_wait { CQE_F_SOCK_NONEMPTY } else { 0 });
                }
            }
            Request::PollReadable { .. } => self.end(index, libc::POLLIN.into(), 0),
            Request::PollWritable { fd, edges } => {
                let descriptor = self.descriptors.get(fd);
                let found = i32::from(descriptor.poll());
                if edges {
                    descriptor.told = descriptor.poll();
                }
                if edges && more != 0 {
                    self.post(user_data, found, more);
                } else {
                    self.end(index, found, 0);
                }
            }
            Request::Connect { fd, .. } => {
                let status = self.descriptors.get(fd).connected.expect("can go on");
                self.end(index, -status, 0);
            }
            Request::Timeout { .. } => self.end(index, -libc::ETIME, 0),
            Request::File { request, .. } => {
                let result = self.play_file(&request);
                self.end(index, result, 0);
            }
            request => unreachable!("not a flight: {request:?}"),
        }
    }

    /// Receives into a buffer: the number of bytes and the flags.
    fn fill(&mut self, fd: RawFd) -> (i32, u32) {
        let waiting = self.descriptors.get(fd).inbound.len();
        let room = self.buffers.room();
        let mut length = waiting.min(room);
        if length > 1 && self.fault() {
            length = 1 + self.random.below(length - 1);
        }
        let bytes: Vec<u8> = self.descriptors.get(fd).inbound.drain(..length).collect();
        self.buffers.write(&bytes);
        let more_waits = length < waiting && !self.fault();
        let flags = if more_waits { CQE_F_SOCK_NONEMPTY } else { 0 };
        (i32::try_from(length).expect("buffers are small"), self.take_buffer(length) | flags)
    }

    fn take_buffer(&mut self, length: usize) -> u32 {
        if self.buffers.is_empty() {
            return 0;
        }
        let (buffer, more) = self.buffers.consume(length);
        CQE_F_BUFFER | u32::from(buffer) << 16 | if more { CQE_F_BUF_MORE } else { 0 }
    }
}
