/** What the actors act on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * The modules under test, a folder, numbers that nobody else has, and whether descriptors are short. In a gentle world no thread is ended in the middle: what
 * core leaves open there is core's.
 */
export async function makeWorld(
  ledger,
  { parent = tmpdir(), gentle = false, shortages = new Int32Array(new SharedArrayBuffer(8)) } = {},
) {
  const [main, net, dgram, fs] = await Promise.all(
    ['', '/net', '/dgram', '/fs'].map((name) => import(`iouring-transport${name}`)),
  );
  const folder = mkdtempSync(path.join(parent, 'soak-'));
  let id = 0;
  return {
    ...{ ledger, folder, gentle, main, net, dgram, fs, onRing: main.support().backend === 'uring' },
    nextId: () => ++id,
    /** How many shortages there are, and how many there have been: of the process, and so the same for its workers. */
    shortages,
    /** Tells, when asked later, whether descriptors were short at any time since now. */
    watchForShortage() {
      const [now, before] = shortages;
      return () => now > 0 || shortages[1] !== before;
    },
    beginShortage() {
      Atomics.add(shortages, 0, 1);
      Atomics.add(shortages, 1, 1);
      return () => Atomics.sub(shortages, 0, 1);
    },
    done: () => rmSync(folder, { recursive: true, force: true }),
  };
}
