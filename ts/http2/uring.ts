/**
 * What `iouring-transport/http2` has of its own where io_uring works.
 */
import type { ClientHttp2Session, ClientSessionOptions, Http2SecureServer, Http2Server } from 'node:http2';
import { promisify } from 'node:util';
import type { CoreClass } from '../core/derived-class.ts';
import { serveOverLibuv } from '../net/protocol-servers.ts';
import { inPlaceOf } from '../core/in-place-of.ts';
import { define } from '../define.ts';
import { connectBelow, isConnectReplaced } from './connect-below.ts';
import { http2 as core } from './core.ts';

type Listener = (...args: any[]) => void;

// Core does not export the classes of its servers: they are found by what they make, when they are first needed.
let Plain: (new (options: object, listener?: Listener) => Http2Server) | undefined;
let Secure: (new (options: object, listener?: Listener) => Http2SecureServer) | undefined;

const classOf = (instance: object) => instance.constructor as CoreClass;

/** Makes a server without TLS: `([options][, requestListener])`. */
export function createServer(options?: object | Listener, listener?: Listener): Http2Server {
  Plain ??= serveOverLibuv(classOf(core.createServer())) as unknown as NonNullable<typeof Plain>;
  return typeof options === 'function' ? new Plain({}, options as Listener) : new Plain(options!, listener);
}

/** Makes a server with TLS: `(options[, requestListener])`. */
export function createSecureServer(options?: object, listener?: Listener): Http2SecureServer {
  Secure ??= serveOverLibuv(classOf(core.createSecureServer())) as unknown as NonNullable<typeof Secure>;
  // Unlike the former, it does not do without options.
  return new Secure(options!, listener);
}

/** Connects: `(authority[, options][, listener])`. */
export function connect(authority: string | URL | object, given?: object | Listener, listener?: Listener): ClientHttp2Session {
  const [options, done] = typeof given === 'function' ? [undefined, given as Listener] : [given, listener];
  return core.connect(authority as URL, asReplaced(options) as ClientSessionOptions, done);
}

/** The options with what `net.connect` has been replaced with, where they do not bring a connection. What is no object is left to core, which has an error for it. */
function asReplaced(options: ClientSessionOptions | undefined): object | undefined {
  if (!isConnectReplaced()) return options;
  if (options === undefined) return { createConnection: connectBelow };
  if (typeof options !== 'object' || options === null || Array.isArray(options) || typeof options.createConnection === 'function')
    return options;
  return { ...options, createConnection: connectBelow };
}

/** For `util.promisify(http2.connect)`: core's would not ask who has replaced `net.connect`. */
function connected(authority: string | URL | object, options?: object): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(authority, options, () => {
      session.removeListener('error', reject);
      resolve(session);
    });
    session.once('error', reject);
  });
}
define(connect, promisify.custom, { value: connected });

inPlaceOf(core.connect, connect);
inPlaceOf(core.createServer, createServer);
inPlaceOf(core.createSecureServer, createSecureServer);
