/**
 * Receive buffers that are held beyond the dispatch: by those who have yet to look at what came, and by writes that send it on from where it lies.
 *
 * The kernel fills a buffer of the streams with slices one behind the other, of whichever connections receive; a datagram has one to itself. Here is counted how
 * many hold some slice of it; with the last of them all that was borrowed of it goes back at once.
 */
import { BORROWED_WORD } from './protocol.ts';

/** No record is being handed over. */
const NONE = -1;

export class ReceivedBuffers {
  readonly #memory: () => Buffer;
  readonly #giveBack: (buffer: number, slices: number) => void;
  /** For each buffer: who holds it, and the slices of it that Rust counts as borrowed. */
  readonly #holders: Int32Array;
  readonly #slices: Int32Array;
  /** The record that is being handed over: while it is, its slice can be given back without a command. */
  #words: Int32Array | undefined = undefined;
  #at = NONE;
  #buffer = NONE;
  #used = 0;

  /**
   * @param count how many buffers there are
   * @param memory that of all of them
   * @param giveBack returns slices of a buffer to Rust
   */
  constructor(count: number, memory: () => Buffer, giveBack: (buffer: number, slices: number) => void) {
    this.#memory = memory;
    this.#giveBack = giveBack;
    this.#holders = new Int32Array(count);
    this.#slices = new Int32Array(count);
  }

  /** How many buffers there are. */
  get total(): number {
    return this.#holders.length;
  }

  /** How many are held. */
  get used(): number {
    return this.#used;
  }

  /** Whether so many are held that what comes to stay had better be copied, so that the others go round. */
  get scarce(): boolean {
    return this.#used * 2 >= this.#holders.length;
  }

  /** Bytes that lie in a receive buffer, for a moment. */
  bytes(offset: number, length: number): Buffer {
    return this.#memory().subarray(offset, offset + length);
  }

  /** Borrows the slice of the record at `at`, which is about to be handed over, for its one holder. */
  borrow(words: Int32Array, at: number, buffer: number): void {
    words[at + BORROWED_WORD] = 1;
    this.#words = words;
    this.#at = at;
    this.#buffer = buffer;
    this.#slices[buffer]++;
    if (this.#holders[buffer]++ === 0) this.#used++;
  }

  /** The record has been handed over. */
  handedOver(): void {
    this.#buffer = NONE;
  }

  /** One more holder of a buffer that is held. */
  hold(buffer: number): void {
    this.#holders[buffer]++;
  }

  /** One holder less. */
  letGo(buffer: number): void {
    if (--this.#holders[buffer] > 0) return;
    this.#used--;
    let slices = this.#slices[buffer];
    this.#slices[buffer] = 0;
    // What is not marked as borrowed goes back by itself.
    if (buffer === this.#buffer) {
      this.#words![this.#at + BORROWED_WORD] = 0;
      this.#buffer = NONE;
      slices--;
    }
    if (slices > 0) this.#giveBack(buffer, slices);
  }
}
