/**
 * Why io_uring cannot be used: the codes, what each means to a person, and the error that carries one.
 */
import { constants } from 'node:os';
import type { MissingBindingReason } from './native.ts';

/**
 * Code of what stands in the way.
 *
 * - `UNSUPPORTED_PLATFORM`, `UNSUPPORTED_ARCHITECTURE`: not Linux, or neither x64 nor arm64.
 * - `NO_BINARY`: the optional package with the native binary is not installed.
 * - `BINARY_NOT_LOADABLE`: it is there but the dynamic loader refused it.
 * - `FORCED_CORE`: `IOURING_TRANSPORT=core` is set; nothing was tried.
 *
 * The others come from trying: see {@link describeReason}.
 */
export type UnavailableReason = MissingBindingReason | 'FORCED_CORE' | (string & {});

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  UNSUPPORTED_PLATFORM: 'io_uring exists on Linux only',
  UNSUPPORTED_ARCHITECTURE: 'there is a native binary for x64 and arm64 only',
  NO_BINARY: 'the native binary is not installed; were optional dependencies left out?',
  BINARY_NOT_LOADABLE: 'the native binary could not be loaded',
  FORCED_CORE: 'IOURING_TRANSPORT=core is set',
};

/** One sentence, without a full stop, on what a reason means. */
export function describeReason(reason: UnavailableReason): string {
  return DESCRIPTIONS[reason] ?? `the kernel refused it (${reason})`;
}

/** io_uring was demanded and cannot be had. */
export class IouringUnavailableError extends Error {
  readonly code = 'ERR_IOURING_UNAVAILABLE';
  /** Code of what stands in the way. */
  readonly reason: UnavailableReason;
  /** The errno that was seen, negative as in core's errors; undefined where there was none. */
  readonly errno: number | undefined;

  /** @param errno name of the errno, such as `EPERM` */
  constructor(reason: UnavailableReason, errno?: string, cause?: unknown) {
    super(`io_uring is not available: ${describeReason(reason)} [${errno === undefined ? reason : `${reason}, ${errno}`}]`, {
      cause,
    });
    this.name = 'IouringUnavailableError';
    this.reason = reason;
    this.errno = errno === undefined ? undefined : -(constants.errno as Record<string, number>)[errno];
  }
}
