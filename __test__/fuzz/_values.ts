// Values that are wrong, or right in an unusual way, by name: made anew for each use, since calls change, detach and keep what they are given.
import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';

/** A value that is made when it is needed. Its name is what a counterexample shows. */
export interface Made {
  readonly name: string;
  readonly make: () => unknown;
}

const made = (name: string, make: () => unknown): Made => ({ name, make, [fc.toStringMethod]: () => name }) as Made;

const thrown = (): never => {
  throw Object.assign(new Error('thrown by an argument'), { code: 'THROWN' });
};

const elsewhere = createContext();

const detached = (): Uint8Array => {
  const view = new Uint8Array(16);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
};

/** An `ArrayBuffer` that can change its length. */
const resizable = (length: number): ArrayBuffer =>
  new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(length, { maxByteLength: 2 * length + 1 });

/** Numbers at which one thing ends and another begins. None is between a million and 2^31, since a file or a buffer may become as long. */
const NUMBERS = [
  ...[0, 1, 2, 3, 7, 16, 100, 511, 512, 1000, 4096, 65_535, 65_536, 100_000].flatMap((number) => [number, -number]),
  ...[0.5, 1.5, Number.NaN, Infinity, -Infinity, Number.MIN_VALUE],
  ...[31, 32, 33, 40, 53, 63, 64].flatMap((power) => [2 ** power, 2 ** power + 1, -(2 ** power)]),
  Number.MAX_SAFE_INTEGER,
  2 ** 32 + 0.5,
];

export const numbers: readonly Made[] = NUMBERS.map((number) =>
  made(Object.is(number, -0) ? '-0' : String(number), () => number),
);

export const views: readonly Made[] = [
  made('bytes(0)', () => new Uint8Array(0)),
  made('bytes(1)', () => Uint8Array.of(1)),
  made('buffer(10)', () => Buffer.alloc(10, '0123456789')),
  made('buffer(5000)', () => Buffer.alloc(5000, 'five thousand')),
  made('buffer(100000)', () => Buffer.alloc(100_000, 'a hundred thousand')),
  made('words(8)', () => new Uint32Array(8).fill(0x01020304)),
  made('floats(3)', () => Float64Array.of(1, 2, 3)),
  made('a DataView(12)', () => new DataView(new ArrayBuffer(20), 4, 12)),
  made('a part(7)', () => new Uint8Array(30).fill(9).subarray(11, 18)),
  made('shared(64)', () => new Uint8Array(new SharedArrayBuffer(64)).fill(7)),
  made('resizable(64)', () => new Uint8Array(resizable(64)).fill(8)),
  made('detached', detached),
  made('bytes of another realm', () => runInContext('Uint8Array.of(1, 2, 3)', elsewhere)),
];

export const texts: readonly Made[] = [
  '',
  'text',
  '5',
  '-1',
  'é€😀',
  '0',
  'toString',
  '__proto__',
  'zero \0 byte',
  'x'.repeat(3000),
].map((text) => made(JSON.stringify(text.length > 20 ? `${text.slice(0, 3)}…` : text), () => text));

export const encodings: readonly Made[] = ['utf8', 'hex', 'latin1', 'utf16le', 'base64url', 'buffer', 'UTF-8', 'nonsense'].map(
  (text) => made(`'${text}'`, () => text),
);

export const others: readonly Made[] = [
  made('undefined', () => undefined),
  made('null', () => null),
  made('true', () => true),
  made('false', () => false),
  made('5n', () => 5n),
  made('-5n', () => -5n),
  made('2n ** 32n', () => 2n ** 32n),
  made('2n ** 64n', () => 2n ** 64n),
  made('a symbol', () => Symbol('odd')),
  made('{}', () => ({})),
  made('{ __proto__: null }', () => Object.create(null) as object),
  made('[]', () => []),
  made('[5]', () => [5]),
  made('[bytes]', () => [Uint8Array.of(1, 2)]),
  made('[undefined]', () => [undefined]),
  made('a sparse array', () => Object.assign([], { length: 3 })),
  made('a function', () => () => {}),
  made('a date', () => new Date(0)),
  made('a map', () => new Map()),
  made('a regular expression', () => /odd/),
  made('an array buffer', () => new ArrayBuffer(8)),
  made('a number object', () => Object(5) as unknown),
  made('a string object', () => Object('text') as unknown),
  made('valueOf() is 3', () => ({ valueOf: () => 3, toString: () => 'text' })),
  made('valueOf() throws', () => ({ valueOf: thrown, toString: thrown })),
  made('getters throw', () => new Proxy({}, { get: (_target, key) => (typeof key === 'symbol' ? undefined : thrown()) })),
  made('a revoked proxy', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }),
  made('an aborted signal', () => AbortSignal.abort()),
];

/** Whatever there is. */
export const anything: fc.Arbitrary<Made> = fc.constantFrom(...others, ...numbers, ...views, ...texts, ...encodings);

/** Mostly one of these, now and then anything. */
export const mostly = (...usual: readonly (readonly Made[] | Made)[]): fc.Arbitrary<Made> =>
  fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...usual.flat()) }, { weight: 2, arbitrary: anything });

/** What is given as it is. */
export const plain = (...values: readonly unknown[]): readonly Made[] =>
  values.map((value) => made(typeof value === 'string' ? JSON.stringify(value) : String(value), () => value));

/** An object with some of these members. */
export const options = (members: Record<string, fc.Arbitrary<Made>>): fc.Arbitrary<Made> =>
  fc.record(members, { requiredKeys: [] }).map((chosen) => {
    const entries = Object.entries(chosen) as [string, Made][];
    const name = `{ ${entries.map(([key, value]) => `${key}: ${value.name}`).join(', ')} }`;
    return made(name, () => Object.fromEntries(entries.map(([key, value]) => [key, value.make()])));
  });

export { made };
