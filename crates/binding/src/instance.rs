//! The reactor of this JavaScript thread, and its turn.
//!
//! Life of a turn ([`Instance::run`]): take the commands that JavaScript wrote, submit and collect, write the events as
//! completions, call JavaScript once for all of them; then again while that gave new work, for a few rounds. No borrow
//! of the reactor is held while JavaScript runs, since it may call back into any method.
//!
//! Receive buffers are lent to JavaScript for the length of the dispatch, and given back to the kernel with the next
//! round unless a record was marked as borrowed.
//!
//! End: [`Instance::stop`] runs in an environment clean-up hook, on the reactor's own thread (only that thread may
//! cancel). What the kernel does not let go of in the end is leaked, never freed.

use std::cell::{Cell, OnceCell, RefCell};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iouring_reactor::buffer_pool::BufferPool;
use iouring_reactor::kernel::BufferGroup;
use iouring_reactor::memory::{Mapping, Mappings};
use iouring_reactor::{Config, Error, Event, Features, HandleId, Reactor, Reason, Ring};
use napi::sys;

use crate::dispatch::{Dispatch, forget};
use crate::driver::Driver;
use crate::memory::{self, JsMemory};
use crate::protocol::{COMPLETION_CAPACITY, Completion};
use crate::queues::{Queues, give_back};
use crate::settings::Pace;

/// A turn that takes longer is followed by one that takes fewer connections: what becomes of those that were accepted
/// keeps timers and other sockets waiting.
const SHORT_TURN: Duration = Duration::from_micros(250);

/// How long the end of an environment waits for the kernel to let go of one operation more.
const PATIENCE: Duration = Duration::from_millis(250);

/// What keeps the process alive, apart from handles of others.
#[derive(Clone, Copy, Default)]
struct Hold {
    /// Requests under way, and handles that are referenced and active.
    javascript: bool,
    /// Writes of handles without a reference that the kernel has not been offered yet. libuv would have offered them
    /// within the write.
    unoffered: bool,
    /// Bytes of streams, referenced or not, that the kernel has not taken.
    untaken: bool,
}

impl Hold {
    fn any(self) -> bool {
        self.javascript || self.unoffered || self.untaken
    }
}

/// What a JavaScript thread has of io_uring.
pub struct Instance {
    env: sys::napi_env,
    /// `None` once the environment has ended.
    reactor: RefCell<Option<Reactor<Ring>>>,
    features: Features,
    config: Config,
    pace: Pace,
    queues: Queues,
    arena: Arc<Mapping>,
    received: Arc<Mapping>,
    datagrams: Arc<Mapping>,
    mappings: Mappings,
    dispatch: Dispatch,
    /// The places of the views that writes and reads name; null before there are any.
    views: Cell<sys::napi_ref>,
    /// How many places they are.
    places: Cell<u32>,
    /// Buffers of the completions handed over last: position of the record, number of the buffer.
    delivered: RefCell<Vec<(usize, BufferGroup, u16)>>,
    driver: OnceCell<Box<dyn Driver>>,
    running: Cell<bool>,
    /// What keeps the process alive.
    hold: Cell<Hold>,
}

impl Instance {
    /// Makes the reactor of the calling thread. The reference is to the dispatch function.
    pub fn new(env: sys::napi_env, config: &Config, pace: Pace, dispatch: sys::napi_ref) -> Result<Self, Error> {
        let out_of_memory = |errno| Reason::OutOfMemory.because(errno);
        let (ring, features) = Ring::tried_out(config)?;
        let [submission_entries, completion_entries] = ring.entries();
        let config = Config { submission_entries, completion_entries, ..config.fitted(&features) };
        let pool = BufferPool::new(config.recv_buffers, config.recv_buffer_size).map_err(out_of_memory)?;
        let received = Arc::clone(pool.memory());
        let mut reactor = Reactor::new(ring, pool, config.max_completions_per_turn as usize);
        // Where there is no room for something, the thread must know before it relies on the ring.
        reactor.prepare_for_datagrams().map_err(out_of_memory)?;
        let datagrams = reactor.datagram_pool().map(|pool| Arc::clone(pool.memory())).expect("prepared just now");
        Ok(Self {
            env,
            reactor: RefCell::new(Some(reactor)),
            features,
            config,
            pace,
            queues: Queues::new().map_err(out_of_memory)?,
            arena: Arc::new(Mapping::new(config.arena_size as usize).map_err(out_of_memory)?),
            received,
            datagrams,
            mappings: Mappings::default(),
            dispatch: Dispatch::new(env, dispatch),
            views: Cell::new(ptr::null_mut()),
            places: Cell::new(0),
            delivered: RefCell::new(Vec::new()),
            driver: OnceCell::new(),
            running: Cell::new(false),
            hold: Cell::new(Hold::default()),
        })
    }

    pub fn env(&self) -> sys::napi_env {
        self.env
    }

    /// Sets the driver, once.
    pub fn drive(&self, driver: Box<dyn Driver>) {
        let _ = self.driver.set(driver);
    }

    pub fn driver(&self) -> Option<&dyn Driver> {
        self.driver.get().map(|driver| &**driver)
    }

    /// What the kernel has beyond the floor.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The sizes that the reactor has.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its budgets.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    pub fn queues(&self) -> &Arc<Mapping> {
        self.queues.memory()
    }

    pub fn arena(&self) -> &Arc<Mapping> {
        &self.arena
    }

    pub fn mappings(&self) -> &Mappings {
        &self.mappings
    }

    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Uses the reactor, unless the environment has ended.
    pub fn with<T>(&self, use_it: impl FnOnce(&mut Reactor<Ring>) -> T) -> Option<T> {
        self.reactor.borrow_mut().as_mut().map(use_it)
    }

    /// Uses the reactor, and its ring, in the middle of JavaScript.
    pub fn aside<T>(&self, use_it: impl FnOnce(&mut Reactor<Ring>) -> T) -> Option<T> {
        let outside = !self.running.get();
        self.with(|reactor| {
            if outside {
                reactor.kernel().mute();
            }
            let result = use_it(reactor);
            if outside {
                // In this order: what arrives after `unmute` is announced, what arrived before is seen here.
                reactor.kernel().unmute();
                Self::signal_if_left(reactor);
            }
            result
        })
    }

    /// Makes room for `count` views at once, keeping those that are there.
    pub fn make_places(&self, count: u32) -> napi::Result<sys::napi_value> {
        let (places, reference) = memory::places(self.env, self.views.get(), count)?;
        forget(self.env, &self.views);
        self.views.set(reference);
        self.places.set(count);
        Ok(places)
    }

    fn memory(&self) -> JsMemory<'_> {
        JsMemory {
            env: self.env,
            arena: &self.arena,
            received: &self.received,
            datagrams: &self.datagrams,
            views: self.views.get(),
            count: self.places.get(),
            array: ptr::null_mut(),
            mappings: &self.mappings,
            last: None,
        }
    }

    /// Takes the commands that JavaScript has written, so that what is called next happens after them.
    pub fn take_commands(&self, reactor: &mut Reactor<Ring>) {
        if reactor.kernel_mut().watch().traces() {
            let watch = reactor.kernel_mut().watch();
            self.queues.each_record(|command, words| watch.note(format_args!(": {command:?} {words:x?}")));
        }
        self.queues.take_commands(|command| command.apply(reactor));
    }

    /// Offers bytes to a stream's kernel, behind what JavaScript has written before; see [`Reactor::send_nowait`].
    ///
    /// # Safety
    /// As there, and in a call from JavaScript.
    pub unsafe fn send_nowait(&self, handle: HandleId, slices: &[libc::iovec]) -> usize {
        let send = |reactor: &mut Reactor<Ring>| {
            self.take_commands(reactor);
            // SAFETY: the caller's promise.
            unsafe { reactor.send_nowait(handle, &mut self.memory(), slices) }
        };
        self.with(send).unwrap_or(0)
    }

    /// One exchange with the kernel: commands in, completions out. True when there are completions to dispatch.
    fn exchange(&self, reactor: &mut Reactor<Ring>) -> bool {
        self.take_back(reactor);
        self.submit(reactor);
        let mut delivered = self.delivered.borrow_mut();
        let mut count = 0;
        while count < COMPLETION_CAPACITY as usize
            && let Some(event) = reactor.next_event()
        {
            match event {
                Event::Received { slice, .. } => delivered.push((count, BufferGroup::Bytes, slice.buffer)),
                Event::Datagram { received, .. } => {
                    delivered.push((count, BufferGroup::Datagrams, received.slice.buffer));
                }
                Event::Message { slice, .. } => delivered.push((count, BufferGroup::Datagrams, slice.buffer)),
                _ => {}
            }
            self.queues.put(count, &event);
            count += 1;
        }
        self.queues.offer(count);
        count > 0
    }

    /// Gives the buffers of the last dispatch back to the kernel. Not while it is under way: it may still read them.
    fn take_back(&self, reactor: &mut Reactor<Ring>) {
        for (record, group, buffer) in self.delivered.borrow_mut().drain(..) {
            if !self.queues.borrowed(record) {
                give_back(reactor, group, buffer);
            }
        }
    }

    /// Takes commands and has a turn of the reactor.
    fn submit(&self, reactor: &mut Reactor<Ring>) {
        self.take_commands(reactor);
        reactor.set_unheard(self.queues.undispatched());
        if reactor.has_work() {
            // A failure of the ring is an event as well.
            let _ = reactor.turn(&mut self.memory());
        }
        self.hold(|hold| Hold { unoffered: false, untaken: reactor.holds_bytes(), ..hold });
    }

    /// The same outside of a dispatch: the buffers of one that is over go back first.
    fn submit_between(&self, reactor: &mut Reactor<Ring>) {
        if self.queues.dispatched() {
            self.take_back(reactor);
        }
        self.submit(reactor);
    }

    /// Has the driver come round for what is left.
    fn signal_if_left(reactor: &Reactor<Ring>) {
        if reactor.has_work() {
            reactor.kernel().signal();
        }
    }

    /// Says that there are requests or handles of JavaScript's that keep the process alive, or that there is none.
    pub fn hold_for_javascript(&self, wanted: bool) {
        self.hold(|hold| Hold { javascript: wanted, ..hold });
    }

    /// Keeps the process alive until what has been written is offered to the kernel, and on while the kernel does not
    /// take it.
    pub fn hold_until_offered(&self) {
        self.hold(|hold| Hold { unoffered: true, ..hold });
    }

    fn hold(&self, change: impl FnOnce(Hold) -> Hold) {
        let before = self.hold.get();
        let after = change(before);
        self.hold.set(after);
        if let Some(driver) = self.driver()
            && before.any() != after.any()
        {
            if after.any() { driver.reference() } else { driver.unreference() }
        }
    }

    /// Hands over what JavaScript has sent through a datagram socket so far, as far as there is room.
    pub fn offer_datagrams(&self, handle: HandleId) {
        self.with(|reactor| {
            self.submit(reactor);
            // A failure of the ring is told of with the next turn, here and below.
            let _ = reactor.offer_datagrams(handle, &mut self.memory());
            Self::signal_if_left(reactor);
        });
    }

    /// Takes up commands, and closes a handle: when this returns its descriptor is closed and its address free. The
    /// number of connections that the kernel has accepted for it and that JavaScript has yet to hear of.
    pub fn close_now(&self, handle: HandleId) -> usize {
        self.with(|reactor| {
            self.take_commands(reactor);
            reactor.set_unheard(self.queues.undispatched());
            let _ = reactor.close_now(handle, &mut self.memory());
            Self::signal_if_left(reactor);
            self.queues.undispatched_of(Completion::Accepted, handle) + reactor.accepted_and_untold(handle)
        })
        .unwrap_or(0)
    }

    /// Submits what is there without dispatching anything: for the moment before the process ends, and for drivers that
    /// do not come round by themselves.
    pub fn flush(&self) {
        self.with(|reactor| {
            self.submit(reactor);
            Self::signal_if_left(reactor);
        });
    }

    /// Takes what JavaScript has asked for, submits it and collects what is ready, without calling JavaScript: that is
    /// left to the next turn.
    pub fn submit_alone(&self) {
        if self.running.get() {
            return;
        }
        self.in_scope(|| {
            self.with(|reactor| {
                reactor.kernel().mute();
                self.submit_between(reactor);
                // Whoever calls this looks for work once more.
                reactor.kernel().unmute();
            });
        });
    }

    /// Runs something in a handle scope, which looking for the memory of writes needs as much as calling JavaScript
    /// does.
    fn in_scope(&self, work: impl FnOnce()) {
        let mut scope = ptr::null_mut();
        // SAFETY: the environment is alive: its clean-up stops the driver first.
        if unsafe { sys::napi_open_handle_scope(self.env, &raw mut scope) } == sys::Status::napi_ok {
            work();
            // SAFETY: opened above.
            unsafe { sys::napi_close_handle_scope(self.env, scope) };
        }
    }

    /// Looks so many times whether the kernel has anything to give, until it has. The eventfd is muted meanwhile:
    /// nobody sleeps on it.
    pub fn look(&self, times: u32) -> bool {
        self.with(|reactor| {
            reactor.kernel().mute();
            let found = (0..times).any(|_| {
                std::hint::spin_loop();
                reactor.has_work()
            });
            reactor.kernel().unmute();
            found || reactor.has_work()
        })
        .unwrap_or(false)
    }

    /// Whether JavaScript or the reactor has left something to do.
    pub fn has_work(&self) -> bool {
        self.queues.commands() > 0
            || !self.queues.dispatched()
            || !self.delivered.borrow().is_empty()
            || self.reactor.borrow().as_ref().is_some_and(Reactor::has_work)
    }

    /// A turn. Called by the driver on the environment's thread, outside of JavaScript.
    pub fn run(&self) {
        // The loop is run inside a callback only by those who call `uv_run` themselves; the outer turn will see to it.
        if self.running.replace(true) {
            return;
        }
        self.in_scope(|| {
            self.with(|reactor| reactor.kernel().mute());
            self.run_rounds();
            self.with(|reactor| {
                // Sent now, whenever the next turn is.
                if self.queues.commands() > 0 {
                    self.submit_between(reactor);
                }
                // In this order: what arrives after `unmute` is announced, what arrived before is seen here.
                reactor.kernel().unmute();
            });
            // The other driver comes round before libuv sleeps, and sees by itself what is left.
            if !self.driver().is_some_and(Driver::flushes) && self.has_work() {
                self.with(|reactor| reactor.kernel().signal());
            }
        });
        self.running.set(false);
    }

    fn run_rounds(&self) {
        let begin = Instant::now();
        for _ in 0..self.pace.rounds {
            // What the last turn had no time for comes first.
            if self.queues.dispatched() && !self.with(|reactor| self.exchange(reactor)).unwrap_or(false) {
                break;
            }
            if !self.dispatch.run(&self.queues) || !self.has_work() {
                break;
            }
            if begin.elapsed() >= self.pace.turn || !self.driver().is_some_and(Driver::may_go_on) {
                break;
            }
        }
        self.with(|reactor| reactor.pace(begin.elapsed() < SHORT_TURN));
    }

    /// Ends it all. `done` is called, on this thread and perhaps later, once nothing of it is in the event loop any
    /// more.
    pub fn end(&self, done: Box<dyn FnOnce()>) {
        // First nothing may call any more, then what it would have called goes away.
        match self.driver() {
            Some(driver) => driver.stop(done),
            None => done(),
        }
        self.stop();
    }

    /// Whether [`end`](Self::end) was called.
    pub fn has_ended(&self) -> bool {
        self.reactor.borrow().is_none()
    }

    /// Ends the reactor, if it has not ended yet: sends what is queued and fits, closes all descriptors.
    fn stop(&self) {
        let Some(mut reactor) = self.reactor.borrow_mut().take() else {
            return;
        };
        self.take_commands(&mut reactor);
        let mut memory = JsMemory { views: ptr::null_mut(), ..self.memory() };
        reactor.shut_down(&mut memory, PATIENCE);
        self.dispatch.end();
        forget(self.env, &self.views);
    }
}
