//! Control data: what `recvmsg` tells beside the bytes, and what `sendmsg` is told.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Bytes of a `cmsghdr`, and what every control message is aligned to.
const HEADER: usize = size_of::<libc::cmsghdr>();
const ALIGNMENT: usize = size_of::<usize>();

/// The control messages in a piece of control data: level, type and bytes of each. Ends where a length makes no sense.
pub fn messages(data: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.len() < HEADER {
            return None;
        }
        // SAFETY: so many bytes are there, and any bytes are a valid header; it need not be aligned.
        let header = unsafe { rest.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        #[allow(clippy::unnecessary_cast, reason = "the type of the length is not the same in all C libraries")]
        let length = header.cmsg_len as usize;
        if length < HEADER || length > rest.len() {
            return None;
        }
        let content = &rest[HEADER..length];
        rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((header.cmsg_level, header.cmsg_type, content))
    })
}

/// Most descriptors that one message can carry: `SCM_MAX_FD`.
pub const MAX_DESCRIPTORS: usize = 253;

/// Room for so many, and for none beyond: without what follows for the sake of alignment.
pub(crate) const fn room_for_descriptors(count: usize) -> usize {
    HEADER + count * size_of::<i32>()
}

/// The descriptors that came with a message (`SCM_RIGHTS`): whoever can reach a UNIX socket can send some. They are
/// closed when they are dropped.
///
/// # Safety
/// The data are what the kernel has just written, and are asked for once: each number in them becomes an owner.
pub(crate) unsafe fn take_descriptors(data: &[u8]) -> Vec<OwnedFd> {
    messages(data)
        .filter(|&(level, kind, _)| (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS))
        .flat_map(|(_, _, content)| content.chunks_exact(size_of::<i32>()))
        .map(|fd| i32::from_ne_bytes(fd.try_into().expect("four bytes")))
        .filter(|&fd| fd >= 0)
        // SAFETY: as the caller promises, the kernel has just put it into our table, and nobody else knows its number.
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
        .collect()
}

/// Words of 64 bits that a control message of so many bytes takes, header included. They are as aligned as a header.
pub(crate) const fn words(content: usize) -> usize {
    (HEADER + content).div_ceil(size_of::<u64>())
}

/// Begins a control message in [`words`] that are made for it: the bytes of its content, for the caller to fill.
pub(crate) fn begin(into: &mut [u64], level: i32, kind: i32, content: usize) -> &mut [u8] {
    assert!(into.len() >= words(content), "there is room for the message");
    // SAFETY: a C struct of integers, for which all-zero bytes are a valid value.
    let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
    header.cmsg_len = (HEADER + content) as _;
    header.cmsg_level = level;
    header.cmsg_type = kind;
    let start = into.as_mut_ptr();
    // SAFETY: there is room for the header, as was checked, and words are as aligned as it is.
    unsafe { start.cast::<libc::cmsghdr>().write(header) };
    // SAFETY: so many bytes lie behind the header, as was checked; the words are initialized, and lent to nobody else.
    unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>().add(HEADER), content) }
}

/// Writes the control message that passes descriptors along.
pub(crate) fn write_descriptors(into: &mut Vec<u64>, descriptors: &[OwnedFd]) {
    let content = size_of_val(descriptors);
    into.clear();
    into.resize(words(content), 0);
    let numbers = begin(into, libc::SOL_SOCKET, libc::SCM_RIGHTS, content).chunks_exact_mut(size_of::<i32>());
    for (number, descriptor) in numbers.zip(descriptors) {
        number.copy_from_slice(&descriptor.as_raw_fd().to_ne_bytes());
    }
}
