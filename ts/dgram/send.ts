/**
 * The many forms of `send()`, and what becomes of them.
 */
import { Buffer } from 'node:buffer';
import { EISCONN } from '../errors/errno.ts';
import { ERR_BUFFER_OUT_OF_BOUNDS, ERR_INVALID_ARG_TYPE, ERR_IP_BLOCKED, ERR_SOCKET_DGRAM_IS_CONNECTED } from '../errors/core.ts';
import { endpointException } from '../errors/system.ts';
import { AsyncScope, type SentReport } from '../reactor/index.ts';
import { nextTick } from '../timers.ts';
import { validatePort, validateString } from '../validate.ts';
import { literalAddress, lookUp } from './lookup.ts';
import { PAYLOADS, type SendCallback, toBytes, type Payload } from './sender.ts';
import { Bound, checkRunning, Connected, isListed, kState, type DgramSocket, type State } from './state.ts';
import { whenBound } from './when-bound.ts';

/** `(msg[, offset, length][, port[, address]][, cb])`; on UNIX sockets a path in the place of port and address. */
export function send(socket: DgramSocket, message: any, a: any, b: any, c: any, d: any, e: any): void {
  if (socket.type === 'unix_dgram') sendByPath(socket, message, a, b, c, d);
  else sendByPort(socket, message, a, b, c, d, e);
}

function sendByPort(socket: DgramSocket, message: any, offset: any, length: any, port: any, address: any, callback: any): void {
  const connected = socketIsConnected(socket);
  let bytes = message;
  if (!connected) {
    if (address || (port && typeof port !== 'function')) bytes = slice(message, offset, length);
    else {
      callback = port;
      port = offset;
      address = length;
    }
  } else {
    if (typeof length === 'number') {
      bytes = slice(message, offset, length);
      if (typeof port === 'function') {
        callback = port;
        port = null;
      }
    } else callback = offset;
    if (port || address) throw new ERR_SOCKET_DGRAM_IS_CONNECTED();
  }
  const payload = join(bytes);
  if (!connected) port = validatePort(port, 'Port', false);
  if (typeof callback !== 'function') callback = undefined;
  if (typeof address === 'function') {
    callback = address;
    address = undefined;
  } else if (address != null) validateString(address, 'address');
  const state = checkRunning(socket);
  submit(socket, state, payload, connected ? undefined : port, address, callback);
}

function sendByPath(socket: DgramSocket, message: any, offset: any, length: any, path: any, callback: any): void {
  const state = checkRunning(socket);
  let bytes = message;
  if (typeof offset === 'number') bytes = slice(message, offset, length);
  else [path, callback] = [offset, length];
  if (typeof path === 'function') [callback, path] = [path, undefined];
  if (typeof callback !== 'function') callback = undefined;
  const connected = socketIsConnected(socket);
  if (connected && path != null) throw new ERR_SOCKET_DGRAM_IS_CONNECTED();
  if (!connected) validateString(path, 'path');
  submit(socket, state, join(bytes), connected ? undefined : 0, path, callback);
}

function socketIsConnected(socket: DgramSocket): boolean {
  return socket[kState].connected === Connected.Yes;
}

function slice(message: unknown, offset: number, length: number): Uint8Array {
  const whole = typeof message === 'string' ? Buffer.from(message) : message;
  if (!ArrayBuffer.isView(whole)) throw new ERR_INVALID_ARG_TYPE('buffer', PAYLOADS, message);
  const [start, size] = [offset >>> 0, length >>> 0];
  if (start > whole.byteLength) throw new ERR_BUFFER_OUT_OF_BOUNDS('offset');
  if (start + size > whole.byteLength) throw new ERR_BUFFER_OUT_OF_BOUNDS('length');
  return new Uint8Array(whole.buffer, whole.byteOffset + start, size);
}

/** The bytes of a payload, or of a list of them put together. */
function join(message: unknown): Uint8Array {
  if (!Array.isArray(message)) {
    if (typeof message !== 'string' && !ArrayBuffer.isView(message)) {
      throw new ERR_INVALID_ARG_TYPE('buffer', PAYLOADS, message);
    }
    return toBytes(message);
  }
  for (const part of message) {
    if (typeof part !== 'string' && !ArrayBuffer.isView(part)) {
      throw new ERR_INVALID_ARG_TYPE('buffer list arguments', PAYLOADS, message);
    }
  }
  const parts = (message as Payload[]).map(toBytes);
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/** Sends, after binding where that has not been done. Without a port: to the socket's peer. */
function submit(
  socket: DgramSocket,
  state: State,
  payload: Uint8Array,
  port: number | undefined,
  address: string | undefined,
  callback: SendCallback | undefined,
): void {
  if (state.bound === Bound.No) Reflect.apply(socket.bind, socket, [{ port: 0, exclusive: true }, null]);
  if (state.bound !== Bound.Yes) {
    whenBound(socket, () => {
      if (!state.closed) submit(socket, state, payload, port, address, callback);
    });
    return;
  }
  if (port === undefined) {
    const report = callback && reporter(callback, undefined, undefined);
    state.handle!.send(payload, report);
    return;
  }
  const literal = socket.type === 'unix_dgram' ? address : literalAddress(state, address);
  if (literal !== undefined) {
    transmit(state, payload, literal, port, address, callback);
    return;
  }
  lookUp(state, address, (error, ip) => {
    if (error) {
      if (callback) nextTick(callback, error);
      else nextTick(() => socket.emit('error', error));
    } else if (!state.closed) transmit(state, payload, String(ip), port, address, callback);
  });
}

function transmit(
  state: State,
  payload: Uint8Array,
  ip: string,
  port: number,
  address: string | undefined,
  callback: SendCallback | undefined,
): void {
  if (state.sendBlockList !== undefined && isListed(state.sendBlockList, ip)) {
    if (callback) nextTick(callback, new ERR_IP_BLOCKED(ip));
    return;
  }
  if (callback && state.sendsBefore < 0) {
    state.sendsBefore = state.handle!.sendCount;
    nextTick(endTick, state);
  }
  // The socket was connected while the address was looked up.
  const status =
    state.connected === Connected.Yes
      ? -EISCONN
      : state.handle!.sendTo(payload, ip, port, callback && reporter(callback, address, port));
  if (status < 0 && callback) nextTick(callback, endpointException(status, 'send', address, port));
}

function endTick(state: State): void {
  state.sendsBefore = -1;
}

/** Calls back in the context of the send. */
function reporter(callback: SendCallback, address: string | undefined, port: number | undefined): SentReport {
  const scope = new AsyncScope('UDPSENDWRAP');
  return (result) => {
    if (result < 0) scope.run(fail, callback, endpointException(result, 'send', address, port));
    else scope.run(succeed, callback, result);
    scope.emitDestroy();
  };
}

function fail(this: SendCallback, error: Error): void {
  this(error);
}

function succeed(this: SendCallback, bytes: number): void {
  this(null, bytes);
}
