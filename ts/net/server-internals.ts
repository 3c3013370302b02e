/**
 * What the files of this folder know of servers, and their users do not. As in `internals.ts`, types alone are imported from above.
 */
import type core from 'node:net';
import type { SocketSettings } from '../socket-options.ts';
import type { kConnectionTransport, kTransport } from './internals.ts';
import type { Listener } from './listener.ts';

/** What the server stands on; null exactly while it is not listening. */
export const kListener = Symbol('listener');

/** Whether the connections of a server are read and written by core's C++, so that libuv has them: see libuv-socket.ts. */
export const kOverLibuv = Symbol('over libuv');

/** A server seen from inside. */
export interface NetServer extends core.Server {
  [kListener]: Listener | null;
  [kOverLibuv]?: boolean;
  [kTransport]?: SocketSettings | undefined;
  [kConnectionTransport]?: SocketSettings | undefined;

  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  noDelay: boolean;
  keepAlive: boolean;
  /** In seconds. */
  keepAliveInitialDelay: number;
  highWaterMark: number | undefined;
  blockList?: core.BlockList;
  dropMaxConnection?: boolean;

  _connections: number;
  _unref: boolean;
  _usingWorkers: boolean;
  _workers: WorkerSockets[];
  _pipeName?: string;
  _connectionKey?: string;
  /** Goes up with every listen() and close(), so that a late lookup knows that it is not wanted any more. */
  _listeningId: number;

  emit(event: string | symbol, ...args: any[]): boolean;
  _listen2(
    address: string | null,
    port: number | null,
    family: number | null,
    backlog: number | false | undefined,
    fd?: number,
    flags?: ListenFlags,
  ): void;
  _emitCloseIfDrained(): void;
}

/** How to bind. */
export interface ListenFlags {
  readonly ipv6Only?: boolean;
  readonly reusePort?: boolean;
  readonly transport?: SocketSettings | undefined;
}

/** Connections that child processes hold: made by core's child_process where a server is sent to one. */
export interface WorkerSockets {
  getConnections(callback: (error: Error | null, count: number) => void): void;
  close(callback: () => void): void;
  once(event: 'exit', listener: (sockets: WorkerSockets) => void): unknown;
}
