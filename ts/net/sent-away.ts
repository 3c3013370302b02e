/**
 * Core's child_process sends a socket to another process by its `_handle`, which it takes for one of libuv's, in C++ and without looking. What ours has
 * is another kind of object: the process would read memory that is none. So child_process does not get to see it, and sends its message without.
 */
import diagnostics from 'node:diagnostics_channel';
import process from 'node:process';

const SENDER = 'node:internal/child_process';

/** Whether there was a child of this process. */
let hasChildren = false;

diagnostics.channel('child_process').subscribe(noteChild);

function noteChild(): void {
  hasChildren = true;
  diagnostics.channel('child_process').unsubscribe(noteChild);
}

/**
 * Whether the caller of `accessor` is child_process. Some 10 µs, and nothing in a process without children and without a parent to talk to.
 */
export function isSentAway(accessor: Function): boolean {
  if (!hasChildren && process.send === undefined) return false;
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
