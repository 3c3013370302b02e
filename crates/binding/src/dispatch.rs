//! The calls of JavaScript: one for all completions of a round, and another where it has returned early.

use std::cell::Cell;
use std::ptr;

use napi::sys;

use crate::protocol::COMPLETION_CAPACITY;
use crate::queues::Queues;

/// How many calls of the dispatch in a row may pass no completion: one to be called in another way, and one before
/// ticks and microtasks. More are a script's, which has put its own in the dispatch's place: the event loop must go on.
const MAX_IN_VAIN: usize = 8;

/// The function that dispatches completions.
pub struct Dispatch {
    env: sys::napi_env,
    /// Null once it is not to be called any more.
    function: Cell<sys::napi_ref>,
}

impl Dispatch {
    /// The reference is to the function, and lives until [`end`](Self::end).
    pub fn new(env: sys::napi_env, function: sys::napi_ref) -> Self {
        Self { env, function: Cell::new(function) }
    }

    /// Lets go of the function, and of all that it knows: the modules that have made it may be gone long before the
    /// thread is.
    pub fn end(&self) {
        forget(self.env, &self.function);
    }

    /// Calls JavaScript until it has passed every completion. It returns early between two completions of one handle,
    /// so that microtasks run in between as they would in core, and when a handler throws. False when its time is used
    /// up, or JavaScript cannot be entered any more.
    pub fn run(&self, queues: &Queues) -> bool {
        let mut failures = 0;
        let mut in_vain = 0;
        while !queues.dispatched() {
            let before = queues.undispatched();
            let mut function = ptr::null_mut();
            let mut result = ptr::null_mut();
            // SAFETY: the environment is alive, a handle scope is open, the reference is null once it has been deleted,
            // which is an error.
            let status = unsafe {
                if sys::napi_get_reference_value(self.env, self.function.get(), &raw mut function)
                    != sys::Status::napi_ok
                {
                    return false;
                }
                // The receiver counts as the resource that this is done for, and `domain` enters what it finds there
                // under its own name: in the global object that may be the module.
                sys::napi_make_callback(self.env, ptr::null_mut(), function, function, 0, ptr::null(), &raw mut result)
            };
            if queues.take_yielded() {
                return false;
            }
            if status == sys::Status::napi_ok {
                in_vain = if queues.undispatched() == before { in_vain + 1 } else { 0 };
                if in_vain > MAX_IN_VAIN {
                    return false;
                }
                continue;
            }
            failures += 1;
            if !self.report_exception() || failures > COMPLETION_CAPACITY {
                return false;
            }
        }
        true
    }

    /// Makes an exception that a handler threw an uncaught exception, as core does. False when there is none to be had:
    /// JavaScript is being terminated.
    fn report_exception(&self) -> bool {
        let mut pending = false;
        let mut exception = ptr::null_mut();
        // SAFETY: the environment is alive and a handle scope is open.
        let taken = unsafe {
            sys::napi_is_exception_pending(self.env, &raw mut pending) == sys::Status::napi_ok
                && pending
                && sys::napi_get_and_clear_last_exception(self.env, &raw mut exception) == sys::Status::napi_ok
        };
        taken && self.report(exception)
    }

    /// Makes a value an uncaught exception. False where that is not possible.
    pub fn report(&self, exception: sys::napi_value) -> bool {
        // SAFETY: the environment is alive, and the value is of the scope that is open.
        unsafe { sys::napi_fatal_exception(self.env, exception) == sys::Status::napi_ok }
    }
}

/// Deletes a reference, where there is one.
pub fn forget(env: sys::napi_env, reference: &Cell<sys::napi_ref>) {
    let reference = reference.replace(ptr::null_mut());
    if !reference.is_null() {
        // SAFETY: made in this environment, and nobody has it any more.
        unsafe { sys::napi_delete_reference(env, reference) };
    }
}
