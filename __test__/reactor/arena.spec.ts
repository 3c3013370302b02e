// The memory that small writes are copied into is never handed out twice.
import test from 'ava';
import { Arena, BLOCK_SIZE } from '../../ts/reactor/arena.ts';

/** Numbers below one that a seed decides: a linear congruential generator. */
function generator(seed: number) {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

const LENGTHS = [0, 1, 100, BLOCK_SIZE / 8, BLOCK_SIZE / 2, BLOCK_SIZE - 1, BLOCK_SIZE];

for (const seed of [1, 2, 3]) {
  test(`allocations lie apart, and all of it comes back (seed ${seed})`, (t) => {
    const random = generator(seed);
    const arena = new Arena(() => new ArrayBuffer(4 * BLOCK_SIZE));
    const live: { readonly offset: number; readonly length: number }[] = [];
    let overlaps = 0;
    for (let step = 0; step < 20_000; step++) {
      if (random() < 0.5) {
        const length = LENGTHS[Math.floor(random() * LENGTHS.length)];
        const offset = arena.allocate(length);
        if (offset < 0) continue;
        overlaps += live.filter((other) => offset < other.offset + other.length && other.offset < offset + length).length;
        live.push({ offset, length });
      } else if (live.length > 0) {
        arena.release(live.splice(Math.floor(random() * live.length), 1)[0].offset);
      }
    }
    t.is(overlaps, 0);
    t.is(arena.inUse, live.length);
    for (const { offset } of live) arena.release(offset);
    t.is(arena.inUse, 0);
    t.deepEqual(
      Array.from({ length: 5 }, () => arena.allocate(BLOCK_SIZE) >= 0),
      [true, true, true, true, false],
    );
  });
}
