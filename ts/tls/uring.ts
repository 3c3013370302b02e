/**
 * What `iouring-transport/tls` has of its own where io_uring works. Its TLSSockets are core's: they take the handles of our sockets over.
 */
import core, { type TLSSocket, type TlsOptions } from 'node:tls';
import { inPlaceOf } from '../core/in-place-of.ts';
import { serveOverRing } from '../net/protocol-servers.ts';

export { connect } from './connect.ts';

/** Core's server with our sockets. */
export const Server = serveOverRing(core.Server);

/** Makes a server: `([options][, secureConnectionListener])`. */
export function createServer(options?: TlsOptions, listener?: (socket: TLSSocket) => void): core.Server {
  return new Server(options!, listener);
}
inPlaceOf(core.createServer, createServer);
