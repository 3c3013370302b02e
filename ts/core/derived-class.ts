/**
 * Classes derived from core's, at run time: callable without `new` where core's is, open to `util.inherits` and `class … extends`, and with core's
 * objects as instances, since libraries that check with `instanceof` mean the behaviour, not whose socket is below.
 */

import { define, defineAll } from '../define.ts';
import { inPlaceOf } from './in-place-of.ts';

/** A constructor of core's: a function or a class. */
export type CoreClass = abstract new (...args: any[]) => object;

/** What a derived class changes. */
export interface Changes<Instance> {
  /** Prepares the arguments for core's constructor. */
  readonly arguments?: (args: any[]) => any[];
  /** Runs on each new object, after core's constructor. */
  readonly prepare?: (instance: Instance) => void;
  /** Members of the new prototype, which inherits from core's. */
  readonly members?: PropertyDescriptorMap & ThisType<Instance>;
}

/** Makes the class. It has core's name and static members. */
export function deriveFrom<Class extends CoreClass>(Core: Class, changes: Changes<any>): Class {
  const { arguments: toArguments = (args: any[]) => args, prepare = () => {}, members = {} } = changes;
  const prototype = defineAll(Object.create(Core.prototype as object) as object, members);

  function Derived(this: object | undefined, ...args: any[]): object {
    let instance = this;
    if (new.target !== undefined) instance = Reflect.construct(Core, toArguments(args), new.target) as object;
    else if (Object.prototype.isPrototypeOf.call(prototype, this as object)) Reflect.apply(Core, this, toArguments(args));
    else return new (Derived as unknown as new (...args: any[]) => object)(...args);
    prepare(instance);
    return instance!;
  }

  Object.setPrototypeOf(Derived, Core);
  define(Derived, 'prototype', { value: prototype, writable: false });
  define(prototype, 'constructor', { value: Derived, writable: true, configurable: true });
  define(Derived, Symbol.hasInstance, {
    value(this: unknown, candidate: unknown): boolean {
      const Asked = this === Derived ? Core : (this as Function);
      return Function.prototype[Symbol.hasInstance].call(Asked, candidate);
    },
  });
  return inPlaceOf(Core, Derived) as unknown as Class;
}

/** A method as it stands in a class: not enumerable. */
export function method<This>(body: (this: This, ...args: any[]) => unknown): PropertyDescriptor {
  return { value: body, writable: true, configurable: true };
}
