/** An endpoint as core prints it. */
import type { AddressInfo } from 'node:net';
import { EBADF } from '../errors/errno.ts';
import type { Endpoint } from '../reactor/index.ts';

/** `{ address, family, port }`; empty for UNIX-domain sockets, as core's is. */
export type EndpointInfo = Partial<AddressInfo>;

/** An endpoint as core prints it; a path has none of the three. */
export function describeEndpoint(endpoint: Endpoint): EndpointInfo {
  if ('path' in endpoint) return {};
  return { address: endpoint.address, family: endpoint.family === 6 ? 'IPv6' : 'IPv4', port: endpoint.port };
}

/**
 * Writes an endpoint into `result`, as `getsockname()` and `getpeername()` of core's handles do.
 *
 * @param endpoint what the system has said: a negative errno where it has none; `undefined` where there is no descriptor
 * @returns zero, or a negative errno
 */
export function tellEndpoint(endpoint: Endpoint | number | undefined, result: object): number {
  if (endpoint === undefined) return -EBADF;
  if (typeof endpoint === 'number') return endpoint;
  Object.assign(result, describeEndpoint(endpoint));
  return 0;
}
