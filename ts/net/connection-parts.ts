/**
 * Loads what connections are made of when the first is there, or somebody asks for its class: a third of what a program would read and compile before it listens.
 */
import { setImmediate } from 'node:timers';
import type * as parts from './connections.ts';

let loaded: typeof parts | undefined;

/** Everything of `connections.ts`. */
export function connectionParts(): typeof parts {
  // By a literal, which bundlers follow. In the build all files are in one folder.
  // eslint-disable-next-line @typescript-eslint/no-require-imports, no-restricted-globals -- an `import()` would have a first connection wait
  return (loaded ??= require('../connections.cjs') as typeof parts);
}

/**
 * Loads it in the next turn, if there is one. For who has loaded a facade that can connect, or listens: the first connection may come when there is no descriptor left to
 * open a file with, when the process may not read it any more, or when another version has been installed in its place.
 */
export function loadConnectionPartsSoon(): void {
  // Fake timers may never call it, and give whatever they like: who connects loads it then.
  (setImmediate(load) as Partial<NodeJS.Immediate> | undefined)?.unref?.();
}

function load(): void {
  try {
    connectionParts();
  } catch {
    // There may be a descriptor the next time. Whoever needs it then is told if not.
  }
}
