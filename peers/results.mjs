/**
 * What one run of a package's tests came to, read from its TAP.
 */
import { Parser } from 'tap-parser';

export class Results {
  /** How often each test passed, by full name: some have several of one name. */
  #passes = new Map();
  #status;
  #parser = new Parser();

  /** Number of tests that failed. */
  failures = 0;

  /** The run was ended because it took too long. */
  hung = false;

  constructor() {
    this.#parser.on('pass', ({ fullname, name }) => {
      const key = fullname || name;
      this.#passes.set(key, (this.#passes.get(key) ?? 0) + 1);
    });
    this.#parser.on('fail', () => this.failures++);
  }

  write(chunk) {
    this.#parser.write(chunk);
  }

  /** @param {number | string} status with which the runner ended: its exit status or signal. */
  end(status) {
    this.#status = status;
    this.#parser.end();
  }

  /** Number of tests that passed. */
  get count() {
    return [...this.#passes.values()].reduce((sum, count) => sum + count, 0);
  }

  passed(name) {
    return this.#passes.has(name);
  }

  /** Names of tests that pass here, and there less often or not at all. */
  passedBesides(other) {
    return [...this.#passes].filter(([name, count]) => (other.#passes.get(name) ?? 0) < count).map(([name]) => name);
  }

  toString() {
    const end = this.hung ? ', hung' : typeof this.#status === 'string' ? `, ${this.#status}` : '';
    return `${this.count}${this.failures > 0 ? ` (${this.failures} failed)` : ''}${end}`;
  }
}
