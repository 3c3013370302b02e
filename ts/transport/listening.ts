/**
 * What a server of the transport stands on: a listening handle of the ring, or a server of core's with the same face.
 */
import { unlinkSync } from 'node:fs';
import core from 'node:net';
import { describedEndpointException, errnoException } from '../errors/system.ts';
import { ListenHandle, SocketOption, type Endpoint } from '../reactor/index.ts';
import { applySocketSettings, settingsOfConnections, type SocketSettings } from '../socket-options.ts';
import { CORE_COULD, CoreStream } from './core-stream.ts';
import type { TransportStream } from './stream.ts';

/** Where to listen, and how. */
export interface ListenTarget {
  readonly endpoint: Endpoint;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
  /** Options of the listener, and of its connections. */
  readonly settings: SocketSettings | undefined;
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
  const { endpoint, settings } = target;
  const isPath = 'path' in endpoint;
  const [address, port] = isPath ? [endpoint.path, -1] : [endpoint.address, endpoint.port];
  const handle = ListenHandle.open(isPath ? 'unix' : endpoint.family === 6 ? 'tcp6' : 'tcp4');
  if (typeof handle === 'number') throw describedEndpointException(handle, 'listen', address, port);
  const refuse = (error: Error | null): void => {
    if (error === null) return;
    handle.close();
    throw error;
  };
  const must = (status: number): void => refuse(status < 0 ? describedEndpointException(status, 'listen', address, port) : null);
  if (!isPath) {
    if (endpoint.family === 6) must(handle.setOption(SocketOption.Ipv6Only, target.ipv6Only ? 1 : 0));
    // Connections that linger do not keep a port occupied, unless somebody wants that.
    must(handle.setOption(SocketOption.ReuseAddress, 1));
  }
  refuse(applySocketSettings(handle, settings));
  if (target.reusePort) must(handle.setOption(SocketOption.ReusePort, 1));
  must(handle.bindOnly(endpoint));
  must(handle.listen(target.backlog));
  handle.onaccept = equipped(welcome, settingsOfConnections(settings, isPath));
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

/** Gives each connection what it does not have of its listener, first. What is refused then was refused, and told of, for the listener. */
function equipped(welcome: Welcome, settings: SocketSettings | undefined): Welcome {
  if (settings === undefined) return welcome;
  return (stream) => {
    applySocketSettings(stream, settings);
    welcome(stream);
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

/** Listens through core. @throws the system's error; `ENOPROTOOPT` for an option that core has no function for */
export async function listenOnCore(target: ListenTarget, welcome: Welcome, failed: (error: Error) => void): Promise<Listening> {
  const { endpoint, backlog, reusePort, ipv6Only, settings } = target;
  const refused = applySocketSettings(CORE_COULD, settings);
  if (refused !== null) throw refused;
  const greet = equipped(welcome, settings);
  const server = new core.Server({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => greet(new CoreStream(socket)));
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
