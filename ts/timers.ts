/**
 * Core's own timers, ticks and microtasks, whoever replaces them: fake timers of test runners and of sinon stand in for `globalThis.setTimeout` and the
 * exports of `node:timers`, and core's sockets know nothing of it.
 *
 * They are taken when this file is loaded. That may be after the replacement, so each is reached by a way on which nobody stands.
 */
import core from 'node:net';
import process from 'node:process';
import timers from 'node:timers';

/** What core's method that counts a server's connections asks of a server. */
const NO_CONNECTIONS = { _usingWorkers: false, _connections: 0 };
const countNone = core.Server.prototype.getConnections as (this: typeof NO_CONNECTIONS, callback: () => void) => unknown;

/**
 * Whether this is core's realm. Where it is not, as in Jest, `node:process` may be a copy of what core's own code has, with a `nextTick` of its own for fake timers to
 * replace.
 */
const inCoresRealm = core.Server instanceof Function;

/**
 * Core's `process.nextTick`: who replaces that of core's own `process`, as tools that carry a context along do, is asked here as by core. What sees to it elsewhere
 * is that core tells the number of connections in a tick of its own.
 */
export function nextTick(callback: Function, ...args: unknown[]): void {
  if (inCoresRealm) process.nextTick(callback, ...args);
  else countNone.call(NO_CONNECTIONS, () => callback(...args) as unknown);
}

/** For an `await`: a value that is no promise. */
const NOTHING: unknown = undefined;

/** Core's `queueMicrotask`, which is a global alone. `callback` may not throw. */
export function queueMicrotask(callback: () => void): void {
  void afterMicrotask(callback);
}

async function afterMicrotask(callback: () => void): Promise<void> {
  await NOTHING;
  callback();
}

/** What core's method that sets a socket's timeout asks of a socket. */
interface TimeoutHolder {
  readonly destroyed: false;
  readonly _onTimeout: () => void;
}

/** Longest delay of a timer. */
const MAX_DELAY = 2 ** 31 - 1;

/** Where core's sockets keep their timers: looked for when the first one is set. */
let kTimeout: symbol | undefined | null = null;
const setCoreTimeout = core.Socket.prototype.setTimeout as (this: TimeoutHolder, delay: number) => unknown;

const { clearImmediate: clearGiven, clearTimeout: clearGivenTimeout, setImmediate: given, setTimeout: givenTimeout } = timers;

/** Whether `node:timers` is core's own here: core's immediates are told of. */
function isGenuine(): boolean {
  const count = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Immediate').length;
  const before = count();
  const probe = given(() => {});
  const genuine = count() > before;
  clearGiven(probe);
  return genuine;
}

type SetImmediate = <Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args) => void;

/** By way of promises, whose module keeps core's functions for itself. */
function immediateByPromise(): SetImmediate {
  const { scheduler } = process.getBuiltinModule('node:timers/promises') as { scheduler?: object };
  if (scheduler === undefined) return given;
  // Who replaces it gives the object one of its own. Bun has no other, and does not list immediates either.
  const { yield: nextTurn } = Object.getPrototypeOf(scheduler) as { yield?: () => Promise<void> };
  if (nextTurn === undefined) return given;
  return (callback, ...args) => void nextTurn.call(scheduler).then(() => callback(...args));
}

/** Core's `setImmediate`, once somebody has wanted it: to find out takes a quarter of a millisecond. */
let coreSetImmediate: SetImmediate | undefined;

/** Core's `setImmediate`. */
export function setImmediate<Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args): void {
  coreSetImmediate ??= isGenuine() ? given : immediateByPromise();
  coreSetImmediate(callback, ...args);
}

function findTimeoutSymbol(): symbol | undefined {
  return Object.getOwnPropertySymbols(new core.Socket()).find(({ description }) => description === 'timeout');
}

/** Core's `setTimeout`, of a timer that does not keep the process alive: that of its sockets. `delay` is in ms; it counts as 1 to 2^31 - 1, as in core. */
export function setTimeout(callback: () => void, delay: number): NodeJS.Timeout {
  if (kTimeout === null) kTimeout = findTimeoutSymbol();
  if (kTimeout === undefined) return givenTimeout(callback, delay).unref();
  const holder: TimeoutHolder & { [kTimeout]?: NodeJS.Timeout } = {
    destroyed: false,
    _onTimeout: callback,
    [kTimeout]: undefined,
  };
  // Of 0 a socket makes no timer.
  setCoreTimeout.call(holder, Math.min(Math.max(delay, 1), MAX_DELAY));
  return holder[kTimeout]!;
}

/** Core's `clearTimeout`. */
export function clearTimeout(timer: NodeJS.Timeout | null | undefined): void {
  if (timer == null) return;
  if (kTimeout == null) clearGivenTimeout(timer);
  else timer.close();
}
