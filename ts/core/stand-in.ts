/**
 * How our classes stand to core's: `ours instanceof core.Socket` holds, `core's instanceof Socket` too, neither runs the other's code,
 * and both can be called without `new`, as core's can.
 */
import { define } from '../define.ts';

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
    const own = Object.getOwnPropertyDescriptor(ours, key);
    if (own !== undefined) {
      // Core's methods are assigned, so that they are enumerable: who copies or mocks a class goes through them.
      if (own.configurable) define(ours, key, { enumerable: Object.prototype.propertyIsEnumerable.call(core, key) });
      continue;
    }
    define(ours, key, { value: inherited[key], writable: true, configurable: true });
  }

  define(ours, 'constructor', { value: constructor, writable: true, configurable: true });
  Object.setPrototypeOf(ours, core);
  define(constructor, 'prototype', { value: ours, writable: Object.getOwnPropertyDescriptor(Core, 'prototype')!.writable! });
  Object.setPrototypeOf(constructor, Object.getPrototypeOf(Core) as object);

  // Code that got hold of a core socket some other way (core's http, say) may ask whether it is one of these.
  const isInstance = Function.prototype[Symbol.hasInstance];
  define(constructor, Symbol.hasInstance, {
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
