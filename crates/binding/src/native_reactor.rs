//! The class that TypeScript sees.
//!
//! What happens for every message goes through the queues of [`crate::protocol`]; the methods here are for what happens
//! a few times in the life of a socket. Those that return a number return a negative errno on failure.

use std::ptr;
use std::rc::Rc;

use iouring_reactor::Adopted;
use iouring_reactor::address::{Endpoint as ReactorEndpoint, SocketAddress};
use iouring_reactor::options;
use iouring_reactor::socket::{self, Domain as ReactorDomain, Type};
use iouring_reactor::{Errno, HandleId};
use napi::bindgen_prelude::{Either, Env, Function, Unknown};
use napi::{JsValue, Status, sys};
use napi_derive::napi;

use crate::driver::Driver;
use crate::instance::Instance;
use crate::numbers::count;
use crate::protocol::Domain;
use crate::settings::{ReactorOptions, ReactorSettings, micros};
use crate::shown::show;
use crate::uv::UvDriver;
use crate::waiter::WaiterDriver;

/// An address as core prints it. UNIX sockets have a `path` (empty when unnamed) and nothing else.
#[napi(object, object_from_js = false)]
pub struct Endpoint {
    /// 4 or 6, 0 for UNIX sockets.
    pub family: u32,
    /// The IP address with its scope, or the path; abstract names begin with a zero byte.
    pub address: String,
    /// The port, 0 for UNIX sockets.
    pub port: u32,
}

/// Most views that there can be at once.
const MAX_PLACES: u32 = 1 << 24;

/// Port of addresses that are paths.
const NO_PORT: i32 = -1;

pub(crate) fn domain_of(domain: Domain) -> ReactorDomain {
    match domain {
        Domain::Ipv4 => ReactorDomain::Ipv4,
        Domain::Ipv6 => ReactorDomain::Ipv6,
        Domain::Unix => ReactorDomain::Unix,
    }
}

pub(crate) fn status(outcome: Option<Result<(), Errno>>) -> i32 {
    outcome.unwrap_or(Err(Errno(libc::EBADF))).map_or_else(Errno::negated, |()| 0)
}

pub(crate) fn address(text: &str, port: i32) -> Result<SocketAddress, Errno> {
    if port == NO_PORT {
        return SocketAddress::unix(text.as_bytes());
    }
    SocketAddress::ip(text, u16::try_from(port).map_err(|_| Errno(libc::EINVAL))?)
}

pub(crate) fn endpoint(address: Result<SocketAddress, Errno>) -> Either<Endpoint, i32> {
    let endpoint = match address.map(|address| address.to_endpoint()) {
        Ok(ReactorEndpoint::V4 { address, port }) => Endpoint { family: 4, address, port: port.into() },
        Ok(ReactorEndpoint::V6 { address, port }) => Endpoint { family: 6, address, port: port.into() },
        Ok(ReactorEndpoint::Unix { path }) => {
            Endpoint { family: 0, address: String::from_utf8_lossy(&path).into_owned(), port: 0 }
        }
        Ok(ReactorEndpoint::Unnamed) => Endpoint { family: 0, address: String::new(), port: 0 },
        Ok(ReactorEndpoint::Other) => return Either::B(-libc::EAFNOSUPPORT),
        Err(errno) => return Either::B(errno.negated()),
    };
    Either::A(endpoint)
}

/// Throws an error with a `code` and, where there is one, an `errno`. What is returned tells napi-rs that it has been
/// thrown.
fn throw(env: Env, code: &str, message: &str, errno: Option<Errno>) -> napi::Error {
    let thrown = env.create_error(napi::Error::from_reason(message)).and_then(|mut error| {
        error.set("code", code)?;
        if let Some(errno) = errno {
            error.set("errno", errno.negated())?;
        }
        env.throw(error)
    });
    thrown.err().unwrap_or_else(|| napi::Error::new(Status::PendingException, message))
}

/// The reactor of a JavaScript thread. There is one per thread, made on first use and ended with the thread.
#[napi]
pub struct NativeReactor {
    pub(crate) instance: Rc<Instance>,
}

#[napi]
impl NativeReactor {
    /// Makes the reactor of this thread.
    ///
    /// `dispatch` is called without arguments whenever there are completions; it passes them by counting up the
    /// header's cursor and may return early. `waiter` asks for the waiter thread; without it libuv is used where there
    /// is one.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        dispatch: Function<'_, (), ()>,
        waiter: bool,
        options: Option<ReactorOptions>,
    ) -> napi::Result<Self> {
        let options = options.unwrap_or_default();
        if env.get_instance_data::<Rc<Instance>>()?.is_some_and(|instance| !instance.has_ended()) {
            return Err(throw(env, "ERR_IOURING_SET_UP", "this thread has a reactor already", None));
        }
        let dispatch = reference(&env, dispatch.raw())?;
        let instance = Instance::new(env.raw(), &options.config(), options.pace(), dispatch);
        let instance = Rc::new(instance.map_err(|error| {
            // SAFETY: made above, and nobody else has it.
            unsafe { sys::napi_delete_reference(env.raw(), dispatch) };
            throw(env, error.code(), &error.to_string(), error.errno())
        })?);
        let eventfd = instance.with(|reactor| reactor.kernel().eventfd()).unwrap_or(-1);
        let driver: Option<Box<dyn Driver>> =
            if waiter { None } else { UvDriver::start(&instance, eventfd).map(|driver| Box::new(driver) as _) };
        let driver = driver.or_else(|| WaiterDriver::start(&instance, eventfd).map(|driver| Box::new(driver) as _));
        let Some(driver) = driver else {
            // SAFETY: made above, and nobody else uses it: nothing calls the instance.
            unsafe { sys::napi_delete_reference(env.raw(), dispatch) };
            return Err(throw(env, "ERR_IOURING_SET_UP", "nothing to wake JavaScript with", None));
        };
        instance.drive(driver);
        if options.trace == Some(true) {
            instance.with(|reactor| reactor.kernel_mut().watch().trace(true));
        }
        if let Some(limits) = options.workers() {
            let limited = instance.with(|reactor| reactor.kernel().limit_workers(limits));
            if let Some(Err(errno)) = limited {
                instance.end(Box::new(|| ()));
                return Err(throw(env, "ERR_IOURING_SET_UP", "the kernel's workers cannot be limited", Some(errno)));
            }
        }
        match env.get_instance_data::<Rc<Instance>>()? {
            // One that has ended. Setting would leak it: Node-API does not finalize what is set over.
            Some(ended) => *ended = Rc::clone(&instance),
            None => env.set_instance_data(Rc::clone(&instance), (), |_| ())?,
        }
        crate::cleanup::register(&instance)?;
        Ok(Self { instance })
    }

    /// Ends the reactor, so that the thread may have another one. For one that was not used: everything that it has is
    /// closed.
    #[napi]
    pub fn end(&self) {
        self.instance.end(Box::new(|| ()));
    }

    /// What it has been made with.
    #[napi(getter)]
    pub fn settings(&self) -> ReactorSettings {
        let (config, pace) = (self.instance.config(), self.instance.pace());
        let workers = self.instance.with(|reactor| reactor.kernel().limit_workers([0, 0]));
        let [bounded_workers, unbounded_workers] = workers.and_then(Result::ok).unwrap_or_default();
        ReactorSettings {
            driver: if self.flushes() { "uv" } else { "waiter" }.into(),
            submission_entries: config.submission_entries,
            completion_entries: config.completion_entries,
            no_sq_array: config.no_sq_array && self.instance.features().no_sq_array,
            receive_buffers: config.recv_buffers.into(),
            receive_buffer_size: config.recv_buffer_size,
            completions_per_round: config.max_completions_per_turn,
            rounds_per_turn: pace.rounds,
            turn_time: micros(pace.turn),
            busy_poll: micros(pace.busy_poll),
            bounded_workers,
            unbounded_workers,
        }
    }

    /// Names of the optional kernel features that were found.
    #[napi(getter)]
    pub fn features(&self) -> Vec<&'static str> {
        self.instance.features().names()
    }

    /// The queues of the protocol.
    #[napi(getter, ts_return_type = "ArrayBuffer")]
    pub fn queues(&self) -> napi::Result<Unknown<'static>> {
        self.exposed(self.instance.queues())
    }

    /// The arena that small writes are copied into: region 0.
    #[napi(getter, ts_return_type = "ArrayBuffer")]
    pub fn arena(&self) -> napi::Result<Unknown<'static>> {
        self.exposed(self.instance.arena())
    }

    /// The receive buffers.
    #[napi(getter, ts_return_type = "ArrayBuffer")]
    pub fn pool(&self) -> napi::Result<Unknown<'static>> {
        let memory = self.instance.with(|reactor| std::sync::Arc::clone(reactor.pool().memory()));
        self.exposed(&memory.ok_or_else(|| napi::Error::from_reason("the reactor has ended"))?)
    }

    /// How many buffers the pool is cut into.
    #[napi(getter)]
    pub fn receive_buffers(&self) -> u32 {
        self.instance.with(|reactor| count(reactor.pool().count())).unwrap_or(0)
    }

    /// Places for `count` views that writes and reads name, instead of those there were, whose views move over: region
    /// *n* of a write is place *n* - 1.
    #[napi(ts_return_type = "(Uint8Array | undefined)[]")]
    pub fn make_places(&self, count: u32) -> napi::Result<Unknown<'static>> {
        if count > MAX_PLACES {
            return Err(napi::Error::from_reason("there cannot be so many views"));
        }
        let places = self.instance.make_places(count)?;
        // SAFETY: as in `exposed`.
        Ok(unsafe { Unknown::from_raw_unchecked(self.instance.env(), places) })
    }

    pub(crate) fn exposed(
        &self,
        memory: &std::sync::Arc<iouring_reactor::memory::Mapping>,
    ) -> napi::Result<Unknown<'static>> {
        let env = self.instance.env();
        let value = show(env, memory, |_| ())?;
        // SAFETY: the value was made in this environment just now; it is returned to JavaScript at once.
        Ok(unsafe { Unknown::from_raw_unchecked(env, value) })
    }

    /// Whether commands are taken up at the end of every tick. Otherwise `flush` must be called after writing some.
    #[napi(getter)]
    pub fn flushes(&self) -> bool {
        self.instance.driver().is_some_and(Driver::flushes)
    }

    /// Takes up commands now. Their completions are dispatched later.
    #[napi]
    pub fn flush(&self) {
        self.instance.flush();
    }

    /// Takes up commands now, and closes a handle. When this returns its address is free. The number of connections
    /// that were accepted and are yet to be told of.
    #[napi]
    pub fn close_now(&self, handle: i32) -> u32 {
        count(self.instance.close_now(HandleId::from_raw(handle)))
    }

    /// Makes an error an uncaught exception, in the middle of a dispatch.
    #[napi]
    pub fn report_exception(&self, error: Unknown) {
        self.instance.dispatch().report(error.raw());
    }

    /// Takes the memory away from an `ArrayBuffer` that nobody will use any more, at once instead of when garbage is
    /// collected.
    #[napi]
    pub fn discard(&self, buffer: Unknown) {
        // SAFETY: the environment is alive. What is no ArrayBuffer, or one that cannot be detached, is refused and
        // stays as it is.
        let _ = unsafe { sys::napi_detach_arraybuffer(self.instance.env(), buffer.raw()) };
    }

    /// Keeps the process alive, or lets it end.
    #[napi]
    pub fn hold(&self, wanted: bool) {
        self.instance.hold_for_javascript(wanted);
    }

    /// Keeps it alive until what has been written is offered to the kernel, and on while the kernel does not take it.
    #[napi]
    pub fn hold_until_offered(&self) {
        self.instance.hold_until_offered();
    }

    /// Opens a stream socket that will connect, or one that will listen: a handle.
    #[napi]
    pub fn open(&self, domain: Domain, listener: bool) -> i32 {
        match socket::open(domain_of(domain), Type::Stream) {
            Ok(descriptor) => self.add(descriptor, listener),
            Err(errno) => errno.negated(),
        }
    }

    /// Takes over an open stream socket: a handle. The descriptor belongs to the reactor from then on. `EEXIST` where
    /// it does already, or the event loop watches it for a handle of core's. Of a descriptor that is `fresh`, a
    /// duplicate that nobody else knows yet, the event loop is not asked: that takes some 3 µs.
    #[napi]
    pub fn adopt(&self, fd: i32, listener: bool, fresh: bool) -> i32 {
        self.take_over(fd, if listener { Adopted::Listener } else { Adopted::Stream }, fresh)
    }

    /// Gives the descriptor of a stream away with which nothing has been done yet, and closes the handle: the
    /// descriptor, which belongs to the caller, or a negative errno.
    #[napi]
    pub fn release(&self, handle: i32) -> i32 {
        let released = self.instance.with(|reactor| reactor.release(HandleId::from_raw(handle)));
        released.unwrap_or(Err(Errno(libc::EBADF))).map_or_else(Errno::negated, std::os::fd::IntoRawFd::into_raw_fd)
    }

    /// A second descriptor of what is open at `fd`, close-on-exec, which belongs to the caller; or a negative errno.
    #[napi]
    pub fn duplicate(&self, fd: i32) -> i32 {
        socket::duplicate(&fd).map_or_else(Errno::negated, std::os::fd::IntoRawFd::into_raw_fd)
    }

    pub(crate) fn take_over(&self, fd: i32, kind: Adopted, fresh: bool) -> i32 {
        let watched = |fd| !fresh && self.instance.driver().is_some_and(|driver| driver.watches(fd));
        // SAFETY: JavaScript gives the descriptor away, as with core's `new net.Socket({ fd })`; nothing of ours owns
        // it, or the caller has broken the same rule that core has.
        let taken = self.instance.with(|reactor| unsafe { reactor.adopt(fd, kind, watched) });
        taken.unwrap_or(Err(Errno(libc::EBADF))).map_or_else(Errno::negated, HandleId::raw)
    }

    fn add(&self, descriptor: std::os::fd::OwnedFd, listener: bool) -> i32 {
        let handle = self
            .instance
            .with(|reactor| if listener { reactor.add_listener(descriptor) } else { reactor.add_stream(descriptor) });
        handle.flatten().map_or(-libc::EMFILE, HandleId::raw)
    }

    pub(crate) fn descriptor(&self, handle: i32) -> Result<i32, Errno> {
        self.instance.with(|reactor| reactor.descriptor(HandleId::from_raw(handle))).flatten().ok_or(Errno(libc::EBADF))
    }

    /// The descriptor of a handle.
    #[napi]
    pub fn fd(&self, handle: i32) -> i32 {
        self.descriptor(handle).unwrap_or_else(Errno::negated)
    }

    /// Binds to an IP address and port, or to a path with port -1.
    #[napi]
    pub fn bind(&self, handle: i32, text: String, port: i32) -> i32 {
        status(Some(self.descriptor(handle).and_then(|fd| socket::bind(fd, &address(&text, port)?))))
    }

    /// Listens and starts accepting.
    #[napi]
    pub fn listen(&self, handle: i32, backlog: i32) -> i32 {
        status(self.instance.with(|reactor| reactor.listen(HandleId::from_raw(handle), backlog)))
    }

    /// Starts connecting to an IP address and port, or to a path with port -1. A `Connected` completion follows.
    #[napi]
    pub fn connect(&self, handle: i32, text: String, port: i32) -> i32 {
        status(self.instance.with(|reactor| {
            // What was asked for before comes first.
            self.instance.take_commands(reactor);
            reactor.connect(HandleId::from_raw(handle), address(&text, port)?)
        }))
    }

    /// The address that a socket is bound to, or, with `peer`, connected to.
    #[napi]
    pub fn endpoint(&self, handle: i32, peer: bool) -> Either<Endpoint, i32> {
        let ask = if peer { socket::peer_address } else { socket::local_address };
        endpoint(self.descriptor(handle).and_then(ask))
    }

    /// Sets a socket option, one of `SocketOption`.
    #[napi]
    pub fn set_option(&self, handle: i32, option: u32, value: i32) -> i32 {
        status(Some(
            self.descriptor(handle).and_then(|fd| options::set(fd, options::SocketOption::try_from(option)?, value)),
        ))
    }

    /// Reads a socket option. Unlike elsewhere, the result is the value, and failure is an exception-free `null`.
    #[napi]
    pub fn get_option(&self, handle: i32, option: u32) -> Option<i32> {
        self.descriptor(handle).and_then(|fd| options::get(fd, options::SocketOption::try_from(option)?)).ok()
    }
}

/// A reference that keeps a value for the life of the environment.
fn reference(env: &Env, value: sys::napi_value) -> napi::Result<sys::napi_ref> {
    let mut reference = ptr::null_mut();
    // SAFETY: the value was passed to the call that is running.
    let status = unsafe { sys::napi_create_reference(env.raw(), value, 1, &raw mut reference) };
    if status == sys::Status::napi_ok {
        Ok(reference)
    } else {
        Err(napi::Error::new(Status::from(status), "no reference"))
    }
}
