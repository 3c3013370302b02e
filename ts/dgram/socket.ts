/**
 * `dgram.Socket`: events over a DatagramHandle. What it does when is core's; how, is told in the files it is put together from.
 */
import { AsyncResource } from 'node:async_hooks';
import core from 'node:dgram';
import diagnostics from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { BlockList } from 'node:net';
import process from 'node:process';
import { promisify } from 'node:util';
import { EBADF, EINVAL } from '../errors/errno.ts';
import { ERR_INVALID_ARG_TYPE, ERR_SOCKET_BAD_BUFFER_SIZE, ERR_SOCKET_BAD_TYPE } from '../errors/core.ts';
import { errnoException } from '../errors/system.ts';
import { isOwn, standInFor } from '../core/stand-in.ts';
import { watchSenders } from '../core/sent-away.ts';
import { AsyncScope, showActiveHandles, SocketOption, type DatagramKind, type Endpoint } from '../reactor/index.ts';
import { socketSettings } from '../socket-options.ts';
import { validateAbortSignal, validateFunction, validateInt32, validateNumber, validateString } from '../validate.ts';
import { bind, bindSync, changing, checkRunning, getBufferSize, patchedLookup, removePath, setBufferSize } from './bind.ts';
import { checkConnected, connect, connectSync, disconnect } from './connect.ts';
import { deprecatedAccessors, shownHandle } from './deprecated.ts';
import { readAdditions } from './additions.ts';
import { MessageIterator, type MessagesOptions } from './iteration.ts';
import { changeMembership, changeSourceMembership, setMulticastInterface } from './multicast.ts';
import type { Message } from './receive.ts';
import { send } from './send.ts';
import { sendMany, type OutgoingMessage, type SendManyOptions, type SendResult } from './send-many.ts';
import { coreState } from './shown-handle.ts';
import { Bound, Connected, kState, type DgramSocket, type Lookup, type State } from './state.ts';

const channel = diagnostics.channel('udp.socket');

const Base = EventEmitter as unknown as new () => DgramSocket;

/** The members. There is no `super` in here: see ts/net/socket.ts. */
class SocketMembers extends Base {
  override bind(...args: any[]): this {
    bind(this, args);
    return this;
  }

  override connect(...args: any[]): void {
    connect(this, args);
  }

  override disconnect(): void {
    disconnect(this);
  }

  override send(message: any, a?: any, b?: any, c?: any, d?: any, e?: any): void {
    send(this, message, a, b, c, d, e);
  }

  sendto(buffer: any, offset: any, length: any, port: any, address: any, callback?: any): void {
    validateNumber(offset, 'offset');
    validateNumber(length, 'length');
    validateNumber(port, 'port');
    validateString(address, 'address');
    Reflect.apply(this.send, this, [buffer, offset, length, port, address, callback]);
  }

  /** Sends many datagrams at once: one promise, with bytes sent or an error for each, in order. The socket must be bound. */
  async sendMany(messages: readonly OutgoingMessage[], options?: SendManyOptions): Promise<SendResult[]> {
    return sendMany(checkRunning(this), messages, options);
  }

  /** What arrives, a turn's datagrams at a time. Ends when the socket is closed. */
  messages(options?: MessagesOptions): AsyncGenerator<Message[], void, void> {
    return new MessageIterator(this, options);
  }

  [Symbol.asyncIterator](): AsyncGenerator<Message[], void, void> {
    return new MessageIterator(this);
  }

  /** Whether the kernel cuts up what is sent (`gso`) and puts together what is received (`gro`). False before binding. */
  get offload(): { gso: boolean; gro: boolean } {
    const { gso, gro } = this[kState];
    return { gso, gro };
  }

  override close(callback?: () => void): this {
    const state = this[kState];
    if (typeof callback === 'function') this.on('close', callback);
    if (state.queue !== undefined) {
      state.queue.push(() => void this.close());
      return this;
    }
    checkRunning(this);
    state.closed = true;
    state.receiving = false;
    const { handle } = state;
    state.sibling?.close();
    if (handle === null) {
      process.nextTick(emitClose, this);
      return this;
    }
    state.handle = null;
    // Core looks every address up, in vain once the socket is closed: these are not called back. Ours have been sent all the same.
    if (state.sendsBefore >= 0) handle.forgetReports(state.sendsBefore);
    // What has been sent before is called back before.
    // 'close' is told of in the context of who closes, as core does.
    if (handle.expectsReports) handle.onclose = AsyncResource.bind(() => process.nextTick(emitClose, this));
    else process.nextTick(emitClose, this);
    handle.close();
    removePath(state);
    return this;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    if (!this[kState].closed) await Reflect.apply(promisify(this.close), this, []);
  }

  override address(): any {
    const state = checkRunning(this);
    return describe(state, state.handle?.localEndpoint() ?? -EBADF, 'getsockname');
  }

  override remoteAddress(): any {
    const state = checkConnected(this);
    return describe(state, state.handle!.peerEndpoint(), 'getpeername');
  }

  override ref(): this {
    this[kState].referenced = true;
    this[kState].handle?.ref();
    return this;
  }

  override unref(): this {
    this[kState].referenced = false;
    this[kState].handle?.unref();
    return this;
  }

  override setBroadcast(on: boolean): void {
    setOption(this, SocketOption.Broadcast, on ? 1 : 0, 'setBroadcast');
  }

  override setTTL(ttl: number): number {
    validateNumber(ttl, 'ttl');
    return setHops(this, SocketOption.UnicastHops, ttl, 1, 'setTTL');
  }

  override setMulticastTTL(ttl: number): number {
    validateNumber(ttl, 'ttl');
    return setHops(this, SocketOption.MulticastHops, ttl, 0, 'setMulticastTTL');
  }

  override setMulticastLoopback(on: boolean): boolean {
    setOption(this, SocketOption.MulticastLoop, on ? 1 : 0, 'setMulticastLoopback');
    return on;
  }

  override setMulticastInterface(interfaceAddress: string): void {
    setMulticastInterface(this, interfaceAddress);
  }

  override addMembership(group: string, interfaceAddress?: string): void {
    changeMembership(this, true, group, interfaceAddress, 'addMembership');
  }

  override dropMembership(group: string, interfaceAddress?: string): void {
    changeMembership(this, false, group, interfaceAddress, 'dropMembership');
  }

  override addSourceSpecificMembership(source: string, group: string, interfaceAddress?: string): void {
    changeSourceMembership(this, true, source, group, interfaceAddress, 'addSourceSpecificMembership');
  }

  override dropSourceSpecificMembership(source: string, group: string, interfaceAddress?: string): void {
    changeSourceMembership(this, false, source, group, interfaceAddress, 'dropSourceSpecificMembership');
  }

  override setRecvBufferSize(size: number): void {
    setBufferSize(this[kState], SocketOption.RecvBuffer, bufferSize(size));
  }

  override setSendBufferSize(size: number): void {
    setBufferSize(this[kState], SocketOption.SendBuffer, bufferSize(size));
  }

  override getRecvBufferSize(): number {
    return getBufferSize(this[kState], SocketOption.RecvBuffer);
  }

  override getSendBufferSize(): number {
    return getBufferSize(this[kState], SocketOption.SendBuffer);
  }

  override getSendQueueSize(): number {
    return this[kState].handle?.sendQueue().bytes ?? 0;
  }

  override getSendQueueCount(): number {
    return this[kState].handle?.sendQueue().count ?? 0;
  }
}
Object.defineProperties(SocketMembers.prototype, deprecatedAccessors);

/** Of newer Node versions. */
const synchronous: PropertyDescriptorMap & ThisType<DgramSocket> = {
  bindSync: {
    value(options: object = {}): object {
      bindSync(this, options);
      return this.address();
    },
    writable: true,
    configurable: true,
  },
  connectSync: {
    value(port: number, address?: string): void {
      connectSync(this, port, address);
    },
    writable: true,
    configurable: true,
  },
};
if ('bindSync' in core.Socket.prototype) Object.defineProperties(SocketMembers.prototype, synchronous);
watchSenders();
showActiveHandles();
// Where child_process looks for the handle, to send it.
Object.defineProperty(SocketMembers.prototype, coreState(), {
  get(this: DgramSocket) {
    return { handle: shownHandle(this) };
  },
  configurable: true,
});

function emitClose(socket: DgramSocket): void {
  socket[kState].scope.emitDestroy();
  socket.emit('close');
}

function describe({ kind }: State, endpoint: Endpoint | number, call: string): object {
  if (typeof endpoint === 'number') throw errnoException(endpoint, call);
  if ('path' in endpoint) return { address: endpoint.path, family: 'unix', port: 0 };
  return { address: endpoint.address, family: kind === 'udp6' ? 'IPv6' : 'IPv4', port: endpoint.port };
}

function setOption(socket: DgramSocket, option: SocketOption, value: number, call: string): number {
  const handle = changing(checkRunning(socket));
  const status = handle?.setOption(option, value) ?? -EBADF;
  if (status < 0) throw errnoException(status, call);
  return value;
}

/** Core looks at the number first, also of a socket that is not bound; the kernel would take -1 for its default. */
function setHops(socket: DgramSocket, option: SocketOption, hops: number, least: 0 | 1, call: string): number {
  checkRunning(socket);
  if ((hops | 0) < least || (hops | 0) > 255) throw errnoException(-EINVAL, call);
  return setOption(socket, option, hops, call);
}

function bufferSize(size: number): number {
  if (size >>> 0 !== size) throw new ERR_SOCKET_BAD_BUFFER_SIZE();
  return size;
}

function construct(this: unknown, type: any, listener?: (...args: any[]) => void): unknown {
  // Constructors from before there were classes call this one on an object of theirs.
  const made = new.target !== undefined || isOwn(SocketMembers.prototype, this);
  const socket = (made ? (this as object) : (Object.create(Socket.prototype) as object)) as DgramSocket;
  Reflect.apply(EventEmitter, socket, []);
  const options = (typeof type === 'object' && type !== null ? type : { type }) as Record<string, any>;
  const kind = options['type'] as DatagramKind;
  if (options['recvBufferSize']) validateInt32(options['recvBufferSize'], 'options.recvBufferSize', 0, 2 ** 32 - 1);
  if (options['sendBufferSize']) validateInt32(options['sendBufferSize'], 'options.sendBufferSize', 0, 2 ** 32 - 1);
  const blockLists = {
    receiveBlockList: blockList(options, 'receiveBlockList'),
    sendBlockList: blockList(options, 'sendBlockList'),
  };
  if (options['lookup'] !== undefined) validateFunction(options['lookup'], 'lookup');
  if (kind !== 'udp4' && kind !== 'udp6' && kind !== 'unix_dgram') throw new ERR_SOCKET_BAD_TYPE();
  socket.type = kind;
  socket[kState] = {
    kind,
    scope: new AsyncScope('UDPWRAP'),
    lookup: (options['lookup'] as Lookup | undefined) ?? patchedLookup(),
    handle: null,
    sibling: null,
    shown: undefined,
    closed: false,
    bound: Bound.No,
    connected: Connected.No,
    receiving: false,
    referenced: true,
    queue: undefined,
    reuseAddr: Boolean(options['reuseAddr']),
    reusePort: Boolean(options['reusePort']),
    ipv6Only: Boolean(options['ipv6Only']),
    recvBufferSize: options['recvBufferSize'],
    sendBufferSize: options['sendBufferSize'],
    ...blockLists,
    additions: readAdditions(options),
    transport: socketSettings(options['transport'], kind === 'unix_dgram' ? 'unix datagram' : 'udp'),
    pauses: 0,
    sendsBefore: -1,
    literal: undefined,
    path: undefined,
    gso: false,
    gro: false,
  };
  Object.defineProperty(socket, kState, { enumerable: false });
  socket[kState].scope.owner = socket;
  if (typeof listener === 'function') socket.on('message', listener);
  closeOnAbort(socket, options['signal']);
  if (channel.hasSubscribers) channel.publish({ socket });
  return socket;
}

function blockList(options: Record<string, unknown>, name: string): BlockList | undefined {
  const list = options[name];
  if (list instanceof BlockList) return list;
  if (list && knowsOption(name, list)) throw new ERR_INVALID_ARG_TYPE(`options.${name}`, 'net.BlockList', list);
  return undefined;
}

/** Whether core minds a value that an option cannot have. It does where it knows the option: block lists came with Node 22.13. */
function knowsOption(name: string, value: unknown): boolean {
  try {
    core.createSocket({ type: 'udp4', [name]: value }).close();
    return false;
  } catch {
    return true;
  }
}

/** Closes the socket when the signal says so. */
function closeOnAbort(socket: DgramSocket, signal: unknown): void {
  if (signal === undefined) return;
  validateAbortSignal(signal, 'options.signal');
  const abort = (): void => {
    if (!socket[kState].closed) socket.close();
  };
  if (signal.aborted) {
    abort();
    return;
  }
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
}

/** See the head of this file. */
export const Socket = construct as unknown as typeof core.Socket;
Object.defineProperties(Socket, { name: { value: 'Socket' }, length: { value: 2 } });
standInFor(core.Socket, Socket, SocketMembers);
