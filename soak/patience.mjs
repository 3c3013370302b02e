/** Waiting on a machine that has much else to do: a process that gets no processor time for half a minute has not been let down by anybody. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What a promise resolves with, or `undefined` after so many seconds in which the event loop went round: the time in which it could not does not count. Does not
 * keep the process alive. Nothing is left of it afterwards: what waits on would hold what was waited for.
 */
export async function within(seconds, promise) {
  const over = new AbortController();
  try {
    return await Promise.race([promise, goneRound(seconds, over.signal)]);
  } finally {
    over.abort();
  }
}

async function goneRound(seconds, signal) {
  for (let passed = 0; passed < seconds && !signal.aborted; passed++) {
    await sleep(1000, undefined, { ref: false, signal }).catch(() => {});
  }
}
