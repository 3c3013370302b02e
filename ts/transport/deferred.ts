function ignore(): void {}

/** A promise that is settled from outside. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (reason: Error) => void;
  #isQuiet = false;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(value: T): this {
    this.#resolve(value);
    return this;
  }

  reject(reason: Error): this {
    // Not before: until then it would be a promise more for everyone who waits.
    if (this.#isQuiet) this.promise.catch(ignore);
    this.#reject(reason);
    return this;
  }

  /** A rejection to come that nobody looks at is no unhandled one: it is told of elsewhere. */
  quiet(): this {
    this.#isQuiet = true;
    return this;
  }
}
