/**
 * A connected or connecting stream socket: TCP or UNIX.
 *
 * Life of a write: its bytes are copied into the arena (into memory of their own while that is full), or, when they are many, lent to Rust as they are,
 * and one command goes out; several, when they are more than one can be about.
 *
 * Before that, many bytes are offered to the kernel, as core offers all. What it takes of them is over, and only the rest goes the way told of here.
 *
 * - **Copied** bytes need nobody's attention any more, so the write is over for its caller at once, as nearly every write of core's is, which hands
 *   the bytes to the kernel at once. An error shows later, as `onwriteerror`; with core it would show at the next write.
 * - **Lent** bytes are offered to the kernel at once; what it has no room for must not be changed until `onwrite` says that it has taken the last of them.
 *   `onwrite` also follows for copied bytes while the kernel has not taken {@link UNCONFIRMED_LIMIT} of those copied before: that is what holds back a writer
 *   whose peer does not read.
 *
 * The kernel never holds on to either memory: see `crates/reactor/src/stream.rs`.
 */
import { Buffer } from 'node:buffer';
import type { Credentials } from '../native-binding.ts';
import { BLOCK_SIZE } from './arena.ts';
import { EBADF, ECANCELED } from '../errors/errno.ts';
import type { StreamEvents } from './handle-table.ts';
import { Command, Completion, MAX_PIECE, RECEIVED_REGION, SocketOption } from './protocol.ts';
import type { Reactor } from './reactor.ts';
import { getReactor } from './thread-reactor.ts';
import type { ReceivedBuffers } from './received-buffers.ts';
import { DEAF, type StreamListener, type WriteEncoding } from './stream-listener.ts';
import type { Place } from './write-memory.ts';
import { withoutFirst } from './without-first.ts';
import {
  nothing,
  Activity,
  connectSocket,
  openSocket,
  SocketHandle,
  toEndpoint,
  type Endpoint,
  type SocketKind,
} from './socket-handle.ts';

/**
 * Writes up to this size are copied: their buffers may be filled anew at once. Longer ones are lent, and offered to the kernel at once in any case, as core
 * does: what it takes within `write()` is safe too. Where that is done by the ring it costs a turn each.
 */
const COPY_SIZE = BLOCK_SIZE;

/**
 * The same for memory that is given away. Nobody changes it, so that what decides is cost: above this size, finding it at the moment of sending costs less
 * than copying it (16 KiB echo: 10.0 instead of 10.7 µs of CPU a message).
 */
const GIVEN_COPY_SIZE = 8 * 1024;

/**
 * Writes from this size on are offered to the kernel at once, as core offers all: no copy, and bytes that are in the cache (64 KiB one way: two thirds of the
 * CPU time). At 16 KiB that gains nothing over sending with the others of the turn.
 */
const NOWAIT_SIZE = 32 * 1024;

/** What a slice has to hold on average for it to be worth finding it. Where there is less, those that lie next to each other are copied together. */
const LEAST_SLICE = 1024;

/** Up to here what was received is copied to be sent on: cheaper than holding its buffer, and the buffer goes round sooner. */
const COPY_RECEIVED_SIZE = 2 * 1024;

/** Most bytes of one stream that the kernel has not taken although their writes are over; further writes wait for it. */
const UNCONFIRMED_LIMIT = 64 * 1024;

/** Most bytes that one UTF-16 code unit becomes. */
const UTF8_EXPANSION = 3;

/** The region of the arena. */
const ARENA = 0;

/** Instead of a place: where its bytes are, and who waits, is told elsewhere. */
const ELSEWHERE = ~ARENA;

/** Instead of a request: the write is over, and nobody waits for it. */
const NOBODY = {};

/** The same bytes in fewer chunks: runs of small ones are copied together. */
function gather(chunks: readonly Uint8Array[]): Uint8Array[] {
  const gathered: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const endRun = (): void => {
    if (run.length > 0) gathered.push(run.length === 1 ? run[0] : Buffer.concat(run));
    run = [];
  };
  for (const chunk of chunks) {
    if (chunk.byteLength < LEAST_SLICE) {
      run.push(chunk);
      continue;
    }
    endRun();
    gathered.push(chunk);
  }
  endRun();
  return gathered;
}

/** A write whose bytes are in several places, or that is told of when the kernel has taken it. */
class Pending {
  /** Where its bytes are. */
  readonly places: Place[] = [];
  /** Whose it is, where it was made by {@link StreamHandle.writeFor}, or {@link NOBODY}. */
  readonly request: object | null;
  /** Which of the queue's rounds it was made in. */
  readonly round: number;
  /** Its stream was closed while it waited for room. */
  givenUp = false;

  constructor(request: object | null, round: number) {
    this.request = request;
    this.round = round;
  }
}

/** In place of a list that nothing has been entered in yet: many connections wait for long before they write, some never do. */
const EMPTY: never[] = [];

export class StreamHandle extends SocketHandle implements StreamEvents {
  /** What arrives is lent, to native code of core's. */
  feedsCore = false;
  /** What arrives stays in its receive buffer until it is let go of: see {@link borrowed}. */
  borrows = false;
  /** Hears everything but the end of the connect and the close. */
  listener: StreamListener = DEAF;
  /** The connect has ended. */
  onconnect: (status: number) => void = nothing;
  /** The kernel has taken a write, of whichever kind. */
  ontaken: (() => void) | undefined = undefined;
  /** Bytes given to `write`. */
  bytesWritten = 0;
  /** Bytes received. */
  bytesRead = 0;
  /** Bytes written that the kernel has not taken yet. */
  writeQueueSize = 0;
  /** The writes that the kernel has not confirmed, in order, as pairs: place of the bytes, or {@link ELSEWHERE}; length. */
  #unconfirmed: number[] = EMPTY;
  /** Where the oldest of them is; what lies before is confirmed. Taking it out would move all others, once for every write. */
  #oldest = 0;
  /** For each pair with {@link ELSEWHERE}, in order: the write. */
  #elsewhere: Pending[] = EMPTY;

  /** `socket(2)`: a handle, or a negative errno. */
  static open(kind: SocketKind): StreamHandle | number {
    const reactor = getReactor();
    const id = openSocket(reactor, kind, false);
    return id < 0 ? id : new StreamHandle(reactor, id);
  }

  /**
   * Takes over an open stream socket; `-EEXIST` where a handle has it already, of ours or one of core's that uses it.
   *
   * @param fresh it is a duplicate that nobody else knows yet, so that core need not be asked
   */
  static adopt(fd: number, fresh = false): StreamHandle | number {
    const reactor = getReactor();
    const id = reactor.native.adopt(fd, false, fresh);
    return id < 0 ? id : new StreamHandle(reactor, id);
  }

  /** A handle that Rust has opened. */
  static wrap(reactor: Reactor, id: number): StreamHandle {
    return new StreamHandle(reactor, id);
  }

  get takesPieces(): boolean {
    return this.isBusy(Activity.Reading) && !this.closed && !this.feedsCore && !this.borrows;
  }

  override get owner(): unknown {
    return this.listener === DEAF ? undefined : this.listener;
  }

  override get resourceName(): string {
    return 'TCPSocketWrap';
  }

  private constructor(reactor: Reactor, id: number) {
    super(reactor, id);
  }

  /** Starts connecting: zero, and `onconnect` follows, or a negative errno. */
  connect(peer: Endpoint): number {
    const status = connectSocket(this.reactor, this.id, peer);
    if (status === 0) this.begin(Activity.Connecting);
    return status;
  }

  /** `getpeername(2)`. */
  peerEndpoint(): Endpoint | number {
    return toEndpoint(this.reactor.native.endpoint(this.id, true));
  }

  /** Lets bytes come. */
  readStart(): void {
    if (this.closed || this.isBusy(Activity.Reading)) return;
    this.begin(Activity.Reading);
    this.reactor.commands.write(Command.ReadStart, this.id, this.takesPieces ? 1 : 0);
  }

  /** Feeds core's C++ from here on, or no longer. Pieces are of no use to it: bytes come by the ring alone then. */
  feedCore(wanted: boolean): void {
    this.feedsCore = wanted;
    if (this.closed || !this.isBusy(Activity.Reading)) return;
    this.reactor.commands.write(Command.ReadStart, this.id, this.takesPieces ? 1 : 0);
  }

  /** Lets no more bytes come, except those that are on their way: 128 KiB at most where the kernel can bound a receive (Linux 6.17), else up to 2 MiB once. */
  readStop(): void {
    if (!this.isBusy(Activity.Reading)) return;
    this.finish(Activity.Reading);
    if (!this.closed) this.reactor.commands.write(Command.ReadStop, this.id);
  }

  /** Lets no more bytes come for good, and takes none: behind what is on its way the end is told of, with `-ECANCELED` where the stream has none yet. */
  readCease(): void {
    if (this.closed) return;
    this.begin(Activity.Reading);
    this.reactor.commands.write(Command.ReadCease, this.id);
  }

  /** Writes bytes. True: over; false: `onwrite` follows, and the next write had better wait for it: nothing bounds how many there are. */
  write(bytes: Uint8Array): boolean {
    const length = bytes.byteLength;
    if (length >= NOWAIT_SIZE) return this.writev([bytes]);
    const { arena } = this.reactor.memory;
    const offset = arena.allocate(length);
    if (offset < 0) return this.#send(this.reactor.memory.keep([bytes], length), length);
    arena.memory.set(bytes, offset);
    return this.#send(offset, length);
  }

  /** Writes bytes that may change as soon as this returns; at most {@link COPY_SIZE}. Likewise. */
  writeCopied(bytes: Uint8Array): boolean {
    return this.write(bytes);
  }

  /** `TCP_NODELAY`; nothing on a UNIX socket. */
  setNoDelay(wanted: boolean): number {
    return this.setOption(SocketOption.NoDelay, wanted ? 1 : 0);
  }

  /** Writes bytes that lie in a receive buffer, from where they are; it is held until they have been sent. Likewise. */
  writeReceived(buffers: ReceivedBuffers, buffer: number, offset: number, length: number): boolean {
    const { reactor } = this;
    const isLent = buffers === reactor.received && !buffers.scarce;
    if (!isLent || length <= COPY_RECEIVED_SIZE || this.writeQueueSize + length > UNCONFIRMED_LIMIT) {
      return this.write(buffers.bytes(offset, length));
    }
    this.#begin(reactor.memory.holdReceived(buffer), length, Activity.Confirming);
    reactor.commands.write(Command.Write, this.id, RECEIVED_REGION, offset, length, 1);
    return true;
  }

  /** Writes a string, likewise. */
  writeString(text: string, encoding: WriteEncoding): boolean {
    const { arena } = this.reactor.memory;
    const most = encoding === 'utf8' ? text.length * UTF8_EXPANSION : text.length * 2;
    const offset = most <= COPY_SIZE ? arena.allocate(most) : -1;
    if (offset < 0) return this.write(Buffer.from(text, encoding));
    const length = arena.memory.write(text, offset, most, encoding);
    arena.shrink(offset + length);
    return this.#send(offset, length);
  }

  /** Writes several chunks as one, likewise. */
  writev(chunks: readonly Uint8Array[]): boolean {
    let total = 0;
    for (const chunk of chunks) total += chunk.byteLength;
    const sent = this.#offer(chunks, total);
    const left = total - sent;
    if (left === 0 && total > 0) return true;
    const rest = sent > 0 ? withoutFirst(chunks, sent) : chunks;
    if (left <= COPY_SIZE) return this.#send(this.reactor.memory.keep(rest, left), left);
    this.#writeParts(this.#beginElsewhere(left), rest, COPY_SIZE);
    if (sent === 0) this.reactor.native.flush();
    return false;
  }

  /**
   * Writes several chunks as one for a request, likewise, with `onrequest` for `onwrite`. Their memory is given away: it is let go of when it has been
   * sent, so that however many they are the write may be over at once.
   *
   * @param tell whether to call `onrequest` in any case, so that the request hears of an error
   */
  writeFor(request: object, chunks: readonly Uint8Array[], tell: boolean): boolean {
    let total = 0;
    for (const chunk of chunks) total += chunk.byteLength;
    const sent = this.#offer(chunks, total);
    const left = total - sent;
    if (left === 0 && total > 0) {
      for (const chunk of chunks) this.reactor.memory.discardView(chunk);
      return true;
    }
    const rest = sent > 0 ? withoutFirst(chunks, sent) : chunks;
    const over = !tell && this.writeQueueSize + left <= UNCONFIRMED_LIMIT;
    if (left > GIVEN_COPY_SIZE) {
      this.#writeParts(this.#beginElsewhere(left, over ? NOBODY : request), rest, GIVEN_COPY_SIZE);
      return over;
    }
    const place = this.reactor.memory.keep(rest, left);
    if (over) this.#begin(place, left, Activity.Confirming);
    else this.#beginElsewhere(left, request).push(place);
    this.#command(Command.Write, place, 0, left, true);
    return over;
  }

  /** Offers what has been written to the kernel, and tells it of everything else, now instead of at the end of the tick. */
  flush(): void {
    this.reactor.native.flush();
  }

  /** Duplicates descriptors for the next {@link writeWithDescriptors}. @returns zero, or a negative errno */
  stageDescriptors(descriptors: readonly number[]): number {
    return this.closed ? -EBADF : this.reactor.native.stageDescriptors(this.id, descriptors);
  }

  /** Writes bytes, at least one, that take the descriptors staged first with them. `onwrite` follows in any case: the kernel may refuse them. */
  writeWithDescriptors(bytes: Uint8Array): void {
    const places = this.#beginElsewhere(bytes.byteLength);
    if (bytes.byteLength <= COPY_SIZE) {
      const place = this.reactor.memory.keep([bytes], bytes.byteLength);
      places.push(place);
      this.#command(Command.WriteWithDescriptors, place, 0, bytes.byteLength, true);
      return;
    }
    // They go with the first piece.
    this.#lend(places, bytes, true, Command.WriteWithDescriptors);
    this.reactor.native.flush();
  }

  /** Takes descriptors too, from here on, at most `limit` at a time. @returns zero, or a negative errno */
  receiveDescriptors(limit: number): number {
    const status = this.closed ? -EBADF : this.reactor.native.receiveDescriptors(this.id, limit);
    this.reactor.commands.scheduleFlush();
    return status;
  }

  /** `SO_PEERCRED`. */
  peerCredentials(): Credentials | number {
    return this.reactor.native.peerCredentials(this.id);
  }

  /** Ends the sending half after the write under way. `onshutdown` follows. */
  shutdown(): void {
    this.begin(Activity.ShuttingDown);
    this.reactor.commands.write(Command.ShutDown, this.id);
  }

  /** Closes such that the peer sees a reset instead of an end. `onclose` follows. */
  reset(): number {
    const status = this.setOption(SocketOption.Linger, 0);
    this.close();
    return status;
  }

  protected override closing(): void {
    super.closing();
    const { round } = this.reactor.commands;
    for (const write of this.#elsewhere) write.givenUp = write.round !== round;
  }

  /** Closes, and gives the descriptor away, with which nothing has been done yet. `onclose` follows. @returns the descriptor, or a negative errno */
  release(): number {
    const fd = this.closed ? -EBADF : this.reactor.native.release(this.id);
    if (fd < 0) return fd;
    this.closing();
    this.reactor.commands.scheduleFlush();
    return fd;
  }

  received(bytes: Buffer): void {
    this.bytesRead += bytes.length;
    this.listener.onread(bytes);
  }

  lent(bytes: Uint8Array): void {
    this.bytesRead += bytes.length;
    this.listener.onlent(bytes);
  }

  borrowed(buffer: number, offset: number, length: number): void {
    this.bytesRead += length;
    this.listener.onborrowed?.(buffer, offset, length);
  }

  message(bytes: Buffer, descriptors: number, lost: boolean): void {
    try {
      // After a close they are closed with the handle.
      if (!this.closed && (descriptors > 0 || lost)) {
        this.listener.ondescriptors(descriptors > 0 ? this.reactor.native.takeDescriptors(this.id) : [], lost);
      }
    } finally {
      this.received(bytes);
    }
  }

  override complete(kind: Completion, result: number): void {
    switch (kind) {
      case Completion.Written:
        this.#written(result);
        break;
      case Completion.Ended:
        this.finish(Activity.Reading);
        this.listener.onend(result);
        break;
      case Completion.Connected:
        this.finish(Activity.Connecting);
        this.onconnect(result);
        break;
      case Completion.ShutDown:
        this.finish(Activity.ShuttingDown);
        this.listener.onshutdown(result);
        break;
      case Completion.Closed:
        this.end();
        break;
      default:
        break; // Not this handle's.
    }
  }

  /** Offers many bytes to the kernel, behind short ones that were written just before, unless others are to go first: how many of them it has taken. */
  #offer(chunks: readonly Uint8Array[], total: number): number {
    // What was offered and did not fit is elsewhere: there is no room yet.
    if (total < NOWAIT_SIZE || this.writeQueueSize > COPY_SIZE || this.#elsewhere.length > 0) return 0;
    const small = total < chunks.length * LEAST_SLICE;
    if (small && total <= COPY_SIZE) return 0;
    const sent = this.reactor.sendNowait(this.id, small ? gather(chunks) : chunks);
    this.bytesWritten += sent;
    return sent;
  }

  /** Sends what has been copied. */
  #send(place: Place, length: number): boolean {
    const over = this.writeQueueSize + length <= UNCONFIRMED_LIMIT;
    if (over) this.#begin(place, length, Activity.Confirming);
    else this.#beginElsewhere(length).push(place);
    this.#command(Command.Write, place, 0, length, true);
    return over;
  }

  #command(kind: Command, place: Place, offset: number, length: number, last: boolean): void {
    if (place >= 0) this.reactor.commands.write(kind, this.id, ARENA, place + offset, length, last ? 1 : 0);
    else this.reactor.commands.write(kind, this.id, ~place, offset, length, last ? 1 : 0);
  }

  #begin(place: Place, length: number, activity: Activity): void {
    this.begin(activity);
    if (activity === Activity.Confirming && !this.hasRef()) this.reactor.native.holdUntilOffered();
    // What is pushed onto an empty list gets room for seventeen, which a connection that does nothing would keep.
    if (this.#unconfirmed === EMPTY) this.#unconfirmed = [place, length];
    else this.#unconfirmed.push(place, length);
    this.bytesWritten += length;
    this.writeQueueSize += length;
  }

  #beginElsewhere(length: number, request: object | null = null): Place[] {
    this.#begin(ELSEWHERE, length, request === NOBODY ? Activity.Confirming : Activity.Writing);
    const pending = new Pending(request, this.reactor.commands.round);
    if (this.#elsewhere === EMPTY) this.#elsewhere = [];
    this.#elsewhere.push(pending);
    return pending.places;
  }

  /** The kernel has taken the oldest write, or it has failed. */
  #written(status: number): void {
    const place = this.#unconfirmed[this.#oldest];
    this.writeQueueSize -= this.#unconfirmed[this.#oldest + 1];
    this.#oldest += 2;
    if (this.#oldest === this.#unconfirmed.length) {
      this.#unconfirmed = EMPTY;
      this.#oldest = 0;
      this.finish(Activity.Confirming);
    } else if (this.#oldest * 2 >= this.#unconfirmed.length) {
      this.#unconfirmed.splice(0, this.#oldest);
      this.#oldest = 0;
    }
    if (this.ontaken !== undefined && status === 0) this.ontaken();
    if (place !== ELSEWHERE) {
      this.reactor.memory.discard(place);
      if (status < 0) this.listener.onwriteerror(status);
      return;
    }
    const { places, request, givenUp } = this.#elsewhere.shift()!;
    // What the kernel says of it meanwhile, as of a connection that was reset, is no more of interest.
    if (givenUp && status < 0) status = -ECANCELED;
    if (this.#elsewhere.length === 0) this.finish(Activity.Writing);
    if (request === null) {
      for (const occupied of places) this.reactor.memory.release(occupied);
      this.listener.onwrite(status);
      return;
    }
    for (const occupied of places) this.reactor.memory.discard(occupied);
    if (request !== NOBODY) this.listener.onrequest(request, status);
    else if (status < 0) this.listener.onwriteerror(status);
  }

  /** Many bytes: runs of chunks of at most `copied` bytes are copied together, larger ones are lent. */
  #writeParts(places: Place[], chunks: readonly Uint8Array[], copied: number): void {
    let run: Uint8Array[] = [];
    let size = 0;
    const flushRun = (last: boolean): void => {
      if (run.length === 0) return;
      const place = this.reactor.memory.keep(run, size);
      places.push(place);
      this.#command(Command.Write, place, 0, size, last);
      run = [];
      size = 0;
    };
    chunks.forEach((chunk, index) => {
      const last = index === chunks.length - 1;
      if (chunk.byteLength > copied) {
        flushRun(false);
        this.#lend(places, chunk, last);
        return;
      }
      if (size + chunk.byteLength > BLOCK_SIZE) flushRun(false);
      run.push(chunk);
      size += chunk.byteLength;
      if (last) flushRun(true);
    });
  }

  /** Lends bytes, in as many pieces as it takes. */
  #lend(places: Place[], bytes: Uint8Array, last: boolean, first = Command.Write): void {
    const place = ~this.reactor.memory.lend(bytes);
    places.push(place);
    let kind = first;
    for (let left = bytes.byteLength, offset = 0; left > 0; kind = Command.Write) {
      const length = Math.min(left, MAX_PIECE);
      left -= length;
      this.#command(kind, place, offset, length, last && left === 0);
      offset += length;
    }
  }
}
