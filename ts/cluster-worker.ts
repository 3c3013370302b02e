/**
 * Whether this process is a worker of core's `cluster`. That module takes a while to load, and few programs use it: a worker is told from what it must have.
 */
import type { Cluster } from 'node:cluster';
import process from 'node:process';

/** A worker's primary is at the other end. Looked at when this file is loaded: the channel may be closed later. */
const hasChannel = process.channel !== undefined;

/** Whether this process is a worker, whose sockets the primary has. */
export function isClusterWorker(): boolean {
  return hasChannel && (process.getBuiltinModule('node:cluster') as unknown as Cluster).isWorker;
}
