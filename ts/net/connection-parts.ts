/**
 * Loads what connections are made of when the first is there, or somebody asks for its class: a third of what a program would read and compile before it listens.
 */
import type * as parts from './connections.ts';

let loaded: typeof parts | undefined;

/**
 * Everything of `connections.ts`. A server that listens asks for it by itself, a moment later: its first connection may come when there is no descriptor left to
 * open a file with, or when the process may not read it any more.
 */
export function connectionParts(): typeof parts {
  // By a literal, which bundlers follow. In the build all files are in one folder.
  // eslint-disable-next-line @typescript-eslint/no-require-imports, no-restricted-globals -- an `import()` would have a first connection wait
  return (loaded ??= require('../connections.cjs') as typeof parts);
}
