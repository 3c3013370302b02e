/**
 * When core's child_process asks for a handle, to send it to another process: it takes whatever it finds for one of libuv's, in C++ and without looking. So
 * it is given one of core's (`core-handles.ts`), which nobody else gets to see: all others are better served by what is ours.
 *
 * It asks while it sends, so its `_send` is watched, of this process and of each child. A child that was started before that cannot be watched any more.
 * Where there may be one, the callers of an accessor are looked at.
 */
import diagnostics from 'node:diagnostics_channel';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { define } from '../define.ts';
import { besideReactor, offerWritten } from '../reactor/index.ts';
import type { CoreHandle } from './handles.ts';

const SENDER = 'node:internal/child_process';

/** On what stands for a handle of core's: makes one that can be sent. */
export const kMakeSendable = Symbol('make sendable');

type Send = (this: unknown, message: unknown, handle?: unknown, ...rest: unknown[]) => unknown;

/** An end of a channel between processes. */
interface ChannelEnd {
  _send?: Send;
}

/** Whether something is being sent right now. */
let sending = false;

function watched(send: Send): Send {
  return function sendWatched(message, handle, ...rest) {
    // The other process may have the same connection, and do with it what has to come behind what was written here.
    offerWritten();
    const before = sending;
    sending = true;
    try {
      const sendable =
        (handle as { [kMakeSendable]?: () => CoreHandle | null } | null | undefined)?.[kMakeSendable]?.() ?? handle;
      return send.call(this, message, sendable, ...rest);
    } finally {
      sending = before;
    }
  };
}

/** It gets its `_send` later, by assignment. */
function watchChild(child: ChannelEnd): void {
  define(child, '_send', {
    get: () => undefined,
    set(send: Send) {
      define(child, '_send', { value: watched(send), writable: true, enumerable: true, configurable: true });
    },
    enumerable: true,
    configurable: true,
  });
}

/** Whether there may be children whose `_send` is not watched. */
let hasUnwatched = false;

/** Begins. For who has handles that may be sent. */
export function watchSenders(): void {
  besideReactor(watch);
}

function watch(): () => void {
  const self = process as unknown as ChannelEnd;
  const { _send: send } = self;
  const ours = typeof send === 'function' ? (self._send = watched(send)) : undefined;
  const channel = diagnostics.channel('child_process');
  const onChild = (message: unknown): void => watchChild((message as { process: ChannelEnd }).process);
  channel.subscribe(onChild);
  hasUnwatched = mayHaveChildren();
  return () => {
    channel.unsubscribe(onChild);
    if (ours !== undefined && self._send === ours) self._send = send!;
  };
}

function mayHaveChildren(): boolean {
  const { moduleLoadList: loaded } = process as unknown as { moduleLoadList?: readonly string[] };
  if (loaded?.includes(`NativeModule ${SENDER.replace('node:', '')}`) === false) return false;
  try {
    const tasks = readdirSync('/proc/self/task');
    return tasks.some((task) => readFileSync(`/proc/self/task/${task}/children`, 'latin1') !== '');
  } catch {
    return true; // Nobody says.
  }
}

/** Whether `accessor` was called for a handle to be sent to another process. */
export function isSentAway(accessor: Function): boolean {
  return sending || (hasUnwatched && isCalledBySender(accessor));
}

/** Some 10 µs. */
function isCalledBySender(accessor: Function): boolean {
  // Where built-in objects are frozen it cannot be found out.
  if (Object.isFrozen(Error)) return true;
  const { stackTraceLimit, prepareStackTrace } = Error;
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_error, frames) => frames;
    const trace: { stack?: NodeJS.CallSite[] } = {};
    Error.captureStackTrace(trace, accessor);
    return trace.stack?.[0]?.getFileName() === SENDER;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
}
