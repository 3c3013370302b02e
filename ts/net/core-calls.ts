/**
 * Calls into what has taken a socket's handle over, and when it is told that a write of its own is over.
 *
 * A handle of libuv's offers bytes to the kernel within the write, so that nearly every write is over when it returns. HTTP/2 relies on that: a session
 * that is destroyed while a write is under way does not say goodbye. Here the bytes go with the next turn of the ring, but whoever wrote is told as
 * early as with core:
 *
 * - **HTTP/2 within the write.** Not while it is being told of an earlier one: it would take up again a chunk that it is in the middle of.
 * - **TLS** cannot be told within the write; with core it is told with the next immediate, here in a microtask. What it has written during a call of ours
 *   is reported as soon as that call returns, since microtasks may run in the middle of it.
 *
 * What a listener throws comes out of these calls, and is reported in the context of the socket.
 */
import { ownCopy, reportException } from '../reactor/index.ts';
import type { CoreRequest } from './core-stream.ts';
import type { Link } from './link.ts';

const enum Call {
  None,
  Reading,
  Finishing,
}

/** The call that is under way. */
let current = Call.None;

/** Writes that are over and not reported yet, as pairs: the link, the request. */
let unreported: (Link | CoreRequest)[] = [];
let scheduled = false;

/** The bytes that are being passed on. */
let passed: Uint8Array;

/** A copy of them, for a listener in JavaScript: what core gives it may be a piece of memory that others have pieces of (Node 26). */
export function copyOfPassed(): Buffer {
  return ownCopy(passed, 0, passed.byteLength);
}

/** Passes bytes on, which are copied within the call. */
export function passBytes(link: Link, bytes: Uint8Array): void {
  const outer = enter(Call.Reading);
  passed = bytes;
  try {
    link.stream!.readBuffer(bytes);
  } catch (error) {
    link.scope.run(reportException, undefined, error);
  }
  leave(outer);
}

/** Tells what has become of a write. */
export function finishWrite(link: Link, request: CoreRequest, status: number): void {
  const outer = enter(Call.Finishing);
  finish(link, request, status);
  leave(outer);
}

/**
 * Tells that a write is over, within which this is called.
 *
 * @param atOnce whether the writer can be told within its write
 */
export function finishEarly(link: Link, request: CoreRequest, atOnce: boolean): void {
  if (atOnce && current !== Call.Finishing) {
    const outer = enter(Call.Finishing);
    finish(link, request, 0);
    current = outer;
  } else {
    unreported.push(link, request);
  }
  if (current === Call.None && unreported.length > 0 && !scheduled) {
    scheduled = true;
    queueMicrotask(finishScheduled);
  }
}

function enter(call: Call): Call {
  const outer = current;
  current = call;
  return outer;
}

function leave(outer: Call): void {
  if (outer === Call.None && unreported.length > 0) finishUnreported();
  current = outer;
}

function finishScheduled(): void {
  scheduled = false;
  // In the middle of a call: what is left is reported at its end.
  if (current !== Call.None) return;
  finishUnreported();
  current = Call.None;
}

/** Reports what is over by now, and what the reports lead to: how many bytes a stream takes without an answer of the kernel's sets an end to that. */
function finishUnreported(): void {
  current = Call.Finishing;
  for (let at = 0; at < unreported.length; at += 2) finish(unreported[at] as Link, unreported[at + 1] as CoreRequest, 0);
  unreported = [];
}

function finish(link: Link, request: CoreRequest, status: number): void {
  try {
    link.stream!.finishWrite(request, status);
  } catch (error) {
    link.scope.run(reportException, undefined, error);
  }
}
