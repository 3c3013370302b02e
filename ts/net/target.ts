/**
 * One address to connect to: what the reactor takes for it, and the errors that tell of a connect to it as core's do.
 */
import { constants } from 'node:os';
import { endpointException, type SystemCallError } from '../errors/system.ts';
import { StreamHandle, type Endpoint } from '../reactor/index.ts';
import { localInfo } from './endpoints.ts';
import type { NetSocket } from './internals.ts';
import { withInterface } from './link-local.ts';

const { errno } = constants;

/** One address to connect to. Without `family` it is the path of a UNIX-domain socket. */
export interface Target {
  readonly address: string;
  readonly port?: number;
  readonly family?: 4 | 6;
  /** Own end, where one was asked for: the address always, if only a port was asked for. */
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/**
 * What `connect(2)` itself reports, before a packet is answered. Core gets these at once, prints the own end with them, and tells of no
 * failed attempt; on the ring they arrive with the completion like all others.
 */
const IMMEDIATE: ReadonlySet<number> = new Set(
  [
    errno.ENETUNREACH,
    errno.EACCES,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EINVAL,
    errno.EPERM,
    errno.EISCONN,
    errno.EALREADY,
  ].concat([errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EBADF, errno.ENOTSOCK]),
);

/** Whether core learns of this failure before `connect()` returns. */
export function isImmediate(status: number, { localAddress }: Target, handle: StreamHandle): boolean {
  const code = -status;
  // It may be a route that says so, or somebody on the way. A route does before there is an own port, unless the user has chosen one.
  if (code === errno.EHOSTUNREACH || (code === errno.ENETUNREACH && localAddress === undefined)) {
    return localInfo(handle).port === 0;
  }
  return IMMEDIATE.has(code);
}

/** Opens a descriptor of the target's kind. */
export function openHandle({ family }: Target): StreamHandle | number {
  return StreamHandle.open(family === undefined ? 'unix' : family === 6 ? 'tcp6' : 'tcp4');
}

/** The target in the reactor's words. */
export function toEndpoint({ address, port, family }: Target): Endpoint {
  if (family === undefined) return { path: address };
  return { family, address: family === 6 ? withInterface(address) : address, port: port! };
}

/** Whether the socket's block list rules the target out. */
export function blocked(socket: NetSocket, { address, family }: Target): boolean {
  return family !== undefined && socket.blockList?.check(address, family === 6 ? 'ipv6' : 'ipv4') === true;
}

/** Binds to the own end that was asked for. @returns why it cannot be, null where it could */
export function bindLocally(handle: StreamHandle, { family, localAddress, localPort }: Target): SystemCallError | null {
  const wanted = localPort || 0;
  // Core binds to what is left of a port in 16 bits, and minds only where it had asked for a higher one.
  const port = wanted & 0xffff;
  const bound = handle.bind({ family: family!, address: localAddress!, port });
  const status = bound === 0 && wanted > 0 && port !== wanted ? -errno.EADDRINUSE : bound;
  return status < 0 ? endpointException(status, 'bind', localAddress, localPort) : null;
}

/** The error for a failure that core learns of at once. */
export function immediateError(status: number, { address, port }: Target, handle?: StreamHandle): SystemCallError {
  const own = handle === undefined ? {} : localInfo(handle);
  return endpointException(status, 'connect', address, port, `${own.address}:${own.port}`);
}

/** The error for a failure that an answer, or its absence, brought about. */
export function answeredError(status: number, { address, port, localAddress, localPort }: Target): SystemCallError {
  if (!localAddress || !localPort) return endpointException(status, 'connect', address, port);
  const error = endpointException(status, 'connect', address, port, `${localAddress}:${localPort}`);
  return Object.assign(error, { localAddress, localPort });
}
