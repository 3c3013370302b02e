/**
 * How our classes stand to core's: `ours instanceof core.Socket` holds, `core's instanceof Socket` too, neither runs the other's code,
 * and both can be called without `new`, as core's can.
 */

type Constructor = abstract new (...args: never[]) => object;

/**
 * Makes `constructor` a class with the members of `Members`, a stand-in for core's `Core`.
 *
 * Core's prototype comes into the chain, right above ours. Whatever core's has of its own is shadowed: by our member of that name, or by
 * what core's class itself inherits. A core method must never run on our objects: it would look for a handle of core's.
 */
export function standInFor(Core: Constructor, constructor: Function, Members: Constructor): void {
  const core = Core.prototype as object;
  const ours = Members.prototype as object;
  const inherited = Object.getPrototypeOf(core) as Record<PropertyKey, unknown>;
  for (const key of Reflect.ownKeys(core)) {
    if (Object.hasOwn(ours, key)) continue;
    Object.defineProperty(ours, key, { value: inherited[key], writable: true, configurable: true });
  }

  Object.defineProperty(ours, 'constructor', { value: constructor, writable: true, configurable: true });
  Object.setPrototypeOf(ours, core);
  Object.defineProperty(constructor, 'prototype', { value: ours, writable: false });
  Object.setPrototypeOf(constructor, Object.getPrototypeOf(Core) as object);

  // Code that got hold of a core socket some other way (core's http, say) may ask whether it is one of these.
  const isInstance = Function.prototype[Symbol.hasInstance];
  Object.defineProperty(constructor, Symbol.hasInstance, {
    value(this: unknown, candidate: unknown): boolean {
      return isInstance.call(this === constructor ? Core : (this as Function), candidate);
    },
    configurable: true,
  });
}

/** Whether `candidate` was made by the class with this prototype, or by one that extends it; core's objects are not. */
export function isOwn(prototype: object, candidate: unknown): boolean {
  return Object.prototype.isPrototypeOf.call(prototype, candidate as object);
}
