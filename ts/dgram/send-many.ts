/**
 * Many datagrams at once: one record for all of them, one submission, one promise.
 */
import { EBADF, ECANCELED, EINVAL } from '../errno.ts';
import { ERR_INVALID_ARG_TYPE, ERR_IP_BLOCKED, endpointException } from '../errors.ts';
import type { DatagramHandle } from '../reactor/index.ts';
import { validateBoolean } from '../validate.ts';
import { PAYLOADS, toBytes, type Payload } from './sender.ts';
import { Bound, type State } from './state.ts';

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
  /** Send one only after the one before was sent; after a failure the rest fail with ECANCELED. false. */
  linked?: boolean;
}

/** Bytes sent, or why not. */
export type SendResult = number | Error;

/** See `Socket.sendMany`. */
export function sendMany(
  state: State,
  messages: readonly OutgoingMessage[],
  { linked = false }: SendManyOptions = {},
): Promise<SendResult[]> {
  if (!Array.isArray(messages)) throw new ERR_INVALID_ARG_TYPE('messages', 'Array', messages);
  validateBoolean(linked, 'options.linked');
  for (const { data } of messages as OutgoingMessage[]) {
    if (typeof data !== 'string' && !ArrayBuffer.isView(data)) throw new ERR_INVALID_ARG_TYPE('data', PAYLOADS, data);
  }
  return messages.length === 0 ? Promise.resolve([]) : new Batch(state, messages, linked).promise;
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
    const { data, address, port, flags = 0, segmentSize = 0 } = this.#messages[place];
    const { handle } = state;
    if (handle === null || state.closed || state.bound !== Bound.Yes) return this.#report(-EBADF, place);
    if (segmentSize !== 0 && !isSize(segmentSize)) return this.#report(-EINVAL, place);
    const bytes = toBytes(data);
    if (segmentSize > 0 && segmentSize < bytes.byteLength && !state.gso) return this.#sendParts(handle, bytes, place);
    this.#transmit(handle, bytes, address, port, flags, segmentSize, this.#report, place);
  }

  #transmit(
    handle: DatagramHandle,
    bytes: Uint8Array,
    address: string | undefined,
    port: number | undefined,
    flags: number,
    segment: number,
    report: (result: number, place: number) => void,
    place: number,
  ): void {
    if (address === undefined && port === undefined) return handle.send(bytes, report, flags, segment, place);
    const { kind, sendBlockList } = this.#state;
    const target = address ?? (kind === 'udp6' ? '::1' : '127.0.0.1');
    if (sendBlockList?.check(target, kind === 'udp6' ? 'ipv6' : 'ipv4')) {
      return this.#settle(place, new ERR_IP_BLOCKED(target));
    }
    const status = isPort(port ?? 0) ? handle.sendTo(bytes, target, port ?? 0, report, flags, segment, place) : -EINVAL;
    if (status < 0) report(status, place);
  }

  /** Without GSO: the parts one by one. The result is their sum, or an error of one of them. */
  #sendParts(handle: DatagramHandle, bytes: Uint8Array, place: number): void {
    const { address, port, flags = 0, segmentSize = 0 } = this.#messages[place];
    let left = Math.ceil(bytes.byteLength / segmentSize);
    let sum = 0;
    const add = (result: number): void => {
      sum = result < 0 || sum < 0 ? Math.min(result, sum) : sum + result;
      if (--left === 0) this.#report(sum, place);
    };
    for (let at = 0; at < bytes.byteLength; at += segmentSize) {
      this.#transmit(handle, bytes.subarray(at, at + segmentSize), address, port, flags, 0, add, place);
    }
  }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port < 65536;
}

/** Sizes that a datagram can have. */
function isSize(size: number): boolean {
  return Number.isInteger(size) && size > 0 && size < 65536;
}
