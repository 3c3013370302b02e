/** How much is read from files within calls, between two turns of the reactor. */

/**
 * Bytes that may be read at once between two turns: some 200 µs. Whoever awaits one read after the other would keep the event loop from its other work.
 */
const NOWAIT_BYTES = 1024 * 1024;

/** A read counts as one of so many bytes at least: copying them takes as long as asking. */
const LEAST_READ = 4096;

export class ReadBudget {
  #left = NOWAIT_BYTES;

  /** A turn begins. */
  renew(): void {
    this.#left = NOWAIT_BYTES;
  }

  /** Nothing more is tried at once before the next turn: what is read is not in memory, and asking twice costs. */
  refuse(): void {
    this.#left = 0;
  }

  /** How many of `count` reads of `size` bytes may be tried at once. They count as done. */
  grant(size: number, count: number): number {
    const cost = Math.max(size, LEAST_READ);
    const granted = Math.min(count, Math.floor(this.#left / cost));
    this.#left -= granted * cost;
    return granted;
  }
}
