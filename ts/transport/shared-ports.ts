/** Ports that were asked for as 0, any that is free, and are to be the same in all workers: the transport reserves them. */
import core from 'node:net';
import { constants } from 'node:os';
import { SocketOption, StreamHandle } from '../reactor/index.ts';
import type { PortRequest } from './messages.ts';

/** Settled with a port, or a negative errno. */
type Reserve = (request: PortRequest) => Promise<number>;

export class SharedPorts {
  readonly #onRing: boolean;
  readonly #ports = new Map<string, Promise<number>>();
  /** Sockets that are bound and do not listen: nobody else gets the port, and no connection comes to them. */
  readonly #holders = new Set<StreamHandle>();
  #closed = false;

  constructor(onRing: boolean) {
    this.#onRing = onRing;
  }

  /** The port for a server: the same for all that ask with the same request; or a negative errno. */
  async reserve(request: PortRequest): Promise<number> {
    const { address, family, ipv6Only, index } = request;
    const key = [address, family, ipv6Only, index].join(' ');
    let port = this.#ports.get(key);
    if (port === undefined) {
      port = this.#onRing ? Promise.resolve(this.#hold(request)) : find(request);
      this.#ports.set(key, port);
    }
    const result = await port;
    // Another attempt may succeed.
    if (result < 0) this.#ports.delete(key);
    return result;
  }

  /** Gives all of them up. */
  close(): void {
    this.#closed = true;
    for (const holder of this.#holders) holder.close();
    this.#holders.clear();
  }

  #hold({ address, family, ipv6Only }: PortRequest): number {
    if (this.#closed) return -constants.errno.ECANCELED;
    const handle = StreamHandle.open(family === 6 ? 'tcp6' : 'tcp4');
    if (typeof handle === 'number') return handle;
    let status = family === 6 ? handle.setOption(SocketOption.Ipv6Only, ipv6Only ? 1 : 0) : 0;
    status ||= handle.setOption(SocketOption.ReusePort, 1);
    status ||= handle.bind({ family, address, port: 0 });
    const bound = status < 0 ? status : handle.localEndpoint();
    if (typeof bound === 'number' || 'path' in bound) {
      handle.close();
      return bound as number;
    }
    this.#holders.add(handle);
    return bound.port;
  }
}

/** On core nothing can be bound that does not listen, so that nobody has the port until the first worker listens there. */
const find: Reserve = ({ address, ipv6Only }) =>
  new Promise((resolve) => {
    const server = new core.Server();
    server.once('error', ({ errno }: NodeJS.ErrnoException) => resolve(errno ?? -constants.errno.EADDRNOTAVAIL));
    server.listen({ host: address, port: 0, ipv6Only, exclusive: true }, () => {
      const { port } = server.address() as core.AddressInfo;
      server.close(() => resolve(port));
    });
  });
