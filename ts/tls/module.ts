/**
 * What `iouring-transport/tls` has of its own where io_uring works.
 */
import core, { type TLSSocket as SecureSocket, type TlsOptions } from 'node:tls';
import { serveOverRing } from '../http/serve.ts';
import { adopt } from './secure-socket.ts';

export { connect } from './connect.ts';
export { TLSSocket } from './secure-socket.ts';

/** Makes the TLSSockets of a server know the sockets below them, before anybody else sees them. */
export function adoptSockets(server: core.Server): void {
  server.prependListener('secureConnection', adopt);
  server.prependListener('tlsClientError', (_error: Error, socket: SecureSocket) => adopt(socket));
}

/** Core's server with our sockets. */
export const Server = serveOverRing(core.Server, { prepare: adoptSockets });

/** Makes a server: `([options][, secureConnectionListener])`. */
export function createServer(options?: TlsOptions, listener?: (socket: SecureSocket) => void): core.Server {
  return new Server(options!, listener);
}
