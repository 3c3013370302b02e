/**
 * `node:net` over io_uring: same names, signatures, events, options, defaults and errors. Where io_uring cannot be used these are core's
 * own exports; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import core from 'node:net';
import { define } from '../define.ts';
import { selectSocketBackend } from '../socket-backend.ts';
import { connectionParts, loadConnectionPartsSoon } from './connection-parts.ts';
import type * as parts from './connections.ts';
import type { ServerOptions } from './server.ts';
import type { SocketOptions } from './socket.ts';
import { exported, ring } from './uring.ts';

const usesRing = selectSocketBackend() === 'uring';
const chosen = (usesRing ? ring : core) as unknown as typeof core & typeof ring;

/**
 * A TCP or UNIX-domain connection: a Duplex, as core's.
 *
 * `instanceof` works both ways between this class and core's.
 */
export declare const Socket: typeof chosen.Socket;
export type Socket = core.Socket;

/** Takes connections, as core's. */
export const Server = chosen.Server;
export type Server = core.Server;

/** Old name of {@link Socket}. */
export declare const Stream: typeof chosen.Socket;
export type Stream = core.Socket;

/** The forms of {@link createServer}: core's, with {@link ServerOptions}. */
export interface CreateServer {
  (connectionListener?: (socket: core.Socket) => void): core.Server;
  (options?: ServerOptions, connectionListener?: (socket: core.Socket) => void): core.Server;
}

/** Options of {@link connect}: core's, those of a socket's constructor, and `transport`. */
export type ConnectOptions = core.NetConnectOpts & Pick<SocketOptions, 'transport'>;

/** The forms of {@link connect}: core's, with {@link ConnectOptions}. */
export interface Connect {
  (options: ConnectOptions, connectionListener?: () => void): core.Socket;
  (port: number, host?: string, connectionListener?: () => void): core.Socket;
  (path: string, connectionListener?: () => void): core.Socket;
}

/** Makes a server: `(options?, connectionListener?)`. */
export const createServer: CreateServer = chosen.createServer;

/** Makes a socket and connects it: `(options[, cb])`, `(port[, host][, cb])` or `(path[, cb])`. */
export const connect = chosen.connect as Connect;
/** Same as {@link connect}. */
export const createConnection = chosen.connect as Connect;

// Whatever is not named here is core's, also what newer Node versions have: `BlockList` and `SocketAddress`, which touch no I/O, whose classes core's own
// options check for, and which core loads when they are first asked for; the defaults of `autoSelectFamily`, one setting for core's sockets and ours.
export * from 'node:net';

// Beyond core; on the core backend they throw.
export declare const peerCredentials: typeof parts.peerCredentials;
export declare const receiveDescriptors: typeof parts.receiveDescriptors;
export declare const sendDescriptors: typeof parts.sendDescriptors;
export type { ServerOptions } from './server.ts';
export type { SocketOptions } from './socket.ts';
export type { TcpClientOptions, TcpServerOptions } from '../socket-options.ts';
export type { DescriptorInfo, DescriptorListener, Passable, PeerCredentials, ReceiveDescriptorsOptions } from './descriptors.ts';

/** @internal */
export const { _createServerHandle, _normalizeArgs, _setSimultaneousAccepts } = chosen;

// What sockets are made of is loaded by who asks for the class, or for what works on them.
exportOnDemand('Socket', () => chosen.Socket);
exportOnDemand('Stream', () => chosen.Socket);
for (const name of ['peerCredentials', 'receiveDescriptors', 'sendDescriptors'] as const) {
  exportOnDemand(name, () => connectionParts()[name]);
}

/** Exports what `find` gives when somebody asks for it. From then on, or when something else has been put there, it is an export like others. */
function exportOnDemand(name: string, find: () => unknown): void {
  const settle = (value: unknown): unknown => {
    define(exports, name, { value, writable: true, enumerable: true, configurable: true });
    return value;
  };
  define(exports, name, { get: () => settle(find()), set: settle, enumerable: true, configurable: true });
}

if (usesRing) loadConnectionPartsSoon();

exported.net = exports as NonNullable<typeof exported.net>;

declare const exports: object;
