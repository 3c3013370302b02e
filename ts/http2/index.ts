/**
 * `node:http2` with our sockets below its sessions. Where io_uring cannot be used these are core's own exports; `support()` of the main entry
 * point tells why.
 *
 * @packageDocumentation
 */
import { http2 as core } from './core.ts';
import { selectSocketBackend } from '../socket-backend.ts';
import * as ring from './uring.ts';

const chosen = (selectSocketBackend() === 'uring' ? ring : core) as unknown as typeof core;

// Whatever is not named below is core's, also what newer Node versions have.
export * from 'node:http2';

/** Makes a server without TLS: `([options][, requestListener])`. */
export const createServer = chosen.createServer;

/** Makes a server with TLS: `(options[, requestListener])`. */
export const createSecureServer = chosen.createSecureServer;

/** Connects: `(authority[, options][, listener])`. */
export const connect = chosen.connect;
