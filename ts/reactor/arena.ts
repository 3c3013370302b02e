/**
 * The arena: memory that the kernel's end can read, into which small writes are copied.
 *
 * It is cut into blocks. Within the current block space is handed out by moving a cursor; a block is free again when everything that was
 * handed out from it has been given back. Writes are short-lived, so that one block is nearly always enough and stays in the cache.
 */
import { Buffer } from 'node:buffer';

/** The size of a block, and so the largest allocation. */
export const BLOCK_SIZE = 64 * 1024;

export class Arena {
  readonly #share: () => ArrayBuffer;
  #memory: Buffer;
  /** Allocations not given back, per block. */
  readonly #used: Int32Array;
  readonly #free: number[] = [];
  #current = 0;
  #cursor = 0;
  #end = BLOCK_SIZE;

  /** @param share asks Rust for the memory, which is the same each time, in an `ArrayBuffer` of its own */
  constructor(share: () => ArrayBuffer) {
    this.#share = share;
    this.#memory = Buffer.from(share());
    const blocks = Math.floor(this.#memory.byteLength / BLOCK_SIZE);
    this.#used = new Int32Array(blocks);
    for (let block = blocks - 1; block > 0; block--) this.#free.push(block);
  }

  /** The whole arena, to write into at the offsets handed out. Asked for anew where a script has moved its `ArrayBuffer`. */
  get memory(): Buffer {
    if (this.#memory.length === 0) this.#memory = Buffer.from(this.#share());
    return this.#memory;
  }

  /** Hands out `length` bytes, at most {@link BLOCK_SIZE}: their offset, or -1 when the arena is full. */
  allocate(length: number): number {
    let offset = this.#cursor;
    // Nothing lies in a block too, and behind the end is the next one.
    if (offset + (length || 1) > this.#end) {
      if (!this.#advance()) return -1;
      offset = this.#cursor;
    }
    this.#cursor = offset + length;
    this.#used[this.#current]++;
    return offset;
  }

  /** Shortens the allocation made last: what lies behind `end` was not needed. */
  shrink(end: number): void {
    this.#cursor = end;
  }

  /** Takes an allocation back. */
  release(offset: number): void {
    const block = Math.floor(offset / BLOCK_SIZE);
    if (--this.#used[block] !== 0) return;
    if (block === this.#current) this.#cursor = block * BLOCK_SIZE;
    else this.#free.push(block);
  }

  /** Allocations not given back. */
  get inUse(): number {
    return this.#used.reduce((sum, count) => sum + count, 0);
  }

  #advance(): boolean {
    if (this.#used[this.#current] === 0) {
      this.#cursor = this.#current * BLOCK_SIZE;
      return true;
    }
    const next = this.#free.pop();
    if (next === undefined) return false;
    this.#current = next;
    this.#cursor = next * BLOCK_SIZE;
    this.#end = this.#cursor + BLOCK_SIZE;
    return true;
  }
}
