/** Where a worker runs: a thread of its own, or the calling one. One life of it, from its start to its end. */
import type { ReactorOptions } from '../reactor/index.ts';
import type { FromWorker, ToWorker, TransferList } from './messages.ts';

/** How long a module may take to end when all is closed, in milliseconds. */
export const END_TIME = 1000;

/** How a life has ended. */
export interface SiteEnd {
  /** The thread's exit code: 0 where it ended by itself. */
  readonly code: number;
  /** What it failed with; undefined where it did not say. */
  readonly error: unknown;
}

/** What is to be run. */
export interface SiteOptions {
  readonly id: number;
  /** How many workers there are. */
  readonly workers: number;
  readonly module: string;
  readonly data: unknown;
  readonly reactor: ReactorOptions | undefined;
}

export interface Site {
  /** Of `node:worker_threads`. Negative once the thread has ended. */
  readonly threadId: number;
  /** Settled when the module has started: true, or false where it has failed, of which {@link ended} tells more. */
  readonly started: Promise<boolean>;
  /** Never rejects. */
  readonly ended: Promise<SiteEnd>;
  post(message: ToWorker, transfer?: TransferList): void;
  /** Has servers and connections closed, then the thread ended. What takes longer than it may is ended by force. */
  shutdown(gracefulTimeout: number): Promise<void>;
}

/** Starts a life. `hear` is called with what it says. */
export type Launch = (options: SiteOptions, hear: (message: FromWorker) => void) => Site;
