/**
 * Core's modules, for who asks for one when it is needed. What `register` answers with ours is asked for by the way that it leaves to its own package; imports take it
 * by themselves (`scripts/core-imports.mjs`).
 */
import process from 'node:process';

const CORE = Symbol.for('iouring-transport.core');

type Load = (id: string) => unknown;

/** Core's own module of that name, whatever stands in for it. */
export const coreModule: typeof process.getBuiltinModule = (id: string): any => {
  const load = (globalThis as { [CORE]?: Load })[CORE];
  return load === undefined ? process.getBuiltinModule(id) : load(id);
};
