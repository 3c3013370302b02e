/** What connections are made with, written with and closed with, what is left of one that was given up, and how their ends are shown. */
import type { Buffer } from 'node:buffer';
import type { AddressInfo } from 'node:net';
import { ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { validateInteger } from '../validate.ts';
import { defaults } from './defaults.ts';
import type { Endpoint } from './stream.ts';
import { validateTimeouts, type TimeoutOptions } from './timeouts.ts';

/** How long the peer's end is waited for by default, in milliseconds. */
export const GRACEFUL_TIMEOUT = defaults.close.gracefulTimeout;

/** Bytes of unreleased payloads from which on a connection receives nothing more, by default. */
export const PAYLOAD_LIMIT = defaults.tcpServer.payloadLimit;

/** What connections are made with. */
export interface ConnectionOptions extends TimeoutOptions {
  /** Keep the sending half open when the peer has ended its own. Default: false, the connection closes itself then. */
  readonly allowHalfOpen?: boolean;
  /** Send small segments at once (`TCP_NODELAY`). Default: true. */
  readonly noDelay?: boolean;
  /** Bytes of unreleased payloads from which on nothing more is received, until half of them are released; at least 1. Default: 262,144. */
  readonly payloadLimit?: number;
}

/** How to close. */
export interface CloseOptions {
  /** How long to wait for the peer to take what was written and to end, in milliseconds; 0: not at all. Default: 5000. */
  readonly gracefulTimeout?: number;
}

/** How to write many. */
export interface WriteManyOptions {
  /** Write all as one: nothing else comes in between, and they succeed or fail together. Default: false. */
  readonly linked?: boolean;
  /** Called for each that is over, with its index. */
  readonly onDone?: (index: number) => void;
  /** Called for each that has failed, with its index. */
  readonly onError?: (error: Error, index: number) => void;
}

/** A connection that was given up. */
export interface DetachedConnection {
  /** The descriptor, which is the caller's to close. */
  readonly fd: number;
  /** What was received and nobody had asked for. */
  readonly received: Buffer;
}

/** An end of a connection. A UNIX-domain one has a path, which is empty where it is unnamed. */
export type ConnectionAddress = AddressInfo | { readonly path: string };

/** Checks options. @throws core's `ERR_INVALID_ARG_TYPE` and `ERR_OUT_OF_RANGE` */
export function validateConnectionOptions(options: ConnectionOptions): void {
  const { payloadLimit } = options;
  validateTimeouts(options);
  if (payloadLimit !== undefined) validateInteger(payloadLimit, 'options.payloadLimit', 1);
}

/** @throws core's `ERR_INVALID_ARG_TYPE` */
export function validateBytes(data: unknown, name: string): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) throw new ERR_INVALID_ARG_TYPE(name, 'Uint8Array', data);
}

/** An end as it is shown. */
export function describe(endpoint: Endpoint | number): ConnectionAddress | null {
  if (typeof endpoint === 'number') return null;
  if ('path' in endpoint) return endpoint;
  const { address, family, port } = endpoint;
  return { address, family: family === 6 ? 'IPv6' : 'IPv4', port };
}
