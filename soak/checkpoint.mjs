/** Between two rounds nothing is left: no handle, operation or buffer of the reactor, no descriptor of the process, and no memory that grows. */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { memory, show } from './memory.mjs';

/** How long what is being closed may take. */
const PATIENCE = 10_000;

/** Rounds from which on a run is long enough to tell growth from what comes and goes. */
const ENOUGH = 24;

/**
 * What the least of a quarter of the rounds may grow by, from the second quarter to the last, in bytes. What is used comes and goes, what is leaked is never
 * below. The resident size may have the holes that a heap gets in time.
 */
const GROWTH = { rss: 24 * 1048576, used: 3 * 1048576, external: 3 * 1048576, arrayBuffers: 3 * 1048576 };

/** How often memory is told of, in milliseconds. */
const TELL = 60_000;

/** Sources of the soak: core's loader leaves those open for good that it is opening when a worker ends, or fails for want of descriptors. */
const SOURCES = import.meta.dirname;

/** What a descriptor is, without the numbers that differ from one to the next. */
function descriptors() {
  const found = {};
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const place = readlinkSync(`/proc/self/fd/${fd}`);
      if (place.startsWith(SOURCES)) continue;
      const kind = place.replace(/\d+/g, 'N');
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
  #say;
  /** What there was after each round. */
  #memory = [];
  #begun = 0;
  #told = -TELL;

  /**
   * @param stats what the reactor holds
   * @param say prints a line
   */
  constructor(stats, say) {
    this.#stats = stats;
    this.#say = say;
  }

  /** Takes stock before anything has begun. What the process opens once and keeps (libuv's pool, the reserve of listeners) has been opened by then. */
  begin() {
    this.#before = descriptors();
    this.#begun = performance.now();
  }

  async pass(ledger) {
    const left = () =>
      Object.fromEntries(Object.entries(this.#stats()).filter(([name, count]) => name !== 'turns' && count !== 0));
    const open = () => differences(descriptors(), this.#before);
    for (let waited = 0; waited < PATIENCE && Object.keys({ ...left(), ...open() }).length > 0; waited += 50) await sleep(50);
    ledger.check(Object.keys(left()).length === 0, 'the reactor holds nothing', left());
    ledger.check(Object.keys(open()).length === 0, 'no descriptor is left open', open());
    // What the first finds only weakly held the second collects, and what V8 has collected it gives back a little later.
    for (let times = 0; times < 2; times++) {
      globalThis.gc?.();
      await sleep(50);
    }
    this.#memory.push(memory());
    const time = performance.now() - this.#begun;
    if (time - this.#told >= TELL) this.#tell(time);
  }

  #tell(time) {
    this.#told = time;
    this.#say(`memory after ${(time / 60_000).toFixed(1)} min: ${show(this.#memory.at(-1))} MiB`);
  }

  /** Looks at the floor under the memory of all rounds; not at that of the resident size where the C library keeps what it likes. */
  finish(ledger, { loose = false }) {
    const rounds = this.#memory.length;
    if (rounds === 0) return;
    this.#tell(performance.now() - this.#begun);
    if (rounds < ENOUGH) return;
    const floor = (from, to) => {
      const some = this.#memory.slice(Math.floor(rounds * from), Math.ceil(rounds * to));
      return Object.fromEntries(Object.keys(some[0]).map((name) => [name, Math.min(...some.map((figures) => figures[name]))]));
    };
    const [early, late] = [floor(0.25, 0.5), floor(0.75, 1)];
    this.#say(`the least of the second quarter: ${show(early)} MiB`);
    this.#say(`the least of the last quarter:   ${show(late)} MiB`);
    for (const [name, growth] of Object.entries(GROWTH)) {
      if (loose && name === 'rss') continue;
      ledger.check(late[name] <= early[name] + growth, `${name} does not grow`, early[name], late[name]);
    }
  }
}
