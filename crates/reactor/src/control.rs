//! Control data: what `recvmsg` tells beside a datagram's bytes.

use std::os::fd::{FromRawFd, OwnedFd};

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

/// Closes the descriptors that came with a message (`SCM_RIGHTS`): whoever can reach a UNIX socket can send some.
pub(crate) fn close_descriptors(data: &[u8]) {
    for (level, kind, content) in messages(data) {
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            for fd in content.chunks_exact(size_of::<i32>()) {
                let fd = i32::from_ne_bytes(fd.try_into().expect("four bytes"));
                if fd >= 0 {
                    // SAFETY: the kernel has just put it into our table, and nobody else knows its number.
                    drop(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
        }
    }
}
