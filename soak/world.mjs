/** What the actors act on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * The modules under test, a folder, numbers that nobody else has, and whether descriptors are short. In a gentle world no thread is ended in the middle: what
 * core leaves open there is core's.
 */
export async function makeWorld(ledger, { parent = tmpdir(), gentle = false } = {}) {
  const [main, net, dgram, fs] = await Promise.all(
    ['', '/net', '/dgram', '/fs'].map((name) => import(`iouring-transport${name}`)),
  );
  const folder = mkdtempSync(path.join(parent, 'soak-'));
  let [id, short, shortages] = [0, 0, 0];
  return {
    ...{ ledger, folder, gentle, main, net, dgram, fs, onRing: main.support().backend === 'uring' },
    nextId: () => ++id,
    isShort: () => short > 0,
    /** Grows with each shortage, so that who began before it knows of it. */
    shortSince: () => shortages,
    beginShortage() {
      short++;
      shortages++;
      return () => short--;
    },
    done: () => rmSync(folder, { recursive: true, force: true }),
  };
}
