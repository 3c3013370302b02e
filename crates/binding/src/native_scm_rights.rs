//! What TypeScript calls for UNIX-domain streams alone: see [`crate::native_reactor`] and
//! `crates/reactor/src/scm_rights.rs`.

use std::os::fd::IntoRawFd;

use iouring_reactor::{HandleId, socket};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::native_reactor::{NativeReactor, status};

/// Who a peer is.
#[napi(object, object_from_js = false)]
pub struct Credentials {
    /// Its process; 0 where that is not to be seen from here.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

#[napi]
impl NativeReactor {
    /// Receives descriptors as well, from here on: at most `limit` at a time.
    #[napi]
    pub fn receive_descriptors(&self, handle: i32, limit: u32) -> i32 {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        status(self.instance.with(|reactor| reactor.receive_descriptors(HandleId::from_raw(handle), limit)))
    }

    /// The descriptors of the message that came last, where they were not taken: the caller's from then on. None come
    /// before that.
    #[napi]
    pub fn take_descriptors(&self, handle: i32) -> Vec<i32> {
        let taken = self.instance.with(|reactor| reactor.take_descriptors(HandleId::from_raw(handle)));
        taken.unwrap_or_default().into_iter().map(IntoRawFd::into_raw_fd).collect()
    }

    /// Duplicates descriptors for a write to come, which says so.
    #[napi]
    pub fn stage_descriptors(&self, handle: i32, #[napi(ts_arg_type = "readonly number[]")] fds: Vec<i32>) -> i32 {
        status(self.instance.with(|reactor| reactor.stage_descriptors(HandleId::from_raw(handle), &fds)))
    }

    /// Who the peer of a UNIX-domain stream is, or was when the connection was made.
    #[napi]
    pub fn peer_credentials(&self, handle: i32) -> Either<Credentials, i32> {
        match self.descriptor(handle).and_then(socket::peer_credentials) {
            Ok(socket::Credentials { pid, uid, gid }) => Either::A(Credentials { pid, uid, gid }),
            Err(errno) => Either::B(errno.negated()),
        }
    }
}
