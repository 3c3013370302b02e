/**
 * Can this process use io_uring, and if not, why; and which backend the facades run on.
 */
import os from 'node:os';
import process from 'node:process';
import { getSystemErrorName } from 'node:util';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { loadNative, type MissingBindingReason } from './native.ts';
import { IouringUnavailableError, type UnavailableReason } from './unavailable.ts';

/** What the facades run on: io_uring, or Node's own modules. */
export type Backend = 'uring' | 'core';

/** Kernel features by name. Only what was found is listed, as `true`. */
export type SupportFeatures = Readonly<Record<string, boolean>>;

/** The answer of {@link support}. */
export interface Support {
  /** Whether io_uring works in this process, found out by trying. */
  readonly available: boolean;
  /** What the facades run on. `core` although available where `IOURING_TRANSPORT=core` forces it. */
  readonly backend: Backend;
  /** Code of what stands in the way; absent where nothing does. */
  readonly reason?: UnavailableReason;
  /** The same for a person: a sentence without its full stop; absent where nothing does. */
  readonly message?: string;
  /** Name of the errno that was seen, such as `EPERM`; absent where there was none. */
  readonly errno?: string;
  /** The running kernel's release; absent where it is not Linux. */
  readonly kernel?: string;
  /** What this kernel can do. Empty where io_uring is not available. */
  readonly features: SupportFeatures;
}

/** How trying ended. */
type Trial =
  | { readonly available: true; readonly kernel: string; readonly features: SupportFeatures }
  | {
      readonly available: false;
      /** Whether trying again is pointless. What may be over in a moment is no reason to fall back. */
      readonly permanent: boolean;
      readonly reason: UnavailableReason;
      readonly message: string;
      readonly errno?: string;
      readonly kernel?: string;
      readonly features: SupportFeatures;
      readonly cause?: unknown;
    };

type Failure = Extract<Trial, { available: false }>;

const WITHOUT_BINDING: Readonly<Record<MissingBindingReason, string>> = {
  ERR_IOURING_NOT_LINUX: 'io_uring exists on Linux only',
  ERR_IOURING_UNSUPPORTED_ARCHITECTURE: 'there is a native binary for x64 and arm64 only',
  ERR_IOURING_NO_BINARY: 'the native binary is not installed; were optional dependencies left out?',
  ERR_IOURING_BINARY_NOT_LOADABLE: 'the native binary could not be loaded',
};

let settled: Trial | undefined;

/**
 * Tells whether this process can use io_uring. Nothing is guessed from version numbers: the first call sets up a ring, passes a
 * few bytes through it and takes it down again (about a millisecond); later calls return the same answer.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_VALUE` where the environment variable `IOURING_TRANSPORT` is neither `uring` nor `core`.
 */
export function support(): Support {
  const forced = forcedBackend();
  const trial = attempt();
  const backend = forced ?? (mayWork(trial) ? 'uring' : 'core');
  if (trial.available && forced !== 'core') return { backend, ...trial };
  if (trial.available) {
    return { backend, ...trial, reason: 'ERR_IOURING_FORCED_CORE', message: 'IOURING_TRANSPORT=core is set' };
  }
  const { cause: _cause, permanent: _permanent, ...failure } = trial;
  return { backend, ...failure };
}

/**
 * The backend for a facade that is being imported. Falling back to core is announced by one process warning with the code
 * `IOURING_TRANSPORT_FALLBACK`, except off Linux, where there is nothing to be done about it.
 *
 * What may pass (no descriptors or memory left) is no reason to fall back: the backend is `uring` then and the first use reports the error.
 *
 * @throws {IouringUnavailableError} where `IOURING_TRANSPORT=uring` demands what cannot be had.
 */
export function selectBackend(): Backend {
  const forced = forcedBackend();
  if (forced === 'core') return 'core';
  if (forced === 'uring') {
    requireUring();
    return 'uring';
  }
  const trial = attempt();
  if (mayWork(trial)) return 'uring';
  warnOfFallback(trial);
  return 'core';
}

/**
 * Makes sure that io_uring can be used; for `backend: 'uring'` and `IOURING_TRANSPORT=uring`.
 *
 * @throws {IouringUnavailableError} where it cannot.
 */
export function requireUring(): void {
  const trial = attempt();
  if (!mayWork(trial)) {
    throw new IouringUnavailableError(trial.reason, trial.message, trial.errno, trial.cause);
  }
}

function forcedBackend(): Backend | undefined {
  const value = process.env['IOURING_TRANSPORT'];
  if (value === undefined || value === '') return undefined;
  if (value === 'uring' || value === 'core') return value;
  const error = new TypeError(`The environment variable IOURING_TRANSPORT must be 'uring' or 'core'. Received '${value}'`);
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

function attempt(): Trial {
  if (settled !== undefined) return settled;
  const trial = tryOut();
  if (trial.available || trial.permanent) settled = trial;
  return trial;
}

function tryOut(): Trial {
  const native = loadNative();
  const kernel = process.platform === 'linux' ? os.release() : undefined;
  if (native.binding === null) {
    const { reason, cause } = native;
    return { available: false, permanent: true, reason, message: WITHOUT_BINDING[reason], kernel, features: {}, cause };
  }
  const found = native.binding.support();
  const features = Object.fromEntries(found.features.map((name) => [name, true]));
  if (found.available) return { available: true, kernel: found.kernel, features };
  return {
    available: false,
    permanent: found.permanent,
    reason: found.reason ?? 'ERR_IOURING_TRIAL_FAILED',
    message: found.message,
    errno: found.errno === 0 ? undefined : getSystemErrorName(-found.errno),
    kernel: found.kernel,
    features,
  };
}

/** Whether io_uring works, or failed for want of something that may be there the next time. */
function mayWork(trial: Trial): trial is Exclude<Trial, Failure> | (Failure & { permanent: false }) {
  return trial.available || !trial.permanent;
}

/** Workers inherit environment data, so that they do not repeat what the thread that started them has said. */
const WARNED = 'iouring-transport: fallback announced';

function warnOfFallback({ reason, message, errno }: Failure): void {
  if (reason === 'ERR_IOURING_NOT_LINUX' || getEnvironmentData(WARNED) === true) return;
  setEnvironmentData(WARNED, true);
  process.emitWarning(`io_uring is not available, running on Node's own modules: ${message}`, {
    type: 'IouringTransportWarning',
    code: 'IOURING_TRANSPORT_FALLBACK',
    detail: `${errno === undefined ? reason : `${reason}, ${errno}`}. IOURING_TRANSPORT=core makes this deliberate and silent.`,
  });
}
