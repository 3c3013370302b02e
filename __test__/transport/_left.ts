// What a test of connections has left behind: nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { TransportWorker } from 'iouring-transport/transport';
import { openSockets } from '../_descriptors.ts';

/** Waits until there are as many sockets as before, since closing takes turns of several loops, no clients, and no buffers in use. */
export async function nothingLeft(t: ExecutionContext, worker: TransportWorker, before: number): Promise<void> {
  for (let i = 0; i < 1000 && openSockets() > before; i++) await sleep(5);
  t.is(openSockets(), before);
  t.is([...worker.clients].length, 0);
  for (let i = 0; i < 200 && worker.buffers.used() > 0; i++) await sleep(5);
  t.is(worker.buffers.used(), 0);
}
