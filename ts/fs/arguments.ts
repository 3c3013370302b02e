/**
 * Arguments of the usual kind, in the form that the ring takes. Whatever is unusual gives `undefined`: the caller hands it to core, which
 * knows what to make of it or which error to raise. So core's checks are never repeated here, in any version of it.
 */
import { Buffer } from 'node:buffer';
import { constants, type StatOptions } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE } from '../errors/core.ts';
import { validateInteger } from '../validate.ts';

/** A path as the kernel takes it. */
export type PathBytes = string | Uint8Array;

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;

const FLAGS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    r: O_RDONLY,
    rs: O_RDONLY | O_SYNC,
    'r+': O_RDWR,
    'rs+': O_RDWR | O_SYNC,
    w: O_TRUNC | O_CREAT | O_WRONLY,
    wx: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
    'w+': O_TRUNC | O_CREAT | O_RDWR,
    'wx+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
    a: O_APPEND | O_CREAT | O_WRONLY,
    ax: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
    as: O_APPEND | O_CREAT | O_WRONLY | O_SYNC,
    'a+': O_APPEND | O_CREAT | O_RDWR,
    'ax+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
    'as+': O_APPEND | O_CREAT | O_RDWR | O_SYNC,
  }),
);

/** Rejects as core does with an argument that is none of the usual kind: `core` is a promise of core's that it was given to. */
export async function refused(name: string, value: unknown, core: Promise<unknown>): Promise<never> {
  await core;
  throw new ERR_INVALID_ARG_VALUE(name, value);
}

/**
 * Whether it may be in one of core's virtual file systems (`node:vfs`), of which the kernel knows nothing. They are mounted below this name, where there
 * can be no file.
 */
function mayBeVirtual(path: string): boolean {
  return path.includes('vfs') && resolve(path).startsWith('/dev/null/');
}

/** A path without zero bytes, to a file of the kernel's; what else there is core refuses, or serves. */
export function plainPath(path: unknown): PathBytes | undefined {
  if (typeof path === 'string') return path.includes('\0') || mayBeVirtual(path) ? undefined : path;
  // Of this realm or another.
  if (types.isUint8Array(path)) {
    if (path.byteLength === 0 || path.includes(0)) return undefined;
    return mayBeVirtual(Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString()) ? undefined : path;
  }
  if (typeof path !== 'object' || path === null) return undefined;
  try {
    return 'href' in path && 'protocol' in path ? plainPath(fileURLToPath(path as URL)) : undefined;
  } catch {
    return undefined;
  }
}

/** Flags of `open`. */
export function plainFlags(flags: unknown): number | undefined {
  if (typeof flags === 'string') return FLAGS.get(flags);
  if (flags === undefined || flags === null) return O_RDONLY;
  return typeof flags === 'number' && Number.isInteger(flags) && flags >= 0 && flags < 2 ** 31 ? flags : undefined;
}

/** Permissions, as a number or in octal. */
export function plainMode(mode: unknown, standard: number): number | undefined {
  if (mode === undefined || mode === null) return standard;
  if (typeof mode === 'string') return /^[0-7]{1,10}$/.test(mode) ? Number.parseInt(mode, 8) : undefined;
  return typeof mode === 'number' && Number.isInteger(mode) && mode >= 0 && mode < 2 ** 32 ? mode : undefined;
}

/**
 * A position in a file, of the methods that core has not; -1, as `null` and `undefined`, is the file's own.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
export function validPosition(position: unknown, name: string): number | bigint {
  if (position === undefined || position === null) return -1;
  if (typeof position === 'bigint') {
    if (position >= -1n && position < 2n ** 63n) return position;
    throw new ERR_OUT_OF_RANGE(name, '>= -1 && < 2 ** 63', position);
  }
  if (typeof position !== 'number') throw new ERR_INVALID_ARG_TYPE(name, ['integer', 'bigint'], position);
  validateInteger(position, name, -1);
  return position;
}

/** Options of `FileHandle.stat` that every version of core knows. */
export function plainStatOptions(options: unknown): StatOptions | undefined {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options) || 'signal' in options) return undefined;
  return options;
}

/** Encodings that `Buffer` knows, and none. */
function plainEncoding(encoding: unknown): BufferEncoding | null | undefined {
  if (!encoding) return null;
  return typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : undefined;
}

/** Options of `readFile` and `writeFile`. */
export interface DataOptions {
  readonly encoding: BufferEncoding | null;
  readonly flag: string | number | undefined;
  readonly mode: unknown;
  readonly signal: AbortSignal | undefined;
  readonly flush: boolean;
}

export function plainDataOptions(options: unknown): DataOptions | undefined {
  if (options === undefined || options === null || typeof options === 'function') {
    return { encoding: null, flag: undefined, mode: undefined, signal: undefined, flush: false };
  }
  if (typeof options === 'string') return plainDataOptions({ encoding: options });
  if (typeof options !== 'object') return undefined;
  const given = options as Record<string, unknown>;
  const encoding = plainEncoding(given['encoding']);
  // Where core has it, it reads into memory of the caller's.
  if (given['buffer'] !== undefined) return undefined;
  const { signal, flush } = given;
  if (encoding === undefined || (flush !== undefined && flush !== null && typeof flush !== 'boolean')) return undefined;
  // What core takes for one.
  if (signal !== undefined && (typeof signal !== 'object' || signal === null || !('aborted' in signal))) return undefined;
  return {
    encoding,
    flag: (given['flag'] || undefined) as string | number | undefined,
    mode: given['mode'],
    signal: signal as AbortSignal | undefined,
    flush: flush === true,
  };
}
