/**
 * How much a connection may have received that has not been released: what is beyond waits in the kernel, and in the end holds the peer back.
 */
export class ReceiveShare {
  readonly #limit: number;
  readonly #resume: () => void;
  #held = 0;
  #full = false;

  /**
   * @param limit bytes from which on nothing more is to be received
   * @param resume called when half of them are held at most, after that was so
   */
  constructor(limit: number, resume: () => void) {
    this.#limit = limit;
    this.#resume = resume;
  }

  /** Bytes of payloads that have not been released. */
  get held(): number {
    return this.#held;
  }

  /** Whether nothing more is to be received. */
  get full(): boolean {
    return this.#full;
  }

  take(length: number): void {
    this.#held += length;
    if (this.#held >= this.#limit) this.#full = true;
  }

  giveBack(length: number): void {
    this.#held -= length;
    if (!this.#full || this.#held * 2 > this.#limit) return;
    this.#full = false;
    this.#resume();
  }
}
