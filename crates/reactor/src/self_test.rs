//! Self-tests: small conversations through a real ring, which show what the kernel's own answers do not.
//!
//! Multishot is invisible to `IORING_REGISTER_PROBE`, and a seccomp filter may allow set-up and forbid the rest. So
//! every thing that the reactor depends on is done once, on sockets that nobody else knows of, and its outcome compared
//! with what should have come. All of it completes at once; should something never complete, [`PATIENCE`] ends the
//! wait.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::raw::c_int;
use std::ptr;
use std::time::Duration;

use io_uring::cqueue::{self, Entry as Cqe};
use io_uring::squeue::Entry as Submission;
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode};

use crate::address::SocketAddress;
use crate::buffer_ring::{BufferRing, PBUF_RING_INC};
use crate::error::{Errno, Error, Reason};
use crate::eventfd::EventFd;
use crate::memory::Mapping;
use crate::socket::{self, Domain, Type};
use crate::sqe::bounded_receive;

/// How long a completion may take to come: four orders of magnitude longer than it does.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tags what is being tried.
const SUBJECT: u64 = 1;
/// Tags its cancellation.
const CANCEL: u64 = 2;

/// How many signals are looked at.
const SIGNALS: u32 = 3;

/// Entries of the self-test's buffer ring, and the size of its buffers: small enough for a message to need several.
const BUFFERS: u16 = 8;
const BUFFER_SIZE: usize = 4;
/// They begin behind the ring.
const BUFFERS_START: usize = BufferRing::size(BUFFERS);

/// A ring with at most one operation under test at a time.
pub(crate) struct SelfTest<'ring> {
    ring: &'ring mut IoUring,
    /// Memory that the kernel writes to while an operation is in flight: `None` where the step needs none.
    buffers: Option<BufferRing>,
    /// What is being tried, for the error message.
    name: &'static str,
    /// Operations whose terminal completion has not been seen.
    in_flight: u32,
}

impl<'ring> SelfTest<'ring> {
    pub(crate) fn new(ring: &'ring mut IoUring) -> Self {
        Self { ring, buffers: None, name: "", in_flight: 0 }
    }

    /// Whether the ring is as it was, and fit for use. An optional step that broke off may have left something behind.
    pub(crate) fn is_clean(&self) -> bool {
        self.in_flight == 0 && self.buffers.is_none()
    }

    /// A multishot receive into provided buffers: data that is there already, data that comes later, cancellation by
    /// descriptor.
    pub(crate) fn multishot_receive(&mut self) -> Result<(), Error> {
        self.name = "multishot receive into a buffer ring";
        self.provide_buffers(0).map_err(|errno| Reason::of_register(errno, "IORING_REGISTER_PBUF_RING"))?;
        let (ours, theirs) = self.prepared(socket_pair())?;

        self.prepared(send(&theirs, b"1st", 0))?;
        self.start(opcode::RecvMulti::new(Fd(ours.as_raw_fd()), 0).build())?;
        let first = self.next()?;
        if first.result() == Errno::EINVAL.negated() {
            return Err(Reason::KernelTooOld { missing: "IORING_RECV_MULTISHOT" }.because(Errno::EINVAL));
        }
        self.expect(cqueue::more(first.flags()) && self.received(&first, 0) == b"1st")?;
        self.prepared(send(&theirs, b"2nd", 0))?;
        let second = self.next()?;
        self.expect(cqueue::more(second.flags()) && self.received(&second, 0) == b"2nd")?;
        let cancelled = self.cancel(&ours)?;
        self.expect(cancelled)?;
        self.withdraw_buffers()
    }

    /// An accept, which must hand out a descriptor, and the cancellation of one for which nobody has come.
    pub(crate) fn accept(&mut self) -> Result<(), Error> {
        self.name = "accept";
        let (listener, client) = self.prepared(pending_connection(&SocketAddress::unix_any(), Domain::Unix))?;
        let fd = Fd(listener.as_raw_fd());
        let entry = opcode::Accept::new(fd, ptr::null_mut(), ptr::null_mut()).flags(libc::SOCK_CLOEXEC).build();
        self.start(entry.clone())?;
        let accepted = self.next()?;
        self.expect(accepted.result() >= 0)?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(accepted.result()) });
        drop(client);
        self.start(entry)?;
        let cancelled = self.cancel(&listener)?;
        self.expect(cancelled)
    }

    /// A synchronous cancellation: nothing matches, and the kernel must say just that.
    pub(crate) fn synchronous_cancel(&mut self) -> Result<(), Error> {
        self.name = "synchronous cancellation";
        match self.ring.submitter().register_sync_cancel(None, CancelBuilder::user_data(SUBJECT)).map_err(Errno::from) {
            Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Reason::of_register(errno, "IORING_REGISTER_SYNC_CANCEL")),
            Ok(()) => self.expect(false),
        }
    }

    /// Whether buffers can be filled incrementally: two short messages must come to lie behind each other in one.
    pub(crate) fn incremental_buffers(&mut self) -> Result<bool, Error> {
        let outcome = self.try_incremental_buffers();
        without_failing(outcome)
    }

    fn try_incremental_buffers(&mut self) -> Result<bool, Error> {
        self.name = "incremental buffers";
        match self.provide_buffers(PBUF_RING_INC) {
            Err(Errno::EINVAL) => return Ok(false),
            provided => provided.map_err(|errno| Reason::of_register(errno, "IOU_PBUF_RING_INC"))?,
        }
        let (ours, theirs) = self.prepared(socket_pair())?;
        self.start(opcode::RecvMulti::new(Fd(ours.as_raw_fd()), 0).build())?;
        let mut works = true;
        for (offset, message, kernel_keeps_buffer) in [(0, b"ab", true), (2, b"cd", false)] {
            self.prepared(send(&theirs, message, 0))?;
            let completion = self.next()?;
            works &= self.received(&completion, offset) == message
                && cqueue::buffer_more(completion.flags()) == kernel_keeps_buffer;
            if !cqueue::more(completion.flags()) {
                break;
            }
        }
        works &= self.cancel(&ours)?;
        self.withdraw_buffers()?;
        Ok(works)
    }

    /// Whether a multishot receive ends after so many bytes as it is told: after the first of two buffers that a
    /// message fills.
    pub(crate) fn bounded_receive(&mut self) -> Result<bool, Error> {
        let outcome = self.try_bounded_receive();
        without_failing(outcome)
    }

    fn try_bounded_receive(&mut self) -> Result<bool, Error> {
        self.name = "bounded receive";
        self.provide_buffers(0).map_err(|errno| Reason::of_register(errno, "IORING_REGISTER_PBUF_RING"))?;
        let (ours, theirs) = self.prepared(socket_pair())?;
        self.prepared(send(&theirs, b"12345678", 0))?;
        self.start(bounded_receive(ours.as_raw_fd(), 0, 1))?;
        let completion = self.next()?;
        let works = self.received(&completion, 0) == b"1234" && !cqueue::more(completion.flags());
        self.cancel(&ours)?;
        self.withdraw_buffers()?;
        Ok(works)
    }

    /// Whether the ring's eventfd can be read as soon as something has arrived. Looked at several times: a signal that
    /// is put off might come in time by chance, and of those that are lost the first is not.
    pub(crate) fn prompt_signals(&mut self) -> Result<bool, Error> {
        let outcome = self.try_prompt_signals();
        without_failing(outcome)
    }

    fn try_prompt_signals(&mut self) -> Result<bool, Error> {
        self.name = "signals";
        let eventfd = self.prepared(EventFd::new())?;
        let refused = |errno| Reason::of_register(errno, "IORING_REGISTER_EVENTFD");
        self.ring.submitter().register_eventfd(eventfd.as_raw_fd()).map_err(|error| refused(error.into()))?;
        let outcome = self.are_signals_prompt(&eventfd);
        self.ring.submitter().unregister_eventfd().map_err(|error| refused(error.into()))?;
        outcome
    }

    fn are_signals_prompt(&mut self, eventfd: &EventFd) -> Result<bool, Error> {
        let mut prompt = true;
        for _ in 0..SIGNALS {
            let (ours, theirs) = self.prepared(socket_pair())?;
            self.start(opcode::PollAdd::new(Fd(ours.as_raw_fd()), libc::POLLIN as u32).build())?;
            self.prepared(self.ring.submit().map_err(Errno::from))?;
            self.prepared(send(&theirs, b"!", 0))?;
            prompt &= eventfd.acknowledge();
            let completion = self.next()?;
            self.expect(completion.result() > 0)?;
            // What the completion itself may have signalled.
            eventfd.acknowledge();
        }
        Ok(prompt)
    }

    /// Whether one completion can report several buffers, and reports them without a gap.
    ///
    /// From Linux 6.13.11 until it was fixed, a bundle went on after a buffer that was only partly filled. That takes
    /// a receive that stops early though there is more to read; TCP does so at urgent data.
    pub(crate) fn receive_bundles(&mut self) -> Result<bool, Error> {
        let outcome = self.try_receive_bundles();
        without_failing(outcome)
    }

    fn try_receive_bundles(&mut self) -> Result<bool, Error> {
        self.name = "receive bundles";
        if !self.ring.params().is_feature_recvsend_bundle() {
            return Ok(false);
        }
        self.provide_buffers(0).map_err(|errno| Reason::of_register(errno, "IORING_REGISTER_PBUF_RING"))?;
        // A sandbox without TCP has no use for bundles either.
        let Ok((ours, theirs)) = tcp_pair() else {
            self.withdraw_buffers()?;
            return Ok(false);
        };
        self.prepared(send(&theirs, b"0123456789", 0))?;
        self.prepared(send(&theirs, b"!", libc::MSG_OOB))?;
        self.prepared(send(&theirs, b"abcde", 0))?;
        self.start(opcode::RecvMultiBundle::new(Fd(ours.as_raw_fd()), 0).build())?;

        let expected = b"0123456789abcde";
        let mut received = Vec::with_capacity(expected.len());
        let mut next_buffer = 0;
        while received.len() < expected.len() {
            let completion = self.next()?;
            let length = usize::try_from(completion.result()).unwrap_or(0);
            let start = usize::from(next_buffer) * BUFFER_SIZE;
            let in_order = cqueue::buffer_select(completion.flags()) == Some(next_buffer);
            match self.buffer_bytes().get(start..start.saturating_add(length)) {
                Some(bytes) if in_order && !bytes.is_empty() => received.extend_from_slice(bytes),
                _ => break,
            }
            if !cqueue::more(completion.flags()) {
                break;
            }
            next_buffer += length.div_ceil(BUFFER_SIZE) as u16;
        }
        let cancelled = self.cancel(&ours)?;
        self.withdraw_buffers()?;
        Ok(cancelled && received == expected)
    }

    /// Maps and registers buffer group 0, and hands all of its buffers to the kernel.
    ///
    /// Refuses with `EBUSY` while an earlier step, which broke off, may still have the kernel write to its buffers.
    fn provide_buffers(&mut self, flags: u16) -> Result<(), Errno> {
        if self.in_flight > 0 || self.buffers.is_some() {
            return Err(Errno::EBUSY);
        }
        let memory = Mapping::new(BUFFERS_START + usize::from(BUFFERS) * BUFFER_SIZE)?;
        let start = memory.start().as_ptr();
        // SAFETY: it is given back only by withdraw_buffers(), after unregistering (see Drop).
        let mut buffers = unsafe { BufferRing::register(self.ring, 0, memory, BUFFERS, flags) }?;
        for index in 0..BUFFERS {
            let buffer = start.wrapping_add(BUFFERS_START + usize::from(index) * BUFFER_SIZE);
            // SAFETY: it lies in the mapping behind the ring, and each is provided once.
            unsafe { buffers.provide(buffer, BUFFER_SIZE as u32, index) };
        }
        buffers.publish();
        self.buffers = Some(buffers);
        Ok(())
    }

    /// Undoes [`provide_buffers`](Self::provide_buffers). Nothing may be in flight.
    fn withdraw_buffers(&mut self) -> Result<(), Error> {
        self.expect(self.in_flight == 0)?;
        match self.ring.submitter().unregister_buf_ring(0) {
            Ok(()) => self.buffers = None,
            Err(error) => return Err(Reason::of_register(error.into(), "IORING_UNREGISTER_PBUF_RING")),
        }
        Ok(())
    }

    /// The memory of all buffers.
    fn buffer_bytes(&self) -> &[u8] {
        let Some(buffers) = &self.buffers else { return &[] };
        // SAFETY: the buffers lie within the mapping, BUFFERS_START bytes in, and were zero when mapped. The kernel
        // writes only while the ring is entered, and for that the SelfTest, borrowed here, is needed mutably.
        unsafe {
            let start = buffers.memory().start().as_ptr().add(BUFFERS_START);
            std::slice::from_raw_parts(start, usize::from(BUFFERS) * BUFFER_SIZE)
        }
    }

    /// What a completion says was received: nothing where it names no buffer or more than fits.
    fn received(&self, completion: &Cqe, offset: usize) -> &[u8] {
        let (Some(buffer), Ok(length)) =
            (cqueue::buffer_select(completion.flags()), usize::try_from(completion.result()))
        else {
            return &[];
        };
        let start = usize::from(buffer) * BUFFER_SIZE;
        self.buffer_bytes()
            .get(start..start + BUFFER_SIZE)
            .and_then(|bytes| bytes.get(offset..offset + length))
            .unwrap_or(&[])
    }

    /// Submits the operation under test.
    fn start(&mut self, operation: Submission) -> Result<(), Error> {
        self.push(&operation.user_data(SUBJECT))
    }

    /// Cancels every operation on the descriptor and waits until all have ended. Whether they ended by that.
    fn cancel(&mut self, fd: &OwnedFd) -> Result<bool, Error> {
        let armed = self.in_flight > 0;
        let all = CancelBuilder::fd(Fd(fd.as_raw_fd())).all();
        self.push(&opcode::AsyncCancel2::new(all).build().user_data(CANCEL))?;
        let mut as_expected = true;
        while self.in_flight > 0 {
            let completion = self.next()?;
            as_expected &= match completion.user_data() {
                // With ALL, the result is the number of operations found.
                CANCEL => completion.result() == i32::from(armed),
                _ => completion.result() == Errno::ECANCELED.negated(),
            };
        }
        Ok(as_expected)
    }

    fn push(&mut self, operation: &Submission) -> Result<(), Error> {
        // SAFETY: what the operation points at is memory of this SelfTest, which stays until nothing is in flight, or
        // descriptors, which the kernel holds on to by itself.
        let pushed = unsafe { self.ring.submission().push(operation) };
        self.expect(pushed.is_ok())?;
        self.in_flight += 1;
        Ok(())
    }

    /// Submits what was pushed and waits for the next completion.
    fn next(&mut self) -> Result<Cqe, Error> {
        let patience = Timespec::from(PATIENCE);
        let wait = SubmitArgs::new().timespec(&patience);
        loop {
            if let Some(completion) = self.ring.completion().next() {
                self.in_flight -= u32::from(!cqueue::more(completion.flags()));
                return Ok(completion);
            }
            match self.ring.submitter().submit_with_args(1, &wait).map_err(Errno::from) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ETIME) => {
                    return Err(Reason::SelfTestFailed { step: self.name }.because(Errno::ETIME));
                }
                Err(errno @ (Errno::EPERM | Errno::EACCES | Errno::ENOSYS)) => {
                    return Err(Reason::EnterRefused.because(errno));
                }
                Err(errno @ (Errno::ENOMEM | Errno::EAGAIN)) => {
                    return Err(Reason::OutOfMemory.because(errno));
                }
                Err(errno) => {
                    return Err(Error::Os { syscall: "io_uring_enter", errno });
                }
            }
        }
    }

    fn expect(&self, as_it_should_be: bool) -> Result<(), Error> {
        if as_it_should_be {
            return Ok(());
        }
        Err(Error::Unsupported { reason: Reason::SelfTestFailed { step: self.name }, errno: None })
    }

    /// Judges a step that only prepares the test and that io_uring has no part in.
    fn prepared<T>(&self, step: Result<T, Errno>) -> Result<T, Error> {
        step.map_err(|errno| {
            match errno {
                Errno::EMFILE | Errno::ENFILE => Reason::OutOfDescriptors,
                Errno::ENOMEM | Errno::ENOBUFS => Reason::OutOfMemory,
                _ => Reason::SelfTestFailed { step: self.name },
            }
            .because(errno)
        })
    }
}

impl Drop for SelfTest<'_> {
    /// A test that broke off may have left an operation armed, and closing a ring does not wait for its operations.
    /// So its buffers, one page, are then left to the kernel for good.
    fn drop(&mut self) {
        if let Some(buffers) = self.buffers.take() {
            buffers.leak();
        }
    }
}

/// A test of something that the reactor can do without: when it fails for good, the thing counts as absent.
fn without_failing(outcome: Result<bool, Error>) -> Result<bool, Error> {
    match outcome {
        Err(Error::Unsupported { reason, .. }) if reason.permanent() => Ok(false),
        Err(Error::Os { .. }) => Ok(false),
        outcome => outcome,
    }
}

/// Two UNIX stream sockets connected to each other.
fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut fds = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: socketpair(2) writes two descriptors, for which the array has room.
    Errno::check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    // SAFETY: the kernel has just given us both; nobody else owns them.
    Ok(fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).into())
}

/// A listener on an address that the kernel chose, and a client in its backlog.
fn pending_connection(any: &SocketAddress, domain: Domain) -> Result<(OwnedFd, OwnedFd), Errno> {
    let listener = socket::open(domain, Type::Stream)?;
    socket::bind(listener.as_raw_fd(), any)?;
    socket::listen(listener.as_raw_fd(), 1)?;
    let client = socket::open(domain, Type::Stream)?;
    socket::set_nonblocking(client.as_raw_fd(), true)?;
    match socket::connect(client.as_raw_fd(), &socket::local_address(listener.as_raw_fd())?) {
        // Over the loopback interface the handshake is over before connect(2) returns, whatever it returns.
        Ok(()) | Err(Errno::EINPROGRESS) => Ok((listener, client)),
        Err(errno) => Err(errno),
    }
}

/// Two TCP sockets connected to each other over the loopback interface: at once, or not at all.
fn tcp_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let any = SocketAddress::from_v4(Ipv4Addr::LOCALHOST, 0);
    let (listener, client) = pending_connection(&any, Domain::Ipv4)?;
    socket::set_nonblocking(listener.as_raw_fd(), true)?;
    // SAFETY: accept4(2) may be given null pointers where the peer's address is not wanted.
    let accepted = Errno::check(unsafe {
        libc::accept4(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC)
    })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok((unsafe { OwnedFd::from_raw_fd(accepted) }, client))
}

/// Sends all of a message that is short enough for any socket's buffer.
fn send(socket: &OwnedFd, message: &[u8], flags: c_int) -> Result<(), Errno> {
    let flags = flags | libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the kernel reads the message, which outlives the call, and no more than its length.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), flags) };
    match usize::try_from(sent) {
        Ok(sent) if sent == message.len() => Ok(()),
        Ok(_) => Err(Errno::ENOBUFS),
        Err(_) => Err(Errno::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Config};

    fn ring() -> Option<IoUring> {
        match config::set_up(&Config { submission_entries: 64, ..Config::default() }) {
            Ok((ring, _)) => Some(ring),
            Err(error) => {
                eprintln!("skipped: {error}");
                None
            }
        }
    }

    #[test]
    fn tests_leave_the_ring_as_they_found_it() {
        let Some(mut ring) = ring() else { return };
        let mut test = SelfTest::new(&mut ring);
        for _ in 0..3 {
            assert_eq!(test.multishot_receive(), Ok(()));
            assert_eq!(test.accept(), Ok(()));
            assert_eq!(test.synchronous_cancel(), Ok(()));
            assert!(test.receive_bundles().is_ok());
            assert!(test.incremental_buffers().is_ok());
            assert!(test.prompt_signals().is_ok());
            assert!(test.is_clean());
        }
    }

    #[test]
    fn a_test_that_broke_off_keeps_its_buffers_from_the_next_one() {
        let Some(mut ring) = ring() else { return };
        let mut test = SelfTest::new(&mut ring);
        test.provide_buffers(0).unwrap();
        let (ours, theirs) = socket_pair().unwrap();
        test.start(opcode::RecvMulti::new(Fd(ours.as_raw_fd()), 0).build()).unwrap();
        test.ring.submit().unwrap();
        assert_eq!(test.provide_buffers(0), Err(Errno::EBUSY));
        assert_eq!(test.receive_bundles(), Ok(false));
        assert!(!test.is_clean());
        // What comes after the ring is gone must find the memory still there.
        drop(test);
        drop(ring);
        send(&theirs, b"late", 0).unwrap();
    }

    #[test]
    fn what_is_cancelled_must_have_been_there() {
        let Some(mut ring) = ring() else { return };
        let mut test = SelfTest::new(&mut ring);
        let (ours, theirs) = socket_pair().unwrap();
        assert_eq!(test.cancel(&ours), Ok(true), "nothing was, and nothing was expected");
        test.provide_buffers(0).unwrap();
        send(&theirs, b"data", 0).unwrap();
        test.start(opcode::RecvMulti::new(Fd(ours.as_raw_fd()), 0).build()).unwrap();
        assert_eq!(test.cancel(&ours), Ok(false), "data came first");
        assert_eq!(test.in_flight, 0);
        assert_eq!(test.withdraw_buffers(), Ok(()));
    }

    #[test]
    fn only_passing_shortages_fail_an_optional_test() {
        assert_eq!(without_failing(Ok(true)), Ok(true));
        assert_eq!(without_failing(Err(Reason::SelfTestFailed { step: "x" }.because(Errno::ETIME))), Ok(false));
        let shortage = Reason::OutOfDescriptors.because(Errno::EMFILE);
        assert_eq!(without_failing(Err(shortage.clone())), Err(shortage));
    }
}
