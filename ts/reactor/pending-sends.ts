/**
 * Datagrams on their way to the kernel, in the order of sending: a ring of records that grows, so that sending one allocates nothing.
 */

/** Told of what has become of a datagram: the payload's length, or a negative errno; and its place in its batch, where it is of one. */
export type SentReport = (result: number, place: number) => void;

/** The place of a datagram that is of no batch. */
export const ALONE = -1;

/** Records to begin with, a power of two. */
const FIRST_CAPACITY = 64;

/** What it occupies in the arena and as a lent view, its length, its place. */
const WORDS = 4;

export class PendingSends {
  #words = new Int32Array(FIRST_CAPACITY * WORDS);
  #reports: (SentReport | undefined)[] = new Array<SentReport | undefined>(FIRST_CAPACITY);
  #mask = FIRST_CAPACITY - 1;
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes of their payloads. */
  get bytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.#count; i++) bytes += this.#words[((this.#first + i) & this.#mask) * WORDS + 2];
    return bytes;
  }

  /** `arena`: an offset, -1 for nothing; `region`: of a lent view, the complement of a receive buffer's number, 0 for neither. */
  push(arena: number, region: number, length: number, place: number, report: SentReport | undefined): void {
    if (this.#count > this.#mask) this.#grow();
    const at = (this.#first + this.#count++) & this.#mask;
    const words = this.#words;
    const word = at * WORDS;
    words[word] = arena;
    words[word + 1] = region;
    words[word + 2] = length;
    words[word + 3] = place;
    this.#reports[at] = report;
  }

  /** Of the one that was sent first, as are the next four. */
  get arena(): number {
    return this.#words[this.#first * WORDS];
  }

  get region(): number {
    return this.#words[this.#first * WORDS + 1];
  }

  get length(): number {
    return this.#words[this.#first * WORDS + 2];
  }

  get place(): number {
    return this.#words[this.#first * WORDS + 3];
  }

  get report(): SentReport | undefined {
    return this.#reports[this.#first];
  }

  /** Forgets the one that was sent first. */
  shift(): void {
    this.#reports[this.#first] = undefined;
    this.#first = (this.#first + 1) & this.#mask;
    this.#count--;
  }

  /** Whether anybody is still to be told. */
  get expectsReports(): boolean {
    for (let i = 0; i < this.#count; i++) if (this.#reports[(this.#first + i) & this.#mask] !== undefined) return true;
    return false;
  }

  /** Nobody is told of those from the `from`th on, but for batches. */
  forgetReports(from: number): void {
    for (let i = Math.max(from, 0); i < this.#count; i++) {
      const at = (this.#first + i) & this.#mask;
      if (this.#words[at * WORDS + 3] === ALONE) this.#reports[at] = undefined;
    }
  }

  /** Doubles the room; the first record moves to the front. */
  #grow(): void {
    const capacity = this.#mask + 1;
    const words = new Int32Array(2 * capacity * WORDS);
    words.set(this.#words.subarray(this.#first * WORDS));
    words.set(this.#words.subarray(0, this.#first * WORDS), (capacity - this.#first) * WORDS);
    this.#words = words;
    this.#reports = [...this.#reports.slice(this.#first), ...this.#reports.slice(0, this.#first)];
    this.#reports.length = 2 * capacity;
    this.#mask = 2 * capacity - 1;
    this.#first = 0;
  }
}
