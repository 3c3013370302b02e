//! Memory of ours that JavaScript sees, as an `ArrayBuffer`.
//!
//! A script may move it: `ArrayBuffer.prototype.transfer` gives it to another `ArrayBuffer`, which may go to another
//! thread. Node notices as long as the environment that it was made in lives, and says when nobody has it any more.
//! When that environment ends it says so of all that is left, in use elsewhere or not. So each `ArrayBuffer` has a
//! witness, a second one that no script sees. Node lets go of what was made last first: of the witness right before
//! what it stands for, which is looked at in between. Has it lost its memory by then, somebody else may have it, and it
//! is kept for the life of the process.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use iouring_reactor::memory::Mapping;
use napi::{Status, sys};

use crate::dispatch::forget;

type Released = Box<dyn FnOnce(&Mapping)>;

/// JavaScript's share of a mapping.
struct Shown {
    /// Empty once JavaScript has let go.
    share: RefCell<Option<(Arc<Mapping>, Released)>>,
    /// The `ArrayBuffer`, weakly.
    buffer: Cell<sys::napi_ref>,
    /// The witness, which lives for as long.
    witness: Cell<sys::napi_ref>,
    /// Nobody will say when the memory is out of use.
    moved: Cell<bool>,
}

/// What a witness has for memory, which nobody looks at: it must not be empty.
static NOTHING: u8 = 0;

/// Shows a mapping to JavaScript as an `ArrayBuffer`. The mapping lives until both sides have let go of it; `released`
/// hears that JavaScript has, on the environment's thread.
///
/// # Errors
/// Where the runtime does not allow external memory.
pub fn show(
    env: sys::napi_env,
    memory: &Arc<Mapping>,
    released: impl FnOnce(&Mapping) + 'static,
) -> napi::Result<sys::napi_value> {
    let shown = Rc::new(Shown {
        share: RefCell::new(Some((Arc::clone(memory), Box::new(released)))),
        buffer: Cell::new(ptr::null_mut()),
        witness: Cell::new(ptr::null_mut()),
        moved: Cell::new(false),
    });
    let buffer = external(env, memory.start().as_ptr().cast(), memory.length(), release, &shown)
        .inspect_err(|_| drop(shown.share.take()))?;
    let witnessed = external(env, (&raw const NOTHING).cast_mut().cast(), 1, look, &shown).and_then(|witness| {
        shown.buffer.set(reference(env, buffer, 0)?);
        shown.witness.set(reference(env, witness, 1)?);
        Ok(())
    });
    shown.moved.set(witnessed.is_err());
    Ok(buffer)
}

/// JavaScript has let go of the memory, or its environment ends.
unsafe extern "C" fn release(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: what `external` passed, and a finalizer runs once.
    let shown = unsafe { Rc::from_raw(hint.cast::<Shown>()) };
    for reference in [&shown.buffer, &shown.witness] {
        forget(env, reference);
    }
    let share = shown.share.take();
    if let Some((memory, released)) = share {
        released(&memory);
        if shown.moved.get() {
            std::mem::forget(memory);
        }
    }
}

/// The witness goes: because what it stood for has gone, or because the environment ends, with that to follow.
unsafe extern "C" fn look(env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: as in `release`.
    let shown = unsafe { Rc::from_raw(hint.cast::<Shown>()) };
    if shown.share.borrow().is_none() {
        return;
    }
    let (mut buffer, mut detached) = (ptr::null_mut(), false);
    // SAFETY: on the environment's thread, in a finalizer's handle scope; the reference is there as long as the share
    // is; the out-pointers are locals.
    let whole = unsafe {
        sys::napi_get_reference_value(env, shown.buffer.get(), &raw mut buffer) == sys::Status::napi_ok
            && !buffer.is_null()
            && sys::napi_is_detached_arraybuffer(env, buffer, &raw mut detached) == sys::Status::napi_ok
            && !detached
    };
    shown.moved.set(!whole);
}

/// An `ArrayBuffer` with memory that is not JavaScript's.
fn external(
    env: sys::napi_env,
    data: *mut c_void,
    length: usize,
    finalizer: unsafe extern "C" fn(sys::napi_env, *mut c_void, *mut c_void),
    shown: &Rc<Shown>,
) -> napi::Result<sys::napi_value> {
    let hint = Rc::into_raw(Rc::clone(shown));
    let mut buffer = ptr::null_mut();
    // SAFETY: the environment is this thread's, inside a call from JavaScript; the memory stays where it is until the
    // finalizer has run, which takes the hint back.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            data,
            length,
            Some(finalizer),
            hint.cast_mut().cast(),
            &raw mut buffer,
        )
    };
    if status == sys::Status::napi_ok {
        return Ok(buffer);
    }
    // Elsewhere the finalizer may have run, as it does at once for what is too long, or may still run: the hint is its
    // own.
    if status == sys::Status::napi_no_external_buffers_allowed {
        // SAFETY: nothing was made that would call the finalizer.
        drop(unsafe { Rc::from_raw(hint) });
    }
    Err(napi::Error::new(Status::from(status), "this runtime does not allow external ArrayBuffers"))
}

/// A reference to a value, which keeps it where `count` is 1.
fn reference(env: sys::napi_env, value: sys::napi_value, count: u32) -> napi::Result<sys::napi_ref> {
    let mut reference = ptr::null_mut();
    // SAFETY: the value is of the scope that is open.
    let status = unsafe { sys::napi_create_reference(env, value, count, &raw mut reference) };
    if status == sys::Status::napi_ok {
        Ok(reference)
    } else {
        Err(napi::Error::new(Status::from(status), "no reference"))
    }
}
