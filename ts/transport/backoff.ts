/** Pauses before trying again. */

/** Beyond so many failures in a row the pause does not grow. */
const MOST_DOUBLINGS = 16;

/**
 * How long to wait after so many failures, in milliseconds: twice as long after each, up to a limit. Half of it is chance, so that those who have lost the same
 * thing do not all come back at once.
 *
 * @param failures in a row before this one
 */
export function pauseAfter(failures: number, minBackoff: number, maxBackoff: number): number {
  const longest = Math.min(maxBackoff, minBackoff * 2 ** Math.min(failures, MOST_DOUBLINGS));
  return Math.ceil((longest * (1 + Math.random())) / 2);
}
