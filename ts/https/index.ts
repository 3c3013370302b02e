/**
 * `node:https` with servers that listen on the ring; what is connected core's C++ reads and writes, by libuv: see `docs/http.md`. Where io_uring cannot be used
 * these are core's own exports; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import type http from 'node:http';
import core from 'node:https';
import { selectSocketBackend } from '../socket-backend.ts';
import * as ring from './uring.ts';

const chosen = (selectSocketBackend() === 'uring' ? ring : core) as unknown as typeof core;

// Whatever is not named below is core's, also what newer Node versions have, and is changed there: `https.globalAgent = …`.
export * from 'node:https';

/** Serves HTTPS, listening on the ring. */
export const Server = chosen.Server;
export type Server<
  Request extends typeof http.IncomingMessage = typeof http.IncomingMessage,
  Response extends typeof http.ServerResponse<InstanceType<Request>> = typeof http.ServerResponse,
> = core.Server<Request, Response>;

/** Makes a server: `([options][, requestListener])`. */
export const createServer = chosen.createServer;
