/** How long a connection may take for what. What takes longer ends the connection with a `TransportTimeoutError`. */
import { TransportTimeoutError, type TimeoutKind } from '../errors/iouring.ts';
import { validateDelay } from '../validate.ts';
import { Deadline } from './deadline.ts';

/** Time-outs in milliseconds, 0 to 2^31 - 1. Each defaults to 0: never. */
export interface TimeoutOptions {
  /** For the next bytes, while they are waited for. */
  readonly readTimeout?: number;
  /** For the kernel to take the next write, while one waits for that. */
  readonly writeTimeout?: number;
  /** For anything to be received or written. */
  readonly idleTimeout?: number;
}

/** @throws core's `ERR_INVALID_ARG_TYPE` and `ERR_OUT_OF_RANGE` */
export function validateTimeouts({ readTimeout, writeTimeout, idleTimeout }: TimeoutOptions): void {
  if (readTimeout !== undefined) validateDelay(readTimeout, 'options.readTimeout');
  if (writeTimeout !== undefined) validateDelay(writeTimeout, 'options.writeTimeout');
  if (idleTimeout !== undefined) validateDelay(idleTimeout, 'options.idleTimeout');
}

/** Those of one connection. */
export class Timeouts {
  readonly read: Deadline;
  readonly write: Deadline;
  readonly idle: Deadline;

  constructor(options: TimeoutOptions, expired: (error: TransportTimeoutError) => void) {
    const deadline = (kind: TimeoutKind, delay = 0) => new Deadline(delay, () => expired(new TransportTimeoutError(kind, delay)));
    this.read = deadline('read', options.readTimeout);
    this.write = deadline('write', options.writeTimeout);
    this.idle = deadline('idle', options.idleTimeout);
    this.idle.begin();
  }

  /** Undefined where none is asked for: most connections have none. */
  static of(options: TimeoutOptions, expired: (error: TransportTimeoutError) => void): Timeouts | undefined {
    const { readTimeout = 0, writeTimeout = 0, idleTimeout = 0 } = options;
    return readTimeout > 0 || writeTimeout > 0 || idleTimeout > 0 ? new Timeouts(options, expired) : undefined;
  }

  /** A write has been made: `pending` bytes wait for the kernel. */
  written(pending: number): void {
    this.idle.begin();
    if (!this.write.running && pending > 0) this.write.begin();
  }

  /** The kernel has taken a write: `pending` bytes still wait for it. */
  taken(pending: number): void {
    this.idle.begin();
    if (pending > 0) this.write.begin();
    else this.write.end();
  }

  close(): void {
    this.read.close();
    this.write.close();
    this.idle.close();
  }
}
