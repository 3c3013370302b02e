/** How ticks and microtasks are run in the middle of a dispatch. */
import process from 'node:process';

/**
 * Runs the ticks and microtasks that are due, as they run between two timers of core's. The function has no documentation, and calling it is warned of
 * where `--pending-deprecation` wraps it: then it is the wrapper's prototype. Where there is none the same is reached by returning to native code, for
 * some 0.3 µs more.
 */
export const coresRunTicks = findRunTicks();

function findRunTicks(): (() => void) | undefined {
  const { _tickCallback: found } = process as unknown as { _tickCallback?: () => void };
  const candidates = found === undefined ? [] : [found, Object.getPrototypeOf(found) as () => void];
  return candidates.find(({ name }) => name === 'runNextTicks');
}
