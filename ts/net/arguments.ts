/**
 * The many forms in which `connect()` and `listen()` take their arguments, brought to one: `[options, callback]`; and what sockets and servers ask of options alike.
 */
import core from 'node:net';

/** Options object and callback (null for none), marked so that they are not taken apart twice. */
export type NormalizedArguments = [options: Record<string, any>, callback: ((...args: any[]) => void) | null];

/** Core marks what its own `_normalizeArgs` made; the same mark lets either side understand the other's. */
const MARK: symbol = findCoreMark() ?? Symbol('normalizedArgs');

function findCoreMark(): symbol | undefined {
  const { _normalizeArgs: normalize } = core as unknown as { _normalizeArgs?: (args: unknown[]) => object };
  return typeof normalize === 'function' ? Object.getOwnPropertySymbols(normalize([]))[0] : undefined;
}

/**
 * `(options[, cb])`, `(path[, cb])` or `([port][, host][, cb])`. The options object is the caller's own where one was given.
 */
export function normalizeArguments(args: readonly unknown[]): NormalizedArguments {
  const last = args[args.length - 1];
  const normalized: NormalizedArguments = [toOptions(args), typeof last === 'function' ? (last as () => void) : null];
  (normalized as unknown as Record<symbol, boolean>)[MARK] = true;
  return normalized;
}

/** Whether `value` came out of {@link normalizeArguments} or core's counterpart. */
export function isNormalized(value: unknown): value is NormalizedArguments {
  return Array.isArray(value) && (value as unknown as Record<symbol, unknown>)[MARK] === true;
}

function toOptions(args: readonly unknown[]): Record<string, any> {
  if (args.length === 0) return {};
  const [first, second] = args;
  if (typeof first === 'object' && first !== null) return first;
  if (isPath(first)) return { path: first };
  return typeof second === 'string' ? { port: first, host: second } : { port: first };
}

/** A string that does not read as a port number is a path. */
export function isPath(value: unknown): value is string {
  return typeof value === 'string' && portNumber(value) === false;
}

/** Whether `value` is what a `blockList` option takes. */
export function isBlockList(value: unknown): boolean {
  return value instanceof core.BlockList;
}

/** Whole seconds of milliseconds; 0 for what is none. */
export function toSeconds(milliseconds: unknown): number {
  return ~~((milliseconds as number) / 1000);
}

/** The number a port or backlog argument stands for; false for what stands for none. */
export function portNumber(value: unknown): number | false {
  const number = Number(value);
  return number >= 0 ? number : false;
}
