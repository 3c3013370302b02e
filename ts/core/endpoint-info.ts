/** An endpoint as core prints it. */
import type { AddressInfo } from 'node:net';
import type { Endpoint } from '../reactor/index.ts';

/** `{ address, family, port }`; empty for UNIX-domain sockets, as core's is. */
export type EndpointInfo = Partial<AddressInfo>;

/** An endpoint as core prints it; a path has none of the three. */
export function describeEndpoint(endpoint: Endpoint): EndpointInfo {
  if ('path' in endpoint) return {};
  return { address: endpoint.address, family: endpoint.family === 6 ? 'IPv6' : 'IPv4', port: endpoint.port };
}
