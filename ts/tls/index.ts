/**
 * `node:tls` with our sockets below its connections. Where io_uring cannot be used these are core's own exports; `support()` of the main entry
 * point tells why.
 *
 * @packageDocumentation
 */
import core from 'node:tls';
import { selectSocketBackend } from '../socket-backend.ts';
import * as ring from './module.ts';

const chosen = (selectSocketBackend() === 'uring' ? ring : core) as unknown as typeof core;

// Whatever is not named below is core's, also what newer Node versions have.
export * from 'node:tls';

/** Takes TLS connections on our sockets. */
export const Server = chosen.Server;
export type Server = core.Server;

/** Makes a server: `([options][, secureConnectionListener])`. */
export const createServer = chosen.createServer;

/** Connects: `(options[, cb])`, `(path[, options][, cb])` or `(port[, host][, options][, cb])`. */
export const connect = chosen.connect;

export type TLSSocket = core.TLSSocket;

// Named here so that they are seen without running the module.
export const { TLSSocket, checkServerIdentity, createSecureContext, getCiphers, rootCertificates } = core;
export const {
  CLIENT_RENEG_LIMIT,
  CLIENT_RENEG_WINDOW,
  DEFAULT_CIPHERS,
  DEFAULT_ECDH_CURVE,
  DEFAULT_MAX_VERSION,
  DEFAULT_MIN_VERSION,
} = core;
