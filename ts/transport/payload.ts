/**
 * What a connection or a datagram socket has received, until it is released.
 *
 * A payload begins where the kernel has put it, in a receive buffer of the ring. There it can be sent on without a copy. It moves to memory of its own when
 * it is looked at, when it is held for longer than a few milliseconds (`held-payloads.ts`), or when buffers become scarce: so the application cannot use the
 * buffers up, and what it looks at is never another connection's.
 *
 * Looking costs one copy. A view into the ring would have to be an `ArrayBuffer` of its own, made in native code and detached on release: some 3 µs, where
 * copying takes 3 to 5 for 4 to 64 KiB and less below, with the memory given back at once.
 */
import type { Buffer } from 'node:buffer';
import { PayloadReleasedError } from '../errors/iouring.ts';
import { discardMemory, ownCopy, type Peer, type ReceivedBuffers, type SentReport } from '../reactor/index.ts';
import type { ReceiveShare } from './receive-share.ts';

/** In place of a receive buffer's number: the payload has memory of its own. */
const MOVED = -1;

/** From here on memory is taken away at release, which gives it back at once; below, filling it with zeros is cheaper. */
const DETACH_SIZE = 1024;

/** What a payload can be written to. */
export interface PayloadSink {
  /** Writes bytes of which nobody may keep a view. True: over. */
  writeCopied(bytes: Uint8Array): boolean;
  /** Writes bytes that lie in a receive buffer of those, likewise. */
  writeReceived(buffers: ReceivedBuffers, buffer: number, offset: number, length: number): boolean;
}

/** What a payload can be sent to as a datagram, or several: to the socket's peer where there is no other. A negative errno, or zero, and the report follows. */
export interface DatagramSink {
  /** Sends bytes of which nobody may keep a view. */
  sendCopied(bytes: Uint8Array, to: Peer | undefined, segment: number, report: SentReport, place: number): number;
  /** Sends bytes that lie in a receive buffer of those. */
  sendReceived(
    buffers: ReceivedBuffers,
    buffer: number,
    offset: number,
    length: number,
    to: Peer | undefined,
    segment: number,
    report: SentReport,
    place: number,
  ): number;
}

/** Writes a payload. True: over; false: the sink tells when it is. */
export let sendPayload: (payload: Payload, sink: PayloadSink) => boolean;

/** Sends a payload as a datagram, see {@link DatagramSink}. */
export let sendDatagramPayload: (
  payload: Payload,
  sink: DatagramSink,
  to: Peer | undefined,
  segment: number,
  report: SentReport,
  place: number,
) => number;

/** What is left of a payload that nobody can reach any more. */
export interface Estate {
  readonly share: ReceiveShare;
  readonly length: number;
  released: boolean;
}

/** Moves a payload to memory of its own: what it will leave; undefined where it has been released. */
export let moveOut: (payload: Payload) => Estate | undefined;

/** What was received, until it is released. Who gets a payload releases it. */
export class Payload implements Disposable {
  /** Number of bytes, also after the release. Of a datagram it may be zero. */
  readonly length: number;
  readonly #share: ReceiveShare;
  /** Undefined on core. */
  readonly #buffers: ReceivedBuffers | undefined;
  #buffer: number;
  readonly #offset: number;
  #memory: Buffer | undefined;
  #estate: Estate | undefined = undefined;
  #released = false;

  /** @internal Payloads come of connections and of datagrams. */
  constructor(
    share: ReceiveShare,
    length: number,
    memory: Buffer | undefined,
    buffers?: ReceivedBuffers,
    buffer: number = MOVED,
    offset = 0,
  ) {
    this.length = length;
    this.#share = share;
    this.#memory = memory;
    this.#buffers = buffers;
    this.#buffer = buffer;
    this.#offset = offset;
    share.take(length);
  }

  static {
    sendPayload = (payload, sink) => {
      payload.#check();
      return payload.#buffer === MOVED
        ? sink.writeCopied(payload.#memory!)
        : sink.writeReceived(payload.#buffers!, payload.#buffer, payload.#offset, payload.length);
    };
    sendDatagramPayload = (payload, sink, to, segment, report, place) => {
      payload.#check();
      return payload.#buffer === MOVED
        ? sink.sendCopied(payload.#memory!, to, segment, report, place)
        : sink.sendReceived(payload.#buffers!, payload.#buffer, payload.#offset, payload.length, to, segment, report, place);
    };
    moveOut = (payload) => {
      if (payload.#released) return undefined;
      payload.#move();
      return (payload.#estate = { share: payload.#share, length: payload.length, released: false });
    };
  }

  /** Whether it has been released. */
  get released(): boolean {
    return this.#released;
  }

  /**
   * The bytes, the same view each time. It is the payload's: after the release it is empty, or shows zeros.
   *
   * @throws {PayloadReleasedError} after the release.
   */
  get bytes(): Buffer {
    this.#check();
    return this.#move();
  }

  /**
   * A copy of the bytes. The payload stays as it is.
   *
   * @throws {PayloadReleasedError} after the release.
   */
  toBytes(): Buffer {
    this.#check();
    return this.#memory === undefined ? this.#copy() : ownCopy(this.#memory, 0, this.length);
  }

  /**
   * The bytes, which are the caller's from now on, and releases the payload.
   *
   * @throws {PayloadReleasedError} after the release.
   */
  takeBytes(): Buffer {
    const { bytes } = this;
    this.#memory = undefined;
    this.release();
    return bytes;
  }

  /** Gives the payload up. What it has been written to is not affected. Does nothing the second time. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.#buffer !== MOVED) this.#buffers!.letGo(this.#buffer);
    else if (this.#memory !== undefined) this.#erase(this.#memory);
    this.#buffer = MOVED;
    this.#memory = undefined;
    if (this.#estate !== undefined) this.#estate.released = true;
    this.#share.giveBack(this.length);
  }

  /** {@link release}, for `using`. */
  [Symbol.dispose](): void {
    this.release();
  }

  #check(): void {
    if (this.#released) throw new PayloadReleasedError();
  }

  #copy(): Buffer {
    const { length } = this;
    return ownCopy(this.#buffers!.bytes(this.#offset, length), 0, length);
  }

  #move(): Buffer {
    if (this.#memory !== undefined) return this.#memory;
    this.#memory = this.#copy();
    this.#buffers!.letGo(this.#buffer);
    this.#buffer = MOVED;
    return this.#memory;
  }

  #erase(memory: Buffer): void {
    const discarded = this.#buffers !== undefined && memory.length >= DETACH_SIZE && discardMemory(memory.buffer);
    if (!discarded) memory.fill(0);
  }
}
