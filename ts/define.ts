/**
 * `Object.defineProperty` and its like, to which a description is what it has itself: where a program has put `get` or `writable` on `Object.prototype`, every other
 * description is said to have it, too.
 */

type Description = PropertyDescriptor & ThisType<any>;

/** Defines one property. @returns `target` */
export function define<Target extends object>(target: Target, key: PropertyKey, description: Description): Target {
  return Object.defineProperty(target, key, { __proto__: null, ...description } as Description);
}

/** Defines several. @returns `target` */
export function defineAll<Target extends object>(target: Target, descriptions: PropertyDescriptorMap & ThisType<any>): Target {
  for (const key of Reflect.ownKeys(descriptions)) define(target, key, descriptions[key as string]);
  return target;
}
