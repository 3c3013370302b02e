/**
 * Errors of our own, for what core has no word for. Each has a code that begins with `ERR_IOURING_`; `docs/errors.md` says of each what it comes of and what
 * can be done.
 */
import { getSystemErrorName } from 'node:util';
import { dress } from './coded.ts';

/** Why no binding was loaded. */
export type MissingBindingReason =
  /** This is not Linux. */
  | 'ERR_IOURING_NOT_LINUX'
  /** There is a native binary for x64, arm64, riscv64 and ppc64 (little-endian) only. */
  | 'ERR_IOURING_UNSUPPORTED_ARCHITECTURE'
  /** The native binary is not installed. */
  | 'ERR_IOURING_NO_BINARY'
  /** There is a native binary, and it cannot be loaded. */
  | 'ERR_IOURING_BINARY_NOT_LOADABLE';

/** What making a reactor, and the self-test in crates/reactor (`support.rs`), can end with. */
export type TrialReason =
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
  /** The self-test did not get what it should. */
  | 'ERR_IOURING_SELF_TEST_FAILED'
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
  /** `IOURING_TRANSPORT=core` is set. */
  | 'ERR_IOURING_FORCED_CORE'
  /** Node's permission model is on, which guards core's functions alone. Seen in errors of functions that only the ring has. */
  | 'ERR_IOURING_PERMISSION_MODEL';

/** The `code` of an error of this package's own. */
export type IouringErrorCode =
  | 'ERR_IOURING_BUFFER_GONE'
  | 'ERR_IOURING_CHAIN'
  | 'ERR_IOURING_CLOSED'
  | 'ERR_IOURING_IN_USE'
  | 'ERR_IOURING_NO_CONNECTION'
  | 'ERR_IOURING_NOT_UNIX'
  | 'ERR_IOURING_PAYLOAD_RELEASED'
  | 'ERR_IOURING_RING_FAILED'
  | 'ERR_IOURING_TIMEOUT'
  | 'ERR_IOURING_UNAVAILABLE'
  | 'ERR_IOURING_WORKER';

/**
 * What all errors of this package's own are. They are named by their class, and print their code as core's do: `ChainError [ERR_IOURING_CHAIN]: …`. What
 * core has an error for fails with that one.
 */
export abstract class IouringError extends Error {
  abstract readonly code: IouringErrorCode;

  constructor(message: string, options?: ErrorOptions) {
    dress(new.target, { name: { value: new.target.name, writable: true, configurable: true } });
    super(message, options);
  }
}

/** What stands between a thread and io_uring. */
export interface Obstacle {
  readonly reason: UnavailableReason;
  /** The same for a person: a sentence without its full stop. */
  readonly message: string;
  /** The errno that was seen, negative as in errors; absent where there was none. */
  readonly errno?: number | undefined;
  readonly cause?: unknown;
}

/** Why there is no binding, for a person. */
const WITHOUT_BINDING: Readonly<Record<MissingBindingReason, string>> = {
  ERR_IOURING_NOT_LINUX: 'io_uring exists on Linux only',
  ERR_IOURING_UNSUPPORTED_ARCHITECTURE: 'there is a native binary for x64, arm64, riscv64 and ppc64 (little-endian) only',
  ERR_IOURING_NO_BINARY: 'the native binary is not installed (were optional dependencies left out?)',
  ERR_IOURING_BINARY_NOT_LOADABLE: 'the native binary could not be loaded',
};

/** What stands in the way where there is no binding. */
export function missingBinding(reason: MissingBindingReason, cause?: unknown): Obstacle {
  // Behind the first line is where it was looked for from.
  const [told] = cause instanceof Error ? cause.message.split('\n') : [];
  const message = told === undefined ? WITHOUT_BINDING[reason] : `${WITHOUT_BINDING[reason]}: ${told}`;
  return { reason, message, cause };
}

/** The codes of an obstacle, for a person: `ERR_IOURING_REFUSED_SECCOMP, EPERM`. */
export function codesOf({ reason, errno }: Pick<Obstacle, 'reason' | 'errno'>): string {
  return errno === undefined ? reason : `${reason}, ${getSystemErrorName(errno)}`;
}

/** io_uring was demanded and cannot be had. */
export class IouringUnavailableError extends IouringError {
  readonly code = 'ERR_IOURING_UNAVAILABLE';
  /** Code of what stands in the way. */
  readonly reason: UnavailableReason;
  /** The errno that was seen, negative as in core's errors; undefined where there was none. */
  readonly errno: number | undefined;

  /**
   * @param reason what stands in the way
   * @param explanation the same for a person: a sentence without its full stop
   * @param errno what was seen, negative, such as -1 for `EPERM`
   */
  constructor(reason: UnavailableReason, explanation: string, errno?: number, cause?: unknown) {
    super(`io_uring is not available: ${explanation} [${codesOf({ reason, errno })}]`, { cause });
    this.reason = reason;
    this.errno = errno;
  }
}

/** The ring of this thread is in use: what it is made with cannot be changed any more. */
export class ReactorInUseError extends IouringError {
  readonly code = 'ERR_IOURING_IN_USE';

  constructor() {
    super('The ring of this thread is in use: configure it before the first socket or file');
  }
}

/** The ring of a thread has failed, and with it whatever was in flight. An uncaught exception, once in a thread. */
export class RingFailedError extends IouringError {
  readonly code = 'ERR_IOURING_RING_FAILED';
  /** What the kernel refused the ring with, negative. */
  readonly errno: number;

  constructor(errno: number) {
    super(`io_uring has failed: ${getSystemErrorName(errno)}`);
    this.errno = errno;
  }
}

/** A function that needs a UNIX-domain socket of `iouring-transport/net` was given something else. */
export class NotUnixSocketError extends IouringError {
  readonly code = 'ERR_IOURING_NOT_UNIX';

  constructor() {
    super('Only a UNIX-domain socket of iouring-transport/net can do this');
  }
}

/** The memory that an operation was to fill or send was detached or shrunk before it was done. */
export class BufferGoneError extends IouringError {
  readonly code = 'ERR_IOURING_BUFFER_GONE';
  /** The system call. */
  readonly syscall: string;

  constructor(syscall: string) {
    super(`The buffer was detached or resized while ${syscall} was in flight`);
    this.syscall = syscall;
  }
}

/** A step of a chain failed, and those behind it were not done. */
export class ChainError extends IouringError {
  readonly code = 'ERR_IOURING_CHAIN';
  /** The step that failed, counted from 0. */
  readonly step: number;
  /** The system call of that step. */
  readonly syscall: string;
  /** For each step bytes or 0, or a negative errno: `-ECANCELED` for those not done. */
  readonly results: readonly number[];

  /** @param cause why that step failed */
  constructor(step: number, syscall: string, results: readonly number[], cause: unknown) {
    super(`Step ${step} (${syscall}) of the chain failed`, { cause });
    this.step = step;
    this.syscall = syscall;
    this.results = results;
  }
}

/** A payload was used after its release. */
export class PayloadReleasedError extends IouringError {
  readonly code = 'ERR_IOURING_PAYLOAD_RELEASED';

  constructor() {
    super('The payload has been released');
  }
}

/** Something of the transport was used after it was closed, or was closed before what had been asked for was done. */
export class TransportClosedError extends IouringError {
  readonly code = 'ERR_IOURING_CLOSED';

  /** @param subject what was closed: `connection` */
  constructor(subject: string) {
    super(`The ${subject} is closed`);
  }
}

/** What took longer than it may. */
export type TimeoutKind = 'connect' | 'read' | 'write' | 'idle';

/** Something of the transport took longer than it may. */
export class TransportTimeoutError extends IouringError {
  readonly code = 'ERR_IOURING_TIMEOUT';
  /** Which of the time-outs it was. */
  readonly kind: TimeoutKind;
  /** How long it may take, in milliseconds. */
  readonly timeout: number;

  constructor(kind: TimeoutKind, timeout: number) {
    super(`The ${kind} time-out of ${timeout} ms is over`);
    this.kind = kind;
    this.timeout = timeout;
  }
}

/** A pool has no connection that it could hand out. */
export class TransportUnavailableError extends IouringError {
  readonly code = 'ERR_IOURING_NO_CONNECTION';

  /** @param cause why the last attempt to make one failed */
  constructor(cause: unknown) {
    super('The pool has no connection at the moment', { cause });
  }
}

/** A worker of a transport could not start, or has failed. */
export class TransportWorkerError extends IouringError {
  readonly code = 'ERR_IOURING_WORKER';
  /** Number of the worker. */
  readonly id: number;
  /** What its thread has ended with; undefined where there was none. */
  readonly exitCode: number | undefined;

  /** @param cause what it has thrown */
  constructor(id: number, exitCode: number | undefined, cause?: unknown) {
    super(exitCode === undefined ? `Worker ${id} could not be started` : `Worker ${id} has ended with code ${exitCode}`, {
      cause,
    });
    this.id = id;
    this.exitCode = exitCode;
  }
}
