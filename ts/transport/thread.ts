/** What a worker's thread runs: the application's module, with a worker that is tied to its transport. */
import process from 'node:process';
import { inspect } from 'node:util';
import { threadId, workerData } from 'node:worker_threads';
import { configureReactor } from '../reactor/index.ts';
import { Deferred } from './deferred.ts';
import type { FromWorker, Home, PortRequest, ToWorker, WorkerSetup } from './messages.ts';
import { Mailbox } from './mailbox.ts';
import { runModule, type Stop } from './run-module.ts';
import { enterTransport } from './thread-worker.ts';
import { deliver, receive, type TransportWorker } from './worker.ts';

const { id, workers, module, data, reactor, channel } = workerData as WorkerSetup;
const ports = new Map<number, Deferred<number>>();
const deliveries = new Map<string, Deferred<boolean>>();
let requests = 0;
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

/** What the module may wait for itself, and its end, are not put off until it has started. */
function hear(worker: TransportWorker, mailbox: Mailbox, message: ToWorker): void {
  switch (message.kind) {
    case 'message':
      mailbox.put('message', () => deliver(worker, message.value, message.from));
      break;
    case 'connection':
      mailbox.put('connection', () => {
        receive(worker, message.parcel, message.from, (isTaken) => tell({ kind: 'answer', ticket: message.ticket, isTaken }));
      });
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
    const mailbox = new Mailbox(worker);
    channel.on('message', (message: ToWorker) => hear(worker, mailbox, message));
    stop = await runModule(module, worker, data);
    tell({ kind: 'started' });
    mailbox.open();
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
