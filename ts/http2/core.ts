/**
 * Core's `http2`, the names of its header fields made keys.
 *
 * Core has these names from native code, as strings that V8 does not know as keys. With its first use as a key such a string becomes a reference to V8's own one,
 * which every place that holds it gets instead from the collector of young garbage. A string that has survived two collections before is passed over: each use
 * as a key misses the inline caches then, two with every answer. Programs that load much before they serve their first request come to that. So the names are used
 * right here, and this module is the first that is run.
 */
import core from 'node:http2';

export const http2 = withKeys(core);

function withKeys(module: typeof core): typeof core {
  const keys: Record<string, true> = {};
  for (const constant of Object.values(module.constants)) if (typeof constant === 'string') keys[constant] = true;
  return module;
}
