/**
 * Entries of type `net` for `PerformanceObserver`.
 */
import type { Target } from './connect.ts';

/** Called when the connection stands; null where nobody observes. */
export type ConnectMark = (() => void) | null;

/** Notes the start of a connect. */
export function noteConnect(_target: Target): ConnectMark {
  return null;
}
