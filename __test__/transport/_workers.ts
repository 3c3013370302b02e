// Modules for workers, and what is left of them.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { openDescriptors } from '../_descriptors.ts';

/** Threads need no TypeScript. */
export const thread = { execArgv: [] };

/** A module whose function has this body. */
export const does = (body: string): string =>
  `data:text/javascript,${encodeURIComponent(`export default async (worker, data) => { ${body} };`)}`;

/** Sockets, rings and what else is no file: of those the loader of the specs leaves some open in each thread. */
export const descriptors = (): number => openDescriptors(/^(?:socket|anon_inode):/u);

/** Waits until there are no more descriptors than before: what a thread had takes a moment to be closed. */
export async function untilClosed(t: ExecutionContext, before: number): Promise<void> {
  for (let i = 0; i < 1000 && descriptors() > before; i++) await sleep(5);
  t.true(descriptors() <= before, `${descriptors()} descriptors, ${before} before`);
}
