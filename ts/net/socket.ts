/**
 * `net.Socket`: a Duplex over a StreamHandle. What it does when is core's; how, is told in the files it is put together from.
 */
import core from 'node:net';
import { Duplex, type DuplexOptions } from 'node:stream';
import { callsBackWhenDone } from '../chunk-memory.ts';
import { CORE_MAJOR } from '../core/version.ts';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_INVALID_HANDLE_TYPE, ERR_SOCKET_CLOSED } from '../errors/core.ts';
import { errnoException } from '../errors/system.ts';
import { showActiveHandles } from '../reactor/index.ts';
import { validateInt32, validateNumber } from '../validate.ts';
import { adoptDescriptor } from './adopt.ts';
import { isBlockList, isNormalized, normalizeArguments, toSeconds } from './arguments.ts';
import { connectSocket, useBuffer } from './connect.ts';
import type { CoreHandle } from '../core/handles.ts';
import { counterAccessors } from './counters.ts';
import { endpointAccessors, peerName, socketName } from './endpoints.ts';
import { isOwn, standInFor } from '../core/stand-in.ts';
import {
  kBytesRead,
  kBytesWritten,
  kDescriptorTaker,
  kLink,
  kSettings,
  kTransport,
  kTimer,
  kUserBuffer,
  type NetSocket,
  type WriteCallback,
} from './internals.ts';
import { Link } from './link.ts';
import {
  changeKeepAlive,
  changeNoDelay,
  changeTypeOfService,
  currentTypeOfService,
  keepAliveOf,
  NO_SETTINGS,
  settingsOf,
} from './settings.ts';
import { refreshTimers, setSocketTimeout, stopTimers, timedOut } from './timeout.ts';
import { isSentAway, watchSenders } from '../core/sent-away.ts';
import { define, defineAll } from '../define.ts';
import { socketSettings, type TcpClientOptions } from '../socket-options.ts';
import { nextTick } from '../timers.ts';
import type { NetServer } from './server-internals.ts';
import { linkOf, streamOf, type SocketStream } from './socket-stream.ts';
import { UserBuffer } from './user-buffer.ts';
import { offerChunks, writeAfterPeerEnd, writeChunk, writeChunks, type QueuedChunks } from './writes.ts';

/** What the constructor takes beyond what core's typings tell. */
export interface SocketOptions extends Omit<core.SocketConstructorOpts, 'handle'>, Omit<DuplexOptions, 'signal'> {
  /** A buffer that what arrives is put into, and who hears of it, instead of 'data'. */
  onread?: core.OnReadOpts | undefined;
  /** A connection to take over: one of core's handles, or of ours. */
  handle?: unknown;
  /**
   * Read nothing from `handle` until `resume()`.
   *
   * @default false
   */
  pauseOnCreate?: boolean;
  /**
   * Do not begin to read from `handle`.
   *
   * @default false
   */
  manualStart?: boolean;
  /**
   * Send small writes at once (`TCP_NODELAY`), from the moment of the connection on.
   *
   * @default false
   */
  noDelay?: boolean;
  /**
   * Probe the connection while it is idle (`SO_KEEPALIVE`), from the moment of the connection on.
   *
   * @default false
   */
  keepAlive?: boolean;
  /**
   * Idle milliseconds before the first probe, of which whole seconds count. 0 leaves the system's.
   *
   * @default 0
   */
  keepAliveInitialDelay?: number;
  /** `IP_TOS`, `IPV6_TCLASS`: 0 to 255. Without it the system's. */
  typeOfService?: number;
  /** Addresses that are not connected to: `ERR_IP_BLOCKED`. None without it. */
  blockList?: core.BlockList;
  /** Socket options that core has no name for, set before the socket is bound or connected. Without it the system's. */
  transport?: TcpClientOptions;
}

/** Core's class with more options. */
export type SocketConstructor = typeof core.Socket & { new (options?: SocketOptions): core.Socket };

/** Whether a socket that was never told to connect waits until it is before it ends: before Node 22. */
const WAITS_TO_END = CORE_MAJOR < 22;

// Duplex at run time; core's class for the compiler, whose overloads and events are also ours.
const Base = Duplex as unknown as new () => NetSocket;

/**
 * The members. There is no `super` in here: once core's prototype is in the chain (see core/stand-in.ts) it would mean core's.
 */
class SocketMembers extends Base {
  override connect(...args: any[]): this {
    connectSocket(this, isNormalized(args[0]) ? args[0] : normalizeArguments(args));
    return this;
  }

  override _read(size: number): void {
    const link = this[kLink];
    if (this.connecting || link === null) this.once('connect', () => this._read(size));
    else link.startReading();
  }

  override _write(data: any, encoding: BufferEncoding, callback: WriteCallback): void {
    writeChunk(this, data, encoding, callback);
  }

  override _writev(chunks: QueuedChunks, callback: WriteCallback): void {
    writeChunks(this, chunks, callback);
  }

  override _final(callback: WriteCallback): void {
    const link = this[kLink];
    if (this.connecting || (link === null && WAITS_TO_END)) this.once('connect', () => this._final(callback));
    else if (link === null) callback();
    else link.shutdown(link.handle!, callback);
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    this.connecting = false;
    stopTimers(this);
    const link = this[kLink];
    if (link === null) {
      callback(error);
      nextTick(emitClose, this);
    } else {
      this[kBytesRead] = link.handle?.bytesRead ?? 0;
      this[kBytesWritten] = link.handle?.bytesWritten ?? 0;
      const reset = this.resetAndClosing;
      if (reset) this.resetAndClosing = false;
      if (link.writing) offerChunks(this, link.handle!);
      link.close(Boolean(error), reset);
      this[kLink] = null;
      this._sockname = null;
      callback(error);
    }
    if (this._server) {
      this._server._connections--;
      this._server._emitCloseIfDrained?.();
    }
  }

  // Without an `onread` buffer these three are the stream's: reading stops by backpressure alone.
  override pause(): this {
    if (this[kUserBuffer] !== null && !this.connecting) this[kLink]?.stopReading();
    Duplex.prototype.pause.call(this);
    return this;
  }

  override resume(): this {
    if (this[kUserBuffer] !== null && !this.connecting) this[kLink]?.startReading();
    Duplex.prototype.resume.call(this);
    return this;
  }

  override read(size?: number): any {
    if (this[kUserBuffer] !== null && !this.connecting) this[kLink]?.startReading();
    return Duplex.prototype.read.call(this, size);
  }

  override end(...args: any[]): this {
    Reflect.apply(Duplex.prototype.end, this, args);
    return this;
  }

  override destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', this.destroy);
  }

  override resetAndDestroy(): this {
    const link = this[kLink];
    if (link === null) this.destroy(new ERR_SOCKET_CLOSED());
    else if (link.unix) throw new ERR_INVALID_HANDLE_TYPE();
    else if (this.connecting) this.once('connect', () => this._reset());
    else this._reset();
    return this;
  }

  override _reset(): this {
    this.resetAndClosing = true;
    this.destroy();
    return this;
  }

  override setTimeout(delay: number, listener?: () => void): this {
    setSocketTimeout(this, delay, listener);
    return this;
  }

  override _onTimeout(): void {
    timedOut(this);
  }

  override _unrefTimer(): void {
    refreshTimers(this);
  }

  override setNoDelay(enable: boolean = true): this {
    changeNoDelay(this, Boolean(enable));
    return this;
  }

  override setKeepAlive(enable?: unknown, initialDelay?: number, ...probes: unknown[]): this {
    changeKeepAlive(this, keepAliveOf(enable, initialDelay, ...probes));
    return this;
  }

  setTypeOfService(value: number): this {
    if (Number.isNaN(value)) throw new ERR_INVALID_ARG_TYPE('tos', 'number', value);
    validateInt32(value, 'tos', 0, 255);
    const status = changeTypeOfService(this, value);
    if (status < 0) throw errnoException(status, 'setTypeOfService');
    return this;
  }

  getTypeOfService(): number {
    const value = currentTypeOfService(this);
    if (value < 0) throw errnoException(value, 'getTypeOfService');
    return value;
  }

  override address(): Partial<core.AddressInfo> {
    return this._getsockname();
  }

  override _getsockname() {
    return socketName(this);
  }

  override _getpeername() {
    return peerName(this);
  }

  override ref(): this {
    const link = this[kLink];
    if (link === null) this.once('connect', this.ref);
    else link.reference(true);
    return this;
  }

  override unref(): this {
    const link = this[kLink];
    if (link === null) this.once('connect', this.unref);
    else link.reference(false);
    return this;
  }
}

defineAll(SocketMembers.prototype, {
  ...endpointAccessors,
  ...counterAccessors,
  // What `spawn(…, { stdio: [socket] })` looks at.
  fd: {
    get(this: NetSocket) {
      const fd = this[kLink]?.handle?.fd();
      return fd !== undefined && fd >= 0 ? fd : undefined;
    },
    set(this: NetSocket, value: unknown) {
      define(this, 'fd', { value, writable: true, configurable: true, enumerable: true });
    },
    configurable: true,
  },
  _handle: { get: takeableHandle, set: giveHandleAway, configurable: true },
});

/** What core's TLS and HTTP/2 take over; for child_process, what it can send. */
function takeableHandle(this: NetSocket): SocketStream | CoreHandle | null {
  const link = this[kLink];
  if (link === null) return null;
  return isSentAway(takeableHandle) ? link.makeSendable() : streamOf(link);
}

/** Who sets it to null has taken the handle: child_process, to send it, or somebody who makes another socket of it. */
function giveHandleAway(this: NetSocket, value: unknown): void {
  const link = this[kLink];
  if (value !== null || link === null) return;
  if (isSentAway(giveHandleAway)) link.leave();
  else this[kLink] = null;
}

watchSenders();
showActiveHandles();

// What few sockets ever set does not take room in all of them.
Object.assign(SocketMembers.prototype, {
  _host: null,
  _parent: null,
  _server: null,
  _hadError: false,
  _peername: null,
  _sockname: null,
  _pendingData: null,
  _pendingEncoding: '',
  resetAndClosing: false,
  // For who reads the prototype, or what inherits from it and was never made a socket, as tools that copy a module do.
  [kLink]: null,
  [kUserBuffer]: null,
  [kBytesRead]: 0,
  [kBytesWritten]: 0,
  [kSettings]: NO_SETTINGS,
  [kDescriptorTaker]: null,
});

function checkOptions(given: SocketOptions | number | undefined): SocketOptions {
  if (typeof given === 'number') return { fd: given };
  const options = given ?? {};
  for (const name of ['objectMode', 'readableObjectMode', 'writableObjectMode'] as const) {
    if (options[name]) throw new ERR_INVALID_ARG_VALUE(`options.${name}`, options[name], 'is not supported');
  }
  if (options.keepAliveInitialDelay !== undefined) {
    validateNumber(options.keepAliveInitialDelay, 'options.keepAliveInitialDelay');
    if (options.keepAliveInitialDelay < 0) options.keepAliveInitialDelay = 0;
  }
  if (options.blockList && !isBlockList(options.blockList)) {
    throw new ERR_INVALID_ARG_TYPE('options.blockList', 'net.BlockList', options.blockList);
  }
  if (options.typeOfService !== undefined) validateInt32(options.typeOfService, 'options.typeOfService', 0, 255);
  return options;
}

/** Stands for a handle that only core's code can work with: one of core's, or an object of JavaScript that behaves as one. */
const FOREIGN = Symbol('foreign handle');

/** Has core's members run on a socket in the place of ours, which lie in front of them; those of a class that extends ours stay in front of both. */
function becomeCores(socket: object): void {
  const theirs = core.Socket.prototype;
  for (const key of Reflect.ownKeys(theirs)) {
    if (key === 'constructor') continue;
    let holder = socket;
    while (!Object.hasOwn(holder, key)) holder = Object.getPrototypeOf(holder) as object;
    if (holder !== SocketMembers.prototype) continue;
    define(socket, key, { ...Object.getOwnPropertyDescriptor(theirs, key), configurable: true });
  }
}

function takeHandle({ handle, fd }: SocketOptions): Link | typeof FOREIGN | null {
  if (handle) return handle instanceof Link ? handle : (linkOf(handle) ?? FOREIGN);
  if (fd === undefined) return null;
  const adopted = adoptDescriptor(fd);
  if (adopted === null) return FOREIGN;
  const link = new Link();
  link.attach(adopted);
  return link;
}

/** How the stream of every socket behaves. */
const STREAM = {
  // 'close' is emitted when the descriptor is closed, with `hadError`.
  emitClose: false,
  autoDestroy: true,
  decodeStrings: false,
};

function toStreamOptions(options: SocketOptions): DuplexOptions {
  // Those of connections that are there (`connectedOptions`) are it already: a copy of them would be a third of what a connection allocates.
  if (options.handle instanceof Link) return options;
  return { ...(options as DuplexOptions), allowHalfOpen: Boolean(options.allowHalfOpen), ...STREAM };
}

/** What the constructor is given for a connection that is there: all that streams want to know, and what the server has said that accepted it. */
export function connectedOptions(link: Link, server: Partial<NetServer> = {}): SocketOptions {
  const { highWaterMark } = server;
  return {
    handle: link,
    allowHalfOpen: Boolean(server.allowHalfOpen),
    pauseOnCreate: Boolean(server.pauseOnConnect),
    readable: true,
    writable: true,
    readableHighWaterMark: highWaterMark,
    writableHighWaterMark: highWaterMark,
    emitClose: STREAM.emitClose,
    autoDestroy: STREAM.autoDestroy,
    decodeStrings: STREAM.decodeStrings,
  };
}

function setUp(socket: NetSocket, options: SocketOptions): void {
  const buffer = UserBuffer.from(options.onread);
  if (buffer !== null) socket[kUserBuffer] = buffer;
  if (options.blockList) socket.blockList = options.blockList;
  if (options.transport !== undefined) socket[kTransport] = socketSettings(options.transport, 'tcp client');
  const { noDelay, keepAlive, keepAliveInitialDelay, typeOfService } = options;
  if (!noDelay && !keepAlive && typeOfService === undefined) return;
  socket[kSettings] = settingsOf(Boolean(noDelay), Boolean(keepAlive), toSeconds(keepAliveInitialDelay), typeOfService);
}

/** Begins with a link that is connected already. */
function start(socket: NetSocket, link: Link, options: SocketOptions): void {
  link.connected = true;
  link.confirmed = true;
  link.own(socket);
  useBuffer(socket, link);
  if (options.readable === false) return;
  if (options.pauseOnCreate) (socket as { readableFlowing: boolean | null }).readableFlowing = false;
  else if (!options.manualStart) socket.read(0);
}

function onPeerEnd(this: NetSocket): void {
  if (!this.allowHalfOpen) this.write = writeAfterPeerEnd;
}

function emitClose(socket: NetSocket): void {
  socket.emit('close');
}

/** See the head of this file; typed as core's class, with the additions of newer Node versions. */
const SocketClass = function Socket(this: NetSocket | undefined, given?: SocketOptions | number): unknown {
  if (!isOwn(SocketMembers.prototype, this)) {
    // An object whose methods are core's, as one that inherits from core's `TLSSocket`, needs what those look for.
    if (isOwn(core.Socket.prototype, this)) return Reflect.apply(core.Socket as unknown as Function, this, [given]) as unknown;
    return new SocketClass(given as SocketOptions);
  }
  const socket = this!;
  const options = checkOptions(given);
  const link = takeHandle(options);
  if (link === FOREIGN) {
    becomeCores(socket);
    Reflect.apply(core.Socket as unknown as Function, socket, [options]);
    return undefined;
  }

  socket.connecting = false;
  socket[kLink] = null;
  socket[kTimer] = null;
  Duplex.call(socket, toStreamOptions(options));
  socket.server = null;
  socket.on('end', onPeerEnd);

  setUp(socket, options);
  if (link !== null) start(socket, link, options);
  return undefined;
} as unknown as SocketConstructor;
callsBackWhenDone(SocketMembers.prototype);
standInFor(core.Socket, SocketClass, SocketMembers);
export { SocketClass as Socket };
