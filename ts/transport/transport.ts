/**
 * Workers that run one module: each a thread with a ring of its own, or the calling thread. They share ports, send each other messages, and are started again when
 * they fail.
 */
import { EventEmitter } from 'node:events';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { pathToFileURL, URL } from 'node:url';
import type { WorkerOptions } from 'node:worker_threads';
import { CORE_MAJOR, CORE_MINOR } from '../core/version.ts';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_STATE } from '../errors/core.ts';
import { TransportClosedError, type TransportWorkerError } from '../errors/iouring.ts';
import { mergeOptions, type ReactorOptions } from '../reactor/index.ts';
import { selectSocketBackend } from '../socket-backend.ts';
import { nextTick } from '../timers.ts';
import { validateDelay, validateInteger, validateObject } from '../validate.ts';
import { CallingThread } from './calling-thread.ts';
import { GRACEFUL_TIMEOUT, type CloseOptions } from './connection-options.ts';
import { defaults } from './defaults.ts';
import { withOptions } from './freezing.ts';
import type { FromWorker, TransferList } from './messages.ts';
import { PostOffice } from './post-office.ts';
import { SharedPorts } from './shared-ports.ts';
import type { Launch } from './site.ts';
import { warnOfWorker } from './warnings.ts';
import { WorkerSlot, type RestartPolicy, type SlotListener, type WorkerInfo } from './worker-slot.ts';
import { WorkerThread } from './worker-thread.ts';

/** Most workers. */
const MOST_WORKERS = 1024;

/** When a worker that has failed is started again: it has thrown what nobody caught, or ended with another code than 0. */
export interface RestartOptions {
  /** How often in a row; 0: never. After that it is given up. Default: 10. */
  readonly limit?: number;
  /** Longest pause before the first time, in milliseconds; it doubles with each failure, and half of it is chance. Default: 100. */
  readonly minBackoff?: number;
  /** What that pause grows to at most, in milliseconds. Default: 10,000. */
  readonly maxBackoff?: number;
  /** A worker that has run for so many milliseconds begins a new row of failures. Default: 60,000. */
  readonly resetAfter?: number;
}

/** Options of core's threads that make sense here. */
export type ThreadOptions = Pick<WorkerOptions, 'env' | 'execArgv' | 'resourceLimits'>;

/** What a transport is made with. */
export interface TransportOptions {
  /** How many workers, 0 to 1024; 0: the module runs in the calling thread. Default: as many as there are processors (`os.availableParallelism()`). */
  readonly workers?: number;
  /** What each worker's ring is made with, as for `configure()`. */
  readonly reactor?: ReactorOptions;
  /** When a worker that has failed is started again. */
  readonly restart?: RestartOptions;
  /** What each worker's thread is made with besides, as for `new Worker()` of `node:worker_threads`. */
  readonly thread?: ThreadOptions;
}

/** What a transport tells of. */
export interface TransportEvents {
  /** A worker's module has started, for the first time or again. */
  worker: [worker: WorkerInfo];
  /** A worker's thread has ended, with this code. */
  exit: [worker: WorkerInfo, code: number];
  /**
   * A worker has failed. It is started again, unless its `state` is `ended`: that is told of in any case, and is an uncaught exception where nobody listens; the
   * others are process warnings then.
   */
  error: [error: TransportWorkerError, worker: WorkerInfo];
  /** A worker has sent a message to the transport, by `worker.send(0, …)`. */
  message: [value: unknown, from: number];
}

/** Workers that run one module: each a thread with a ring of its own, or the calling thread. */
export class Transport extends EventEmitter<TransportEvents> implements AsyncDisposable {
  readonly #onRing = selectSocketBackend() === 'uring';
  readonly #count: number;
  readonly #reactor: ReactorOptions | undefined;
  readonly #thread: ThreadOptions;
  readonly #policy: RestartPolicy;
  readonly #ports = new SharedPorts(this.#onRing);
  readonly #post = new PostOffice();
  #slots: readonly WorkerSlot[] = [];
  #started: Promise<this> | null = null;
  #ended: Promise<void> | null = null;

  /** @throws core's `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` and `ERR_OUT_OF_RANGE` */
  constructor(options: TransportOptions = {}) {
    super();
    validateObject(options, 'options');
    const { workers = availableParallelism(), reactor, restart = {}, thread = {} } = options;
    validateInteger(workers, 'options.workers', 0, MOST_WORKERS);
    if (reactor !== undefined) mergeOptions({}, reactor);
    validateObject(restart, 'options.restart');
    validateObject(thread, 'options.thread');
    const { limit, minBackoff, maxBackoff, resetAfter } = withOptions(defaults.restart, restart) as RestartPolicy;
    validateInteger(limit, 'options.restart.limit', 0);
    this.#count = this.#onRing || CORE_SHARES_PORTS ? workers : Math.min(workers, 1);
    this.#reactor = reactor;
    this.#thread = thread;
    this.#policy = {
      limit,
      minBackoff: validateDelay(minBackoff, 'options.restart.minBackoff'),
      maxBackoff: validateDelay(maxBackoff, 'options.restart.maxBackoff'),
      resetAfter: validateDelay(resetAfter, 'options.restart.resetAfter'),
    };
  }

  /** The workers, by number; none before `start()`. */
  get workers(): readonly WorkerInfo[] {
    return this.#slots;
  }

  /** Whether it has been started and not been shut down. */
  get active(): boolean {
    return this.#started !== null && this.#ended === null;
  }

  /**
   * Has each worker import a module and call its default export, or the one named `start`, with its {@link TransportWorker} and `data`. If that returns a function,
   * it is called when the worker has been shut down, and waited for.
   *
   * @param module a URL, or a path, which is relative to the working directory
   * @param data anything that can be cloned; each worker has a clone of its own, the calling thread the thing itself
   * @returns a promise that is settled when all have started. Where one cannot, the others are ended.
   * @throws {TransportWorkerError} where one cannot start; its `cause` is why.
   * @throws {TransportClosedError} where it is shut down first.
   * @throws core's `ERR_INVALID_STATE` the second time, `ERR_INVALID_ARG_TYPE` for what is no URL and no string
   */
  async start(module: string | URL, data?: unknown): Promise<this> {
    const url = urlOf(module);
    if (this.#ended !== null) throw new TransportClosedError('transport');
    if (this.#started !== null) throw new ERR_INVALID_STATE('The transport has been started');
    return (this.#started = this.#start(url, data));
  }

  /**
   * Sends a worker a message, which its 'message' tells of.
   *
   * @param id its number; 0 for the calling thread, where the module runs there
   * @param transfer what of the value is handed over instead of cloned, as for `postMessage()`
   * @returns whether there is a thread that can get it; one that ends may leave messages unread
   * @throws core's `ERR_OUT_OF_RANGE`, and its `DataCloneError`
   */
  send(id: number, value: unknown, transfer: TransferList = []): boolean {
    const first = this.#count === 0 ? 0 : 1;
    validateInteger(id, 'id', first, this.#count);
    const slot = this.#slots[id - first] as WorkerSlot | undefined;
    return slot?.post({ kind: 'message', from: 0, value }, transfer) ?? false;
  }

  /**
   * Ends all workers: each closes its servers and connections, as {@link Connection.close} does, then its thread ends. One that does not, within a second after
   * that time, is ended by force. The second time the same promise is returned.
   */
  shutdown(options: CloseOptions = {}): Promise<void> {
    validateObject(options, 'options');
    const { gracefulTimeout = GRACEFUL_TIMEOUT } = options;
    const grace = validateDelay(gracefulTimeout, 'options.gracefulTimeout');
    return (this.#ended ??= this.#shutdown(grace));
  }

  /** {@link shutdown}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #start(module: string, data: unknown): Promise<this> {
    const launch: Launch = (own, hear) =>
      this.#count === 0 ? new CallingThread(own, hear) : new WorkerThread(own, this.#thread, hear);
    const ids = this.#count === 0 ? [0] : Array.from({ length: this.#count }, (_, index) => index + 1);
    const listener: SlotListener = {
      onStarted: (slot) => this.#tell('worker', slot),
      onEnded: (slot, code) => {
        this.#post.drop(slot);
        this.#tell('exit', slot, code);
      },
      onFailed: (slot, error) => this.#fail(slot, error),
      onMessage: (slot, message) => this.#heard(slot, message),
    };
    this.#slots = ids.map((id) => {
      const options = { id, workers: this.#count, module, data, reactor: this.#reactor };
      return new WorkerSlot(launch, options, this.#policy, listener);
    });
    try {
      await Promise.all(this.#slots.map(({ started }) => started));
    } catch (error) {
      await this.shutdown({ gracefulTimeout: 0 });
      throw error;
    }
    return this;
  }

  async #shutdown(gracefulTimeout: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.shutdown(gracefulTimeout)));
    this.#ports.close();
  }

  #heard(slot: WorkerSlot, message: FromWorker): void {
    if (message.kind === 'reserve') {
      void this.#ports.reserve(message).then((result) => slot.post({ kind: 'port', request: message.request, result }));
    } else if (message.kind === 'connection') {
      this.#post.carry(slot, this.#slots[message.to - 1], message.ticket, message.parcel);
    } else if (message.kind === 'answer') {
      this.#post.answer(slot, message.ticket, message.isTaken);
    } else if (message.kind === 'message') {
      const { to, value, transfer } = message;
      if (to === 0) this.#tell('message', value, slot.id);
      else this.#slots[to - 1].post({ kind: 'message', from: slot.id, value }, transfer);
    }
  }

  #fail(slot: WorkerSlot, error: TransportWorkerError): void {
    if (slot.state === 'ended' || this.listenerCount('error') > 0) {
      this.#tell('error', error, slot);
      return;
    }
    warnOfWorker(error.message, error.cause);
  }

  /** What a listener throws is an uncaught exception, and the workers go on. */
  #tell<Name extends keyof TransportEvents>(name: Name, ...args: TransportEvents[Name]): void {
    try {
      (this as EventEmitter).emit(name, ...args);
    } catch (error) {
      nextTick(() => {
        throw error;
      });
    }
  }
}

/** Whether core lets several threads listen at one port. */
const CORE_SHARES_PORTS = CORE_MAJOR > 23 || (CORE_MAJOR === 23 && CORE_MINOR >= 1) || (CORE_MAJOR === 22 && CORE_MINOR >= 12);

function urlOf(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module !== 'string') throw new ERR_INVALID_ARG_TYPE('module', ['string', 'URL'], module);
  return URL.canParse(module) ? module : pathToFileURL(path.resolve(module)).href;
}
