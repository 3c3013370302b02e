import { define } from '../define.ts';

/**
 * Gives a function that takes the place of one of core's its name, its length and its static members. Those are core's: who assigns to one
 * (`http.Agent.defaultMaxSockets`) assigns it there, where core looks.
 *
 * @returns `ours`
 */
export function inPlaceOf<Ours extends Function>(theirs: Function | undefined, ours: Ours): Ours {
  if (theirs === undefined) return ours; // Bun lacks some that Node does not document.
  for (const key of Reflect.ownKeys(theirs)) {
    const member = Object.getOwnPropertyDescriptor(theirs, key)!;
    if (key === 'name' || key === 'length') define(ours, key, member);
    else if (!Object.hasOwn(ours, key)) define(ours, key, forwarded(theirs, key, member));
  }
  return ours;
}

function forwarded(theirs: Function, key: string | symbol, { configurable, enumerable, writable }: PropertyDescriptor) {
  const there = theirs as unknown as Record<string | symbol, unknown>;
  const set = (value: unknown): void => {
    there[key] = value;
  };
  return { get: () => there[key], ...(writable === false ? {} : { set }), configurable: configurable!, enumerable: enumerable! };
}
