/** A datagram that has come, and the way back to who has sent it. */
import type { Ancillary, Peer } from '../reactor/index.ts';
import type { ConnectionAddress } from './connection-options.ts';
import type { DatagramSender, SendManyOptions, SendOptions } from './datagram-sending.ts';
import type { Payload } from './payload.ts';

/** What was received in one message, whom it is from, and how to answer. */
export class Datagram implements Disposable {
  /** What it holds: the receiver's to release. */
  readonly payload: Payload;
  /** Whether it was longer than the room for it, 65,535 bytes: the rest is gone. UNIX-domain ones alone can be. */
  readonly truncated: boolean;
  /** What the kernel tells beside it, as the options of the socket ask for: see `Ancillary`. Undefined where they do not, or it tells nothing. */
  readonly ancillary: Ancillary | undefined;
  readonly #sender: DatagramSender;
  readonly #peer: Peer;

  /** @internal Datagrams come of servers and clients. */
  constructor(sender: DatagramSender, payload: Payload, peer: Peer, truncated: boolean, ancillary: Ancillary | undefined) {
    this.#sender = sender;
    this.payload = payload;
    this.#peer = peer;
    this.truncated = truncated;
    this.ancillary = ancillary;
  }

  /** Who has sent it. The path of a UNIX-domain socket that is not bound is empty: nobody can respond to it. */
  get address(): ConnectionAddress {
    const { address, family, port } = this.#peer;
    return family === 'unix' ? { path: address } : { address, family, port };
  }

  /**
   * Sends bytes, or a payload from where it lies, to who has sent this: now or at any time later, also when the payload is released. A payload may be
   * released at once; bytes may be filled anew when the promise is settled.
   *
   * @returns a promise that is settled when the kernel has taken the datagram, and rejects with the system's error or, where the socket is closed before,
   * with a `TransportClosedError`. A rejection that nobody looks at is no unhandled one
   */
  respondSingle(data: Uint8Array | Payload, options?: SendOptions): Promise<void> {
    return this.#sender.single(data, this.#peer, options);
  }

  /** {@link respondSingle} for each. The promise is settled when all are over, and rejects with the first error. A rejection that nobody looks at is no unhandled one. */
  respondMany(list: readonly (Uint8Array | Payload)[], options?: SendManyOptions): Promise<void> {
    return this.#sender.many(list, this.#peer, options);
  }

  /** Releases the payload, for `using`. */
  [Symbol.dispose](): void {
    this.payload.release();
  }
}
