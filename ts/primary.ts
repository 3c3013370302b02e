/**
 * What a worker of a cluster asks its primary for: a socket that all workers share, or a part of the connections to one.
 */
import type { EventEmitter } from 'node:events';
import process from 'node:process';
import { isClusterWorker } from './cluster-worker.ts';
import { EADDRINUSE } from './errors/errno.ts';
import type { CoreHandle } from './core/handles.ts';

/** What is asked for, in core's words. */
export interface Query {
  /** An address; a path where `port` is -1. */
  readonly address: string | null;
  readonly port: number | null;
  /** 4, 6, `udp4`, `udp6`; -1 for a path. */
  readonly addressType: number | string | null;
  /** A descriptor of the primary's. */
  readonly fd?: number | undefined;
  /** libuv's flags of binding. */
  readonly flags?: number | null | undefined;
  readonly backlog?: number | false | undefined;
  readonly readableAll?: boolean | undefined;
  readonly writableAll?: boolean | undefined;
}

/** A socket that the primary has opened for its workers: a handle of core's, whose `close` tells the primary. */
export interface SharedSocket extends CoreHandle {
  getsockname?(result: object): number;
}

/** Stands for a socket that stays with the primary: core's cluster calls it with connections that the primary has taken. */
export interface DealtHandle extends Omit<CoreHandle, 'fd'> {
  readonly fd?: undefined;
  onconnection?: (status: number, client: CoreHandle) => void;
  /** Absent where the socket is at a path. */
  getsockname?(result: object): number;
}

/** What the primary gives; for datagrams always the former. */
export type SharedHandle = SharedSocket | DealtHandle;

/** Whoever asks: 'listening', which it emits when it has what it asked for, tells the primary of its `address()`. */
type Asker = EventEmitter & { address(): unknown };

interface Cluster {
  _getServer(asker: Asker, query: Query, done: (status: number, handle: SharedHandle | null) => void): void;
}

/** Whether what would be bound here alone is the primary's to bind. */
export function asksPrimary(exclusive: unknown): boolean {
  return isClusterWorker() && !exclusive;
}

/** Asks. @param done is given zero and the handle, or a negative errno and none */
export function askPrimary(asker: Asker, query: Query, done: (status: number, handle: SharedHandle | null) => void): void {
  const cluster = process.getBuiltinModule('node:cluster') as unknown as Cluster;
  cluster._getServer(asker, query, (status, handle) => {
    // The primary has bound to any port where the one that was asked for was taken, and not been told before it listened.
    const name: { port?: number } = {};
    if (
      status === 0 &&
      handle !== null &&
      Number(query.port) > 0 &&
      handle.getsockname?.(name) === 0 &&
      name.port !== query.port
    ) {
      handle.close();
      done(-EADDRINUSE, null);
      return;
    }
    if (status !== 0) handle?.close();
    done(status, status === 0 ? handle : null);
  });
}
