//! The waiter driver: a thread that sleeps on the ring's eventfd and wakes JavaScript through a ThreadsafeFunction.
//!
//! The function's queue has one place: a wake-up that is not yet answered stands for all that follow. The thread never
//! touches the ring, which belongs to the JavaScript thread alone.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::ptr;
use std::rc::{Rc, Weak};
use std::thread::JoinHandle;

use iouring_reactor::eventfd::EventFd;
use napi::sys;

use crate::driver::Driver;
use crate::instance::Instance;

/// A ThreadsafeFunction, to be called from the waiting thread.
#[derive(Clone, Copy)]
struct Wake(sys::napi_threadsafe_function);

// SAFETY: a ThreadsafeFunction is made to be called from any thread.
unsafe impl Send for Wake {}

impl Wake {
    /// Queues a call, unless one is queued. False when the environment has ended.
    fn call(self) -> bool {
        // SAFETY: the function is released only after the thread that calls this has been joined.
        let status = unsafe {
            sys::napi_call_threadsafe_function(self.0, ptr::null_mut(), sys::ThreadsafeFunctionCallMode::nonblocking)
        };
        matches!(status, sys::Status::napi_ok | sys::Status::napi_queue_full)
    }
}

/// See the module.
pub struct WaiterDriver {
    env: sys::napi_env,
    wake: Wake,
    stop: EventFd,
    thread: RefCell<Option<JoinHandle<()>>>,
    stopped: Cell<bool>,
}

impl WaiterDriver {
    /// Starts waiting. `None` where no thread or function can be had.
    pub fn start(instance: &Rc<Instance>, eventfd: c_int) -> Option<Self> {
        let stop = EventFd::new().ok()?;
        let env = instance.env();
        let context = Weak::into_raw(Rc::downgrade(instance));
        let mut name = ptr::null_mut();
        let mut function = ptr::null_mut();
        let label = "iouring-transport";
        // SAFETY: called on the environment's thread inside a call from JavaScript; the context is taken back by
        // `finalize`.
        let status = unsafe {
            sys::napi_create_string_utf8(env, label.as_ptr().cast(), label.len() as isize, &raw mut name);
            sys::napi_create_threadsafe_function(
                env,
                ptr::null_mut(),
                ptr::null_mut(),
                name,
                1,
                1,
                ptr::null_mut(),
                Some(finalize),
                context.cast_mut().cast(),
                Some(on_wake),
                &raw mut function,
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: nothing was made that would call `finalize`.
            drop(unsafe { Weak::from_raw(context) });
            return None;
        }
        let wake = Wake(function);
        let stop_fd = stop.as_raw_fd();
        let thread = std::thread::Builder::new()
            .name(label.into())
            .stack_size(64 * 1024)
            .spawn(move || wait(wake, eventfd, stop_fd))
            .ok();
        let driver = Self { env, wake, stop, thread: RefCell::new(thread), stopped: Cell::new(false) };
        driver.unreference();
        let started = driver.thread.borrow().is_some();
        if started {
            Some(driver)
        } else {
            driver.stop(Box::new(|| ()));
            None
        }
    }
}

impl Driver for WaiterDriver {
    fn reference(&self) {
        if !self.stopped.get() {
            // SAFETY: on the environment's thread; the function is not released before `stop`.
            unsafe { sys::napi_ref_threadsafe_function(self.env, self.wake.0) };
        }
    }

    fn unreference(&self) {
        if !self.stopped.get() {
            // SAFETY: on the environment's thread; the function is not released before `stop`.
            unsafe { sys::napi_unref_threadsafe_function(self.env, self.wake.0) };
        }
    }

    /// Never: the runtime calls `on_wake` within a callback scope of its own, and only when that closes do ticks and
    /// microtasks run. A second round would pass a handle's next read before them.
    fn may_go_on(&self) -> bool {
        false
    }

    fn flushes(&self) -> bool {
        false
    }

    fn stops_at_once(&self) -> bool {
        true
    }

    fn stop(&self, done: Box<dyn FnOnce()>) {
        if self.stopped.replace(true) {
            return done();
        }
        if let Some(thread) = self.thread.borrow_mut().take() {
            self.stop.signal();
            let _ = thread.join();
        }
        // SAFETY: the only thread that called it has ended.
        unsafe { sys::napi_release_threadsafe_function(self.wake.0, sys::ThreadsafeFunctionReleaseMode::abort) };
        done();
    }
}

/// The thread: sleeps until the ring or the end calls.
fn wait(wake: Wake, eventfd: c_int, stop: c_int) {
    let mut polled = [
        libc::pollfd { fd: eventfd, events: libc::POLLIN, revents: 0 },
        libc::pollfd { fd: stop, events: libc::POLLIN, revents: 0 },
    ];
    loop {
        // SAFETY: two entries of a local array.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
        if ready < 0 {
            continue; // EINTR: nothing else can happen to two open descriptors.
        }
        if polled[1].revents != 0 {
            return;
        }
        if polled[0].revents != 0 {
            let mut count = 0_u64;
            // SAFETY: eight bytes of a local are read into.
            unsafe { libc::read(eventfd, (&raw mut count).cast(), size_of::<u64>()) };
            if !wake.call() {
                return;
            }
        }
    }
}

unsafe extern "C" fn on_wake(env: sys::napi_env, _callback: sys::napi_value, context: *mut c_void, _data: *mut c_void) {
    if env.is_null() {
        return;
    }
    // SAFETY: the context is the weak reference that `finalize` has not yet taken back; it is borrowed, not consumed.
    let instance = unsafe {
        let weak = std::mem::ManuallyDrop::new(Weak::from_raw(context.cast::<Instance>().cast_const()));
        weak.upgrade()
    };
    if let Some(instance) = instance {
        instance.run();
    }
}

unsafe extern "C" fn finalize(_env: sys::napi_env, _data: *mut c_void, context: *mut c_void) {
    // SAFETY: the function's last call: takes back what `start` gave.
    drop(unsafe { Weak::from_raw(context.cast::<Instance>().cast_const()) });
}
