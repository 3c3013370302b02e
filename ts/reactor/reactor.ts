/**
 * The TypeScript end of the reactor: writes commands, dispatches completions, counts what keeps the process alive.
 *
 * Commands are taken by Rust once per tick (see `crates/binding/src/instance.rs`), so that all writes of a tick cost one system call.
 * Completions come in batches, one call for all of them.
 */
import process from 'node:process';
import { loadNative } from '../native.ts';
import type { NativeReactor, NativeReactorConstructor } from '../native-binding.ts';
import {
  IouringUnavailableError,
  missingBinding,
  type Obstacle,
  ReactorInUseError,
  RingFailedError,
  type TrialReason,
} from '../errors/iouring.ts';
import type { SystemCallError } from '../errors/system.ts';
import { setImmediate } from '../timers.ts';
import { Arena } from './arena.ts';
import { HeapKeeper, LARGE_CHUNK } from './heap.ts';
import {
  COMMAND_CAPACITY,
  Command,
  Completion,
  HEADER_WORDS,
  Header,
  KIND_BITS,
  LONGEST_PIECE,
  RECEIVED_REGION,
  RECORD_WORDS,
} from './protocol.ts';
import { ReceivedBuffers } from './received-buffers.ts';
import { FileRequests } from './file-requests.ts';
import { driverOf, fromNative, mergeOptions, type ReactorOptions, type ReactorSettings, toNative } from './options.ts';
import type { SocketHandle } from './socket-handle.ts';

const COMMANDS_START = HEADER_WORDS;
const COMPLETIONS_START = COMMANDS_START + COMMAND_CAPACITY * RECORD_WORDS;

/** One more than the largest number of a word without a sign. */
const WORD = 2 ** 32;

/** The part of a handle's number that says where it is in the table; the rest is its generation. */
const INDEX_MASK = 0xfffff;

/** Most bytes that are put together for one read, as core reads at most 64 KiB at once. */
const READ_SIZE = 64 * 1024;

/** Up to here bytes are copied one by one: cheaper than the call into native code that copies many. */
const COPY_BY_HAND = 96;

/**
 * Bytes that may be read at once between two turns: some 200 µs. Whoever awaits one read after the other would keep the event loop from its other work.
 */
const READ_AT_ONCE = 1024 * 1024;

/** A read counts as one of so many bytes at least: copying them takes as long as asking. */
const LEAST_READ = 4096;

/**
 * How long one dispatch may take, in microseconds, before timers, `setImmediate` and other handles of the event loop get their turn. The clock is looked
 * at after so much work: records, and as many more as there are pages among the bytes.
 */
const DISPATCH_TIME = 1000;
const UNWATCHED = 16;
const PAGE_SHIFT = 12;

/** Taken before anybody can replace it: fake timers must not stop the sockets. */
const { hrtime } = process;

/** A clock in milliseconds. That of `performance` would have to be loaded. */
function now(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Places for views that are lent at once, to begin with. */
const FIRST_PLACES = 64;

/**
 * Runs the ticks and microtasks that are due, as they run between two timers of core's. The function has no documentation, and calling it is warned of
 * where `--pending-deprecation` wraps it: then it is the wrapper's prototype. Where there is none the same is reached by returning to native code, for
 * some 0.3 µs more.
 */
const coresRunTicks = findRunTicks();

function findRunTicks(): (() => void) | undefined {
  const { _tickCallback: found } = process as unknown as { _tickCallback?: () => void };
  const candidates = found === undefined ? [] : [found, Object.getPrototypeOf(found) as () => void];
  return candidates.find(({ name }) => name === 'runNextTicks');
}

/** What a handle hears once between two rounds of ticks and microtasks. */
function readsOnce(kind: Completion): boolean {
  return kind === Completion.Received || kind === Completion.Datagram || kind === Completion.Message || kind === Completion.Ended;
}

/**
 * Copies bytes to a Buffer whose memory is the receiver's alone: it can be transferred, and `buffer.buffer` shows nothing else. Not from Node's pool, which
 * others have pieces of. Up to 64 bytes V8 makes no `ArrayBuffer` before somebody asks for it, which is cheaper than a piece of the pool.
 */
export function ownCopy(from: Uint8Array, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  if (length <= COPY_BY_HAND) for (let i = 0; i < length; i++) bytes[i] = from[offset + i]!;
  else bytes.set(from.subarray(offset, offset + length));
  return bytes;
}

/**
 * Where the bytes of a write are: at an offset of the arena, or, as a number's complement, in the region of a lent view, or, from {@link IN_RECEIVED} on, in a
 * receive buffer.
 */
export type Place = number;

/** The complement of the place of bytes in receive buffer 0. There are fewer lent views. */
const IN_RECEIVED = 2 ** 30;

/** What a reactor holds. Everything but `turns` is zero when all handles have been closed. */
export interface Stats {
  /** Handles open or closing. */
  readonly handles: number;
  /** Operations in flight in the kernel. */
  readonly operations: number;
  /** Receive buffers lent and not given back. */
  readonly buffersLent: number;
  /** Streams waiting for a receive buffer. */
  readonly starved: number;
  /** Requests waiting for room in the submission queue. */
  readonly backlog: number;
  /** File operations waiting to be handed to the kernel. */
  readonly waiting: number;
  /** Bounce buffers in use by reads and writes of files. */
  readonly bounces: number;
  /** Pieces of the write arena in use. */
  readonly arena: number;
  /** User buffers lent to writes in flight. */
  readonly views: number;
  /** Turns of the reactor so far. */
  readonly turns: number;
}

export class Reactor {
  readonly native: NativeReactor;
  readonly readNow: NativeReactor['readNow'];
  readonly readManyNow: NativeReactor['readManyNow'];
  readonly sendNow: NativeReactor['sendNow'];
  readonly arena: Arena;
  readonly #heap = new HeapKeeper((buffer) => this.native.discard(buffer));
  /** Memory that Rust shares: the queues, the receive buffers, and those of datagram sockets. To be read through {@link #queues} and the like. */
  #words: Int32Array;
  #pool: Buffer;
  /** User buffers lent to writes, in places that Rust has made; it looks them up at the moment it hands them to the kernel. */
  #views: (Uint8Array | undefined)[] = [];
  #datagramPool: Buffer | undefined = undefined;
  readonly #freeViews: number[] = [];
  readonly #handles: (SocketHandle | undefined)[] = [];
  /** Handles whose place has a new owner already: Rust has closed them, the news is still on its way. */
  readonly #superseded = new Map<number, SocketHandle>();
  #flushes: boolean;
  #exiting = false;
  /** Who waits for which file operation. */
  readonly files = new FileRequests(this);
  /** Who holds which receive buffer. */
  readonly received: ReceivedBuffers;
  #flushScheduled = false;
  #holds = 0;
  #batch = 0;
  readonly #dispatchTime: number;
  #readAtOnce = READ_AT_ONCE;

  readonly #onExit = (): void => {
    this.#exiting = true;
    this.#flushes = false;
    this.native.flush();
  };

  constructor(Native: NativeReactorConstructor, options: ReactorOptions) {
    this.native = new Native(() => this.#dispatch(), driverOf(options) === 'waiter', toNative(options));
    this.#dispatchTime = (options.turnTime ?? DISPATCH_TIME) / 1000;
    this.readNow = this.native.readNow;
    this.readManyNow = this.native.readManyNow;
    this.sendNow = this.native.sendNow;
    this.arena = new Arena(() => this.native.arena);
    this.#words = new Int32Array(this.native.queues);
    this.#pool = Buffer.from(this.native.pool);
    this.received = new ReceivedBuffers(this.native, (kind, handle, slices) => this.command(kind, handle, slices));
    this.#flushes = this.native.flushes;
    // What was written in the last tick is sent, as it would have been by core; what is written from here on as well.
    process.once('exit', this.#onExit);
  }

  /** Ends it, where it has not been used. */
  end(): void {
    process.off('exit', this.#onExit);
    this.native.end();
  }

  /** Enters a handle in the table, under the number that Rust gave it. */
  register(handle: SocketHandle): void {
    const index = handle.id & INDEX_MASK;
    const before = this.#handles[index];
    if (before !== undefined) this.#superseded.set(before.id, before);
    this.#handles[index] = handle;
  }

  /** The handles that are open and may hold the process. */
  referenced(): SocketHandle[] {
    return this.#handles.filter((handle) => handle !== undefined && !handle.closed && handle.hasRef()) as SocketHandle[];
  }

  /** Keeps the process alive, once more. */
  hold(): void {
    if (this.#holds++ === 0) this.native.reference();
  }

  /** Takes one {@link hold} back. */
  unhold(): void {
    if (--this.#holds === 0) this.native.unreference();
  }

  /**
   * Writes a command; the meaning of the words depends on its kind. This is where numbers of JavaScript's become words of 32 bits.
   *
   * @param offset 0 to 2^53 - 1
   * @param length at most {@link LONGEST_PIECE}: what is longer takes several commands
   */
  command(kind: Command, handle: number, region = 0, offset = 0, length = 0, last = 0): void {
    if (length > LONGEST_PIECE) throw new RangeError(`A command cannot be about ${length} bytes`);
    let words = this.#words;
    let count = words[Header.Commands];
    // Not `===`: there is no count either where the memory was moved.
    if (!(count < COMMAND_CAPACITY)) {
      words = this.#makeRoom();
      count = words[Header.Commands];
    }
    const at = COMMANDS_START + count * RECORD_WORDS;
    // Storing takes a number modulo 2^32.
    words[at] = offset < WORD ? kind : kind + (Math.floor(offset / WORD) << KIND_BITS);
    words[at + 1] = handle;
    words[at + 2] = region;
    words[at + 3] = offset;
    words[at + 4] = length;
    words[at + 5] = last;
    words[Header.Commands] = count + 1;
    if (!this.#flushes) this.scheduleFlush();
  }

  /** Nothing more is tried at once before the next turn: what is read is not in memory, and asking twice costs. */
  refuseAtOnce(): void {
    this.#readAtOnce = 0;
  }

  /** How many of `count` reads of `size` bytes may be tried at once. They count as done. */
  atOnce(size: number, count: number): number {
    const cost = Math.max(size, LEAST_READ);
    const granted = Math.min(count, Math.floor(this.#readAtOnce / cost));
    this.#readAtOnce -= granted * cost;
    return granted;
  }

  /**
   * Writes a command about bytes of a file.
   *
   * @param position -2^63 to 2^63 - 1 as a bigint, a safe integer as a number; negative for the file's own
   */
  transfer(
    kind: Command,
    handle: number,
    region: number,
    offset: number,
    length: number,
    token: number,
    position: number | bigint,
  ): void {
    if (typeof position === 'number') {
      this.#further(position, Math.floor(position / WORD));
    } else {
      this.#further(Number(BigInt.asIntN(32, position)), Number(BigInt.asIntN(32, position >> 32n)));
    }
    this.command(kind, handle, region, offset, length, token);
  }

  /** Writes the command that sends a datagram; see `Command.SendDatagram` for the words. */
  sendDatagram(
    handle: number,
    region: number,
    offset: number,
    length: number,
    destination: number,
    packed: number,
    segment: number,
  ): void {
    this.#further(packed, segment);
    this.command(Command.SendDatagram, handle, region, offset, length, destination);
  }

  /** Writes the last words of the next command, before the others: `command` may hand the record over at once. */
  #further(first: number, second: number): void {
    let words = this.#words;
    if (!(words[Header.Commands] < COMMAND_CAPACITY)) words = this.#makeRoom();
    const at = COMMANDS_START + words[Header.Commands] * RECORD_WORDS;
    words[at + 6] = first;
    words[at + 7] = second;
  }

  /** Has the commands taken up, where there is no room for more. */
  #makeRoom(): Int32Array {
    const words = this.#queues();
    if (!(words[Header.Commands] < COMMAND_CAPACITY)) this.native.flush();
    return words;
  }

  /**
   * The queues. No script is given the `ArrayBuffer` of memory that Rust shares, but one that has got hold of it can move it (`transfer()`), which leaves a view
   * of no length. The memory itself stays where it is, with all that is in it, so that another view is as good.
   */
  #queues(): Int32Array {
    if (this.#words.length === 0) this.#words = new Int32Array(this.native.queues);
    return this.#words;
  }

  /** The receive buffers of streams. */
  #receiveBuffers(): Buffer {
    if (this.#pool.length === 0) this.#pool = Buffer.from(this.native.pool);
    return this.#pool;
  }

  /** The receive buffers of datagram sockets, and of streams that take descriptors; there once there was one. */
  get datagramPool(): Buffer {
    const pool = this.#datagramPool;
    return pool !== undefined && pool.length > 0 ? pool : (this.#datagramPool = Buffer.from(this.native.datagramPool));
  }

  /** For drivers that do not come round at the end of a tick by themselves. */
  scheduleFlush(): void {
    if (this.#exiting) return this.native.flush();
    if (this.#flushes || this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.native.flush();
    });
  }

  /** Lends a view to a write: the region by which Rust finds it. */
  lend(view: Uint8Array): number {
    const slot = this.#freeViews.pop() ?? this.#makePlaces();
    this.#views[slot] = view;
    return slot + 1;
  }

  /** Takes a view back. */
  reclaim(region: number): void {
    this.#views[region - 1] = undefined;
    this.#freeViews.push(region - 1);
  }

  /**
   * Copies chunks of `size` bytes together, at most {@link BLOCK_SIZE}, to where nobody changes them: into the arena, or, while that is full, into memory
   * of their own. How many writes can be waiting is for the streams to limit, not for the arena.
   */
  keep(chunks: readonly Uint8Array[], size: number): Place {
    const offset = this.arena.allocate(size);
    const memory = offset < 0 ? Buffer.allocUnsafeSlow(size) : this.arena.memory;
    let end = Math.max(offset, 0);
    for (const chunk of chunks) {
      const length = chunk.byteLength;
      if (length <= COPY_BY_HAND) for (let i = 0; i < length; i++) memory[end + i] = chunk[i]!;
      else memory.set(chunk, end);
      end += length;
    }
    return offset < 0 ? ~this.lend(memory) : offset;
  }

  /** Sends bytes that lie in a receive buffer, which is held until they have been sent: the place of a write. */
  sendReceived(handle: number, buffer: number, offset: number, length: number): Place {
    this.received.hold(buffer);
    this.command(Command.Write, handle, RECEIVED_REGION, offset, length, 1);
    return ~(IN_RECEIVED + buffer);
  }

  /** Bytes that lie in a receive buffer, for a moment. */
  receivedBytes(offset: number, length: number): Uint8Array {
    return this.#receiveBuffers().subarray(offset, offset + length);
  }

  /** The bytes at a place have been sent, or never will be. */
  release(place: Place): void {
    if (place >= 0) this.arena.release(place);
    else if (~place >= IN_RECEIVED) this.received.letGo(~place - IN_RECEIVED);
    else this.reclaim(~place);
  }

  /**
   * The same for bytes whose memory nobody else has. What was lent goes back to the allocator at once: memory that is filled again while it is in the cache
   * is cheaper to copy to and to send from than fresh memory, of which a writer of much would use one MiB after the other until garbage is collected.
   */
  discard(place: Place): void {
    if (place >= 0 || ~place >= IN_RECEIVED) {
      this.release(place);
      return;
    }
    const view = this.#views[~place - 1];
    this.reclaim(~place);
    if (view !== undefined) this.discardView(view);
  }

  /** The same for a view that was not lent. What it has a part of only is left to the garbage collector. */
  discardView(view: Uint8Array): void {
    if (view.byteLength === view.buffer.byteLength) this.native.discard(view.buffer);
  }

  /** Doubles the places for views; one of the new ones. */
  #makePlaces(): number {
    const before = this.#views.length;
    this.#views = this.native.makePlaces(Math.max(FIRST_PLACES, 2 * before));
    for (let slot = this.#views.length - 1; slot > before; slot--) this.#freeViews.push(slot);
    return before;
  }

  get settings(): ReactorSettings {
    return fromNative(this.native.settings);
  }

  stats(): Stats {
    return { ...this.native.stats(), arena: this.arena.inUse, views: this.#views.length - this.#freeViews.length };
  }

  /**
   * Dispatches completions, from the cursor on. Called by Rust, again and again until the cursor has passed them all: it may end early with an
   * exception of a handler's. Between two reads of one handle ticks and microtasks run, as they do in core.
   */
  #dispatch(): void {
    const words = this.#queues();
    const count = words[Header.Completions];
    this.#batch++;
    this.#readAtOnce = READ_AT_ONCE;
    let unwatched = UNWATCHED;
    let deadline = 0;
    for (let cursor = words[Header.Cursor]; cursor < count; cursor = words[Header.Cursor]!) {
      const at = COMPLETIONS_START + cursor * RECORD_WORDS;
      const kind: Completion = words[at];
      const id = words[at + 1];
      const result = words[at + 2];
      unwatched -= kind === Completion.Received ? 1 + (result >> PAGE_SHIFT) : 1;
      if (unwatched <= 0) {
        const time = now();
        if (deadline === 0) deadline = time + this.#dispatchTime;
        else if (time >= deadline) {
          words[Header.Yielded] = 1;
          return;
        }
        unwatched = UNWATCHED;
      }
      const handle = kind === Completion.FileDone || kind === Completion.FileOpened ? undefined : this.#find(id);
      if (kind === Completion.FileDone) {
        words[Header.Cursor] = cursor + 1;
        this.files.done(words[at + 3], result);
        continue;
      }
      if (kind === Completion.FileOpened) {
        words[Header.Cursor] = cursor + 1;
        const size = (words[at + 4] >>> 0) + words[at + 5] * WORD;
        this.files.opened(words[at + 3], id, { mode: result, size, local: words[at + 6] !== 0 });
        continue;
      }
      if (handle === undefined) {
        words[Header.Cursor] = cursor + 1;
        this.#orphan(kind, result);
        continue;
      }
      if (kind === Completion.Received && handle.feedsCore) {
        words[Header.Cursor] = cursor + 1;
        handle.lent(new Uint8Array(this.#receiveBuffers().buffer, words[at + 3], result));
        continue;
      }
      if (kind === Completion.Received && handle.borrows) {
        words[Header.Cursor] = cursor + 1;
        this.received.borrow(words, at, words[at + 4]);
        try {
          handle.borrowed(words[at + 4], words[at + 3], result);
        } finally {
          this.received.handedOver();
        }
        continue;
      }
      if (readsOnce(kind)) {
        if (handle.batch === this.#batch) {
          if (coresRunTicks === undefined) return;
          this.runTicks();
          this.#batch++;
          // The handle may be another one now.
          continue;
        }
        if (kind !== Completion.Ended) handle.batch = this.#batch;
      }
      if (kind === Completion.Received) {
        handle.received(this.#take(cursor, count, id));
        continue;
      }
      if (kind === Completion.Datagram) {
        const gathers = handle.gathers;
        const end = gathers ? this.#run(cursor, count, id) : cursor + 1;
        words[Header.Cursor] = end;
        handle.datagrams(words, at, end - cursor, gathers);
        continue;
      }
      if (kind === Completion.Message) {
        words[Header.Cursor] = cursor + 1;
        const offset = words[at + 3];
        handle.message(ownCopy(this.datagramPool, offset, result), words[at + 6], words[at + 7] !== 0);
        continue;
      }
      if (kind === Completion.Sent) {
        // A record for several: an exception of a callback's brings us back here for the rest.
        handle.sent(words, at);
        words[Header.Cursor] = cursor + 1;
        continue;
      }
      words[Header.Cursor] = cursor + 1;
      if (kind === Completion.Closed) this.#forget(handle);
      handle.complete(kind, result);
      if (kind === Completion.Written) continue;
      // Rare enough to be followed by ticks and microtasks, as each callback of core's is.
      if (coresRunTicks === undefined) return;
      this.runTicks();
      this.#batch++;
    }
  }

  /** Makes an error an uncaught exception. As in core, ticks and microtasks do not run right behind it, but with those of the next callback. */
  report(error: unknown): void {
    this.native.reportException(error);
    this.#batch++;
  }

  /**
   * Runs the ticks and microtasks that are due. What is thrown has to be told of here: it leaves the stack of asynchronous contexts in disorder, which
   * telling mends. True when nothing was: else some may be left.
   */
  runTicks(): boolean {
    try {
      coresRunTicks?.();
      return true;
    } catch (error) {
      this.report(error);
      return false;
    }
  }

  /** Copies what has been received for one handle, in this record and those right behind it, and passes them: memory of their own, as in {@link ownCopy}. */
  #take(cursor: number, count: number, id: number): Buffer {
    const words = this.#words;
    let at = COMPLETIONS_START + cursor * RECORD_WORDS;
    let length = words[at + 2];
    let end = cursor + 1;
    for (let next = at + RECORD_WORDS; end < count; next += RECORD_WORDS, end++) {
      const kind: Completion = words[next];
      if (kind !== Completion.Received || words[next + 1] !== id || length + words[next + 2] > READ_SIZE) break;
      length += words[next + 2];
    }
    words[Header.Cursor] = end;

    const bytes = Buffer.allocUnsafeSlow(length);
    if (length >= LARGE_CHUNK) this.#heap.note(length);
    const pool = this.#receiveBuffers();
    let filled = 0;
    for (let record = cursor; record < end; record++, at += RECORD_WORDS) {
      const size = words[at + 2];
      const offset = words[at + 3];
      if (size <= COPY_BY_HAND) for (let i = 0; i < size; i++) bytes[filled + i] = pool[offset + i]!;
      else bytes.set(pool.subarray(offset, offset + size), filled);
      filled += size;
    }
    return bytes;
  }

  #find(id: number): SocketHandle | undefined {
    const handle = this.#handles[id & INDEX_MASK];
    return handle?.id === id ? handle : this.#superseded.get(id);
  }

  #forget(handle: SocketHandle): void {
    if (!this.#superseded.delete(handle.id)) this.#handles[handle.id & INDEX_MASK] = undefined;
  }

  /** The end of the run of datagrams of one handle that begins at `cursor`. */
  #run(cursor: number, count: number, id: number): number {
    const words = this.#words;
    let end = cursor + 1;
    for (let next = COMPLETIONS_START + end * RECORD_WORDS; end < count; next += RECORD_WORDS, end++) {
      const kind: Completion = words[next];
      if (kind !== Completion.Datagram || words[next + 1] !== id) break;
    }
    return end;
  }

  /** A completion that belongs to no handle. */
  #orphan(kind: Completion, result: number): void {
    if (kind === Completion.Accepted) this.command(Command.Close, result);
    else if (kind === Completion.RingFailed) {
      throw new RingFailedError(result);
    }
  }
}

let reactor: Reactor | undefined;
let options: ReactorOptions = {};
/** The reactor has been asked for, not only made. */
let used = false;

/**
 * Sets what the reactor of this thread is made with. One that was made, since a facade was imported, and that has not been used gives way to another.
 *
 * @throws {ReactorInUseError} where there is one that has been used.
 * @throws {IouringUnavailableError} where there was one, and none can be made with these options. There is one with the former options again then.
 */
export function configureReactor(change: unknown): void {
  const before = options;
  const wanted = mergeOptions(before, change);
  if (used) throw new ReactorInUseError();
  options = wanted;
  if (reactor === undefined) return;
  reactor.end();
  reactor = undefined;
  const made = makeReactor();
  if (made instanceof Reactor) return;
  options = before;
  makeReactor();
  throw unavailable(made);
}

/** Makes the reactor of this thread, where there is none yet, or tells what stands in the way. */
export function makeReactor(): Reactor | Obstacle {
  if (reactor !== undefined) return reactor;
  const native = loadNative();
  if (native.binding === null) return missingBinding(native.reason, native.cause);
  try {
    return (reactor = new Reactor(native.binding.NativeReactor, options));
  } catch (cause) {
    return obstacleOf(cause as Partial<SystemCallError>);
  }
}

/** What the constructor has thrown, as `throw` in crates/binding/src/native_reactor.rs makes it. Errors of Node-API itself have codes of their own. */
function obstacleOf(cause: Partial<SystemCallError>): Obstacle {
  const { code = '', message = '', errno } = cause;
  const reason = code.startsWith('ERR_IOURING_') ? (code as TrialReason) : 'ERR_IOURING_SET_UP';
  return { reason, message, errno, cause };
}

/**
 * The reactor of this thread. Facades over the ring are chosen only where there is one.
 *
 * @throws {IouringUnavailableError} where there can be none.
 */
export function getReactor(): Reactor {
  const made = reactor ?? makeReactor();
  if (!(made instanceof Reactor)) throw unavailable(made);
  used = true;
  return made;
}

function unavailable({ reason, message, errno, cause }: Obstacle): IouringUnavailableError {
  return new IouringUnavailableError(reason, message, errno, cause);
}

/** Makes an error an uncaught exception at once, in the context that is current. Where this thread has no reactor it is thrown. */
export function reportException(error: unknown): void {
  if (reactor === undefined) throw error;
  reactor.report(error);
}

/** Runs all ticks and microtasks that are due, in the middle of a callback, whatever they throw. True when that was nothing. */
export function runTicks(): boolean {
  let quiet = true;
  while (reactor?.runTicks() === false) quiet = false;
  return quiet;
}

/** What the reactor of this thread holds; all zero where it has not been used. */
export function reactorStats(): Stats {
  return (
    reactor?.stats() ?? {
      handles: 0,
      operations: 0,
      buffersLent: 0,
      starved: 0,
      backlog: 0,
      waiting: 0,
      bounces: 0,
      arena: 0,
      views: 0,
      turns: 0,
    }
  );
}

/** See {@link Reactor.referenced}; none where the reactor of this thread has not been used. */
export function referencedHandles(): SocketHandle[] {
  return reactor?.referenced() ?? [];
}
