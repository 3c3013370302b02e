/**
 * What the native binding exports. Numbers that methods return are negative errnos on failure.
 *
 * Generated from crates/binding by `npm run protocol`. Do not edit.
 */
import type { Domain } from './reactor/protocol.ts';

/** The reactor of a JavaScript thread. There is one per thread, made on first use and ended with the thread. */
export interface NativeReactor {
  /**
   * Starts a call of kind [`FileOpKind`]; `FileDone` with the token follows, or `FileOpened`. `linked`: the next
   * transfer or call starts only when this one has succeeded.
   */
  fileCall(
    kind: number,
    token: number,
    handle: number,
    path: string | Uint8Array | null,
    other: string | Uint8Array | null,
    a: number,
    b: number,
    c: number,
    linked: boolean,
  ): number;
  /**
   * Takes over the descriptor of an open file: a handle. `EEXIST` where the reactor has it already, or the event
   * loop watches it.
   */
  adoptFile(fd: number): number;
  /**
   * Gives a file's descriptor away: its number, which the caller owns from then on. `-EBUSY` while something is in
   * flight on it.
   */
  releaseFile(handle: number): number;
  /** Sets the io priority of a file's reads and writes; see `ioprio_set(2)`. */
  prioritizeFile(handle: number, priority: number): void;
  /** Limits the kernel's worker threads for this thread's ring; 0 leaves a limit as it is. */
  limitWorkers(bounded: number, unbounded: number): number;
  /** The receive buffers of datagram sockets, once there has been one. */
  readonly datagramPool: ArrayBuffer;
  /** Opens a datagram socket: a handle. */
  openDatagram(domain: Domain): number;
  /**
   * Takes over an open datagram socket, of the UNIX domain or not: a handle. The descriptor belongs to the reactor
   * from then on. `EEXIST` where it does already, or the event loop watches it for a handle of core's.
   */
  adoptDatagram(fd: number, unix: boolean): number;
  /** What libuv calls a socket's kind: `TCP`, `PIPE` or `UDP`; null for what is none of these. */
  socketKind(fd: number): string | null;
  /**
   * Hands the kernel what JavaScript has sent, as far as there is room: before something changes that it is sent
   * with.
   */
  offerDatagrams(handle: number): void;
  /** Does the same, and tells what of it waits for room. */
  datagramQueue(handle: number): DatagramQueue;
  /**
   * Connects a datagram socket, at once. With an empty text it is connected no longer. What was sent before goes to
   * the peer that it was sent to.
   */
  connectDatagram(handle: number, text: string, port: number): number;
  /**
   * The `sockaddr` of an address, to be sent to: as bytes, or a negative errno.
   *
   * # Errors
   * Where JavaScript has no memory for them.
   */
  socketAddress(text: string, port: number): ArrayBuffer | number;
  /** The address that a `sockaddr` stands for. */
  describeAddress(bytes: Uint8Array): Endpoint | number;
  /**
   * Joins or leaves a multicast group, for what one source sends to it where there is a source, on an interface
   * given by an address or by its index. Opens nothing: `EBADF` on a handle that is not there, once the addresses
   * have been found to be some.
   */
  membership(
    handle: number,
    join: boolean,
    group: string,
    source?: string | null,
    interfaceAddress?: string | null,
    interfaceIndex?: number | null,
  ): number;
  /**
   * The interface that multicast leaves by: one that has this IPv4 address, or the one behind `%` in an IPv6
   * address.
   */
  multicastInterface(handle: number, address: string): number;
  /**
   * Ends the reactor, so that the thread may have another one. For one that was not used: everything that it has is
   * closed.
   */
  end(): void;
  /** What it has been made with. */
  readonly settings: ReactorSettings;
  /** Names of the optional kernel features that were found. */
  readonly features: Array<string>;
  /** The queues of the protocol. */
  readonly queues: ArrayBuffer;
  /** The arena that small writes are copied into: region 0. */
  readonly arena: ArrayBuffer;
  /** The receive buffers. */
  readonly pool: ArrayBuffer;
  /** How many buffers the pool is cut into. */
  readonly receiveBuffers: number;
  /**
   * Places for `count` views that writes and reads name, instead of those there were, whose views move over: region
   * *n* of a write is place *n* - 1.
   */
  makePlaces(count: number): (Uint8Array | undefined)[];
  /** Whether commands are taken up at the end of every tick. Otherwise `flush` must be called after writing some. */
  readonly flushes: boolean;
  /** Takes up commands now. Their completions are dispatched later. */
  flush(): void;
  /**
   * Takes up commands now, and closes a handle. When this returns its address is free. The number of connections
   * that were accepted and are yet to be told of.
   */
  closeNow(handle: number): number;
  /** Makes an error an uncaught exception, in the middle of a dispatch. */
  reportException(error: unknown): void;
  /**
   * Takes the memory away from an `ArrayBuffer` that nobody will use any more, at once instead of when garbage is
   * collected.
   */
  discard(buffer: unknown): void;
  /** Keeps the process alive, or lets it end. */
  hold(wanted: boolean): void;
  /** Keeps it alive until what has been written is offered to the kernel, and on while the kernel does not take it. */
  holdUntilOffered(): void;
  /** Opens a stream socket that will connect, or one that will listen: a handle. */
  open(domain: Domain, listener: boolean): number;
  /**
   * Takes over an open stream socket: a handle. The descriptor belongs to the reactor from then on. `EEXIST` where
   * it does already, or the event loop watches it for a handle of core's. Of a descriptor that is `fresh`, a
   * duplicate that nobody else knows yet, the event loop is not asked: that takes some 3 µs.
   */
  adopt(fd: number, listener: boolean, fresh: boolean): number;
  /**
   * Gives the descriptor of a stream away with which nothing has been done yet, and closes the handle: the
   * descriptor, which belongs to the caller, or a negative errno.
   */
  release(handle: number): number;
  /** A second descriptor of what is open at `fd`, close-on-exec, which belongs to the caller; or a negative errno. */
  duplicate(fd: number): number;
  /** The descriptor of a handle. */
  fd(handle: number): number;
  /** Binds to an IP address and port, or to a path with port -1. */
  bind(handle: number, text: string, port: number): number;
  /** Listens and starts accepting. */
  listen(handle: number, backlog: number): number;
  /** Starts connecting to an IP address and port, or to a path with port -1. A `Connected` completion follows. */
  connect(handle: number, text: string, port: number): number;
  /** The address that a socket is bound to, or, with `peer`, connected to. */
  endpoint(handle: number, peer: boolean): Endpoint | number;
  /** Sets a socket option, one of `SocketOption`. */
  setOption(handle: number, option: number, value: number): number;
  /** Reads a socket option. Unlike elsewhere, the result is the value, and failure is an exception-free `null`. */
  getOption(handle: number, option: number): number | null;
  /** Receives descriptors as well, from here on: at most `limit` at a time. */
  receiveDescriptors(handle: number, limit: number): number;
  /**
   * The descriptors of the message that came last, where they were not taken: the caller's from then on. None come
   * before that.
   */
  takeDescriptors(handle: number): Array<number>;
  /** Duplicates descriptors for a write to come, which says so. */
  stageDescriptors(handle: number, fds: readonly number[]): number;
  /** Who the peer of a UNIX-domain stream is, or was when the connection was made. */
  peerCredentials(handle: number): Credentials | number;
  /** Counts. */
  stats(): Stats;
  /** Measures from now on how long the kernel has operations, or no longer. */
  measureLatencies(wanted: boolean): void;
  /** What was measured since the last time: pairs of a place in `latencyKinds` and nanoseconds. */
  takeLatencies(): Array<number>;
  /** Names of the kinds of operations. */
  readonly latencyKinds: Array<string>;
  /**
   * A function that reads into a piece of a `Uint8Array` at once, or not at all; see `Reactor::read_nowait`. It
   * returns the count, or a negative errno: then the read takes the usual way.
   */
  readonly readNowait: (handle: number, view: Uint8Array, offset: number, length: number, position: number) => number;
  /**
   * A function that reads `size` bytes for each of the positions, into consecutive pieces of a `Uint8Array`, as
   * [`read_nowait`](Self::read_nowait) does, up to the first that cannot be read at once, and at most `most`. It
   * returns how many were read; for each of them its count is in `counts`.
   */
  readonly readManyNowait: (
    handle: number,
    view: Uint8Array,
    positions: Float64Array,
    size: number,
    counts: Int32Array,
    most: number,
  ) => number;
  /**
   * A function that offers the bytes of several `Uint8Array`s to a stream's kernel, one behind the other; see
   * `Reactor::send_nowait`. It returns how many were taken: the others are to be written.
   */
  readonly sendNowait: (handle: number, views: readonly Uint8Array[]) => number;
  /**
   * A function that receives a piece of what waits for a stream into a `Uint8Array`, behind `Completion.Readable`;
   * see `Reactor::receive_nowait`. It returns how many bytes; zero where there are none at once.
   */
  readonly receiveNowait: (handle: number, room: Uint8Array) => number;
}

/**
 * Makes the reactor of this thread.
 *
 * `dispatch` is called without arguments whenever there are completions; it passes them by counting up the
 * header's cursor and may return early. `waiter` asks for the waiter thread; without it libuv is used where there
 * is one.
 */
export type NativeReactorConstructor = new (
  dispatch: () => void,
  waiter: boolean,
  options?: ReactorOptions | null,
) => NativeReactor;

/** Who a peer is. */
export interface Credentials {
  /** Its process; 0 where that is not to be seen from here. */
  pid: number;
  /** Its effective user. */
  uid: number;
  /** Its effective group. */
  gid: number;
}

/** Datagrams that wait for room. */
export interface DatagramQueue {
  /** How many. */
  count: number;
  /** Bytes of their payloads. */
  bytes: number;
}

/** An address as core prints it. UNIX sockets have a `path` (empty when unnamed) and nothing else. */
export interface Endpoint {
  /** 4 or 6, 0 for UNIX sockets. */
  family: number;
  /** The IP address with its scope, or the path; abstract names begin with a zero byte. */
  address: string;
  /** The port, 0 for UNIX sockets. */
  port: number;
}

/** What was found out by trying. */
export interface NativeSupport {
  /** Whether a ring could be set up, entered, and passed the self-test. */
  available: boolean;
  /** Code of what stands in the way; absent where nothing does. */
  reason?: string;
  /** What stands in the way, in words; empty where nothing does. */
  message: string;
  /** The errno that was seen, negative; absent where there was none. */
  errno?: number;
  /** The kernel's release, for messages only. */
  kernel: string;
  /** Names of the optional kernel features that were found. */
  features: Array<string>;
}

/**
 * What to make a reactor with. What is absent has its default; ranges are [`Config`]'s, and TypeScript's to check
 * (`ts/reactor/options.ts`).
 */
export interface ReactorOptions {
  /** Entries of the submission queue. */
  submissionEntries?: number;
  /** Entries of the completion queue. */
  completionEntries?: number;
  /** Go without the indirection array, where the kernel knows that. */
  noSqArray?: boolean;
  /** Receive buffers. */
  receiveBuffers?: number;
  /** Bytes of each. */
  receiveBufferSize?: number;
  /** Completions taken from the kernel in one round. */
  completionsPerRound?: number;
  /** Rounds of a turn. */
  roundsPerTurn?: number;
  /** Microseconds after which a turn begins no further round. */
  turnTime?: number;
  /** Microseconds for which the loop looks at its ring before it sleeps. */
  busyPoll?: number;
  /**
   * Most kernel threads for what ends in bounded time, such as reads and writes of files; 0 leaves the kernel's
   * limit.
   */
  boundedWorkers?: number;
  /** Most kernel threads for everything else; 0 leaves the kernel's limit. */
  unboundedWorkers?: number;
  /** Print each command, request and completion to standard error. */
  trace?: boolean;
}

/** What a reactor has been made with, which may be less than was asked for. */
export interface ReactorSettings {
  /** What wakes JavaScript: `uv` or `waiter`. */
  driver: string;
  /** Entries of the submission queue. */
  submissionEntries: number;
  /** Entries of the completion queue. */
  completionEntries: number;
  /** Whether the ring goes without the indirection array. */
  noSqArray: boolean;
  /** Receive buffers. */
  receiveBuffers: number;
  /** Bytes of each. */
  receiveBufferSize: number;
  /** Completions taken from the kernel in one round. */
  completionsPerRound: number;
  /** Rounds of a turn. */
  roundsPerTurn: number;
  /** Microseconds after which a turn begins no further round. */
  turnTime: number;
  /** Microseconds for which the loop looks at its ring before it sleeps; 0: it does not. */
  busyPoll: number;
  /** Most kernel threads for what ends in bounded time. */
  boundedWorkers: number;
  /** Most kernel threads for everything else. */
  unboundedWorkers: number;
}

/**
 * Counts: of what the reactor holds, which return to zero when everything has been closed and read; and, from `turns`
 * on, of what has happened since it was made.
 */
export interface Stats {
  /** Handles open or closing. */
  handles: number;
  /** Operations in flight. */
  operations: number;
  /** Receive buffers lent to readers. */
  buffersLent: number;
  /** Streams waiting for a receive buffer. */
  starved: number;
  /** Requests waiting for room in the submission queue. */
  backlog: number;
  /** File operations waiting to be handed to the kernel. */
  waiting: number;
  /** Bounce buffers in use. */
  bounces: number;
  /** Turns made. */
  turns: number;
  /** Calls of `io_uring_enter(2)`. */
  enters: number;
  /** Requests put into the submission queue. */
  submissions: number;
  /** Completions taken from the completion queue. */
  completions: number;
  /** Most completions that were taken at once. */
  largestBatch: number;
  /** Calls that the kernel refused because its completion queue had overflowed. */
  overflows: number;
  /** Receives that ended because there was no receive buffer. */
  exhaustions: number;
  /** Bytes received by sockets. */
  bytesReceived: number;
  /** Bytes that the kernel took from sockets. */
  bytesSent: number;
  /** Bytes read from files. */
  bytesRead: number;
  /** Bytes written to files. */
  bytesWritten: number;
}

/** The exports of the module. */
export interface NativeBinding {
  readonly NativeReactor: NativeReactorConstructor;
  /**
   * Page-aligned memory of so many bytes, zeroed. The kernel can be given it as it is where this thread has a reactor by
   * now. `null` where no memory is to be had.
   *
   * # Errors
   * Where the runtime does not allow external memory.
   */
  alignedMemory(size: number): ArrayBuffer | null;
  /** True on the first call in the process, whichever of its threads makes it. */
  claimWarning(): boolean;
  /**
   * Finds out whether this process can use io_uring: sets up a ring, uses it, and takes it down again. About a
   * millisecond.
   */
  support(): NativeSupport;
  /** The version that the binary is of. Both ends of the protocol are of one. */
  readonly VERSION: string;
}
