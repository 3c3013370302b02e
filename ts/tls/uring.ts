/**
 * What `iouring-transport/tls` has of its own where io_uring works. Its TLSSockets are core's.
 */
import core, { type TLSSocket, type TlsOptions } from 'node:tls';
import { inPlaceOf } from '../core/in-place-of.ts';
import { serveOverLibuv } from '../net/protocol-servers.ts';

/** Core's server, listening on the ring. */
export const Server = serveOverLibuv(core.Server);

/** Makes a server: `([options][, secureConnectionListener])`. */
export function createServer(options?: TlsOptions, listener?: (socket: TLSSocket) => void): core.Server {
  return new Server(options!, listener);
}
inPlaceOf(core.createServer, createServer);
