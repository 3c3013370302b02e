//! The Node-API face of the reactor: one per JavaScript thread, its queues in shared memory, its wake-up and its end.
//! No policy.

#![allow(unreachable_pub, reason = "nothing links against a cdylib: `pub` says what a module offers to the others")]
#![allow(clippy::needless_pass_by_value, reason = "napi-rs hands arguments over as owned values")]

mod cleanup;
mod dispatch;
mod driver;
mod file;
mod instance;
mod memory;
mod native_datagram;
mod native_reactor;
mod native_scm_rights;
mod native_stats;
mod nowait;
mod numbers;
mod protocol;
mod queues;
mod settings;
mod shown;
mod socket_option;
mod unregistered;
mod uv;
mod waiter;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iouring_reactor::memory::Mapping;
use iouring_reactor::{Errno, support as reactor_support};
use napi::bindgen_prelude::{Env, Unknown};
use napi_derive::napi;

use crate::instance::Instance;
use crate::shown::show;

/// What was found out by trying.
#[napi(object, object_from_js = false)]
pub struct NativeSupport {
    /// Whether a ring could be set up, entered, and passed the self-test.
    pub available: bool,
    /// Code of what stands in the way; absent where nothing does.
    pub reason: Option<String>,
    /// What stands in the way, in words; empty where nothing does.
    pub message: String,
    /// The errno that was seen, negative; absent where there was none.
    pub errno: Option<i32>,
    /// The kernel's release, for messages only.
    pub kernel: String,
    /// Names of the optional kernel features that were found.
    pub features: Vec<String>,
}

/// Finds out whether this process can use io_uring: sets up a ring, uses it, and takes it down again. About a
/// millisecond.
#[napi]
#[must_use]
pub fn support() -> NativeSupport {
    let kernel = reactor_support::kernel_release();
    match reactor_support::detect() {
        Ok(features) => NativeSupport {
            available: true,
            reason: None,
            message: String::new(),
            errno: None,
            kernel,
            features: features.names().into_iter().map(String::from).collect(),
        },
        Err(error) => NativeSupport {
            available: false,
            reason: Some(error.code().into()),
            message: error.to_string(),
            errno: error.errno().map(Errno::negated),
            kernel,
            features: Vec::new(),
        },
    }
}

/// True on the first call in the process, whichever of its threads makes it.
#[napi]
#[must_use]
pub fn claim_warning() -> bool {
    static CLAIMED: AtomicBool = AtomicBool::new(false);
    !CLAIMED.swap(true, Ordering::Relaxed)
}

/// Page-aligned memory of so many bytes, zeroed. The kernel can be given it as it is where this thread has a reactor by
/// now. `null` where no memory is to be had.
///
/// # Errors
/// Where the runtime does not allow external memory.
#[napi(ts_return_type = "ArrayBuffer | null")]
pub fn aligned_memory(env: Env, size: f64) -> napi::Result<Option<Unknown<'static>>> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and then there is none")]
    let Ok(memory) = Mapping::new(size as usize) else { return Ok(None) };
    let memory = Arc::new(memory);
    let instance = env.get_instance_data::<Rc<Instance>>()?.map(|instance| Rc::clone(instance));
    let owner = instance.as_ref().map(Rc::downgrade);
    let value = show(env.raw(), &memory, move |memory| {
        if let Some(instance) = owner.and_then(|owner| owner.upgrade()) {
            instance.mappings().remove(memory);
        }
    })?;
    if let Some(instance) = instance {
        instance.mappings().add(&memory);
    }
    // SAFETY: the value was made in this environment just now; it is returned to JavaScript at once.
    Ok(Some(unsafe { Unknown::from_raw_unchecked(env.raw(), value) }))
}
