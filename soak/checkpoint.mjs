/** Between two rounds nothing is left: no handle, operation or buffer of the reactor, no descriptor of the process, and no memory that grows. */
import { readdirSync, readlinkSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long what is being closed may take. */
const PATIENCE = 10_000;

/** Rounds until caches and heap have their size. */
const WARM_UP = 5;
/** What the resident memory may vary by, and what of it may be growth. */
const SLACK = 48 * 1024 * 1024;
const GROWTH = 1.25;

/** What a descriptor is, without the numbers that differ from one to the next. */
function descriptors() {
  const found = {};
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const kind = readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, 'N');
      found[kind] = (found[kind] ?? 0) + 1;
    } catch {
      // That of this listing.
    }
  }
  return found;
}

const differences = (now, before) =>
  Object.fromEntries(
    [...new Set([...Object.keys(now), ...Object.keys(before)])]
      .map((kind) => [kind, (now[kind] ?? 0) - (before[kind] ?? 0)])
      // The reserve of listeners may be missing after a shortage, until a connection comes.
      .filter(([kind, difference]) => difference > 0 || (difference < 0 && kind !== '/dev/null')),
  );

export class Checkpoints {
  #stats;
  #before;
  #resident = [];

  constructor(stats) {
    this.#stats = stats;
  }

  /** Takes stock before anything has begun. What the process opens once and keeps (libuv's pool, the reserve of listeners) has been opened by then. */
  begin() {
    this.#before = descriptors();
  }

  async pass(ledger) {
    const left = () =>
      Object.fromEntries(Object.entries(this.#stats()).filter(([name, count]) => name !== 'turns' && count !== 0));
    const open = () => differences(descriptors(), this.#before);
    for (let waited = 0; waited < PATIENCE && Object.keys({ ...left(), ...open() }).length > 0; waited += 50) await sleep(50);
    ledger.check(Object.keys(left()).length === 0, 'the reactor holds nothing', left());
    ledger.check(Object.keys(open()).length === 0, 'no descriptor is left open', open());
    globalThis.gc?.();
    this.#resident.push(process.memoryUsage.rss());
  }

  /** The lowest of the last rounds against the highest after the first. */
  finish(ledger) {
    const after = this.#resident.slice(WARM_UP);
    if (after.length < 2 * WARM_UP) return;
    const early = Math.max(...after.slice(0, WARM_UP));
    const late = Math.min(...after.slice(-WARM_UP));
    const mib = (bytes) => `${Math.round(bytes / 1048576)} MiB`;
    ledger.check(late <= early * GROWTH + SLACK, 'resident memory does not grow', mib(early), mib(late));
    process.stdout.write(`resident memory: ${mib(early)} early, ${mib(late)} late\n`);
  }
}
