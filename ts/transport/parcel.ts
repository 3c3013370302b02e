/**
 * A connection on its way from one worker to another: threads of one process share its descriptors, so that the number is enough.
 *
 * The descriptor belongs to who claims it first: the worker it is sent to, or the transport, when that worker has ended before or does not want it. So it is closed once, whoever dies.
 */
import { closeSync } from 'node:fs';
import type { ConnectionOptions } from './connection-options.ts';

/** See the head of this file. */
export interface Parcel {
  readonly fd: number;
  /** What was received and not asked for. */
  readonly received: Uint8Array;
  /** Those of the connection. */
  readonly options: ConnectionOptions;
  /** 1 once it has been claimed. */
  readonly claimed: Int32Array;
}

export function makeParcel(fd: number, received: Uint8Array, options: ConnectionOptions): Parcel {
  const { allowHalfOpen, noDelay, payloadLimit, readTimeout, writeTimeout, idleTimeout } = options;
  const known = { allowHalfOpen, noDelay, payloadLimit, readTimeout, writeTimeout, idleTimeout };
  // Undefined would be taken for a value.
  const given = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
  return { fd, received, options: given, claimed: new Int32Array(new SharedArrayBuffer(4)) };
}

/** Whether the descriptor is the caller's from now on. */
export function claim({ claimed }: Parcel): boolean {
  return Atomics.exchange(claimed, 0, 1) === 0;
}

/** The descriptor is nobody's again. */
export function unclaim({ claimed }: Parcel): void {
  Atomics.store(claimed, 0, 0);
}

/** Closes the connection, unless somebody has claimed it. */
export function discard(parcel: Parcel): void {
  if (claim(parcel)) closeSync(parcel.fd);
}
