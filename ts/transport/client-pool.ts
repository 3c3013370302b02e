/**
 * Connections to one peer, kept open: what breaks is made anew, after pauses that grow, and is not handed out meanwhile.
 */
import { setMaxListeners } from 'node:events';
import { TransportClosedError, TransportUnavailableError } from '../errors/iouring.ts';
import { AbortController } from '../globals.ts';
import { clearTimeout, setTimeout } from '../timers.ts';
import {
  validateAbortSignal,
  validateDelay,
  validateFunction,
  validateInteger,
  validateObject,
  validateWord,
} from '../validate.ts';
import { whenPeerEnds, type Connection } from './connection.ts';
import type { CloseOptions } from './connection-options.ts';
import { pauseAfter } from './backoff.ts';
import { defaults } from './defaults.ts';
import { Deferred } from './deferred.ts';
import { unlessAborted } from './giving-up.ts';

/** How to choose. */
export type PoolPolicy = 'round-robin' | 'least-pending';

const POLICIES: ReadonlyMap<PoolPolicy, PoolPolicy> = new Map([
  ['round-robin', 'round-robin'],
  ['least-pending', 'least-pending'],
]);

export interface ClientPoolOptions {
  /** How many connections; 1 to 65,535. Default: 8. */
  readonly size?: number;
  /** Which one `select()` gives: the next in turn, or one of those with the fewest uses and the fewest bytes under way. Default: `round-robin`. */
  readonly policy?: PoolPolicy;
  /** Longest pause before the first attempt to replace a connection, in milliseconds; it doubles with each failure. Default: 50. */
  readonly minBackoff?: number;
  /** What that pause grows to at most, in milliseconds. Default: 5000. */
  readonly maxBackoff?: number;
  /** Called with each connection now and then: one of which this does not come true is reset, and replaced. */
  readonly healthCheck?: (connection: Connection) => boolean | Promise<boolean>;
  /** How long after one health check the next begins, in milliseconds; 0: only when a connection is new. Default: 0. */
  readonly healthInterval?: number;
}

/** A place for a connection. */
interface Place {
  connection: Connection | null;
  /** Uses by `use()` under way. */
  uses: number;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/** Connections to one peer that are kept open: one that breaks is not handed out any more, and replaced after a pause. */
export class ClientPool implements AsyncDisposable {
  readonly #connect: (signal: AbortSignal) => Promise<Connection>;
  readonly #policy: PoolPolicy;
  readonly #minBackoff: number;
  readonly #maxBackoff: number;
  readonly #healthCheck: ClientPoolOptions['healthCheck'];
  readonly #healthInterval: number;
  readonly #places: Place[];
  readonly #ending = new AbortController();
  #next = 0;
  readonly #waiters: Deferred<void>[] = [];
  #idle: Deferred<void> | null = null;
  #active = true;
  /** Why the last attempt failed. */
  #failure: unknown = undefined;

  /** @param connect makes a connection, and gives up when the signal says so: the pool is closed */
  constructor(connect: (signal: AbortSignal) => Promise<Connection>, options: ClientPoolOptions = {}) {
    validateFunction(connect, 'connect');
    validateObject(options, 'options');
    const { pool } = defaults;
    const { size = pool.size, policy = pool.policy, healthCheck, healthInterval = pool.healthInterval } = options;
    const { minBackoff = pool.minBackoff, maxBackoff = pool.maxBackoff } = options;
    validateInteger(size, 'options.size', 1, 65_535);
    if (healthCheck !== undefined) validateFunction(healthCheck, 'options.healthCheck');
    this.#connect = connect;
    // As many connects as there are places hear of it.
    setMaxListeners(0, this.#ending.signal);
    this.#policy = validateWord(policy, 'options.policy', POLICIES);
    this.#minBackoff = validateDelay(minBackoff, 'options.minBackoff');
    this.#maxBackoff = validateDelay(maxBackoff, 'options.maxBackoff');
    this.#healthCheck = healthCheck;
    this.#healthInterval = validateDelay(healthInterval, 'options.healthInterval');
    this.#places = Array.from({ length: size }, () => ({ connection: null, uses: 0, failures: 0, timer: undefined }));
    for (const place of this.#places) void this.#fill(place);
  }

  /** Whether connections are handed out. */
  get active(): boolean {
    return this.#active;
  }

  /** How many connections there are to be. */
  get size(): number {
    return this.#places.length;
  }

  /** How many can be handed out now. */
  get count(): number {
    return this.#places.filter(isUsable).length;
  }

  /**
   * A connection that is open, by the policy.
   *
   * @throws {TransportUnavailableError} where there is none at the moment; its `cause` is why the last attempt to make one failed.
   * @throws {TransportClosedError} after `drain()` and `close()`.
   */
  select(): Connection {
    return this.#choose().connection;
  }

  /** Calls `each` with every connection that can be handed out. */
  forEach(each: (connection: Connection) => void): void {
    validateFunction(each, 'each');
    for (const { connection } of this.#places.filter(isUsable)) each(connection);
  }

  /** {@link select} for the length of `work`, which counts as pending until then. @returns what comes of it */
  async use<T>(work: (connection: Connection) => Promise<T> | T): Promise<T> {
    validateFunction(work, 'work');
    const place = this.#choose();
    place.uses++;
    try {
      return await work(place.connection);
    } finally {
      place.uses--;
      this.#settleIdle();
    }
  }

  /** Settled when a connection can be handed out. @throws the signal's reason; {@link TransportClosedError} */
  async ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    validateObject(options, 'options');
    const { signal } = options;
    validateAbortSignal(signal, 'options.signal');
    while (this.count === 0) {
      signal?.throwIfAborted();
      if (!this.#active) throw new TransportClosedError('pool');
      const waiter = new Deferred<void>();
      this.#waiters.push(waiter);
      await unlessAborted(waiter.promise, signal);
    }
  }

  /** Hands out nothing more, and is settled when no use is under way. */
  async drain(): Promise<void> {
    this.#end();
    if (this.#uses() === 0) return;
    await (this.#idle ??= new Deferred<void>()).promise;
  }

  /** Closes all connections, each in the way of {@link Connection.close}. */
  async close(options: CloseOptions = {}): Promise<void> {
    this.#end();
    const open = this.#places.flatMap(({ connection }) => connection ?? []);
    await Promise.all(open.map((connection) => connection.close(options)));
  }

  /** {@link drain} and {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
    await this.close();
  }

  #choose(): Place & { connection: Connection } {
    if (!this.#active) throw new TransportClosedError('pool');
    const count = this.#places.length;
    let best: (Place & { connection: Connection }) | null = null;
    let chosen = 0;
    for (let i = 0; i < count; i++) {
      const index = (this.#next + i) % count;
      const place = this.#places[index];
      if (!isUsable(place) || (best !== null && !isLessPending(place, best))) continue;
      best = place;
      chosen = index;
      // Nothing can be less pending than what is not used at all.
      if (this.#policy === 'round-robin' || isIdle(place)) break;
    }
    if (best === null) throw new TransportUnavailableError(this.#failure);
    this.#next = (chosen + 1) % count;
    return best;
  }

  async #fill(place: Place): Promise<void> {
    let connection: Connection | null = null;
    try {
      connection = await this.#connect(this.#ending.signal);
      if (!(await this.#isHealthy(connection))) throw new TransportClosedError('connection');
    } catch (error) {
      connection?.reset();
      this.#failure = error;
      this.#refill(place, place.failures++);
      return;
    }
    if (!this.#active) {
      connection.reset();
      return;
    }
    place.connection = connection;
    place.failures = 0;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    this.#checkLater(place, connection);
    const opened = connection;
    whenPeerEnds(opened, () => void opened.close());
    const error = await opened.closed;
    clearTimeout(place.timer);
    place.connection = null;
    this.#failure = error ?? undefined;
    this.#refill(place, 0);
  }

  #refill(place: Place, failures: number): void {
    if (!this.#active) return;
    place.timer = setTimeout(() => void this.#fill(place), pauseAfter(failures, this.#minBackoff, this.#maxBackoff));
    // Unlike a socket's time-outs: who waits for a connection waits for this.
    place.timer.ref();
  }

  #checkLater(place: Place, connection: Connection): void {
    if (this.#healthCheck === undefined || this.#healthInterval === 0) return;
    place.timer = setTimeout(() => void this.#check(place, connection), this.#healthInterval);
  }

  async #check(place: Place, connection: Connection): Promise<void> {
    const healthy = await this.#isHealthy(connection);
    if (place.connection !== connection || !connection.active || !this.#active) return;
    if (healthy) this.#checkLater(place, connection);
    else connection.reset();
  }

  async #isHealthy(connection: Connection): Promise<boolean> {
    if (!connection.active) return false;
    try {
      return (await this.#healthCheck?.(connection)) !== false;
    } catch {
      return false;
    }
  }

  #uses(): number {
    return this.#places.reduce((sum, { uses }) => sum + uses, 0);
  }

  #settleIdle(): void {
    if (this.#idle !== null && this.#uses() === 0) this.#idle.resolve();
  }

  #end(): void {
    if (!this.#active) return;
    this.#active = false;
    this.#ending.abort(new TransportClosedError('pool'));
    for (const { timer, connection } of this.#places) if (connection === null) clearTimeout(timer);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new TransportClosedError('pool'));
  }
}

function isUsable(place: Place): place is Place & { connection: Connection } {
  return place.connection?.active === true && !place.connection.ended;
}

function isIdle({ uses, connection }: Place & { connection: Connection }): boolean {
  return uses === 0 && connection.pendingBytes === 0;
}

function isLessPending(one: Place & { connection: Connection }, other: Place & { connection: Connection }): boolean {
  return one.uses < other.uses || (one.uses === other.uses && one.connection.pendingBytes < other.connection.pendingBytes);
}
