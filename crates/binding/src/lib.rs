//! The Node-API face of the reactor: one per JavaScript thread, its queues in shared memory, its wake-up and its end. No policy.

#![allow(unreachable_pub, reason = "nothing links against a cdylib: `pub` says what a module offers to the others")]
#![allow(clippy::needless_pass_by_value, reason = "napi-rs hands arguments over as owned values")]

mod at_once;
mod cleanup;
mod driver;
mod file;
mod instance;
mod memory;
mod native_datagram;
mod native_passing;
mod native_reactor;
mod protocol;
mod socket_option;
mod uv;
mod vigil;
mod waiter;

use iouring_reactor::{Error, support as reactor_support};
use napi_derive::napi;

/// What was found out by trying.
#[napi(object)]
pub struct NativeSupport {
    /// Whether a ring could be set up, entered, and passed the self-test.
    pub available: bool,
    /// Code of what stands in the way; null where nothing does.
    #[napi(ts_type = "string | null")]
    pub reason: Option<String>,
    /// What stands in the way, in words; empty where nothing does.
    pub message: String,
    /// Whether trying again in this process is pointless.
    pub permanent: bool,
    /// The errno that was seen, positive; 0 for none.
    pub errno: i32,
    /// The kernel's release, for messages only.
    pub kernel: String,
    /// Names of the optional kernel features that were found.
    pub features: Vec<String>,
}

/// Finds out whether this process can use io_uring: sets up a ring, uses it, and takes it down again. About a millisecond.
#[napi]
#[must_use]
pub fn support() -> NativeSupport {
    let kernel = reactor_support::kernel_release();
    match reactor_support::detect() {
        Ok(features) => NativeSupport {
            available: true,
            reason: None,
            message: String::new(),
            permanent: false,
            errno: 0,
            kernel,
            features: features.names().into_iter().map(String::from).collect(),
        },
        Err(error) => {
            let (code, permanent) = match &error {
                Error::Unsupported { reason, .. } => (reason.code(), reason.permanent()),
                Error::Os { .. } | Error::Config { .. } => ("ERR_IOURING_SET_UP", false),
            };
            NativeSupport {
                available: false,
                reason: Some(code.into()),
                message: error.to_string(),
                permanent,
                errno: error.errno().map_or(0, |errno| errno.0),
                kernel,
                features: Vec::new(),
            }
        }
    }
}
