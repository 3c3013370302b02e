/** A UDP or UNIX-domain socket that answers whoever sends to it. */
import type { ConnectionAddress } from './connection-options.ts';
import { DatagramSocket, type SocketParts } from './datagram-socket.ts';

/** A UDP or UNIX-domain socket that answers whoever sends to it, by the responders of what it has received. */
export class DatagramServer extends DatagramSocket {
  protected readonly subject = 'server';

  /** @internal Servers come of {@link TransportWorker}. */
  constructor(parts: SocketParts) {
    super(parts);
  }

  /** Where it is to be reached. Null where that cannot be told: the server is closed. */
  get address(): ConnectionAddress | null {
    return this.localAddress;
  }
}
