//! The end of an environment: `process.exit`, a natural end, an uncaught exception, `worker.terminate()`.
//!
//! The hook runs on the environment's own thread, which is the only one that may cancel operations. Where libuv drives,
//! Node waits until the hook's handle is removed: libuv's handles must have been closed before the loop goes away.

use std::ffi::c_void;
use std::ptr;
use std::rc::{Rc, Weak};

use napi::{Status, sys};

use crate::driver::Driver;
use crate::instance::Instance;

/// Registers the hook.
///
/// A driver that stops at once has the plain kind of hook: of the other, Deno frees the handle when the hook returns
/// and once more when it is removed, and aborts. The raw call, since napi-rs's own removes the handle as soon as the
/// hook returns.
pub fn register(instance: &Rc<Instance>) -> napi::Result<()> {
    let env = instance.env();
    let at_once = instance.driver().is_some_and(Driver::stops_at_once);
    // It does not keep one that has ended before, whose place in the thread another one has taken.
    let argument = Rc::downgrade(instance).into_raw().cast_mut().cast();
    // SAFETY: the argument is taken back by the hook, which runs once.
    let status = unsafe {
        if at_once {
            sys::napi_add_env_cleanup_hook(env, Some(clean_up_at_once), argument)
        } else {
            sys::napi_add_async_cleanup_hook(env, Some(clean_up), argument, ptr::null_mut())
        }
    };
    if status == sys::Status::napi_ok {
        Ok(())
    } else {
        Err(napi::Error::new(Status::from(status), "no clean-up hook"))
    }
}

unsafe extern "C" fn clean_up_at_once(argument: *mut c_void) {
    // SAFETY: what `register` passed.
    end(unsafe { Weak::from_raw(argument.cast::<Instance>().cast_const()) }, Box::new(|| ()));
}

unsafe extern "C" fn clean_up(handle: sys::napi_async_cleanup_hook_handle, argument: *mut c_void) {
    // SAFETY: what `register` passed.
    let instance = unsafe { Weak::from_raw(argument.cast::<Instance>().cast_const()) };
    let done = Box::new(move || {
        // SAFETY: once, after nothing of ours is left in the loop.
        unsafe { sys::napi_remove_async_cleanup_hook(handle) };
    });
    end(instance, done);
}

fn end(instance: Weak<Instance>, done: Box<dyn FnOnce()>) {
    match instance.upgrade() {
        Some(instance) => instance.end(done),
        None => done(),
    }
}
