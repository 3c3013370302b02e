/**
 * From the handle to the socket's events: 'message', 'messages', 'error'.
 */
import { errnoException } from '../errors/system.ts';
import { describeControl, type Ancillary, type DatagramHandle, type ReceivedDatagram } from '../reactor/index.ts';
import { isListed, kState, type DgramSocket, type State } from './state.ts';
import { Sender } from './sender.ts';

/** What 'message' tells of a datagram. */
export interface RemoteInfo {
  address: string;
  family: 'IPv4' | 'IPv6' | 'unix';
  port: number;
  size: number;
  /** With the option `reply`. */
  reply?: Sender['reply'];
  /** The datagram was longer than what is there; absent otherwise. */
  truncated?: true;
  /** With one of the options of ancillary data. */
  ancillary?: Ancillary;
}

/** One of what 'messages' tells of. */
export interface Message {
  data: Buffer;
  rinfo: RemoteInfo;
}

/** Ties a handle to its socket. */
export function attach(socket: DgramSocket, state: State, handle: DatagramHandle): void {
  state.handle = handle;
  handle.owner = socket;
  handle.onmessage = onMessage;
  handle.onmessages = onMessages;
  handle.onerror = onError;
  handle.wantsBatches = wantsBatches;
  if (!state.referenced) handle.unref();
}

function wantsBatches(this: DatagramHandle): boolean {
  const socket = this.owner as DgramSocket;
  return socket[kState].gro || socket.listenerCount('messages') > 0;
}

function onMessage(this: DatagramHandle, message: ReceivedDatagram): void {
  const socket = this.owner as DgramSocket;
  socket[kState].scope.run(deliver, socket, message);
}

function onMessages(this: DatagramHandle, messages: ReceivedDatagram[]): void {
  const socket = this.owner as DgramSocket;
  socket[kState].scope.run(deliverAll, socket, messages);
}

function onError(this: DatagramHandle, status: number): void {
  const socket = this.owner as DgramSocket;
  const { scope, closed } = socket[kState];
  if (!closed) scope.run(fail, socket, errnoException(status, 'recvmsg'));
}

function fail(this: DgramSocket, error: Error): void {
  this.emit('error', error);
}

function deliver(this: DgramSocket, message: ReceivedDatagram): void {
  const state = this[kState];
  if (state.closed || isBlocked(state, message)) return;
  this.emit('message', message.data, toRemoteInfo(state, message, message.data.length));
}

function deliverAll(this: DgramSocket, messages: ReceivedDatagram[]): void {
  const state = this[kState];
  if (state.closed) return;
  const batch: Message[] = [];
  for (const message of messages) {
    if (isBlocked(state, message)) continue;
    const rinfo = toRemoteInfo(state, message, message.data.length);
    const segment = rinfo.ancillary?.segmentSize;
    if (segment === undefined || segment >= message.data.length) batch.push({ data: message.data, rinfo });
    else split(batch, message.data, rinfo, segment);
  }
  if (batch.length === 0) return;
  if (this.listenerCount('messages') > 0) this.emit('messages', batch);
  if (this.listenerCount('message') === 0) return;
  for (const { data, rinfo } of batch) {
    if (state.closed) return;
    this.emit('message', data, rinfo);
  }
}

/** Takes apart what the kernel has put together (GRO). */
function split(batch: Message[], data: Buffer, rinfo: RemoteInfo, segment: number): void {
  for (let at = 0; at < data.length; at += segment) {
    const part = data.subarray(at, at + segment);
    batch.push({ data: part, rinfo: { ...rinfo, size: part.length } });
  }
}

function isBlocked({ receiveBlockList: list }: State, { peer }: ReceivedDatagram): boolean {
  return list !== undefined && isListed(list, peer.address);
}

function toRemoteInfo(state: State, message: ReceivedDatagram, size: number): RemoteInfo {
  const { peer } = message;
  const rinfo: RemoteInfo = { address: peer.address, family: peer.family, port: peer.port, size };
  if (message.truncated) rinfo.truncated = true;
  if (message.control !== undefined) rinfo.ancillary = describeControl(message.control, message.controlTruncated);
  if (state.additions.reply) rinfo.reply = new Sender(state, peer).reply;
  return rinfo;
}
