/** What a worker's thread runs: the application's module, with a worker that is tied to its transport. */
import process from 'node:process';
import { inspect } from 'node:util';
import { threadId, workerData } from 'node:worker_threads';
import { configureReactor } from '../reactor/index.ts';
import { Deferred } from './deferred.ts';
import type { FromWorker, Home, PortRequest, ToWorker, WorkerSetup } from './messages.ts';
import { runModule, type Stop } from './run-module.ts';
import { enterTransport } from './thread-worker.ts';
import { deliver, receive, type TransportWorker } from './worker.ts';

const { id, workers, module, data, reactor, channel } = workerData as WorkerSetup;
const ports = new Map<number, Deferred<number>>();
const deliveries = new Map<string, Deferred<boolean>>();
let requests = 0;
/** What is for the module, as long as that has not started, or has not heard all of it yet; null from then on. */
let early: ToWorker[] | null = [];
let stop: Stop | undefined;
let ending: Promise<void> | undefined;

function tell(message: FromWorker, transfer: readonly unknown[] = []): void {
  channel.postMessage(message, transfer as never);
}

const home: Home = {
  workers,
  send: (to, value, transfer) => tell({ kind: 'message', to, value, transfer }, transfer),
  deliver(to, parcel) {
    const delivered = new Deferred<boolean>();
    // Unlike that of the worker, the number of a thread is never given anew.
    const ticket = `${threadId}.${++requests}`;
    deliveries.set(ticket, delivered);
    tell({ kind: 'connection', to, ticket, parcel });
    return delivered.promise;
  },
  reservePort(request: PortRequest): Promise<number> {
    const port = new Deferred<number>();
    ports.set(++requests, port);
    tell({ kind: 'reserve', request: requests, ...request });
    return port.promise;
  },
};

function hear(worker: TransportWorker, message: ToWorker): void {
  switch (message.kind) {
    case 'message':
      deliver(worker, message.value, message.from);
      break;
    case 'connection':
      receive(worker, message.parcel, message.from, (isTaken) => tell({ kind: 'answer', ticket: message.ticket, isTaken }));
      break;
    case 'delivered':
      deliveries.get(message.ticket)?.resolve(message.isTaken);
      deliveries.delete(message.ticket);
      break;
    case 'port':
      ports.get(message.request)?.resolve(message.result);
      ports.delete(message.request);
      break;
    case 'shutdown':
      ending ??= end(worker, message.gracefulTimeout);
      break;
  }
}

/** A module that is starting has no listeners yet. What it may wait for itself, and its end, are not put off. */
function hearInTime(worker: TransportWorker, message: ToWorker): void {
  if (early !== null && (message.kind === 'message' || message.kind === 'connection')) early.push(message);
  else hear(worker, message);
}

/** In turns of their own: what a listener throws is an uncaught exception, behind which it goes on if the thread does. */
function hearNext(worker: TransportWorker, messages: Iterator<ToWorker, undefined>): void {
  const { value } = messages.next();
  if (value === undefined) {
    early = null;
    return;
  }
  process.nextTick(hearNext, worker, messages);
  hear(worker, value);
}

/** What fails here is an uncaught exception, of which the transport hears as of any other. */
async function end(worker: TransportWorker, gracefulTimeout: number): Promise<void> {
  await worker.shutdown({ gracefulTimeout });
  await stop?.();
  process.exit(0);
}

async function main(): Promise<void> {
  try {
    if (reactor !== undefined) configureReactor(reactor);
    const worker = enterTransport(id, home);
    channel.on('message', (message: ToWorker) => hearInTime(worker, message));
    stop = await runModule(module, worker, data);
    tell({ kind: 'started' });
    process.nextTick(hearNext, worker, early!.values());
  } catch (error) {
    const code = (error as { code?: unknown } | null | undefined)?.code;
    try {
      tell({ kind: 'failed', error, code });
    } catch {
      // It cannot be cloned.
      tell({ kind: 'failed', error: new Error(inspect(error)), code: String(code) });
    }
    process.exit(1);
  }
}

void main();
