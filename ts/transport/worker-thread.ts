/** A worker in a thread of its own, as the transport sees it. What runs there is `thread.ts`. */
import process from 'node:process';
import { URL } from 'node:url';
import type { MessagePort, Worker, WorkerOptions } from 'node:worker_threads';
import { clearTimeout, setTimeout } from '../timers.ts';
import { Deferred } from './deferred.ts';
import type { FromWorker, ToWorker, TransferList, WorkerSetup } from './messages.ts';
import { END_TIME, type Site, type SiteEnd, type SiteOptions } from './site.ts';

export class WorkerThread implements Site {
  readonly #thread: Worker;
  readonly #channel: MessagePort;
  readonly #hear: (message: FromWorker) => void;
  readonly #started = new Deferred<boolean>();
  readonly #ended = new Deferred<SiteEnd>();
  #error: unknown = undefined;

  /** @throws core's `DataCloneError` for data that cannot be cloned */
  constructor(options: SiteOptions, thread: WorkerOptions, hear: (message: FromWorker) => void) {
    const { MessageChannel, Worker, receiveMessageOnPort } = process.getBuiltinModule('node:worker_threads');
    this.#hear = hear;
    const { port1, port2 } = new MessageChannel();
    this.#channel = port1;
    const workerData: WorkerSetup = { ...options, channel: port2 };
    this.#thread = new Worker(new URL('./transport-thread.cjs', import.meta.url), {
      ...thread,
      name: `iouring-transport ${options.id}`,
      workerData,
      transferList: [port2],
    });
    port1.on('message', (message: FromWorker) => this.#heard(message));
    this.#thread.on('error', (error) => (this.#error = error));
    this.#thread.on('exit', (code) => {
      for (let left = receiveMessageOnPort(port1); left !== undefined; left = receiveMessageOnPort(port1)) {
        this.#heard(left.message as FromWorker);
      }
      port1.close();
      this.#started.resolve(false);
      this.#ended.resolve({ code, error: this.#error });
    });
  }

  get threadId(): number {
    return this.#thread.threadId;
  }

  get started(): Promise<boolean> {
    return this.#started.promise;
  }

  get ended(): Promise<SiteEnd> {
    return this.#ended.promise;
  }

  post(message: ToWorker, transfer: TransferList = []): void {
    this.#channel.postMessage(message, transfer);
  }

  async shutdown(gracefulTimeout: number): Promise<void> {
    this.post({ kind: 'shutdown', gracefulTimeout });
    const timer = setTimeout(() => void this.#thread.terminate(), gracefulTimeout + END_TIME);
    await this.ended;
    clearTimeout(timer);
  }

  #heard(message: FromWorker): void {
    if (message.kind === 'started') this.#started.resolve(true);
    else if (message.kind === 'failed') this.#error = withCode(message.error, message.code);
    else this.#hear(message);
  }
}

/** A clone of an error has no code. */
function withCode(error: unknown, code: unknown): unknown {
  return error instanceof Error && code !== undefined ? Object.assign(error, { code }) : error;
}
