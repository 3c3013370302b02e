/** Options that nobody changes any more. */
import { validateObject } from '../validate.ts';

/** What an option is: `undefined` says nothing. */
type Over<Below, Value> = Value extends undefined ? Below : Value;

/** What `Base` is with what `Overrides` says instead. */
export type WithOptions<Base, Overrides> = Readonly<
  Omit<Base, keyof Overrides> & {
    [Name in keyof Overrides]: Over<Name extends keyof Base ? Base[Name] : undefined, Overrides[Name]>;
  }
>;

type Plain = Record<string, unknown>;

function isPlain(value: unknown): value is Plain {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Freezes plain objects within plain objects: what else is in them, such as a signal, is somebody's. */
export function deepFreeze<const T extends object>(value: T): Readonly<T> {
  for (const inner of Object.values(value)) if (isPlain(inner)) deepFreeze(inner);
  return Object.freeze(value);
}

/**
 * Options made of others: those of `base`, with those of `overrides` in their place. What is undefined there leaves what is in `base`; objects within them, as `transport`, are
 * put together likewise. Neither is changed, the result is frozen.
 *
 * @throws core's `ERR_INVALID_ARG_TYPE` for what is no object
 */
export function withOptions<const Base extends object, const Overrides extends object>(
  base: Base,
  overrides: Overrides,
): WithOptions<Base, Overrides> {
  validateObject(base, 'base');
  validateObject(overrides, 'overrides');
  return deepFreeze(merge(base as Plain, overrides as Plain)) as WithOptions<Base, Overrides>;
}

function merge(base: Plain, overrides: Plain): Plain {
  const merged: Plain = {};
  for (const [name, value] of Object.entries(base)) merged[name] = isPlain(value) ? merge(value, {}) : value;
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    const below = merged[name];
    merged[name] = isPlain(value) ? merge(isPlain(below) ? below : {}, value) : value;
  }
  return merged;
}
