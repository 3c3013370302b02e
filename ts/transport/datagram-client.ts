/** A UDP or UNIX-domain socket with one peer. */
import { describe, type ConnectionAddress } from './connection-options.ts';
import type { SendManyOptions, SendOptions } from './datagram-sending.ts';
import { DatagramSocket, type SocketParts } from './datagram-socket.ts';
import type { Payload } from './payload.ts';

/** A UDP or UNIX-domain socket with one peer. */
export class DatagramClient extends DatagramSocket {
  protected readonly subject = 'client';

  /** @internal Clients come of {@link TransportWorker}. */
  constructor(parts: SocketParts) {
    super(parts);
  }

  /** The peer. Null where that cannot be told: the client is closed. */
  get remoteAddress(): ConnectionAddress | null {
    return describe(this.active ? this.port.peerEndpoint() : -1);
  }

  /**
   * Sends bytes, or a payload from where it lies, to the peer. A payload may be released at once; bytes may be filled anew when the promise is settled.
   *
   * @returns a promise that is settled when the kernel has taken the datagram, and rejects with the system's error (`EMSGSIZE`, `ECONNREFUSED` of what was sent
   * before, …) or, where the client is closed before, with a `TransportClosedError`. A rejection that nobody looks at is no unhandled one
   */
  sendSingle(data: Uint8Array | Payload, options?: SendOptions): Promise<void> {
    return this.sender.single(data, undefined, options);
  }

  /** {@link sendSingle} for each. The promise is settled when all are over, and rejects with the first error. A rejection that nobody looks at is no unhandled one. */
  sendMany(list: readonly (Uint8Array | Payload)[], options?: SendManyOptions): Promise<void> {
    return this.sender.many(list, undefined, options);
  }
}
