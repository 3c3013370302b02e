/** Runs an application's module as a worker. */
import { ERR_INVALID_ARG_VALUE } from '../errors/core.ts';
import type { TransportWorker } from './worker.ts';

/** What a module's function may return: it is called when all servers and connections are closed, and waited for. */
export type Stop = () => unknown;

type Start = (worker: TransportWorker, data: unknown) => unknown;

function isFunction(value: unknown): value is Start {
  return typeof value === 'function';
}

/**
 * Imports a module and calls its default export, or the one named `start`.
 *
 * @throws `ERR_INVALID_ARG_VALUE` where it has neither; what importing or calling throws
 */
export async function runModule(url: string, worker: TransportWorker, data: unknown): Promise<Stop | undefined> {
  const exported = (await import(url)) as { readonly default?: Partial<{ start: unknown }>; readonly start?: unknown };
  // Of a CommonJS module `default` is all that it exports.
  const start = [exported.default, exported.start, exported.default?.start].find(isFunction);
  if (start === undefined) {
    throw new ERR_INVALID_ARG_VALUE('module', url, "must export a function, as default or as 'start'");
  }
  const stop = await start(worker, data);
  return isFunction(stop) ? (stop as Stop) : undefined;
}
