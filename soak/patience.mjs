/** Waiting on a machine that has much else to do: a process that gets no processor time for half a minute has not been let down by anybody. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Resolves with `true` after so many seconds in which the event loop went round: the time in which it could not does not count. Does not keep the process alive.
 */
export async function patience(seconds) {
  for (let passed = 0; passed < seconds; passed++) await sleep(1000, undefined, { ref: false });
  return true;
}
