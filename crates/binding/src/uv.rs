//! The libuv driver: a poll handle on the ring's eventfd, and a prepare handle that takes up, right before libuv goes
//! to sleep, what timers, immediates and promises have asked for. An idle handle keeps it from going to sleep for what
//! will be there in a moment.
//!
//! JavaScript is called where libuv does I/O and nowhere else, since Node promises that after an I/O callback
//! `setImmediate` comes before timers and before further I/O: from the poll handle, or, for what the prepare handle has
//! brought to light, from a check handle. libuv calls the check handles that were started last first, so that Node's
//! own, which runs the immediates, comes after ours.
//!
//! libuv cannot poll the ring itself: with `DEFER_TASKRUN` its descriptor becomes readable only after the deferred work
//! has run.
//!
//! Its functions are looked up when they are needed, since a runtime may have Node-API without libuv.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use napi::sys;

use crate::driver::Driver;
use crate::instance::Instance;
use iouring_reactor::busy_poll::BusyPoll;
use iouring_reactor::socket::NonBlocking;
use iouring_reactor::spin::Spin;

type Handle = *mut c_void;
type Loop = *mut sys::uv_loop_s;
/// Of prepare, check and idle handles, and of a close.
type Callback = unsafe extern "C" fn(Handle);

/// `uv_handle_type`.
const UV_CHECK: c_uint = 2;
const UV_IDLE: c_uint = 6;
const UV_POLL: c_uint = 8;
const UV_PREPARE: c_uint = 9;
/// `uv_poll_event`.
const UV_READABLE: c_int = 1;

/// A look-up table of functions of libuv's by the names that uv.h gives them.
macro_rules! functions {
    ($($field:ident: $symbol:literal as $type:ty,)*) => {
        /// libuv's functions, from the process.
        #[derive(Clone, Copy)]
        struct Functions {
            $($field: $type,)*
        }

        impl Functions {
            /// `None` where the process lacks one of them.
            fn find() -> Option<Self> {
                Some(Self {
                    // SAFETY: the symbol is libuv's function of that name, whose type is given as uv.h declares it.
                    $($field: unsafe { std::mem::transmute::<NonNull<c_void>, $type>(symbol($symbol)?) },)*
                })
            }
        }
    };
}

functions! {
    poll_init: c"uv_poll_init" as unsafe extern "C" fn(Loop, Handle, c_int) -> c_int,
    poll_start: c"uv_poll_start" as unsafe extern "C" fn(Handle, c_int, unsafe extern "C" fn(Handle, c_int, c_int)) -> c_int,
    prepare_init: c"uv_prepare_init" as unsafe extern "C" fn(Loop, Handle) -> c_int,
    prepare_start: c"uv_prepare_start" as unsafe extern "C" fn(Handle, Callback) -> c_int,
    check_init: c"uv_check_init" as unsafe extern "C" fn(Loop, Handle) -> c_int,
    check_start: c"uv_check_start" as unsafe extern "C" fn(Handle, Callback) -> c_int,
    backend_timeout: c"uv_backend_timeout" as unsafe extern "C" fn(Loop) -> c_int,
    backend_fd: c"uv_backend_fd" as unsafe extern "C" fn(Loop) -> c_int,
    idle_init: c"uv_idle_init" as unsafe extern "C" fn(Loop, Handle) -> c_int,
    idle_start: c"uv_idle_start" as unsafe extern "C" fn(Handle, Callback) -> c_int,
    idle_stop: c"uv_idle_stop" as unsafe extern "C" fn(Handle) -> c_int,
    reference: c"uv_ref" as unsafe extern "C" fn(Handle),
    unreference: c"uv_unref" as unsafe extern "C" fn(Handle),
    close: c"uv_close" as unsafe extern "C" fn(Handle, Option<Callback>),
    set_data: c"uv_handle_set_data" as unsafe extern "C" fn(Handle, *mut c_void),
    get_data: c"uv_handle_get_data" as unsafe extern "C" fn(Handle) -> *mut c_void,
    handle_size: c"uv_handle_size" as unsafe extern "C" fn(c_uint) -> usize,
}

fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: a look-up by a terminated name.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

thread_local! {
    /// Found once per thread, for the callbacks, which get nothing but a handle.
    static FUNCTIONS: Option<Functions> = Functions::find();
}

fn functions() -> Option<Functions> {
    FUNCTIONS.with(|functions| *functions)
}

/// For how long the ring is looked at before libuv gets round to other descriptors.
const SPIN_STRETCH: Duration = Duration::from_micros(5);
/// How often it is looked at before the clock is.
const LOOKS: u32 = 32;

/// What all handles point at.
struct Shared {
    instance: Weak<Instance>,
    uv_loop: Loop,
    /// Active while libuv is to look for events without going to sleep; see [`BusyPoll`] and [`Spin`].
    idle: Handle,
    busy_poll: RefCell<BusyPoll>,
    spin: RefCell<Option<Spin>>,
    stopped: Cell<bool>,
    /// This round of libuv's has had its turn of the reactor.
    turned: Cell<bool>,
    /// The check handle has something to do: libuv must not sleep.
    due: Cell<bool>,
    /// Handles not yet closed.
    open: Cell<u32>,
    done: RefCell<Option<Box<dyn FnOnce()>>>,
}

/// See the module.
pub struct UvDriver {
    functions: Functions,
    poll: Handle,
    prepare: Handle,
    check: Handle,
    shared: Rc<Shared>,
}

impl UvDriver {
    /// Starts polling. `None` where the runtime has no libuv or the handles cannot be made.
    pub fn start(instance: &Rc<Instance>, eventfd: c_int) -> Option<Self> {
        let functions = functions()?;
        let mut uv_loop = std::ptr::null_mut();
        // SAFETY: the environment is alive; the out-pointer is a local.
        let status = unsafe { sys::napi_get_uv_event_loop(instance.env(), &raw mut uv_loop) };
        if status != sys::Status::napi_ok || uv_loop.is_null() {
            return None;
        }
        // SAFETY: libuv is initialized by its own functions, on the loop's thread, in memory of the size it asks for,
        // which is freed only in the close callback; a handle whose initialization failed was never made known to the
        // loop.
        unsafe {
            let poll = allocate(functions, UV_POLL);
            if (functions.poll_init)(uv_loop, poll, eventfd) != 0 {
                release(functions, poll, UV_POLL);
                return None;
            }
            let (prepare, idle) = (allocate(functions, UV_PREPARE), allocate(functions, UV_IDLE));
            let check = allocate(functions, UV_CHECK);
            (functions.prepare_init)(uv_loop, prepare);
            (functions.check_init)(uv_loop, check);
            (functions.idle_init)(uv_loop, idle);
            let shared = Rc::new(Shared {
                instance: Rc::downgrade(instance),
                uv_loop,
                idle,
                busy_poll: RefCell::new(BusyPoll::default()),
                spin: RefCell::new(Spin::new(instance.pace().busy_poll)),
                stopped: Cell::new(false),
                turned: Cell::new(false),
                due: Cell::new(false),
                open: Cell::new(0),
                done: RefCell::new(None),
            });
            for handle in [poll, prepare, check, idle] {
                shared.open.set(shared.open.get() + 1);
                (functions.set_data)(handle, Rc::into_raw(Rc::clone(&shared)).cast_mut().cast());
                (functions.unreference)(handle);
            }
            let driver = Self { functions, poll, prepare, check, shared };
            let started = (functions.poll_start)(poll, UV_READABLE, on_readable) == 0
                && (functions.prepare_start)(prepare, on_prepare) == 0
                && (functions.check_start)(check, on_check) == 0;
            if !started {
                driver.stop(Box::new(|| ()));
                return None;
            }
            Some(driver)
        }
    }
}

impl Driver for UvDriver {
    fn reference(&self) {
        if !self.shared.stopped.get() {
            // SAFETY: the handle is open until `stop`.
            unsafe { (self.functions.reference)(self.poll) };
        }
    }

    fn unreference(&self) {
        if !self.shared.stopped.get() {
            // SAFETY: the handle is open until `stop`.
            unsafe { (self.functions.unreference)(self.poll) };
        }
    }

    fn may_go_on(&self) -> bool {
        self.shared.is_quiet(self.functions)
    }

    fn flushes(&self) -> bool {
        true
    }

    fn watches(&self, fd: RawFd) -> bool {
        // libuv refuses a second handle, which is what core's handles go by, too. A first one would leave the socket in
        // its mode.
        let _mode = NonBlocking::new(fd);
        // SAFETY: as a handle of `start`: initialized by libuv on the loop's thread, in memory of the size it asks for,
        // which is freed in the close callback, or at once where the initialization has failed.
        unsafe {
            let probe = allocate(self.functions, UV_POLL);
            let status = (self.functions.poll_init)(self.shared.uv_loop, probe, fd);
            if status == 0 {
                (self.functions.close)(probe, Some(on_closed_probe));
            } else {
                release(self.functions, probe, UV_POLL);
            }
            status == -libc::EEXIST
        }
    }

    fn stops_at_once(&self) -> bool {
        false
    }

    fn stop(&self, done: Box<dyn FnOnce()>) {
        if self.shared.open.get() == 0 {
            return done();
        }
        *self.shared.done.borrow_mut() = Some(done);
        if self.shared.stopped.replace(true) {
            return;
        }
        // SAFETY: the handles are open; from here on only the close callbacks touch them.
        unsafe {
            (self.functions.close)(self.poll, Some(on_closed_poll));
            (self.functions.close)(self.prepare, Some(on_closed_prepare));
            (self.functions.close)(self.check, Some(on_closed_check));
            (self.functions.close)(self.shared.idle, Some(on_closed_idle));
        }
    }
}

/// # Safety
/// Must be called with a handle type that libuv knows.
unsafe fn allocate(functions: Functions, kind: c_uint) -> Handle {
    // SAFETY: the size of a handle is not zero.
    unsafe { alloc_zeroed(layout(functions, kind)).cast() }
}

/// # Safety
/// The handle must come from [`allocate`] with the same kind and be closed or never initialized.
unsafe fn release(functions: Functions, handle: Handle, kind: c_uint) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(handle.cast(), layout(functions, kind)) };
}

fn layout(functions: Functions, kind: c_uint) -> Layout {
    // SAFETY: a pure function of its argument.
    let size = unsafe { (functions.handle_size)(kind) };
    Layout::from_size_align(size, align_of::<u128>()).expect("the size of a libuv handle")
}

/// # Safety
/// The handle's data must be what [`UvDriver::start`] set, not yet taken back by its close callback.
unsafe fn shared(functions: Functions, handle: Handle) -> Rc<Shared> {
    // SAFETY: the handle owns one count, which stays with it: another is made for the caller.
    unsafe {
        let shared = (functions.get_data)(handle).cast::<Shared>().cast_const();
        Rc::increment_strong_count(shared);
        Rc::from_raw(shared)
    }
}

impl Shared {
    /// Whether the loop has nothing urgent to do.
    fn is_quiet(&self, functions: Functions) -> bool {
        // SAFETY: the environment is running, and its loop outlives it. It only looks: zero where a timer is due, or an
        // immediate waits, for which Node has an idle handle.
        unsafe { (functions.backend_timeout)(self.uv_loop) != 0 }
    }

    /// Whether a descriptor that libuv polls has something.
    fn has_events(&self, functions: Functions) -> bool {
        // SAFETY: the loop outlives its handles; this gives an integer.
        let fd = unsafe { (functions.backend_fd)(self.uv_loop) };
        let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry of a local.
        unsafe { libc::poll(&raw mut polled, 1, 0) > 0 }
    }

    /// The turn of this round of libuv's.
    ///
    /// # Safety
    /// The handles must be open.
    unsafe fn run(&self, functions: Functions, instance: &Instance) {
        self.turned.set(true);
        if let Some(spin) = &mut *self.spin.borrow_mut() {
            spin.hit(Instant::now());
            // It would tell `may_go_on` that there is something urgent.
            if self.busy_poll.borrow_mut().is_over() {
                // SAFETY: open, as the caller promises.
                unsafe { (functions.idle_stop)(self.idle) };
            }
        }
        instance.run();
    }

    /// Looks at the ring for a while, if it is to be spun for. Whether libuv must not sleep yet: something has come, or
    /// it is to be spun for longer.
    ///
    /// # Safety
    /// The handles must be open.
    unsafe fn spin(&self, functions: Functions, instance: &Instance) -> bool {
        let mut spin = self.spin.borrow_mut();
        let Some(spin) = &mut *spin else { return false };
        if !instance.with(|reactor| reactor.awaits_completions()).unwrap_or(false) {
            return false;
        }
        // It would tell that there is something urgent.
        // SAFETY: open, as the caller promises.
        unsafe { (functions.idle_stop)(self.idle) };
        if !self.is_quiet(functions) || self.has_events(functions) {
            return false;
        }
        let mut now = Instant::now();
        let stretch = now + SPIN_STRETCH;
        while spin.goes_on(now) {
            if instance.look(LOOKS) {
                instance.submit_alone();
                return true;
            }
            now = Instant::now();
            if now >= stretch {
                return spin.goes_on(now);
            }
        }
        false
    }

    /// Decides whether libuv may go to sleep, after everything that it had to do in this round.
    ///
    /// # Safety
    /// The handles must be open.
    unsafe fn settle(&self, functions: Functions, instance: &Instance) {
        let Some(ops) = instance.with(|reactor| reactor.short_ops()) else { return };
        let polls = self.busy_poll.borrow_mut().turned(ops);
        // SAFETY: open, as the caller promises.
        let stays = polls || instance.has_work() || unsafe { self.spin(functions, instance) };
        self.due.set(instance.has_work());
        if stays {
            // SAFETY: open, as the caller promises; starting what is started does nothing. It does not keep the process
            // alive.
            unsafe { (functions.idle_start)(self.idle, on_idle) };
        }
    }
}

unsafe extern "C" fn on_readable(poll: Handle, _status: c_int, _events: c_int) {
    let Some(functions) = functions() else { return };
    // SAFETY: libuv calls with the handle that was started, before its close callback.
    unsafe {
        let shared = shared(functions, poll);
        if let Some(instance) = shared.instance.upgrade() {
            instance.with(|reactor| reactor.kernel().acknowledge());
            shared.run(functions, &instance);
        }
    }
}

unsafe extern "C" fn on_prepare(prepare: Handle) {
    let Some(functions) = functions() else { return };
    // SAFETY: as in `on_readable`.
    unsafe {
        let shared = shared(functions, prepare);
        shared.turned.set(false);
        if let Some(instance) = shared.instance.upgrade() {
            if instance.has_work() {
                instance.submit_alone();
            }
            shared.settle(functions, &instance);
        }
    }
}

unsafe extern "C" fn on_check(check: Handle) {
    let Some(functions) = functions() else { return };
    // SAFETY: as in `on_readable`.
    unsafe {
        let shared = shared(functions, check);
        if shared.due.replace(false)
            && !shared.turned.get()
            && let Some(instance) = shared.instance.upgrade()
        {
            // It would tell `may_go_on` that there is something urgent.
            if shared.busy_poll.borrow_mut().is_over() {
                (functions.idle_stop)(shared.idle);
            }
            shared.run(functions, &instance);
        }
    }
}

unsafe extern "C" fn on_idle(idle: Handle) {
    let Some(functions) = functions() else { return };
    // SAFETY: as in `on_readable`.
    unsafe {
        let shared = shared(functions, idle);
        if !shared.due.get() && shared.busy_poll.borrow_mut().is_over() {
            (functions.idle_stop)(idle);
        }
    }
}

unsafe extern "C" fn on_closed_poll(handle: Handle) {
    // SAFETY: called once, by libuv, with the closed poll handle.
    unsafe { on_closed(handle, UV_POLL) };
}

unsafe extern "C" fn on_closed_probe(handle: Handle) {
    let Some(functions) = functions() else { return };
    // SAFETY: called once, by libuv, with the closed poll handle of `watches`, which has no data.
    unsafe { release(functions, handle, UV_POLL) };
}

unsafe extern "C" fn on_closed_prepare(handle: Handle) {
    // SAFETY: called once, by libuv, with the closed prepare handle.
    unsafe { on_closed(handle, UV_PREPARE) };
}

unsafe extern "C" fn on_closed_check(handle: Handle) {
    // SAFETY: called once, by libuv, with the closed check handle.
    unsafe { on_closed(handle, UV_CHECK) };
}

unsafe extern "C" fn on_closed_idle(handle: Handle) {
    // SAFETY: called once, by libuv, with the closed idle handle.
    unsafe { on_closed(handle, UV_IDLE) };
}

/// # Safety
/// Once for each handle, after libuv has let go of it.
unsafe fn on_closed(handle: Handle, kind: c_uint) {
    let Some(functions) = functions() else { return };
    // SAFETY: takes back the count that the handle owned; libuv does not touch the handle's memory any more.
    let shared = unsafe {
        let shared = Rc::from_raw((functions.get_data)(handle).cast::<Shared>().cast_const());
        release(functions, handle, kind);
        shared
    };
    shared.open.set(shared.open.get() - 1);
    if shared.open.get() > 0 {
        return;
    }
    let done = shared.done.borrow_mut().take();
    if let Some(done) = done {
        done();
    }
}
