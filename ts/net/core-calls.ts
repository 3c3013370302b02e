/**
 * Calls into what has taken a socket's handle over, and when it is told that a write of its own is over.
 *
 * A handle of libuv's offers bytes to the kernel within the write, so that nearly every write is over when it returns. HTTP/2 relies on that: a session
 * that is destroyed while a write is under way does not say goodbye. Here the bytes go with the next turn of the ring, but whoever wrote is told as
 * early as with core:
 *
 * - **HTTP/2 by what the write returns** ({@link OVER}).
 * - **TLS** cannot be told within the write; with core it is told with the next immediate, here in a microtask. What it has written during a call of ours
 *   is reported as soon as that call returns, since microtasks may run in the middle of it.
 *
 * Native code goes on when a listener has thrown, and with JavaScript below it the exception goes with it until V8 or Node fails an assertion. On a handle of
 * libuv's it is reported where it is thrown. So is it here, for what TLS calls back ({@link guardCallbacks}): behind such a callback ticks and microtasks
 * run, where core runs them, but within the guard. What comes out of these calls nevertheless is reported in the context of the socket.
 */
import process from 'node:process';
import { ownCopy, reportException, runTicks } from '../reactor/index.ts';
import { queueMicrotask } from '../timers.ts';
import type { CoreRequest } from './core-stream.ts';
import type { Link } from './internals.ts';

/**
 * What a write returns that is over already. Any number but zero tells native code that it will not hear of this write again, and HTTP/2 does not look at which it is.
 */
export const OVER = 1;

/** Whether a call is under way. */
let underWay = false;

/** Writes that are over and not reported yet, as pairs: the link, the request. */
let unreported: (Link | CoreRequest)[] = [];
let scheduled = false;

/** Callbacks under guard that are under way, one within the other, or ticks between them. */
let guards = 0;

/** Whether the call comes from the dispatch, so that ticks and microtasks may run in the middle of it. */
let ticksMayRun = false;

/** Whether a callback has begun whose ticks have not run. */
let ticksAreDue = false;

/** Where the context of the thread has stores that are not its own. */
let lentStores: symbol[] = [];

/** What a TLS handle calls, where somebody has asked for it. */
const CALLBACKS = [
  'onread',
  'onerror',
  'onhandshakestart',
  'onhandshakedone',
  'onclienthello',
  'oncertcb',
  'onnewsession',
  'onkeylog',
  'onocspresponse',
] as const;

export type Callback<This> = (this: This, ...args: unknown[]) => unknown;

/** The bytes that are being passed on. */
let passed: Uint8Array;

/** A copy of them, for a listener in JavaScript: what core gives it may be a piece of memory that others have pieces of (Node 26). */
export function copyOfPassed(): Buffer {
  return ownCopy(passed, 0, passed.byteLength);
}

/** Passes bytes on, which are copied within the call. */
export function passBytes(link: Link, bytes: Uint8Array): void {
  const { wrappedBy } = link.stream!;
  if (wrappedBy !== null && wrappedBy !== link.guarded) {
    link.guarded = wrappedBy;
    guardCallbacks(wrappedBy as Record<string, unknown>);
  }
  passed = bytes;
  callFromDispatch(readBuffer, link);
}

/** Tells that no more bytes will come. */
export function passEnd(link: Link): void {
  callFromDispatch(emitEnd, link);
}

/** Tells what has become of a write. */
export function finishWrite(link: Link, request: CoreRequest, status: number): void {
  callFromDispatch(finish, link, request, status);
}

function readBuffer({ stream, scope }: Link): void {
  try {
    stream!.readBuffer(passed);
  } catch (error) {
    scope.run(reportException, undefined, error);
  }
}

function emitEnd({ stream, scope }: Link): void {
  try {
    stream!.emitEOF();
  } catch (error) {
    scope.run(reportException, undefined, error);
  }
}

/** Tells what has written, not being HTTP/2, that its write is over, within which this is called. */
export function finishSoon(link: Link, request: CoreRequest): void {
  unreported.push(link, request);
  if (underWay || scheduled) return;
  scheduled = true;
  queueMicrotask(finishScheduled);
}

/** Reports what a callback throws right there, and runs the ticks that are due before and behind it. */
export function guard<This extends object>(callback: Callback<This>): Callback<This> {
  return function (this: This, ...args) {
    beginCallback(this);
    const result = callGuarded(callback, this, args);
    // Not in the middle of a listener that has called native code itself.
    if (ticksMayRun && guards === 0) runTicksHere();
    return result;
  };
}

/** Reports what a callback throws right there. */
export function callGuarded<This>(callback: Callback<This>, receiver: This, args: unknown[]): unknown {
  guards++;
  try {
    return Reflect.apply(callback, receiver, args);
  } catch (error) {
    reportException(error);
    return undefined;
  } finally {
    guards--;
  }
}

/** The same for what core's own sockets call as well, where an exception is reported without our help. */
export function guardWithin<This extends object>(callback: Callback<This>): Callback<This> {
  const guarded = guard(callback);
  return function (this: This, ...args) {
    return Reflect.apply(underWay ? guarded : callback, this, args);
  };
}

/** Whether what runs is called back from one of our calls, and nobody stands guard over it. */
export function isUnguarded(): boolean {
  return underWay && guards === 0;
}

/** To be called where a callback of a handle or request begins: runs what is due behind the one before. */
export function beginCallback(resource: object): void {
  if (!ticksMayRun || guards > 0) return;
  if (ticksAreDue && !runTicksHere()) lendContext(resource);
  ticksAreDue = true;
}

/** Runs ticks and microtasks between two callbacks of one call. True when they throw nothing. */
function runTicksHere(): boolean {
  ticksAreDue = false;
  guards++;
  const quiet = runTicks();
  guards--;
  return quiet;
}

/**
 * An exception that has been reported leaves no asynchronous context, not even that of the callback that has just begun, in whose place is that of the thread
 * then. What each `AsyncLocalStorage` has is kept with the resource up to Node 22, so that it can be lent. Later it does not get lost.
 */
function lendContext(resource: object): void {
  const thread = process.getBuiltinModule('node:async_hooks').executionAsyncResource();
  for (const key of Object.getOwnPropertySymbols(resource)) {
    if (key.description !== 'kResourceStore') continue;
    (thread as Record<symbol, unknown>)[key] = (resource as Record<symbol, unknown>)[key];
    lentStores.push(key);
  }
}

function takeContextBack(): void {
  const thread = process.getBuiltinModule('node:async_hooks').executionAsyncResource();
  for (const key of lentStores) Reflect.deleteProperty(thread, key);
  lentStores = [];
}

function guardCallbacks(handle: Record<string, unknown>): void {
  for (const name of CALLBACKS) {
    const callback = handle[name];
    if (typeof callback === 'function') handle[name] = guard(callback as Callback<object>);
  }
}

/** Calls into core, where nothing of JavaScript's is under way. */
function callFromDispatch(
  body: (link: Link, request: CoreRequest, status: number) => void,
  link: Link,
  request?: CoreRequest,
  status?: number,
): void {
  underWay = ticksMayRun = true;
  body(link, request!, status!);
  while (unreported.length > 0 || ticksAreDue) {
    finishUnreported();
    if (ticksAreDue) runTicksHere();
  }
  if (lentStores.length > 0) takeContextBack();
  underWay = ticksMayRun = false;
}

function finishScheduled(): void {
  scheduled = false;
  // In the middle of a call: what is left is reported at its end.
  if (underWay) return;
  underWay = true;
  finishUnreported();
  underWay = false;
}

/** Reports what is over by now, and what the reports lead to: how many bytes a stream takes without an answer of the kernel's sets an end to that. */
function finishUnreported(): void {
  for (let at = 0; at < unreported.length; at += 2) finish(unreported[at] as Link, unreported[at + 1], 0);
  unreported = [];
}

function finish(link: Link, request: CoreRequest, status: number): void {
  try {
    link.stream!.finishWrite(request, status);
  } catch (error) {
    link.scope.run(reportException, undefined, error);
  }
}
