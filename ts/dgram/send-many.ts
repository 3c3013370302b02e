/**
 * Many datagrams at once: one record for all of them, one submission, one promise.
 */
import { EBADF, ECANCELED, EINVAL } from '../errors/errno.ts';
import { ERR_INVALID_ARG_TYPE, ERR_IP_BLOCKED } from '../errors/core.ts';
import { endpointException } from '../errors/system.ts';
import type { DatagramHandle } from '../reactor/index.ts';
import { validateBoolean, validateObject } from '../validate.ts';
import { PAYLOADS, toBytes, type Payload } from './sender.ts';
import { Bound, isListed, type State } from './state.ts';

/** One of what `sendMany` sends. */
export interface OutgoingMessage {
  data: Payload;
  /** Not on a connected socket. */
  port?: number;
  /** An IP address, never a host name; a path on UNIX sockets. Not on a connected socket. */
  address?: string;
  /** `MSG_*` flags: `MSG_CONFIRM`, `MSG_DONTROUTE`, `MSG_MORE`, `MSG_DONTWAIT` (fail with EAGAIN instead of waiting for room). 0. */
  flags?: number;
  /** Cut the data into datagrams of this many bytes (GSO), the last perhaps shorter; at most 64 or 128 of them. 0: it is one. */
  segmentSize?: number;
}

export interface SendManyOptions {
  /**
   * Send one only after the one before was sent; after a failure the rest fail with `ECANCELED`.
   *
   * @default false
   */
  linked?: boolean;
}

/** Bytes sent, or why not. */
export type SendResult = number | Error;

/** See `Socket.sendMany`. */
export function sendMany(
  state: State,
  messages: readonly OutgoingMessage[],
  options: SendManyOptions = {},
): Promise<SendResult[]> {
  if (!Array.isArray(messages)) throw new ERR_INVALID_ARG_TYPE('messages', 'Array', messages);
  validateObject(options, 'options');
  const { linked = false } = options;
  validateBoolean(linked, 'options.linked');
  for (const message of messages as unknown[]) {
    if (typeof message !== 'object' || message === null) throw new ERR_INVALID_ARG_TYPE('message', 'Object', message);
    const { data } = message as OutgoingMessage;
    if (typeof data !== 'string' && !ArrayBuffer.isView(data)) throw new ERR_INVALID_ARG_TYPE('data', PAYLOADS, data);
  }
  if (messages.length === 0) return Promise.resolve([]);
  // What is linked is looked at later.
  return new Batch(state, linked ? (messages as OutgoingMessage[]).map((message) => ({ ...message })) : messages, linked).promise;
}

class Batch {
  readonly promise: Promise<SendResult[]>;
  readonly #state: State;
  readonly #messages: readonly OutgoingMessage[];
  readonly #linked: boolean;
  readonly #results: SendResult[];
  #left: number;
  #resolve!: (results: SendResult[]) => void;

  constructor(state: State, messages: readonly OutgoingMessage[], linked: boolean) {
    this.#state = state;
    this.#messages = messages;
    this.#linked = linked;
    this.#left = messages.length;
    this.#results = new Array<SendResult>(messages.length);
    this.promise = new Promise((resolve) => (this.#resolve = resolve));
    // What is linked goes one by one: see `#settle`.
    for (let place = 0, count = linked ? 1 : messages.length; place < count; place++) this.#send(place);
  }

  /** The kernel's answer. The one function that all of the batch share. */
  readonly #report = (result: number, place: number): void => {
    if (result >= 0) this.#settle(place, result);
    else this.#settle(place, this.#failure(place, result));
  };

  #failure(place: number, errno: number): Error {
    const { address, port } = this.#messages[place];
    return endpointException(errno, 'send', address, port);
  }

  #settle(place: number, result: SendResult): void {
    this.#results[place] = result;
    this.#left--;
    if (this.#linked && this.#left > 0) {
      if (typeof result === 'number') {
        this.#send(place + 1);
        return;
      }
      for (let rest = place + 1; rest < this.#messages.length; rest++) this.#results[rest] = this.#failure(rest, -ECANCELED);
      this.#left = 0;
    }
    if (this.#left === 0) this.#resolve(this.#results);
  }

  #send(place: number): void {
    const state = this.#state;
    const message = this.#messages[place];
    const { handle } = state;
    if (handle === null || state.closed || state.bound !== Bound.Yes) return this.#report(-EBADF, place);
    const mistake = findMistake(message);
    if (mistake !== undefined) return this.#settle(place, mistake);
    const { address, port, flags = 0, segmentSize = 0 } = message;
    const target = address ?? (port === undefined ? undefined : state.kind === 'udp6' ? '::1' : '127.0.0.1');
    if (target !== undefined && state.sendBlockList !== undefined && isListed(state.sendBlockList, target)) {
      return this.#settle(place, new ERR_IP_BLOCKED(target));
    }
    if (!isPort(port ?? 0) || (segmentSize !== 0 && !isSize(segmentSize))) return this.#report(-EINVAL, place);
    const bytes = toBytes(message.data);
    if (segmentSize > 0 && segmentSize < bytes.byteLength && !state.gso) {
      this.#sendParts(handle, bytes, target, place);
      return;
    }
    transmit(handle, bytes, target, port, flags, segmentSize, this.#report, place);
  }

  /** Without GSO: the parts one by one. The result is their sum, or an error of one of them. */
  #sendParts(handle: DatagramHandle, bytes: Uint8Array, target: string | undefined, place: number): void {
    const { port, flags = 0, segmentSize = 0 } = this.#messages[place];
    let left = Math.ceil(bytes.byteLength / segmentSize);
    let sum = 0;
    const add = (result: number): void => {
      sum = result < 0 || sum < 0 ? Math.min(result, sum) : sum + result;
      if (--left === 0) this.#report(sum, place);
    };
    for (let at = 0; at < bytes.byteLength; at += segmentSize) {
      transmit(handle, bytes.subarray(at, at + segmentSize), target, port, flags, 0, add, place);
    }
  }
}

/** Sends to an address, or, without one, to the socket's peer. */
function transmit(
  handle: DatagramHandle,
  bytes: Uint8Array,
  target: string | undefined,
  port: number | undefined,
  flags: number,
  segment: number,
  report: (result: number, place: number) => void,
  place: number,
): void {
  if (target === undefined) {
    handle.send(bytes, report, flags, segment, place);
    return;
  }
  const status = handle.sendTo(bytes, target, port ?? 0, report, flags, segment, place);
  if (status < 0) report(status, place);
}

/** What is of the wrong type in where and how a message is to be sent: that is the answer for this one alone, as is an address that is none. */
function findMistake({ address, port, flags, segmentSize }: OutgoingMessage): Error | undefined {
  if (address !== undefined && typeof address !== 'string') return new ERR_INVALID_ARG_TYPE('address', 'string', address);
  if (port !== undefined && typeof port !== 'number') return new ERR_INVALID_ARG_TYPE('port', 'number', port);
  if (flags !== undefined && typeof flags !== 'number') return new ERR_INVALID_ARG_TYPE('flags', 'number', flags);
  if (segmentSize !== undefined && typeof segmentSize !== 'number') {
    return new ERR_INVALID_ARG_TYPE('segmentSize', 'number', segmentSize);
  }
  return undefined;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port < 65536;
}

/** Sizes that a datagram can have. */
function isSize(size: number): boolean {
  return Number.isInteger(size) && size > 0 && size < 65536;
}
