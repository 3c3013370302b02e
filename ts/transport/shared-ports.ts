/** Ports that were asked for as 0, any that is free, and are to be the same in all workers: the transport reserves them. */
import dgram from 'node:dgram';
import core from 'node:net';
import { constants } from 'node:os';
import { DatagramHandle, SocketOption, StreamHandle } from '../reactor/index.ts';
import { statusOf } from './core-status.ts';
import type { PortRequest } from './messages.ts';

/** Settled with a port, or a negative errno. */
type Reserve = (request: PortRequest) => Promise<number>;

type Holder = StreamHandle | DatagramHandle;

export class SharedPorts {
  readonly #onRing: boolean;
  readonly #ports = new Map<string, Promise<number>>();
  /** Sockets that are bound and take nothing: nobody else gets the port, and neither connection nor datagram comes to them. */
  readonly #holders = new Set<Holder>();
  #closed = false;

  constructor(onRing: boolean) {
    this.#onRing = onRing;
  }

  /** The port for a server: the same for all that ask with the same request; or a negative errno. */
  async reserve(request: PortRequest): Promise<number> {
    const { protocol, address, family, ipv6Only, index } = request;
    const key = [protocol, address, family, ipv6Only, index].join(' ');
    let port = this.#ports.get(key);
    if (port === undefined) {
      const find = protocol === 'tcp' ? findTcp : findUdp;
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

  #hold(request: PortRequest): number {
    if (this.#closed) return -constants.errno.ECANCELED;
    const { protocol, family, address, ipv6Only } = request;
    const holder = open(request);
    if (typeof holder === 'number') return holder;
    let status = family === 6 ? holder.setOption(SocketOption.Ipv6Only, ipv6Only ? 1 : 0) : 0;
    status ||= holder.setOption(SocketOption.ReusePort, 1);
    status ||= holder.bind({ family, address, port: 0 });
    const bound = status < 0 ? status : holder.localEndpoint();
    if (typeof bound === 'number' || 'path' in bound) {
      holder.close();
      return bound as number;
    }
    // It would be dealt datagrams, but for having a peer: itself.
    const isIdle = protocol === 'tcp' || holder.connect({ ...bound, address }) === 0;
    if (isIdle) this.#holders.add(holder);
    else holder.close();
    return bound.port;
  }
}

function open({ protocol, family }: PortRequest): Holder | number {
  return protocol === 'tcp'
    ? StreamHandle.open(family === 6 ? 'tcp6' : 'tcp4')
    : DatagramHandle.open(family === 6 ? 'udp6' : 'udp4');
}

/** On core nothing can be bound that does not listen, so that nobody has the port until the first worker listens there. */
const findTcp: Reserve = ({ address, ipv6Only }) =>
  new Promise((resolve) => {
    const server = new core.Server();
    server.once('error', (error) => resolve(statusOf(error)));
    server.listen({ host: address, port: 0, ipv6Only, exclusive: true }, () => {
      const { port } = server.address() as core.AddressInfo;
      server.close(() => resolve(port));
    });
  });

const findUdp: Reserve = ({ address, family, ipv6Only }) =>
  new Promise((resolve) => {
    const socket = dgram.createSocket({ type: family === 6 ? 'udp6' : 'udp4', ipv6Only });
    socket.once('error', (error) => resolve(statusOf(error)));
    socket.bind({ address, port: 0, exclusive: true }, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
