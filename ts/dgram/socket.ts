/**
 * `dgram.Socket`: events over a DatagramHandle. What it does when is core's; how, is told in the files it is put together from.
 */
import core from 'node:dgram';
import diagnostics from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { promisify } from 'node:util';
import { EBADF } from '../errors/errno.ts';
import { errnoException } from '../errors/system.ts';
import { isOwn, standInFor } from '../core/stand-in.ts';
import { watchSenders } from '../core/sent-away.ts';
import { define, defineAll } from '../define.ts';
import { showActiveHandles, SocketOption, type Endpoint } from '../reactor/index.ts';
import { validateNumber, validateString } from '../validate.ts';
import { bind, bindSync } from './bind.ts';
import { close, closeOnAbort } from './close.ts';
import { checkConnected, connect, connectSync, disconnect } from './connect.ts';
import { createState } from './create.ts';
import { deprecatedAccessors, shownHandle } from './deprecated.ts';
import { MessageIterator, type MessagesOptions } from './iteration.ts';
import { changeMembership, changeSourceMembership, setMulticastInterface } from './multicast.ts';
import { bufferSize, getBufferSize, setBufferSize, setHops, setOption } from './options.ts';
import type { Message } from './receive.ts';
import { send } from './send.ts';
import { sendMany, type OutgoingMessage, type SendManyOptions, type SendResult } from './send-many.ts';
import { coreState } from './shown-handle.ts';
import { checkRunning, kState, type DgramSocket, type State } from './state.ts';

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
    close(this, callback);
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
// Node 26.10 has none of them any more.
for (const [name, descriptor] of Object.entries(deprecatedAccessors)) {
  if (name in core.Socket.prototype) define(SocketMembers.prototype, name, descriptor);
}

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
if ('bindSync' in core.Socket.prototype) defineAll(SocketMembers.prototype, synchronous);
watchSenders();
showActiveHandles();
// Where child_process looks for the handle, to send it.
define(SocketMembers.prototype, coreState(), {
  get(this: DgramSocket) {
    return { handle: shownHandle(this) };
  },
  configurable: true,
});

function describe({ kind }: State, endpoint: Endpoint | number, call: string): object {
  if (typeof endpoint === 'number') throw errnoException(endpoint, call);
  if ('path' in endpoint) return { address: endpoint.path, family: 'unix', port: 0 };
  return { address: endpoint.address, family: kind === 'udp6' ? 'IPv6' : 'IPv4', port: endpoint.port };
}

function construct(this: unknown, type: any, listener?: (...args: any[]) => void): unknown {
  // Constructors from before there were classes call this one on an object of theirs.
  const made = new.target !== undefined || isOwn(SocketMembers.prototype, this);
  const socket = (made ? (this as object) : (Object.create(Socket.prototype) as object)) as DgramSocket;
  Reflect.apply(EventEmitter, socket, []);
  const options = (typeof type === 'object' && type !== null ? type : { type }) as Record<string, any>;
  const state = createState(options);
  socket.type = state.kind;
  socket[kState] = state;
  define(socket, kState, { enumerable: false });
  state.scope.owner = socket;
  if (typeof listener === 'function') socket.on('message', listener);
  closeOnAbort(socket, options['signal']);
  if (channel.hasSubscribers) channel.publish({ socket });
  return socket;
}

/** See the head of this file. */
export const Socket = construct as unknown as typeof core.Socket;
defineAll(Socket, { name: { value: 'Socket' }, length: { value: 2 } });
standInFor(core.Socket, Socket, SocketMembers);
