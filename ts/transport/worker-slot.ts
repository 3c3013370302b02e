/**
 * A worker's place in a transport: its lives one after the other. One that fails is followed by another, after a pause; one that has failed too often in a row is
 * given up, and so is one that cannot start the first time, since it would not the next.
 */
import process from 'node:process';
import { TransportClosedError, TransportWorkerError } from '../errors/iouring.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import { pauseAfter } from './backoff.ts';
import { Deferred } from './deferred.ts';
import type { FromWorker, ToWorker, TransferList } from './messages.ts';
import type { Launch, Site, SiteEnd, SiteOptions } from './site.ts';

/** `starting`: its module has not started yet; `waiting`: for the pause before the next life to be over. */
export type WorkerState = 'starting' | 'running' | 'waiting' | 'ended';

/** A worker of a transport, as it is at the moment. */
export interface WorkerInfo {
  /** From 1 on; 0 for the calling thread. */
  readonly id: number;
  /** Of `node:worker_threads`; -1 where there is no thread at the moment. */
  readonly threadId: number;
  readonly state: WorkerState;
  /** How often it has been started again. */
  readonly restarts: number;
}

/** When a worker that has failed is started again. */
export interface RestartPolicy {
  /** Failures in a row after which it is given up is one more than this; 0: it is never started again. */
  readonly limit: number;
  /** Longest pause before the first of them, in milliseconds; it doubles with each. */
  readonly minBackoff: number;
  /** What that pause grows to at most, in milliseconds. */
  readonly maxBackoff: number;
  /** A life of so many milliseconds ends a row of failures. */
  readonly resetAfter: number;
}

/** Who hears of a worker. */
export interface SlotListener {
  onStarted(slot: WorkerSlot): void;
  onEnded(slot: WorkerSlot, code: number): void;
  /** It is given up where its state is `ended`. */
  onFailed(slot: WorkerSlot, error: TransportWorkerError): void;
  onMessage(slot: WorkerSlot, message: FromWorker): void;
}

export class WorkerSlot implements WorkerInfo {
  readonly id: number;
  readonly #launch: Launch;
  readonly #options: SiteOptions;
  readonly #policy: RestartPolicy;
  readonly #listener: SlotListener;
  #state: WorkerState = 'starting';
  #restarts = 0;
  #site: Site | null = null;
  /** Undefined while it goes on. */
  #grace: number | undefined = undefined;
  #endPause: (() => void) | null = null;
  #hasStarted = false;
  readonly #first = new Deferred<void>().quiet();
  readonly #over = new Deferred<void>();

  constructor(launch: Launch, options: SiteOptions, policy: RestartPolicy, listener: SlotListener) {
    this.id = options.id;
    this.#launch = launch;
    this.#options = options;
    this.#policy = policy;
    this.#listener = listener;
    void this.#run();
  }

  get state(): WorkerState {
    return this.#state;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get threadId(): number {
    return this.#site?.threadId ?? -1;
  }

  /** Settled when its module has started for the first time. @throws {TransportWorkerError} where it cannot. */
  get started(): Promise<void> {
    return this.#first.promise;
  }

  /** False where there is nobody who could get it. */
  post(message: ToWorker, transfer?: TransferList): boolean {
    if (this.#site === null) return false;
    this.#site.post(message, transfer);
    return true;
  }

  /** Ends the present life, after which there is none. */
  async shutdown(gracefulTimeout: number): Promise<void> {
    this.#grace = gracefulTimeout;
    this.#endPause?.();
    await this.#site?.shutdown(gracefulTimeout);
    await this.#over.promise;
  }

  async #run(): Promise<void> {
    for (let lives = 0, failures = 0; this.#grace === undefined; lives++) {
      this.#restarts = lives;
      const begun = process.uptime();
      const end = await this.#live();
      failures = (process.uptime() - begun) * 1000 < this.#policy.resetAfter ? failures + 1 : 1;
      const error = this.#failureOf(end);
      const goesOn = error !== null && this.#hasStarted && this.#grace === undefined && failures <= this.#policy.limit;
      this.#state = goesOn ? 'waiting' : 'ended';
      if (end.code !== undefined) this.#listener.onEnded(this, end.code);
      if (error !== null && this.#hasStarted) this.#listener.onFailed(this, error);
      if (!goesOn) {
        this.#first.reject(this.#neverStarted(error));
        break;
      }
      await this.#pause(pauseAfter(failures - 1, this.#policy.minBackoff, this.#policy.maxBackoff));
    }
    this.#state = 'ended';
    this.#over.resolve();
  }

  /** One life. */
  async #live(): Promise<Partial<SiteEnd>> {
    this.#state = 'starting';
    try {
      this.#site = this.#launch(this.#options, (message) => this.#listener.onMessage(this, message));
    } catch (error) {
      return { error };
    }
    const site = this.#site;
    if (await site.started) {
      this.#state = 'running';
      this.#hasStarted = true;
      this.#first.resolve();
      this.#listener.onStarted(this);
    }
    const end = await site.ended;
    this.#site = null;
    return end;
  }

  /** Null where a life has ended in order. */
  #failureOf({ code, error }: Partial<SiteEnd>): TransportWorkerError | null {
    // A thread that was ended by force has a code too, and no error.
    const isInOrder = error === undefined && (code === 0 || this.#grace !== undefined);
    return isInOrder ? null : new TransportWorkerError(this.id, code, error);
  }

  /** Who is shut down while it starts may fail by that. */
  #neverStarted(error: TransportWorkerError | null): Error {
    if (this.#grace !== undefined) return new TransportClosedError('transport');
    return error ?? new TransportWorkerError(this.id, 0);
  }

  async #pause(duration: number): Promise<void> {
    if (this.#grace !== undefined) return;
    this.#state = 'waiting';
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, duration);
      // The worker that comes of it is to hold the process.
      timer.ref();
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endPause = null;
  }
}
