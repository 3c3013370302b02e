/**
 * `node:tls` with servers that listen on the ring; what is connected core's C++ reads and writes, by libuv: see `docs/http.md`. Where io_uring cannot be used
 * these are core's own exports; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import core from 'node:tls';
import { selectSocketBackend } from '../socket-backend.ts';
import * as ring from './uring.ts';

const chosen = (selectSocketBackend() === 'uring' ? ring : core) as unknown as typeof core;

// Whatever is not named below is core's, also what newer Node versions have, and is changed there: `tls.DEFAULT_MIN_VERSION = …`.
export * from 'node:tls';

/** Takes TLS connections, listening on the ring. */
export const Server = chosen.Server;
export type Server = core.Server;

/** Makes a server: `([options][, secureConnectionListener])`. */
export const createServer = chosen.createServer;
