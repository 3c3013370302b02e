//! Memory on the border: the bytes that JavaScript has written or reads into.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use iouring_reactor::memory::{Mapping, Mappings};
use iouring_reactor::{Memory, Span};
use napi::{Status, sys};

use crate::protocol::{DATAGRAM_REGION, RECEIVED_REGION};

/// The region of the arena; every other region is one more than an index into the array of views.
const ARENA: u32 = 0;

/// Finds the bytes of a write: in the arena, in a receive buffer, or in a view of JavaScript's.
pub struct JsMemory<'a> {
    pub env: sys::napi_env,
    pub arena: &'a Mapping,
    /// The receive buffers. What is sent from there is lent and not given back.
    pub received: &'a Mapping,
    /// Those of datagrams, likewise.
    pub datagrams: &'a Mapping,
    /// The [`places`] of views; null when JavaScript may not be entered any more.
    pub views: sys::napi_ref,
    /// How many they are.
    pub count: u32,
    /// The array itself, looked up on first use: a turn asks for many of its elements.
    pub array: sys::napi_value,
    pub mappings: &'a Mappings,
    /// The view found last: transfers that follow each other often share one.
    pub last: Option<(u32, NonNull<u8>, usize)>,
}

// SAFETY: what is found lies within one of three mappings, or within a view as it is now, and JavaScript, which alone
// could change that, does not run while this lives.
unsafe impl Memory for JsMemory<'_> {
    fn resolve(&mut self, span: &Span) -> Option<NonNull<u8>> {
        let (start, length) = match span.region {
            ARENA => (self.arena.start(), self.arena.length()),
            RECEIVED_REGION => (self.received.start(), self.received.length()),
            DATAGRAM_REGION => (self.datagrams.start(), self.datagrams.length()),
            region => self.view(region - 1)?,
        };
        let offset = usize::try_from(span.offset).ok()?;
        let end = offset.checked_add(span.length as usize)?;
        // SAFETY: the offset is at most the length of the memory found.
        (end <= length).then(|| unsafe { start.add(offset) })
    }

    fn keeper(&mut self, start: NonNull<u8>, length: u32) -> Option<Arc<Mapping>> {
        self.mappings.find(start, length as usize)
    }
}

impl JsMemory<'_> {
    /// Where a view's bytes are now. A detached view has length zero.
    fn view(&mut self, index: u32) -> Option<(NonNull<u8>, usize)> {
        // Beyond the last place is the array's prototype, where a script may have put what runs code.
        if self.views.is_null() || index >= self.count {
            return None;
        }
        // JavaScript does not run while this lives, so that what was found stays true.
        if let Some((_, start, length)) = self.last.filter(|last| last.0 == index) {
            return Some((start, length));
        }
        let mut view = ptr::null_mut();
        // SAFETY: the environment is this thread's and a handle scope is open (the caller is a turn or a call from
        // JavaScript); the out-pointers are this one's own.
        let found = unsafe {
            (!self.array.is_null()
                || sys::napi_get_reference_value(self.env, self.views, &raw mut self.array) == sys::Status::napi_ok)
                && sys::napi_get_element(self.env, self.array, index, &raw mut view) == sys::Status::napi_ok
        };
        let (start, length) = if found { bytes_of(self.env, view)? } else { return None };
        self.last = Some((index, start, length));
        Some((start, length))
    }
}

/// Where the bytes of a `Uint8Array` are, and how many: true until JavaScript runs. `None` for anything else.
pub fn bytes_of(env: sys::napi_env, view: sys::napi_value) -> Option<(NonNull<u8>, usize)> {
    elements_of(env, view, sys::TypedarrayType::uint8_array)
}

/// Where the elements of a typed array of a kind are, and how many: true until JavaScript runs. `None` for anything
/// else. They are aligned as their kind demands, and another thread may have them as well.
pub fn elements_of<T>(env: sys::napi_env, view: sys::napi_value, wanted: i32) -> Option<(NonNull<T>, usize)> {
    let mut is_view = false;
    let mut kind = 0;
    let mut length = 0;
    let mut data = ptr::null_mut();
    // SAFETY: the environment is this thread's and the value one of an open handle scope; the out-pointers are locals;
    // `view` is known to be a typed array before it is asked for its memory.
    let found = unsafe {
        sys::napi_is_typedarray(env, view, &raw mut is_view) == sys::Status::napi_ok
            && is_view
            && sys::napi_get_typedarray_info(
                env,
                view,
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            ) == sys::Status::napi_ok
            && kind == wanted
    };
    // An empty view may have no address; then nothing is read from it either.
    found.then(|| (NonNull::new(data.cast()).unwrap_or(NonNull::dangling()), length))
}

/// An array of `count` places for views, with what is in `before` (null for nothing) at its front: the array, and a
/// reference to it.
///
/// It is sealed: each place is a plain property of its own and stays one, so that looking at it never runs JavaScript,
/// which could take away the memory of a view looked up before, or call back into the reactor.
pub fn places(env: sys::napi_env, before: sys::napi_ref, count: u32) -> napi::Result<(sys::napi_value, sys::napi_ref)> {
    let (mut places, mut reference) = (ptr::null_mut(), ptr::null_mut());
    let (mut old, mut length, mut nothing) = (ptr::null_mut(), 0, ptr::null_mut());
    let check = |status| {
        if status == sys::Status::napi_ok {
            Ok(())
        } else {
            Err(napi::Error::new(Status::from(status), "no places for views"))
        }
    };
    // SAFETY: called on the environment's thread inside a call from JavaScript; the out-pointers are locals; `before`
    // is what this has made.
    unsafe {
        check(sys::napi_create_array_with_length(env, count as usize, &raw mut places))?;
        check(sys::napi_get_undefined(env, &raw mut nothing))?;
        if !before.is_null() {
            check(sys::napi_get_reference_value(env, before, &raw mut old))?;
            check(sys::napi_get_array_length(env, old, &raw mut length))?;
        }
        for place in 0..count {
            let mut view = nothing;
            if place < length {
                check(sys::napi_get_element(env, old, place, &raw mut view))?;
            }
            // Not `napi_set_element`, which would find a setter that a script has put on the prototype.
            let name = place.to_string();
            let mut key = ptr::null_mut();
            check(sys::napi_create_string_utf8(env, name.as_ptr().cast(), name.len().cast_signed(), &raw mut key))?;
            let descriptor = sys::napi_property_descriptor {
                utf8name: ptr::null(),
                name: key,
                method: None,
                getter: None,
                setter: None,
                value: view,
                attributes: sys::PropertyAttributes::writable
                    | sys::PropertyAttributes::enumerable
                    | sys::PropertyAttributes::configurable,
                data: ptr::null_mut(),
            };
            check(sys::napi_define_properties(env, places, 1, &raw const descriptor))?;
        }
        check(sys::napi_object_seal(env, places))?;
        check(sys::napi_create_reference(env, places, 1, &raw mut reference))?;
    }
    Ok((places, reference))
}
