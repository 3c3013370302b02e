/**
 * Why io_uring cannot be used: the codes, and the error that carries one.
 */
import { constants } from 'node:os';
import type { MissingBindingReason } from './native.ts';

/** What making a reactor, and the trial in crates/reactor (`support.rs`), can end with. */
type TrialReason =
  /** This kernel has no io_uring, or a sandbox hides it (`ENOSYS`). */
  | 'ERR_IOURING_NO_SYSCALL'
  /** The sysctl `kernel.io_uring_disabled` forbids it to this process. */
  | 'ERR_IOURING_REFUSED_SYSCTL'
  /** A seccomp profile forbids it, as the default profiles of container runtimes do. */
  | 'ERR_IOURING_REFUSED_SECCOMP'
  /** A ring can be set up but not used. */
  | 'ERR_IOURING_ENTER_REFUSED'
  /** The kernel lacks something that Linux 6.1 has. */
  | 'ERR_IOURING_KERNEL_TOO_OLD'
  /** A trial run did not give what it should. */
  | 'ERR_IOURING_TRIAL_FAILED'
  /** `RLIMIT_MEMLOCK` leaves this user no room for a ring. */
  | 'ERR_IOURING_LOCK_LIMIT'
  /** Not enough memory. Can pass. */
  | 'ERR_IOURING_OUT_OF_MEMORY'
  /** No file descriptor left. Can pass. */
  | 'ERR_IOURING_OUT_OF_DESCRIPTORS'
  /** Setting up failed with an errno that has no code of its own. Can pass. */
  | 'ERR_IOURING_SET_UP';

/** Code of what stands in the way. */
export type UnavailableReason =
  | MissingBindingReason
  | TrialReason
  | 'ERR_IOURING_FORCED_CORE'
  /** Node's permission model is on, which guards core's functions alone. Seen in errors of functions that only the ring has. */
  | 'ERR_IOURING_PERMISSION_MODEL';

/** What stands between a thread and io_uring. */
export interface Obstacle {
  readonly reason: UnavailableReason;
  /** The same for a person: a sentence without its full stop. */
  readonly message: string;
  /** Name of the errno that was seen, such as `EPERM`; absent where there was none. */
  readonly errno?: string | undefined;
  readonly cause?: unknown;
}

/** Why there is no binding, for a person. */
export const WITHOUT_BINDING: Readonly<Record<MissingBindingReason, string>> = {
  ERR_IOURING_NOT_LINUX: 'io_uring exists on Linux only',
  ERR_IOURING_UNSUPPORTED_ARCHITECTURE: 'there is a native binary for x64 and arm64 only',
  ERR_IOURING_NO_BINARY: 'the native binary is not installed; were optional dependencies left out?',
  ERR_IOURING_BINARY_NOT_LOADABLE: 'the native binary could not be loaded',
};

/** io_uring was demanded and cannot be had. */
export class IouringUnavailableError extends Error {
  readonly code = 'ERR_IOURING_UNAVAILABLE';
  /** Code of what stands in the way. */
  readonly reason: UnavailableReason;
  /** The errno that was seen, negative as in core's errors; undefined where there was none. */
  readonly errno: number | undefined;

  /**
   * @param reason what stands in the way
   * @param explanation the same for a person: a sentence without its full stop
   * @param errno name of the errno, such as `EPERM`
   */
  constructor(reason: UnavailableReason, explanation: string, errno?: string, cause?: unknown) {
    const codes = errno === undefined ? reason : `${reason}, ${errno}`;
    super(`io_uring is not available: ${explanation} [${codes}]`, { cause });
    this.name = 'IouringUnavailableError';
    this.reason = reason;
    this.errno = errno === undefined ? undefined : -(constants.errno as Record<string, number>)[errno];
  }
}
