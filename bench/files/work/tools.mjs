/**
 * What the work of several scenarios is made of.
 */
/** Every block of this size in the large file begins with its number, by which reads and writes are checked. */
export const BLOCK = 4096;

/** @throws {Error} where a block of the large file holds another's number */
export function check(memory, position, offset = 0) {
  const found = memory.readUInt32LE(offset);
  if (found !== position / BLOCK) throw new Error(`block ${position / BLOCK} holds ${found}`);
}

/** @throws {Error} where more or less was moved */
export function checkCount(moved, expected) {
  if (moved !== expected) throw new Error(`moved ${moved} bytes instead of ${expected}`);
}

/** Keeps `depth` of `step` under way until stopped. */
export const keep = (control, depth, step) =>
  Promise.all(
    Array.from({ length: depth }, async (_, lane) => {
      while (!control.stopped) {
        const since = control.begin();
        await step(lane);
        control.did(1, since);
      }
    }),
  );
