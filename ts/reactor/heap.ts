/**
 * Keeps the C library from giving the memory of chunks back to the system while a thread receives much.
 *
 * Each chunk has memory of its own, which is free once garbage was collected, some 32 MiB of it at a time. glibc gives what is free at the end of its heap
 * back as soon as that is 128 KiB, and the next chunks have to get it again, where the system finds and clears each page: up to 28 % of the CPU time of a
 * server that receives without end. It does so no more once the program has freed a block that it had mapped for itself, up to twice the length of that block:
 * it then takes the program for one that uses such memory all the time (mallopt(3), M_TRIM_THRESHOLD). So such a block is made and freed, without being touched. What
 * the heap keeps for it is 8 MiB more in the end, measured.
 *
 * Other C libraries do not mind, and neither does glibc where the thresholds were set by hand.
 */
import { Buffer } from 'node:buffer';

/** Chunks of such a length, in bytes, or above come from the heap's end, where smaller ones find room elsewhere. */
export const LARGE_CHUNK = 16 * 1024;

/** After so many bytes in large chunks it is worth it. */
const MUCH = 8 * 1024 * 1024;

/** Half of what may be free at the heap's end: more than a collection frees. glibc learns from blocks up to 32 MiB. */
const BLOCK = 24 * 1024 * 1024;

export class HeapKeeper {
  readonly #discard: (buffer: ArrayBufferLike) => void;
  #left = MUCH;

  /** @param discard frees the memory of an `ArrayBuffer` at once */
  constructor(discard: (buffer: ArrayBufferLike) => void) {
    this.#discard = discard;
  }

  /** A large chunk of so many bytes was made. */
  note(length: number): void {
    if (this.#left < 0) return;
    this.#left -= length;
    if (this.#left >= 0) return;
    try {
      this.#discard(Buffer.allocUnsafeSlow(BLOCK).buffer);
    } catch {
      // No address space for it: then it stays as it is.
    }
  }
}
