/**
 * Bytes that tell where they belong: those of each stream, file or datagram follow from its key and their position, so that bytes that are lost, twice,
 * out of order, from before, or somebody else's are seen at once.
 */
import { Random } from './random.mjs';

/** A prime, so that nothing that is aligned repeats. */
const PERIOD = 65_521;

const random = new Random(0x5eed);
const once = Buffer.from(Array.from({ length: PERIOD }, () => random.from(0, 255)));
const twice = Buffer.concat([once, once]);

const start = (key, position) => (key * 7919 + position) % PERIOD;

/** Writes what belongs at `position` of the stream of `key` into a buffer. */
export function fill(buffer, key, position) {
  for (let done = 0; done < buffer.length;) {
    const from = start(key, position + done);
    done += twice.copy(buffer, done, from, from + Math.min(PERIOD, buffer.length - done));
  }
  return buffer;
}

/** Such bytes, in new memory. */
export const bytes = (key, position, length) => fill(Buffer.allocUnsafe(length), key, position);

/** The first place in a buffer that holds something else; -1 where there is none. */
export function firstWrong(buffer, key, position) {
  for (let done = 0; done < buffer.length;) {
    const from = start(key, position + done);
    const length = Math.min(PERIOD, buffer.length - done);
    if (twice.compare(buffer, done, done + length, from, from + length) !== 0) {
      for (let at = 0; at < length; at++) if (buffer[done + at] !== twice[from + at]) return done + at;
    }
    done += length;
  }
  return -1;
}
