//! What wakes the reactor: two drivers behind one trait.
//!
//! - [`UvDriver`](crate::uv::UvDriver): libuv polls the ring's eventfd. The fastest, where the runtime has libuv.
//! - [`WaiterDriver`](crate::waiter::WaiterDriver): a thread sleeps on the eventfd and calls through a
//!   ThreadsafeFunction. Needs Node-API alone.

use std::os::fd::RawFd;

/// Calls [`Instance::run`](crate::instance::Instance::run) on the environment's thread whenever the ring's eventfd is
/// readable.
pub trait Driver {
    /// Keeps the process alive. Nothing once it was stopped: an ended reactor's methods may still be called.
    fn reference(&self);

    /// Lets the process end. How a driver starts. Nothing once it was stopped.
    fn unreference(&self);

    /// Whether the event loop has nothing more urgent to do than another round of the reactor's: no `setImmediate`, no
    /// timer that is due.
    fn may_go_on(&self) -> bool;

    /// Whether commands are taken up by the driver at the end of every tick. Otherwise JavaScript has to call `flush`.
    fn flushes(&self) -> bool;

    /// Whether the event loop watches a descriptor itself, for a handle of core's. A driver that knows no event loop
    /// says no.
    fn watches(&self, _fd: RawFd) -> bool {
        false
    }

    /// Whether [`Driver::stop`] has called `done` when it returns.
    fn stops_at_once(&self) -> bool;

    /// Stops, if it has not been stopped before. `done` is called once nothing of the driver will be called again, on
    /// the environment's thread, perhaps later; that of an earlier call may not be.
    fn stop(&self, done: Box<dyn FnOnce()>);
}
