/**
 * How errors with a code look: like core's, in `toString()`, at the head of a stack and in what `util.inspect()` prints.
 */
import { Buffer } from 'node:buffer';
import { define, defineAll } from '../define.ts';

/** An error with a `code`, as all of core's are. */
export interface CodedError extends Error {
  code: string;
}

type AnyErrorConstructor = new (message?: string) => Error;

/** Core prints `Name [CODE]: message` at the head of a stack when an error carries this mark. Undefined where core has none, null until it is looked for. */
let coreMark: symbol | undefined | null = null;

function findCoreMark(): symbol | undefined {
  try {
    Buffer.alloc('' as never);
  } catch (error) {
    for (let proto: unknown = error; proto !== null; proto = Object.getPrototypeOf(proto)) {
      const mark = Object.getOwnPropertySymbols(proto).find((symbol) => symbol.description === 'kIsNodeError');
      if (mark !== undefined) return mark;
    }
  }
  return undefined;
}

const dressed = new WeakSet<object>();

/**
 * Gives a class the habits of core's coded errors: the code at the head of the stack and in `toString()`, and what `identity` says besides. Called before
 * its first error is made, not when the class is: finding out how core marks its own takes an error of core's, and most programs get by without any.
 */
export function dress(Class: { prototype: object }, identity: PropertyDescriptorMap, withToString = true): void {
  if (dressed.has(Class)) return;
  dressed.add(Class);
  defineAll(Class.prototype, identity);
  if (withToString) define(Class.prototype, 'toString', { value: headOf, writable: true, configurable: true });
  if (coreMark === null) coreMark = findCoreMark();
  if (coreMark !== undefined) define(Class.prototype, coreMark, { get: () => true, configurable: true });
}

function headOf(this: CodedError): string {
  return `${this.name} [${this.code}]: ${this.message}`;
}

/** Makes a class pass for the built-in one, as core's do: an error has its `constructor`, and its `name`. */
export function dressAsCore(Class: { prototype: object }, Base: unknown, withToString = true): void {
  dress(Class, { constructor: { get: () => Base, configurable: true } }, withToString);
}

/** Makes the class of one error code. `describe` builds the message and may set further properties on the error. */
export function coded<Args extends unknown[]>(Base: AnyErrorConstructor, code: string, describe: (...args: Args) => string) {
  const Class = class extends Base {
    code = code;
    constructor(...args: Args) {
      dressAsCore(Class, Base);
      super(describe(...args));
    }
  };
  return Class as unknown as new (...args: Args) => CodedError;
}
