/**
 * What `iouring-transport/https` has of its own where io_uring works.
 */
import type http from 'node:http';
import core from 'node:https';
import { inPlaceOf } from '../core/in-place-of.ts';
import { reportInPlace } from '../http/connection.ts';
import { serveOverLibuv } from '../net/protocol-servers.ts';

/** Core's server, listening on the ring. */
export const Server = serveOverLibuv(core.Server, (server: core.Server) => reportInPlace(server, 'secureConnection'));

/** Makes a server: `([options][, requestListener])`. */
export function createServer(options?: core.ServerOptions, listener?: http.RequestListener): core.Server {
  return new Server(options!, listener);
}
inPlaceOf(core.createServer, createServer);
