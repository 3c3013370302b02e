/**
 * What ties a socket to the ring: one link for every connection, from `connect()` or accept until the descriptor is closed.
 *
 * The link hears the handle's events and moves them into the stream. It is the hot path: methods instead of closures, one
 * callback field for each request that can be under way, timers touched only where one is set.
 */
import { EBADF, ECANCELED } from '../errors/errno.ts';
import { errnoException } from '../errors/system.ts';
import { AsyncScope, type StreamHandle, type StreamListener } from '../reactor/index.ts';
import { setImmediate, nextTick } from '../timers.ts';
import { makeClosedHandle, makeCoreHandle, type CoreHandle } from '../core/handles.ts';
import { CORE_MAJOR } from '../core/version.ts';
import { closeDescriptors } from './descriptors.ts';
import { touchTimeout } from './timeout.ts';
import { kDescriptorTaker, kLink, type NetSocket, type WriteCallback } from './internals.ts';
import { copyOfPassed, finishSoon, finishWrite, OVER, passBytes, passEnd } from './core-calls.ts';
import type { CoreRequest } from './core-stream.ts';
import type { SocketStream } from './socket-stream.ts';
import type { UserBuffer } from './user-buffer.ts';

/** Node 20 calls a write that failed with its socket's destruction a success. */
const TELLS_WHEN_DESTROYED = CORE_MAJOR >= 22;

/** See the head of this file. A socket has a link exactly while core's would have a `_handle`. */
export class Link implements StreamListener {
  /** Absent until an accepted connection has its socket. */
  socket!: NetSocket;
  /** Context of everything the handle reports by itself. */
  readonly scope: AsyncScope;
  /** Null while the address family is not known yet, and for good where opening failed. */
  handle: StreamHandle | null = null;
  /** Whether the connection stands. */
  connected = false;
  /** Whether connect(2) has reported the connection to who asked again: whoever asks once more hears `EISCONN`. See attempt.ts. */
  confirmed = false;
  /** Whether data is wanted: what core calls `_handle.reading`. */
  reading = false;
  /** Where the socket's `onread` option wants its bytes. */
  userBuffer: UserBuffer | null = null;
  /** Whether this link keeps the process alive; kept here for the handle that is still to be opened. */
  referenced = true;
  /** What core's C++ can take over; made when somebody asks for it. */
  stream: SocketStream | null = null;
  /** Whether bytes go there instead of to the socket. */
  feedsCore = false;
  /** The TLS handle whose callbacks are guarded. */
  guarded: object | null = null;
  /** Size of the queue when the timeout last looked; until then that of the write under way, sent or not. 0: nothing under way. */
  lastQueueSize = 0;
  /** What had been written before the last write. */
  writtenBefore = 0;

  /** Writes that take descriptors with them, until their turn comes. */
  #carriers: Set<Uint8Array> | null = null;
  #unix: boolean | undefined;
  #writeDone: WriteCallback | null = null;
  #writeScope: AsyncScope | null = null;
  /** How many writes of the handle make up the one under way. */
  #writesLeft = 0;
  /** Who waits for the end of the writing side: the socket, and what has taken its handle over. */
  #endWaiters: ((status: number) => void)[] | null = null;
  #hadError = false;
  /** What a write of core's that was over has failed with; the next one ends with it. */
  #coreError = 0;
  /** The end of the last bytes that core has written for a user of the TLSSocket, among all bytes. */
  #usersBytes = 0;
  /** What child_process has been given to send, and has not taken: closed with the connection. */
  #sendable: CoreHandle | null = null;

  /**
   * @param unix whether this is a UNIX-domain connection, where that is known
   * @param cause async id of the listener that has accepted it
   */
  constructor(unix?: boolean, cause?: number) {
    this.#unix = unix;
    this.scope = new AsyncScope(unix === true ? 'PIPEWRAP' : 'TCPWRAP', cause);
  }

  /** Says whose connection this is. */
  own(socket: NetSocket): void {
    this.socket = socket;
    this.scope.owner = socket;
    socket[kLink] = this;
  }

  /** Whether this is a UNIX-domain connection. Asked of the kernel on the first call where it is not known. */
  get unix(): boolean {
    if (this.#unix === undefined) {
      const endpoint = this.handle?.localEndpoint();
      this.#unix = typeof endpoint === 'object' && 'path' in endpoint;
    }
    return this.#unix;
  }

  /** Takes over an open handle. */
  attach(handle: StreamHandle): void {
    this.handle = handle;
    handle.listener = this;
    handle.feedCore(this.feedsCore);
    if (!this.referenced) handle.unref();
  }

  /** Sets whether this connection keeps the process alive. */
  reference(wanted: boolean): void {
    this.referenced = wanted;
    if (wanted) this.handle?.ref();
    else this.handle?.unref();
  }

  /** Asks for the descriptors that come with data, where the socket has said who is given them. */
  askForDescriptors(handle: StreamHandle): void {
    const taker = this.socket[kDescriptorTaker];
    if (taker === null || !this.unix) return;
    const status = handle.receiveDescriptors(taker.limit);
    if (status < 0) nextTick(() => this.socket.destroy(errnoException(status, 'recvmsg')));
  }

  /** Asks for data. Before there is a connection, as core's HTTP server does of a socket that it is given, it is asked for with the connection. */
  startReading(): void {
    if (this.reading) return;
    this.reading = true;
    if (!this.connected || this.userBuffer?.release(this) === true) return;
    this.handle?.readStart();
  }

  /** The connection stands. */
  establish(): void {
    this.connected = true;
    if (this.reading) this.handle!.readStart();
  }

  /** Asks for no more. What is already on its way still comes. */
  stopReading(): void {
    if (!this.reading) return;
    this.reading = false;
    this.handle?.readStop();
  }

  /** Sets whether bytes go to `stream`, and from there to what has taken it over. */
  feedCore(wanted: boolean): void {
    this.feedsCore = wanted;
    this.handle?.feedCore(wanted);
  }

  /**
   * A write of what has taken the stream over. A writer in JavaScript, which core's HTTP/2 is not, takes what this returns for an error.
   *
   * @returns zero, and it hears of the outcome there; {@link OVER}, or a negative errno
   */
  writeForCore(request: CoreRequest, chunks: readonly Uint8Array[], fromJavaScript: boolean): number {
    const { handle } = this;
    if (handle === null || handle.closed) return -EBADF;
    if (this.#coreError < 0) return this.#coreError;
    touchTimeout(this.socket);
    const { secureSocket } = this.stream!;
    if (!handle.writeFor(request, chunks, fromJavaScript)) return 0;
    if (secureSocket === undefined && !fromJavaScript) return OVER;
    if (secureSocket !== undefined && secureSocket.writableLength > 0 && !secureSocket.secureConnecting) {
      this.#usersBytes = handle.bytesWritten;
    }
    finishSoon(this, request);
    return 0;
  }

  /** Nobody has taken the stream over: bytes that went there, or the end, come back. */
  takeBack(end: boolean): void {
    if (end) this.scope.run(this.endReading, this);
    else this.scope.run(this.deliver, this, copyOfPassed());
  }

  /** Notes down that descriptors were staged for the write of this buffer. */
  carry(bytes: Uint8Array): void {
    (this.#carriers ??= new Set()).add(bytes);
  }

  /** Whether there are such writes. */
  get carriesAny(): boolean {
    return this.#carriers !== null && this.#carriers.size > 0;
  }

  /** Whether this is one of them, whose turn has come. */
  carries(chunk: unknown): boolean {
    return this.carriesAny && this.#carriers!.delete(chunk as Uint8Array);
  }

  /** Notes down who waits for the write that the caller has started: for as many reports of the handle, or the first error. */
  expectWrite(done: WriteCallback, reports = 1): void {
    this.#writeDone = done;
    this.#writesLeft = reports;
    this.#writeScope = new AsyncScope('WRITEWRAP');
  }

  /** Whether a write is under way. */
  get writing(): boolean {
    return this.#writeDone !== null;
  }

  /** Ends the writing side after everything written so far. */
  shutdown(handle: StreamHandle, done: WriteCallback): void {
    const scope = new AsyncScope('SHUTDOWNWRAP');
    (this.#endWaiters ??= []).push(() => {
      scope.run(done, undefined);
      scope.emitDestroy();
    });
    handle.shutdown();
  }

  /** The same, for what has taken the stream over. @returns zero, or a negative errno */
  shutdownForCore(request: CoreRequest): number {
    const { handle } = this;
    if (handle === null || handle.closed) return -EBADF;
    (this.#endWaiters ??= []).push((status) => this.stream!.finishShutdown(request, status));
    handle.shutdown();
    return 0;
  }

  /**
   * Closes the descriptor; the socket's 'close' follows.
   *
   * @param hadError what 'close' tells its listeners
   * @param reset let the peer see a reset instead of an end
   */
  close(hadError: boolean, reset: boolean): void {
    this.#hadError = hadError;
    const { handle } = this;
    if (handle === null) {
      setImmediate(closed, this);
      return;
    }
    this.#sendable?.close();
    handle.onclose = onClose;
    if (reset) handle.reset();
    else handle.close();
  }

  /** Turns the connection away before it has a socket. */
  refuse(): void {
    this.handle!.close();
    this.scope.emitDestroy();
  }

  /** Closes the descriptor alone. @returns zero, or a negative errno */
  closeHandle(callback: (() => void) | undefined, reset: boolean): number {
    const { handle } = this;
    if (handle === null || handle.closed) return -EBADF;
    this.#sendable?.close();
    if (callback !== undefined) handle.onclose = () => setImmediate(callback);
    if (reset) return handle.reset();
    handle.close();
    return 0;
  }

  /** A handle of core's for the same connection, which can be sent to another process. Before there is a descriptor, and behind it, it has none. */
  makeSendable(): CoreHandle {
    const { handle } = this;
    if (handle === null || handle.closed) return makeClosedHandle();
    // Who gets it may write as soon as it does: behind all of this.
    handle.flush();
    return (this.#sendable ??= makeCoreHandle(handle.fd()));
  }

  /** Another process has the connection from here on; what was made to be sent is closed by who sends it. */
  leave(): void {
    this.socket[kLink] = null;
    this.#sendable = null;
    this.scope.emitDestroy();
    const { handle } = this;
    if (handle === null) return;
    if (this.socket.connecting) handle.onclose = () => handle.onconnect(-ECANCELED);
    handle.close();
    // What comes from now on is for the other process.
    handle.flush();
  }

  /** Whether the socket has moved on: it was destroyed, and may even be connecting anew. */
  get stale(): boolean {
    return this.socket[kLink] !== this;
  }

  /** Runs in the context of the write. */
  finishWrite(status: number, done: WriteCallback): void {
    const { socket } = this;
    if (this.stale) {
      // Of no interest to a socket that has started over with another link: its stream has forgotten about this write.
      if (socket.destroyed) done(status < 0 && TELLS_WHEN_DESTROYED ? errnoException(status, 'write') : null);
      return;
    }
    if (status < 0) {
      done(errnoException(status, 'write'));
      return;
    }
    touchTimeout(socket);
    this.lastQueueSize = 0;
    done(null);
  }

  /** Runs in the handle's context: a write that was over for its caller has failed. */
  failLate(status: number): void {
    if (this.stale) return;
    if (!this.feedsCore) {
      this.socket.destroy(errnoException(status, 'write'));
      return;
    }
    this.#coreError = status;
    // As with core nobody hears of handshakes and alerts that cannot be sent, and HTTP/2 does not mind.
    const { bytesWritten, writeQueueSize } = this.handle!;
    if (this.#usersBytes >= bytesWritten - writeQueueSize) this.stream!.secureSocket?.destroy(errnoException(status, 'write'));
  }

  /** Runs in the handle's context. */
  deliver(bytes: Buffer): void {
    const { socket } = this;
    if (this.stale) return;
    touchTimeout(socket);
    if (this.userBuffer !== null) this.userBuffer.take(this, bytes);
    else if (!socket.push(bytes)) this.stopReading();
  }

  /** Runs in the handle's context. */
  deliverDescriptors(descriptors: number[], lost: boolean): void {
    const { socket } = this;
    const taker = socket[kDescriptorTaker];
    if (this.stale || taker === null) closeDescriptors(descriptors);
    else taker.listener.call(socket, descriptors, { position: this.handle!.bytesRead, lost });
  }

  /** Runs in the handle's context. */
  deliverEnd(status: number): void {
    if (this.stale) return;
    touchTimeout(this.socket);
    if (status < 0) (this.stream?.secureSocket ?? this.socket).destroy(errnoException(status, 'read'));
    else if (this.feedsCore) passEnd(this);
    else this.endReading();
  }

  /** Runs in the handle's context. */
  endReading(): void {
    const { socket } = this;
    if (this.stale) return;
    if (this.userBuffer?.holdEnd() === true || socket.readableEnded) return;
    socket.push(null);
    socket.read(0);
  }

  /** Runs in the handle's context. */
  emitClose(): void {
    this.socket.emit('close', this.#hadError);
  }

  // What the handle tells.

  onread(bytes: Buffer): void {
    if (this.feedsCore) this.onlent(bytes);
    else this.scope.run(this.deliver, this, bytes);
  }

  onlent(bytes: Uint8Array): void {
    if (this.stale) return;
    touchTimeout(this.socket);
    passBytes(this, bytes);
  }

  onend(status: number): void {
    this.scope.run(this.deliverEnd, this, status);
  }

  onwrite(status: number): void {
    const done = this.#writeDone;
    const scope = this.#writeScope;
    if (done === null || scope === null || (--this.#writesLeft > 0 && status >= 0)) return;
    this.#writeDone = null;
    this.#writeScope = null;
    scope.run(this.finishWrite, this, status, done);
    scope.emitDestroy();
  }

  onrequest(request: CoreRequest, status: number): void {
    finishWrite(this, request, status);
  }

  onwriteerror(status: number): void {
    this.scope.run(this.failLate, this, status);
  }

  /** Or never will be: of that only core's requests hear, nobody else is left who could be told. */
  onshutdown(status: number): void {
    const waiters = this.#endWaiters ?? [];
    this.#endWaiters = null;
    for (const done of waiters) done(status);
  }

  ondescriptors(descriptors: number[], lost: boolean): void {
    this.scope.run(this.deliverDescriptors, this, descriptors, lost);
  }
}

function onClose(this: StreamHandle): void {
  // Core closes at the end of a turn of the event loop, after everything that is to come with setImmediate().
  setImmediate(closed, this.listener as Link);
}

function closed(link: Link): void {
  link.scope.run(link.emitClose, link);
  link.scope.emitDestroy();
}
