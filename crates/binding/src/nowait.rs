//! What is done at once: functions that TypeScript calls for reads of what is in memory, where a single one takes about
//! as long as the call itself, and for long writes to sockets.
//!
//! They are plain Node-API functions, not methods of the class: what napi-rs does around a method (it looks at the
//! object's type tag, takes down which values are borrowed, allocates) took a quarter of a microsecond, as long as the
//! kernel takes to copy 4 KiB.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

use iouring_reactor::{Errno, HandleId, MAX_SLICES_NOWAIT, Reactor, Ring};
use napi::bindgen_prelude::Unknown;
use napi::sys;
use napi_derive::napi;

use crate::instance::Instance;
use crate::memory::{bytes_of, elements_of};
use crate::native_reactor::NativeReactor;
use crate::protocol::MAX_PIECE;

#[napi]
impl NativeReactor {
    /// A function that reads into a piece of a `Uint8Array` at once, or not at all; see `Reactor::read_nowait`. It
    /// returns the count, or a negative errno: then the read takes the usual way.
    #[napi(
        getter,
        ts_return_type = "(handle: number, view: Uint8Array, offset: number, length: number, position: number) => number"
    )]
    pub fn read_nowait(&self) -> napi::Result<Unknown<'static>> {
        self.function(read_nowait)
    }

    /// A function that reads `size` bytes for each of the positions, into consecutive pieces of a `Uint8Array`, as
    /// [`read_nowait`](Self::read_nowait) does, up to the first that cannot be read at once, and at most `most`. It
    /// returns how many were read; for each of them its count is in `counts`.
    #[napi(
        getter,
        ts_return_type = "(handle: number, view: Uint8Array, positions: Float64Array, size: number, counts: Int32Array, most: number) => number"
    )]
    pub fn read_many_nowait(&self) -> napi::Result<Unknown<'static>> {
        self.function(read_many_nowait)
    }

    /// A function that offers the bytes of several `Uint8Array`s to a stream's kernel, one behind the other; see
    /// `Reactor::send_nowait`. It returns how many were taken: the others are to be written.
    #[napi(getter, ts_return_type = "(handle: number, views: readonly Uint8Array[]) => number")]
    pub fn send_nowait(&self) -> napi::Result<Unknown<'static>> {
        self.function(send_nowait)
    }

    /// A function that receives a piece of what waits for a stream into a `Uint8Array`, behind `Completion.Readable`;
    /// see `Reactor::receive_nowait`. It returns how many bytes; zero where there are none at once.
    #[napi(getter, ts_return_type = "(handle: number, room: Uint8Array) => number")]
    pub fn receive_nowait(&self) -> napi::Result<Unknown<'static>> {
        self.function(receive_nowait)
    }

    fn function(
        &self,
        callback: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    ) -> napi::Result<Unknown<'static>> {
        let env = self.instance.env();
        // The clean-up hook has a weak reference until the environment ends, for as long as the function can be called;
        // the instance itself may be gone by then.
        let data = Rc::as_ptr(&self.instance).cast_mut().cast();
        let mut function = ptr::null_mut();
        // SAFETY: called from JavaScript on the environment's thread; the out-pointer is a local.
        let status = unsafe { sys::napi_create_function(env, ptr::null(), 0, Some(callback), data, &raw mut function) };
        if status != sys::Status::napi_ok {
            return Err(napi::Error::new(napi::Status::from(status), "no function"));
        }
        // SAFETY: made in this environment just now; it is returned to JavaScript at once.
        Ok(unsafe { Unknown::from_raw_unchecked(env, function) })
    }
}

/// The arguments of a call, and the instance that its function was made for, unless that is gone.
///
/// # Safety
/// Inside a call of a function made by [`NativeReactor::function`].
unsafe fn called<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> Option<([sys::napi_value; N], Rc<Instance>)> {
    let (mut arguments, mut count, mut data) = ([ptr::null_mut(); N], N, ptr::null_mut::<c_void>());
    // SAFETY: the out-pointers are locals, and the array has room for as many as are said.
    let status = unsafe {
        let start = arguments.as_mut_ptr();
        sys::napi_get_cb_info(env, info, &raw mut count, start, ptr::null_mut(), &raw mut data)
    };
    if status != sys::Status::napi_ok {
        return None;
    }
    // SAFETY: what `function` gave: where the weak reference of the clean-up hook points, which is there for as long as
    // JavaScript runs. It is borrowed, not consumed.
    let instance = ManuallyDrop::new(unsafe { Weak::from_raw(data.cast::<Instance>().cast_const()) });
    Some((arguments, instance.upgrade()?))
}

/// A number; zero for anything else.
fn number(env: sys::napi_env, value: sys::napi_value) -> f64 {
    let mut number = 0.0;
    // SAFETY: the value is an argument of the call that is running; the out-pointer is a local, and left as it is on
    // failure.
    unsafe { sys::napi_get_value_double(env, value, &raw mut number) };
    number
}

fn returned(env: sys::napi_env, result: i32) -> sys::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: inside a call from JavaScript; null, where this fails, stands for `undefined`.
    unsafe { sys::napi_create_int32(env, result, &raw mut value) };
    value
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; the kernel checks what it gets")]
unsafe extern "C" fn read_nowait(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: `function` has made the function that is called.
    let Some(([handle, view, offset, length, position], instance)) = (unsafe { called(env, info) }) else {
        return returned(env, -libc::EBADF);
    };
    let Some((start, size)) = bytes_of(env, view) else { return returned(env, -libc::EINVAL) };
    let (offset, length) = (number(env, offset) as usize, number(env, length) as u32);
    if offset.checked_add(length as usize).is_none_or(|end| end > size) {
        return returned(env, -libc::EFAULT);
    }
    let (handle, position) = (HandleId::from_raw(number(env, handle) as i32), number(env, position) as i64);
    // SAFETY: the piece lies within the view, whose memory stays where it is as long as JavaScript does not run: for
    // this call.
    let read =
        instance.with(|reactor| unsafe { reactor.read_nowait(handle, start.as_ptr().add(offset), length, position) });
    returned(env, read.unwrap_or(Err(Errno(libc::EBADF))).map_or_else(Errno::negated, u32::cast_signed))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; the kernel checks what it gets")]
unsafe extern "C" fn read_many_nowait(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: `function` has made the function that is called.
    let Some(([handle, view, positions, size, counts, most], instance)) = (unsafe { called(env, info) }) else {
        return returned(env, 0);
    };
    let (Some((start, length)), Some((positions, asked)), Some((counts, room))) = (
        bytes_of(env, view),
        elements_of::<u64>(env, positions, sys::TypedarrayType::float64_array),
        elements_of::<i32>(env, counts, sys::TypedarrayType::int32_array),
    ) else {
        return returned(env, 0);
    };
    let (handle, size) = (HandleId::from_raw(number(env, handle) as i32), number(env, size) as u32);
    let most = asked.min(room).min(number(env, most) as usize);
    let pieces = if size == 0 { most } else { most.min(length / size as usize) };
    // SAFETY: both arrays have that many elements, aligned, and stay where they are as long as JavaScript does not run;
    // atomic, since they may be shared with another thread. The pieces lie within the view.
    let read_all = |reactor: &mut Reactor<Ring>| unsafe {
        let position = |piece| f64::from_bits(AtomicU64::from_ptr(positions.as_ptr().add(piece)).load(Relaxed)) as i64;
        let done = |piece, bytes: u32| {
            AtomicI32::from_ptr(counts.as_ptr().add(piece)).store(bytes.cast_signed(), Relaxed);
        };
        reactor.read_many_nowait(handle, start.as_ptr(), size, pieces, position, done)
    };
    let read = instance.aside(read_all).unwrap_or(0);
    returned(env, i32::try_from(read).unwrap_or(i32::MAX))
}

#[allow(clippy::cast_possible_truncation, reason = "a thousand")]
const SLICES: u32 = MAX_SLICES_NOWAIT as u32;

#[allow(clippy::cast_possible_truncation, reason = "saturates; handles are looked up")]
unsafe extern "C" fn send_nowait(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: `function` has made the function that is called.
    let Some(([handle, views], instance)) = (unsafe { called(env, info) }) else { return returned(env, 0) };
    let handle = HandleId::from_raw(number(env, handle) as i32);
    let mut count = 0;
    // SAFETY: inside a call from JavaScript; the out-pointer is a local, and left as it is for what is no array.
    unsafe { sys::napi_get_array_length(env, views, &raw mut count) };
    let mut values = Vec::with_capacity(count.min(SLICES) as usize);
    let mut slices = Vec::with_capacity(values.capacity());
    // No more than is told by the number returned, which is no more than a system call takes.
    let mut left = MAX_PIECE as usize;
    for first in (0..count).step_by(SLICES as usize) {
        let group = first..count.min(first + SLICES);
        values.clear();
        // SAFETY: inside a call from JavaScript; the out-pointer is a local. Looking at an element may run JavaScript,
        // a getter's, so that no memory is looked at before all are known.
        values.extend(group.clone().map_while(|index| unsafe {
            let mut value = ptr::null_mut();
            (sys::napi_get_element(env, views, index, &raw mut value) == sys::Status::napi_ok).then_some(value)
        }));
        slices.clear();
        let mut offered = 0;
        for &value in &values {
            let Some((start, length)) = bytes_of(env, value) else { break };
            let length = length.min(left - offered);
            slices.push(libc::iovec { iov_base: start.as_ptr().cast(), iov_len: length });
            offered += length;
        }
        // SAFETY: the views' memory stays where it is as long as JavaScript does not run: from where it was looked at
        // to the end of the call.
        let sent = unsafe { instance.send_nowait(handle, &slices) };
        left -= sent;
        // What follows a slice that was not taken must not go.
        if sent < offered || slices.len() < group.len() || left == 0 {
            break;
        }
    }
    returned(env, i32::try_from(MAX_PIECE as usize - left).unwrap_or(i32::MAX))
}

#[allow(clippy::cast_possible_truncation, reason = "saturates; handles are looked up")]
unsafe extern "C" fn receive_nowait(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: `function` has made the function that is called.
    let Some(([handle, room], instance)) = (unsafe { called(env, info) }) else { return returned(env, 0) };
    let Some((start, length)) = bytes_of(env, room) else { return returned(env, 0) };
    let room = libc::iovec { iov_base: start.as_ptr().cast(), iov_len: length.min(MAX_PIECE as usize) };
    let handle = HandleId::from_raw(number(env, handle) as i32);
    // SAFETY: the view's memory stays where it is as long as JavaScript does not run: for this call.
    let received = instance.with(|reactor| unsafe { reactor.receive_nowait(handle, room) }).unwrap_or(0);
    returned(env, i32::try_from(received).unwrap_or(i32::MAX))
}
