/** Chance that can be repeated: everything that a round decides comes from its seed (mulberry32). */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0, below 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number, both ends possible. */
  from(least, most) {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** Often small, seldom large: each power of two up to `most` is as likely as the next. */
  size(most) {
    return Math.floor(2 ** (this.next() * Math.log2(most + 1))) - 1;
  }

  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.from(0, list.length - 1)];
  }

  /** Another source, so that what one actor draws does not depend on when the others do. */
  fork() {
    return new Random(this.from(0, 0xffff_ffff));
  }
}
