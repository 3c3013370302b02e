/** What a datagram socket of the transport sends, until the kernel has taken it. */
import { constants } from 'node:os';
import { ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { PayloadReleasedError } from '../errors/iouring.ts';
import { endpointException } from '../errors/system.ts';
import type { Peer } from '../reactor/index.ts';
import { nextTick } from '../timers.ts';
import { validateFunction, validateInteger, validateObject } from '../validate.ts';
import type { DatagramPort, SentReport } from './datagram-port.ts';
import { describe } from './connection-options.ts';
import { Deferred } from './deferred.ts';
import { Payload, sendDatagramPayload } from './payload.ts';

const { ECANCELED } = constants.errno;

/** The place of a datagram that was not given with others. */
const ALONE = -1;

/** Most bytes that a datagram can have, and so a part of one. */
const MAX_SEGMENT = 65_535;

/** How to send. */
export interface SendOptions {
  /**
   * Cut the bytes into datagrams of so many, the last perhaps shorter: by the kernel (GSO) where it can, 64 of them and 65,507 bytes at most, else here.
   * 0 to 65,535. Default: 0, they are one datagram.
   */
  readonly segmentSize?: number;
}

/** How to send many. */
export interface SendManyOptions extends SendOptions {
  /** Called for each that is over, with its index. */
  readonly onDone?: (index: number) => void;
  /** Called for each that has failed, with its index. */
  readonly onError?: (error: Error, index: number) => void;
}

/** Whose datagrams these are. */
export interface SenderOwner {
  /** Why nothing can be sent any more; null where it can. */
  refusal(): Error | null;
  /** What a datagram that was given up fails with. */
  givenUp(): Error;
  /** A datagram has been given to the kernel. */
  given(): void;
  /** One is over. */
  taken(): void;
}

type Data = Uint8Array | Payload;

export class DatagramSender {
  readonly #port: DatagramPort;
  readonly #cuts: boolean;
  readonly #owner: SenderOwner;
  #pending = 0;

  /** @param cuts whether the kernel can cut up what is sent */
  constructor(port: DatagramPort, cuts: boolean, owner: SenderOwner) {
    this.#port = port;
    this.#cuts = cuts;
    this.#owner = owner;
  }

  /** Datagrams that are not over. */
  get pending(): number {
    return this.#pending;
  }

  /** Sends to `to`, or to the socket's peer. */
  single(data: Data, to: Peer | undefined, options?: SendOptions): Promise<void> {
    validateData(data, 'data');
    const segment = options === undefined ? 0 : segmentOf(options);
    const sent = new Deferred<void>();
    const refusal = this.#owner.refusal();
    if (refusal !== null) return sent.quiet().reject(refusal).promise;
    this.#send(data, to, segment, ALONE, (result) => {
      if (result >= 0) sent.resolve();
      else sent.quiet().reject(this.#failure(result, to));
      this.#over();
    });
    return sent.promise;
  }

  /** Sends each. What is wrong with the arguments is thrown, as of {@link single}. */
  many(list: readonly Data[], to: Peer | undefined, options: SendManyOptions = {}): Promise<void> {
    if (!Array.isArray(list)) throw new ERR_INVALID_ARG_TYPE('list', 'Array', list);
    for (const item of list as Data[]) validateData(item, 'data');
    const segment = segmentOf(options);
    const { onDone, onError } = options;
    if (onDone !== undefined) validateFunction(onDone, 'options.onDone');
    if (onError !== undefined) validateFunction(onError, 'options.onError');
    const all = new Deferred<void>().quiet();
    const refusal = this.#owner.refusal();
    if (refusal !== null) return all.reject(refusal).promise;
    if (list.length === 0) return all.resolve().promise;
    let left = list.length;
    let first: Error | null = null;
    const report: SentReport = (result, place) => {
      left--;
      // Before the callbacks, which may close the socket or throw.
      if (left === 0 && first === null && result >= 0) all.resolve();
      const failure = result < 0 ? this.#failure(result, to) : null;
      first ??= failure;
      if (left === 0 && first !== null) all.reject(first);
      this.#over();
      if (failure === null) onDone?.(place);
      else onError?.(failure, place);
    };
    for (const [place, item] of (list as Data[]).entries()) this.#send(item, to, segment, place, report);
    return all.promise;
  }

  #send(data: Data, to: Peer | undefined, segment: number, place: number, report: SentReport): void {
    const length = data instanceof Payload ? data.length : data.byteLength;
    this.#pending++;
    if (segment > 0 && segment < length && !this.#cuts) this.#sendParts(data, to, segment, place, report);
    else this.#transmit(data, to, segment < length ? segment : 0, place, report);
    this.#owner.given();
  }

  #transmit(data: Data, to: Peer | undefined, segment: number, place: number, report: SentReport): void {
    const status =
      data instanceof Payload
        ? sendDatagramPayload(data, this.#port, to, segment, report, place)
        : this.#port.transmit(data, to, segment, report, place);
    // Not within the call.
    if (status < 0) nextTick(report, status, place);
  }

  /** Where the kernel does not cut: each part by itself. The result is their sum, or an error of one of them. */
  #sendParts(data: Data, to: Peer | undefined, segment: number, place: number, report: SentReport): void {
    const bytes = data instanceof Payload ? data.toBytes() : data;
    let left = Math.ceil(bytes.byteLength / segment);
    let sum = 0;
    const add: SentReport = (result) => {
      sum = result < 0 || sum < 0 ? Math.min(result, sum) : sum + result;
      if (--left === 0) report(sum, place);
    };
    for (let at = 0; at < bytes.byteLength; at += segment) {
      this.#transmit(bytes.subarray(at, at + segment), to, 0, place, add);
    }
  }

  #over(): void {
    this.#pending--;
    this.#owner.taken();
  }

  #failure(status: number, to: Peer | undefined): Error {
    if (status === -ECANCELED) return this.#owner.givenUp();
    if (to !== undefined) return endpointException(status, 'send', to.address, to.port);
    const peer = describe(this.#port.peerEndpoint());
    if (peer === null || 'path' in peer) return endpointException(status, 'send', peer?.path);
    return endpointException(status, 'send', peer.address, peer.port);
  }
}

function validateData(data: unknown, name: string): asserts data is Data {
  if (data instanceof Payload) {
    if (data.released) throw new PayloadReleasedError();
  } else if (!(data instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE(name, ['Uint8Array', 'Payload'], data);
}

function segmentOf(options: SendOptions): number {
  validateObject(options, 'options');
  const { segmentSize = 0 } = options;
  validateInteger(segmentSize, 'options.segmentSize', 0, MAX_SEGMENT);
  return segmentSize;
}
