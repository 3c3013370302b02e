/**
 * How a socket finds the address of a host.
 */
import dns from 'node:dns';
import { isIP } from 'node:net';
import { CORE_MAJOR } from '../core/version.ts';
import { ERR_INVALID_ARG_VALUE } from '../errors/core.ts';
import { nextTick } from '../timers.ts';
import { validateString } from '../validate.ts';
import { Connected, type Lookup, type State } from './state.ts';

const genuineLookup = dns.lookup;

/** Whether core passes addresses of a socket's family on as they are: from Node 24 on. Before, `dns.lookup` is asked for them too. */
const PASSES_LITERALS = CORE_MAJOR >= 24;

/**
 * `dns.lookup` where somebody has put another in its place, and core asks that for every address, also for those that need no looking up: the one that is
 * there when a socket is made.
 */
export function patchedLookup(): Lookup | undefined {
  return PASSES_LITERALS || dns.lookup === genuineLookup ? undefined : dns.lookup;
}

/**
 * Finds the address of a host. The callback comes later, as `dns.lookup`'s does.
 *
 * @param callback what it is given is what `state.lookup` has answered, which may be anything: no text is no address either, and is told from one as text
 */
export function lookUp(state: State, host: string | undefined, callback: (error: Error | null, address: unknown) => void): void {
  const family = state.kind === 'udp4' ? 4 : 6;
  const name = host || (family === 4 ? '127.0.0.1' : '::1');
  if (state.lookup !== undefined) state.lookup(name, family, callback);
  else if ((typeof name === 'string' || PASSES_LITERALS) && isIP(name) !== 0) nextTick(callback, null, String(name));
  else (PASSES_LITERALS ? dns.lookup : genuineLookup)(name, family, callback);
}

/** The address as it stands, where it needs no looking up; `undefined` otherwise. */
export function literalAddress(state: State, host: string | undefined): string | undefined {
  // One that is being connected learns from the order of things whether it is.
  if (state.lookup !== undefined || state.connected === Connected.Soon) return undefined;
  if (!host) return state.kind === 'udp4' ? '127.0.0.1' : '::1';
  // Most sockets send to few: looking at a text costs more than comparing it.
  if (host === state.literal) return host;
  if (isIP(host) === 0) return undefined;
  state.literal = host;
  return host;
}

/** @throws {TypeError} where `value` is no string, or one that would have to be looked up: the call cannot wait. */
export function validateLiteral(value: unknown, name: string, call: string): asserts value is string {
  validateString(value, name);
  if (isIP(value) !== 0) return;
  throw new ERR_INVALID_ARG_VALUE(name, value, `must be a numeric IP address; ${call} does not perform DNS resolution`);
}
