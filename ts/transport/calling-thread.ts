/** The calling thread in the place of a worker's: what a transport without workers runs in. */
import process from 'node:process';
import { TransportClosedError } from '../errors/iouring.ts';
import { structuredClone } from '../globals.ts';
import { configureReactor } from '../reactor/index.ts';
import { clearTimeout, setImmediate, setTimeout } from '../timers.ts';
import { Deferred } from './deferred.ts';
import { Mailbox } from './mailbox.ts';
import type { FromWorker, Home, ToWorker, TransferList } from './messages.ts';
import { runModule, type Stop } from './run-module.ts';
import { END_TIME, type Site, type SiteEnd, type SiteOptions } from './site.ts';
import { warnOfWorker } from './warnings.ts';
import { deliver, TransportWorker } from './worker.ts';

export class CallingThread implements Site {
  readonly #worker: TransportWorker;
  readonly #mailbox: Mailbox;
  readonly #started = new Deferred<boolean>();
  readonly #ended = new Deferred<SiteEnd>();
  #stop: Stop | undefined;
  #isClosing = false;
  /** What the module's function returns comes too late to be waited for. */
  #isOver = false;

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
    this.#mailbox = new Mailbox(this.#worker);
    void this.#start(module, data);
  }

  get threadId(): number {
    return process.getBuiltinModule('node:worker_threads').threadId;
  }

  get started(): Promise<boolean> {
    return this.#started.promise;
  }

  get ended(): Promise<SiteEnd> {
    return this.#ended.promise;
  }

  post(message: ToWorker, transfer: TransferList = []): void {
    if (message.kind !== 'message') return;
    const { from } = message;
    const copy = copyOf(message.value, transfer);
    setImmediate(() => this.#mailbox.put('message', () => deliver(this.#worker, copy, from)));
  }

  async shutdown(gracefulTimeout: number): Promise<void> {
    this.#isClosing = true;
    // Nothing can be ended by force here: what takes too long is no longer waited for.
    const timer = setTimeout(() => this.#end(1), gracefulTimeout + END_TIME);
    void this.#close(gracefulTimeout);
    await this.ended;
    clearTimeout(timer);
  }

  /** As in a thread of its own, what fails here is the failure of the worker. */
  async #close(gracefulTimeout: number): Promise<void> {
    try {
      await this.#worker.shutdown({ gracefulTimeout });
      this.#isOver = true;
      await this.#stop?.();
      this.#end(0);
    } catch (error) {
      this.#end(1, error);
    }
  }

  async #start(module: string, data: unknown): Promise<void> {
    let stop: Stop | undefined;
    try {
      stop = await runModule(module, this.#worker, data);
    } catch (error) {
      if (!this.#isClosing) {
        // Why it has failed is what counts, not what that brings about.
        await this.#worker.shutdown({ gracefulTimeout: 0 }).catch(() => {});
        this.#end(1, error);
      } else if (!(error instanceof TransportClosedError)) {
        warnOfWorker(`Worker ${this.#worker.id} has failed to start while it was shut down`, error);
      }
      return;
    }
    if (this.#isOver) await stop?.();
    this.#stop = stop;
    this.#started.resolve(true);
    this.#mailbox.open();
  }

  /** Once. */
  #end(code: number, error?: unknown): void {
    this.#isOver = true;
    this.#started.resolve(false);
    this.#ended.resolve({ code, error });
  }
}

/** As a message to another thread would arrive. */
function copyOf(value: unknown, transfer: TransferList): unknown {
  return structuredClone(value, { transfer: [...transfer] as never });
}
