/** The reactor of this thread: one for all that its facades do. */
import { publish } from '../channels.ts';
import {
  IouringUnavailableError,
  missingBinding,
  type Obstacle,
  ReactorInUseError,
  type TrialReason,
} from '../errors/iouring.ts';
import type { SystemCallError } from '../errors/system.ts';
import { loadNative } from '../native.ts';
import type { Handle } from './handle-table.ts';
import { mergeOptions, type ReactorOptions } from './options.ts';
import { takePlace } from './places.ts';
import { Reactor, type Stats, type Totals } from './reactor.ts';

let reactor: Reactor | undefined;
let options: ReactorOptions = {};
/** The reactor has been asked for, not only made. */
let used = false;

/** What there is beside it, and what undoes that. */
const beside: (() => () => void)[] = [];
let undo: (() => void)[] = [];

/**
 * Has something done to what is the process's, once, for as long as this instance of the package has a reactor: what stayed would keep an instance that nobody has any more.
 *
 * @param begin returns what undoes it
 */
export function besideReactor(begin: () => () => void): void {
  if (beside.includes(begin)) return;
  beside.push(begin);
  if (reactor !== undefined) undo.push(begin());
}

/**
 * Sets what the reactor of this thread is made with. One that was made, since a facade was imported, and that has not been used gives way to another.
 *
 * @throws {ReactorInUseError} where there is one that has been used.
 * @throws {IouringUnavailableError} where there was one, and none can be made with these options. There is one with the former options again then.
 */
export function configureReactor(change: unknown): void {
  const before = options;
  const wanted = mergeOptions(before, change);
  if (used) throw new ReactorInUseError();
  options = wanted;
  if (reactor === undefined) return;
  reactor.end();
  reactor = undefined;
  const made = makeReactor();
  if (made instanceof Reactor) return;
  options = before;
  makeReactor();
  throw unavailable(made);
}

/** Makes the reactor of this thread, where there is none yet, or tells what stands in the way. */
export function makeReactor(): Reactor | Obstacle {
  if (reactor !== undefined) return reactor;
  const native = loadNative();
  if (native.binding === null) return missingBinding(native.reason, native.cause);
  try {
    reactor = new Reactor(takePlace(native.binding, giveUp), options);
  } catch (cause) {
    return obstacleOf(cause as Partial<SystemCallError>);
  }
  const made = reactor;
  if (undo.length === 0) undo = beside.map((begin) => begin());
  publish('iouring-transport.ring.created', () => ({ settings: made.settings }));
  return made;
}

/** For another instance of this package in the thread. This one makes another reactor where it is used again. */
function giveUp(): boolean {
  if (reactor?.inUse() === true) return false;
  for (const each of undo) each();
  undo = [];
  reactor?.end();
  reactor = undefined;
  return true;
}

/** What the constructor has thrown, as `throw` in crates/binding/src/native_reactor.rs makes it. Errors of Node-API itself have codes of their own. */
function obstacleOf(cause: Partial<SystemCallError>): Obstacle {
  const { code = '', message = '', errno } = cause;
  const reason = code.startsWith('ERR_IOURING_') ? (code as TrialReason) : 'ERR_IOURING_SET_UP';
  return { reason, message, errno, cause };
}

/**
 * The reactor of this thread. Facades over the ring are chosen only where there is one.
 *
 * @throws {IouringUnavailableError} where there can be none.
 */
export function getReactor(): Reactor {
  const made = reactor ?? makeReactor();
  if (!(made instanceof Reactor)) throw unavailable(made);
  used = true;
  return made;
}

function unavailable({ reason, message, errno, cause }: Obstacle): IouringUnavailableError {
  return new IouringUnavailableError(reason, message, errno, cause);
}

/** Makes an error an uncaught exception at once, in the context that is current. Where this thread has no reactor it is thrown. */
export function reportException(error: unknown): void {
  if (reactor === undefined) throw error;
  reactor.dispatcher.report(error);
}

/** Runs all ticks and microtasks that are due, in the middle of a callback, whatever they throw. True when that was nothing. */
export function runTicks(): boolean {
  let quiet = true;
  while (reactor?.dispatcher.runTicks() === false) quiet = false;
  return quiet;
}

/** Offers the kernel what this thread has written in this tick, as core does with each write: before another process is told of it. */
export function offerWritten(): void {
  reactor?.commands.offer();
}

/** Frees the memory of an `ArrayBuffer` at once. False where this thread has no reactor, any more or at the moment, and nothing has been done. */
export function discardMemory(buffer: ArrayBufferLike): boolean {
  reactor?.native.discard(buffer);
  return reactor !== undefined;
}

/** What the reactor of this thread holds; all zero where it has not been used. */
export function reactorStats(): Stats {
  return (
    reactor?.stats() ?? {
      handles: 0,
      operations: 0,
      buffersLent: 0,
      starved: 0,
      backlog: 0,
      waiting: 0,
      bounces: 0,
      arena: 0,
      views: 0,
      turns: 0,
    }
  );
}

/** What the reactor of this thread has done so far; all zero where it has not been used. */
export function reactorTotals(): Totals {
  return (
    reactor?.totals() ?? {
      turns: 0,
      enters: 0,
      submissions: 0,
      completions: 0,
      largestBatch: 0,
      overflows: 0,
      exhaustions: 0,
      bytesReceived: 0,
      bytesSent: 0,
      bytesRead: 0,
      bytesWritten: 0,
    }
  );
}

/** The handles that are open and may hold the process; none where the reactor of this thread has not been used. */
export function referencedHandles(): Handle[] {
  return reactor?.handles.referenced() ?? [];
}
