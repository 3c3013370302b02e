/** Connects: names to addresses, addresses one after the other. */
import { lookup } from 'node:dns/promises';
import core, { isIP } from 'node:net';
import { failing } from '../errors/callers.ts';
import { endpointException } from '../errors/system.ts';
import { StreamHandle, type Endpoint } from '../reactor/index.ts';
import { applySocketSettings, type SocketSettings } from '../socket-options.ts';
import { CORE_COULD, CoreStream } from './core-stream.ts';
import type { TransportStream } from './stream.ts';

/** Makes one attempt, which ends early with the signal's reason. `settings` are set before it connects, on core, which has no descriptor before, when it has. */
export type Attempt = (
  endpoint: Endpoint,
  settings: SocketSettings | undefined,
  signal: AbortSignal | undefined,
) => Promise<TransportStream>;

/** The addresses of a host, in the order in which they are to be tried. */
export async function endpointsOf(host: string, port: number): Promise<Endpoint[]> {
  const family = isIP(host);
  if (family !== 0) return [{ family: family as 4 | 6, address: host, port }];
  const found = await lookup(host, { all: true });
  return found.map(({ address, family: kind }) => ({ address, port, family: kind === 6 ? 6 : 4 }));
}

/** Tries one after the other. @throws the error of the last */
export async function connectToAny(
  endpoints: readonly Endpoint[],
  attempt: Attempt,
  settings: SocketSettings | undefined,
  signal: AbortSignal | undefined,
): Promise<TransportStream> {
  let failure: unknown;
  for (const endpoint of endpoints) {
    signal?.throwIfAborted();
    try {
      return await attempt(endpoint, settings, signal);
    } catch (error) {
      if (signal?.aborted === true) throw error;
      failure = error;
    }
  }
  throw failure;
}

function connectError(status: number, endpoint: Endpoint): Error {
  if ('path' in endpoint) return endpointException(status, 'connect', endpoint.path);
  return endpointException(status, 'connect', endpoint.address, endpoint.port);
}

/** Connects on the ring. */
export const connectOnRing: Attempt = (endpoint, settings, signal) =>
  new Promise((resolve, reject) => {
    const handle = StreamHandle.open('path' in endpoint ? 'unix' : endpoint.family === 6 ? 'tcp6' : 'tcp4');
    if (typeof handle === 'number') {
      reject(connectError(handle, endpoint));
      return;
    }
    const refused = applySocketSettings(handle, settings);
    if (refused !== null) {
      handle.close();
      reject(refused);
      return;
    }
    const abort = (): void => {
      handle.close();
      reject(signal!.reason as Error);
    };
    const settle = (status: number): void => {
      signal?.removeEventListener('abort', abort);
      if (handle.closed) return;
      if (status === 0) {
        resolve(handle);
        return;
      }
      handle.close();
      resolve(failing(connectError(status, endpoint)));
    };
    handle.onconnect = settle;
    const status = handle.connect(endpoint);
    if (status < 0) settle(status);
    else signal?.addEventListener('abort', abort, { once: true });
  });

/** Connects through core. */
export const connectOnCore: Attempt = (endpoint, settings, signal) =>
  new Promise((resolve, reject) => {
    const refused = applySocketSettings(CORE_COULD, settings);
    if (refused !== null) {
      reject(refused);
      return;
    }
    const where = 'path' in endpoint ? { path: endpoint.path } : { host: endpoint.address, port: endpoint.port };
    const socket = new core.Socket({ allowHalfOpen: true });
    const abort = (): void => {
      socket.destroy();
      reject(signal!.reason as Error);
    };
    const finish = (settle: () => void): void => {
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const refuse = (error: Error): void => finish(() => resolve(failing(error)));
    socket.once('error', refuse);
    socket.connect(where, () => {
      finish(() => {
        socket.off('error', refuse);
        socket.pause();
        const stream = new CoreStream(socket);
        applySocketSettings(stream, settings);
        resolve(stream);
      });
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
