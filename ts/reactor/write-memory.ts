/**
 * Where the bytes of writes are until the kernel has taken them: copied into the arena, or in memory of JavaScript's that is lent to Rust.
 */
import { Buffer } from 'node:buffer';
import type { NativeReactor } from '../native-binding.ts';
import { Arena } from './arena.ts';
import { COPY_BY_HAND } from './own-copy.ts';
import type { ReceivedBuffers } from './received-buffers.ts';

/** Places for views that are lent at once, to begin with. */
const FIRST_PLACES = 64;

/** So many of them, of 16 bytes each, are kept when nothing is lent any more. */
const KEPT_PLACES = 4096;

/**
 * Where the bytes of a write are: at an offset of the arena, or, as a number's complement, in the region of a lent view, or, from {@link IN_RECEIVED} on, in a
 * receive buffer.
 */
export type Place = number;

/** The complement of the place of bytes in receive buffer 0. There are fewer lent views. */
const IN_RECEIVED = 2 ** 30;

export class WriteMemory {
  readonly arena: Arena;
  readonly #native: NativeReactor;
  readonly #received: ReceivedBuffers;
  /** User buffers lent to writes, in places that Rust has made; it looks them up at the moment it hands them to the kernel. */
  #views: (Uint8Array | undefined)[] = [];
  readonly #freeViews: number[] = [];

  constructor(native: NativeReactor, received: ReceivedBuffers) {
    this.#native = native;
    this.#received = received;
    this.arena = new Arena(() => native.arena);
  }

  /** Views that are lent. */
  get lentViews(): number {
    return this.#views.length - this.#freeViews.length;
  }

  /** Lends a view to a write: the region by which Rust finds it. */
  lend(view: Uint8Array): number {
    const slot = this.#freeViews.pop() ?? this.#growPlaces();
    this.#views[slot] = view;
    return slot + 1;
  }

  /** Takes a view back. */
  reclaim(region: number): void {
    this.#views[region - 1] = undefined;
    this.#freeViews.push(region - 1);
    if (this.#views.length > KEPT_PLACES && this.lentViews === 0) this.#giveUpPlaces();
  }

  /**
   * Copies chunks of `size` bytes together, at most {@link BLOCK_SIZE}, to where nobody changes them: into the arena, or, while that is full, into memory
   * of their own. How many writes can be waiting is for the streams to limit, not for the arena.
   */
  keep(chunks: readonly Uint8Array[], size: number): Place {
    const offset = this.arena.allocate(size);
    const memory = offset < 0 ? Buffer.allocUnsafeSlow(size) : this.arena.memory;
    let end = Math.max(offset, 0);
    for (const chunk of chunks) {
      const length = chunk.byteLength;
      if (length <= COPY_BY_HAND) for (let i = 0; i < length; i++) memory[end + i] = chunk[i]!;
      else memory.set(chunk, end);
      end += length;
    }
    return offset < 0 ? ~this.lend(memory) : offset;
  }

  /** Holds a receive buffer of which bytes are sent, until they have been. */
  holdReceived(buffer: number): Place {
    this.#received.hold(buffer);
    return ~(IN_RECEIVED + buffer);
  }

  /** The bytes at a place have been sent, or never will be. */
  release(place: Place): void {
    if (place >= 0) this.arena.release(place);
    else if (~place >= IN_RECEIVED) this.#received.letGo(~place - IN_RECEIVED);
    else this.reclaim(~place);
  }

  /**
   * The same for bytes whose memory nobody else has. What was lent goes back to the allocator at once: memory that is filled again while it is in the cache
   * is cheaper to copy to and to send from than fresh memory, of which a writer of much would use one MiB after the other until garbage is collected.
   */
  discard(place: Place): void {
    if (place >= 0 || ~place >= IN_RECEIVED) {
      this.release(place);
      return;
    }
    const view = this.#views[~place - 1];
    this.reclaim(~place);
    if (view !== undefined) this.discardView(view);
  }

  /** The same for a view that was not lent. What it has a part of only is left to the garbage collector. */
  discardView(view: Uint8Array): void {
    if (view.byteLength === view.buffer.byteLength) this.#native.discard(view.buffer);
  }

  /** Doubles the places for views; one of the new ones. */
  #growPlaces(): number {
    const before = this.#views.length;
    this.#makePlaces(Math.max(FIRST_PLACES, 2 * before), before + 1);
    return before;
  }

  /** Begins anew after a time of many writes: no place is in use. */
  #giveUpPlaces(): void {
    this.#freeViews.length = 0;
    this.#makePlaces(FIRST_PLACES, 0);
  }

  /** Has `count` places, of which those from `free` on are. */
  #makePlaces(count: number, free: number): void {
    this.#views = this.#native.makePlaces(count);
    for (let slot = count - 1; slot >= free; slot--) this.#freeViews.push(slot);
  }
}
