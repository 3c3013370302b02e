// Random calls, made of core and of us alike: what comes of them has to be the same.
import { createHash } from 'node:crypto';
import process from 'node:process';
import { inspect, isDeepStrictEqual, types } from 'node:util';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { Made } from './_values.ts';

/** How long a property is tried. By itself not longer than one seed takes, so that `npm test` always does the same. */
export const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 0);
/** The first seed. */
export const SEED = Number(process.env['FUZZ_SEED'] ?? 1);

/** Runs of each seed. */
const RUNS = 100;

/** A call of a method. */
export interface Call {
  readonly method: string;
  readonly args: readonly Made[];
}

/** Calls of methods, each with arguments for some or all of its parameters. */
export function callsOf(methods: Record<string, readonly fc.Arbitrary<Made>[]>): fc.Arbitrary<Call> {
  const calls = Object.entries(methods).map(([method, parameters]) =>
    fc.tuple(fc.tuple(...parameters), fc.nat(2 * parameters.length)).map(([args, left]): Call => {
      // Mostly all of them.
      const used = args.slice(0, left < parameters.length ? left : parameters.length);
      return { method, args: used, [fc.toStringMethod]: () => `${method}(${used.map(({ name }) => name).join(', ')})` } as Call;
    }),
  );
  return fc.oneof(...calls);
}

/** Tries a property, and shows the shortest counterexample found. */
export async function hold(t: ExecutionContext, property: fc.IAsyncProperty<any>): Promise<unknown> {
  t.timeout(1000 * (SECONDS + 60));
  const end = Date.now() + 1000 * SECONDS;
  let runs = 0;
  let seed = SEED;
  do {
    const { failed, numRuns, counterexample, errorInstance } = await fc.check(property, { seed, numRuns: RUNS });
    if (failed) {
      const reason = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
      return t.fail(`FUZZ_SEED=${seed}: ${fc.stringify(counterexample)}\n${reason}`);
    }
    runs += numRuns;
    seed++;
  } while (Date.now() < end);
  t.log(`${runs} runs from seed ${SEED} on`);
  return t.pass();
}

/** Fails where two lists are not the same: with the first that differ, by their names. */
export function same(names: readonly string[], core: readonly unknown[], ours: readonly unknown[]): void {
  for (const [index, name] of names.entries()) {
    if (!isDeepStrictEqual(core[index], ours[index])) {
      const [expected, found] = [core[index], ours[index]].map((value) => inspect(value, { depth: 6, breakLength: 140 }));
      throw new Error(`${name}\n  core: ${expected}\n  ours: ${found}`);
    }
  }
}

/** What became of a call, in a form in which core's and ours can be compared. */
export async function outcomeOf(work: () => unknown): Promise<unknown> {
  try {
    return { result: describe(await work()) };
  } catch (error) {
    return { error: describe(error) };
  }
}

/** A value in words. Memory counts by its bytes, handles by what they are. */
export function describe(value: unknown): unknown {
  if (types.isProxy(value)) return 'a proxy';
  if (types.isNativeError(value)) {
    const { name, code, errno, syscall, message } = value as NodeJS.ErrnoException;
    return code === undefined ? { name } : { name, code, errno, syscall, message };
  }
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const text = bytes.length > 40 ? createHash('sha1').update(bytes).digest('hex') : JSON.stringify(bytes.toString('latin1'));
    return `${value.byteLength} bytes: ${text}`;
  }
  if (Array.isArray(value)) return value.map(describe);
  if (typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value) as null))
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, describe(member)]));
  return typeof value === 'object' && value !== null ? value.constructor?.name : inspect(value);
}
