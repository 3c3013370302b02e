/** Who receives. */
export interface Receiver {
  /** There may be room again: receives, if it can. */
  receive(): void;
}

/**
 * How much a connection or a datagram socket may have received that has not been released: what is beyond waits in the kernel, and in the end holds the peer back.
 */
export class ReceiveShare {
  readonly #limit: number;
  readonly #receiver: Receiver;
  readonly #cost: number;
  #held = 0;
  #full = false;

  /**
   * @param limit bytes from which on nothing more is to be received
   * @param receiver is to receive again when half of them are held at most, after that was so
   * @param cost bytes that each payload counts as beside its own
   */
  constructor(limit: number, receiver: Receiver, cost = 0) {
    this.#limit = limit;
    this.#receiver = receiver;
    this.#cost = cost;
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
    this.#held += length + this.#cost;
    if (this.#held >= this.#limit) this.#full = true;
  }

  giveBack(length: number): void {
    this.#held -= length + this.#cost;
    if (!this.#full || this.#held * 2 > this.#limit) return;
    this.#full = false;
    this.#receiver.receive();
  }
}
