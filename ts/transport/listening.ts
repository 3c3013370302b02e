/**
 * What a server of the transport stands on: a listening handle of the ring, or a server of core's with the same face.
 */
import { unlinkSync } from 'node:fs';
import core from 'node:net';
import { describedEndpointException, errnoException } from '../errors/system.ts';
import { ListenHandle, SocketOption, type Endpoint } from '../reactor/index.ts';
import { CoreStream } from './core-stream.ts';
import type { TransportStream } from './stream.ts';

/** Where to listen, and how. */
export interface ListenTarget {
  readonly endpoint: Endpoint;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
}

/** Who hears of connections. */
export interface Welcome {
  (stream: TransportStream): void;
}

/** Takes connections in. */
export interface Listening {
  readonly endpoint: Endpoint | number;
  /** Takes no more. The address is free again when this returns. */
  close(): void;
  ref(): void;
  unref(): void;
}

/** Listens on the ring. @throws the system's error */
export function listenOnRing(target: ListenTarget, welcome: Welcome, failed: (error: Error) => void): Listening {
  const { endpoint } = target;
  const [address, port] = 'path' in endpoint ? [endpoint.path, -1] : [endpoint.address, endpoint.port];
  const must = (status: number, handle?: ListenHandle): void => {
    if (status >= 0) return;
    handle?.close();
    throw describedEndpointException(status, 'listen', address, port);
  };
  const handle = ListenHandle.open('path' in endpoint ? 'unix' : endpoint.family === 6 ? 'tcp6' : 'tcp4');
  if (typeof handle === 'number') throw describedEndpointException(handle, 'listen', address, port);
  if ('family' in endpoint && endpoint.family === 6) {
    must(handle.setOption(SocketOption.Ipv6Only, target.ipv6Only ? 1 : 0), handle);
  }
  if (target.reusePort) must(handle.setOption(SocketOption.ReusePort, 1), handle);
  must(handle.bind(endpoint), handle);
  must(handle.listen(target.backlog), handle);
  handle.onaccept = welcome;
  handle.onaccepterror = (status) => failed(errnoException(status, 'accept'));
  return {
    endpoint: handle.localEndpoint(),
    close() {
      removePath(endpoint);
      handle.close();
    },
    ref: () => handle.ref(),
    unref: () => handle.unref(),
  };
}

/** Removes the path of a UNIX-domain socket, where it is one of the file system. */
export function removePath(endpoint: Endpoint): void {
  if (!('path' in endpoint) || endpoint.path.startsWith('\0')) return;
  try {
    unlinkSync(endpoint.path);
  } catch {
    // Somebody was quicker.
  }
}

/** Listens through core. @throws the system's error */
export async function listenOnCore(target: ListenTarget, welcome: Welcome, failed: (error: Error) => void): Promise<Listening> {
  const server = new core.Server({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => welcome(new CoreStream(socket)));
  const { endpoint, backlog, reusePort, ipv6Only } = target;
  const where = 'path' in endpoint ? { path: endpoint.path } : { host: endpoint.address, port: endpoint.port };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const how: core.ListenOptions & { reusePort: boolean } = { ...where, backlog, reusePort, ipv6Only, exclusive: true };
    server.listen(how, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', failed);
  const bound = server.address();
  const own: Endpoint =
    bound === null || typeof bound === 'string'
      ? endpoint
      : { address: bound.address, port: bound.port, family: bound.family === 'IPv6' ? 6 : 4 };
  return {
    endpoint: own,
    close() {
      server.close();
    },
    ref: () => void server.ref(),
    unref: () => void server.unref(),
  };
}
