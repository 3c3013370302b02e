//! Message headers, and all that they point at: boxed once and reused, so that their addresses hold while the kernel
//! reads them.

use std::os::fd::OwnedFd;

use crate::control;
use crate::error::Errno;

/// Most slices that one vectored send takes.
pub(crate) const MAX_SLICES: usize = 256;

/// What the header of a stream's message points at.
pub(crate) struct Message {
    /// The header that the request points at.
    pub header: libc::msghdr,
    /// The slices that the header points at.
    pub slices: Vec<libc::iovec>,
    /// Control data that the header points at, as aligned as its headers are.
    control: Vec<u64>,
}

impl Message {
    /// A header that points at nothing, with room for `slices`.
    #[must_use]
    pub(crate) fn new(slices: usize) -> Box<Self> {
        let header = DatagramMessage::empty_header();
        Box::new(Self { header, slices: Vec::with_capacity(slices), control: Vec::new() })
    }

    /// Points at nothing again.
    pub(crate) fn clear(&mut self) {
        self.header = DatagramMessage::empty_header();
        self.slices.clear();
    }

    /// Passes descriptors along (`SCM_RIGHTS`).
    pub(crate) fn pass(&mut self, descriptors: &[OwnedFd]) {
        control::write_descriptors(&mut self.control, descriptors);
        self.header.msg_control = self.control.as_mut_ptr().cast();
        self.header.msg_controllen = size_of_val(self.control.as_slice()) as _;
    }
}

/// What the header of one datagram points at.
pub(crate) struct DatagramMessage {
    /// The header that the request points at.
    pub header: libc::msghdr,
    /// Payloads: one, but for datagrams that go together.
    slices: Vec<libc::iovec>,
    name: libc::sockaddr_storage,
    /// Room for the one control message that a datagram is sent with, `UDP_SEGMENT`.
    control: [u64; control::words(size_of::<u16>())],
}

impl DatagramMessage {
    /// A header that points at nothing.
    #[must_use]
    pub(crate) fn empty_header() -> libc::msghdr {
        // SAFETY: an all-zero msghdr is valid: null pointers with zero lengths.
        unsafe { std::mem::zeroed() }
    }

    /// A header that points at nothing, with room for what it may come to point at.
    #[must_use]
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            header: Self::empty_header(),
            slices: Vec::with_capacity(1),
            // SAFETY: a C struct of integers, for which all-zero bytes are a valid value.
            name: unsafe { std::mem::zeroed() },
            control: [0; control::words(size_of::<u16>())],
        })
    }

    /// Points at nothing again.
    pub(crate) fn clear(&mut self) {
        self.header = Self::empty_header();
        self.slices.clear();
    }

    /// Copies the destination in: the bytes of a `sockaddr`.
    ///
    /// # Errors
    /// `EINVAL` where it is longer than any can be.
    pub(crate) fn set_name(self: &mut Box<Self>, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.len() > size_of::<libc::sockaddr_storage>() {
            return Err(Errno::EINVAL);
        }
        let name = &raw mut self.name;
        // SAFETY: the length was checked; a parameter cannot overlap a field.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), name.cast(), bytes.len()) };
        self.header.msg_name = name.cast();
        self.header.msg_namelen = bytes.len() as _;
        Ok(())
    }

    /// The destination that was copied in; empty where none was.
    #[must_use]
    pub(crate) fn name(&self) -> &[u8] {
        #[allow(clippy::unnecessary_cast, reason = "the types are not the same in all C libraries")]
        let length = self.header.msg_namelen as usize;
        // SAFETY: so many bytes of it were written by `set_name`, which is where the length comes from.
        unsafe { std::slice::from_raw_parts((&raw const self.name).cast(), length) }
    }

    /// Points at a payload, behind those that were added before.
    pub(crate) fn add_payload(self: &mut Box<Self>, start: *const u8, length: usize) {
        self.slices.push(libc::iovec { iov_base: start.cast_mut().cast(), iov_len: length });
        self.header.msg_iov = self.slices.as_mut_ptr();
        self.header.msg_iovlen = self.slices.len() as _;
    }

    /// Asks for the payload to be cut into datagrams of so many bytes (`UDP_SEGMENT`).
    pub(crate) fn set_segment(self: &mut Box<Self>, size: u16) {
        let content = size_of_val(&size);
        control::begin(&mut self.control, libc::SOL_UDP, libc::UDP_SEGMENT, content)
            .copy_from_slice(&size.to_ne_bytes());
        self.header.msg_control = self.control.as_mut_ptr().cast();
        self.header.msg_controllen = size_of_val(&self.control) as _;
    }
}

/// What came with a message beside its bytes.
#[derive(Default)]
pub(crate) struct Passed {
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Some were closed by the kernel: they were too many, or there was no room in the descriptor table.
    pub(crate) lost: bool,
}

/// What the kernel fills where descriptors are received: a header, and the room for control data that it points at.
pub(crate) struct Receipt {
    pub(crate) header: libc::msghdr,
    /// As aligned as the headers in it.
    control: Vec<u64>,
}

impl Receipt {
    /// No name, and room for at most `limit` descriptors. The bytes go into a provided buffer.
    pub(crate) fn new(limit: usize) -> Box<Self> {
        let room = control::room_for_descriptors(limit);
        let mut control = vec![0_u64; room.div_ceil(size_of::<u64>())];
        let mut header = DatagramMessage::empty_header();
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = room as _;
        Box::new(Self { header, control })
    }

    /// What came with the message. The receive has succeeded, and the kernel has written here how much there is; the
    /// second time it is nothing.
    pub(crate) fn take(&mut self) -> Passed {
        #[allow(clippy::unnecessary_cast, reason = "the type of the length is not the same in all C libraries")]
        let length =
            (std::mem::take(&mut self.header.msg_controllen) as usize).min(size_of_val(self.control.as_slice()));
        // SAFETY: so many bytes are there, and any are initialized.
        let data = unsafe { std::slice::from_raw_parts(self.control.as_ptr().cast::<u8>(), length) };
        // SAFETY: the kernel has written them for this receive, and their length is forgotten: they are taken once.
        let descriptors = unsafe { control::take_descriptors(data) };
        Passed { descriptors, lost: self.header.msg_flags & libc::MSG_CTRUNC != 0 }
    }
}
