/** The calling thread in the place of a worker's: what a transport without workers runs in. */
import process from 'node:process';
import type { TransferListItem } from 'node:worker_threads';
import { configureReactor } from '../reactor/index.ts';
import { setImmediate } from '../timers.ts';
import { Deferred } from './deferred.ts';
import type { FromWorker, Home, ToWorker } from './messages.ts';
import { runModule, type Stop } from './run-module.ts';
import type { Site, SiteEnd, SiteOptions } from './site.ts';
import { deliver, TransportWorker } from './worker.ts';

export class CallingThread implements Site {
  readonly started: Promise<boolean>;
  readonly #worker: TransportWorker;
  readonly #ended = new Deferred<SiteEnd>();
  #stop: Stop | undefined;

  /** @throws {ReactorInUseError} where the ring of this thread is in use, and options for it are given. */
  constructor({ id, workers, module, data, reactor }: SiteOptions, hear: (message: FromWorker) => void) {
    if (reactor !== undefined) configureReactor(reactor);
    const home: Home = {
      workers,
      send(to, value, transfer) {
        const copy = copyOf(value, transfer);
        setImmediate(() => hear({ kind: 'message', to, value: copy, transfer: [] }));
      },
      // There is no other worker, and no port to be shared.
      deliver: () => Promise.resolve(false),
      reservePort: () => Promise.resolve(0),
    };
    this.#worker = new TransportWorker(id, home);
    this.started = this.#start(module, data);
  }

  get threadId(): number {
    return process.getBuiltinModule('node:worker_threads').threadId;
  }

  get ended(): Promise<SiteEnd> {
    return this.#ended.promise;
  }

  post(message: ToWorker, transfer: readonly TransferListItem[] = []): void {
    if (message.kind !== 'message') return;
    const copy = copyOf(message.value, transfer);
    // A module that is starting has no listeners yet.
    void this.started.then((hasStarted) => {
      if (hasStarted) setImmediate(() => deliver(this.#worker, copy, message.from));
    });
  }

  async shutdown(gracefulTimeout: number): Promise<void> {
    await this.#worker.shutdown({ gracefulTimeout });
    await this.#stop?.();
    this.#ended.resolve({ code: 0, error: undefined });
  }

  async #start(module: string, data: unknown): Promise<boolean> {
    try {
      this.#stop = await runModule(module, this.#worker, data);
      return true;
    } catch (error) {
      await this.#worker.shutdown({ gracefulTimeout: 0 });
      this.#ended.resolve({ code: 1, error });
      return false;
    }
  }
}

/** As a message to another thread would arrive. */
function copyOf(value: unknown, transfer: readonly TransferListItem[]): unknown {
  return structuredClone(value, { transfer: [...transfer] as never });
}
