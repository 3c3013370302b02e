/**
 * Can this process use io_uring, and if not, why; and which backend the facades run on.
 */
import os from 'node:os';
import process from 'node:process';
import { getSystemErrorName } from 'node:util';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { loadNative } from './native.ts';
import { describeReason, IouringUnavailableError, type UnavailableReason } from './unavailable.ts';

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
  /** Name of the errno that was seen, such as `EPERM`; absent where there was none. */
  readonly errno?: string;
  /** The running kernel's release; absent where it is not Linux. */
  readonly kernel?: string;
  /** What this kernel can do. Empty where io_uring is not available. */
  readonly features: SupportFeatures;
}

type Trial = Omit<Support, 'backend'> & { readonly cause?: unknown };

const SHORTAGES: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOBUFS']);

let settled: Trial | undefined;

/**
 * Tells whether this process can use io_uring. Nothing is guessed from version numbers: the first call sets up a ring, passes a
 * few bytes through it and takes it down again (about a millisecond); later calls return the same answer.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_VALUE` where the environment variable `IOURING_TRANSPORT` is neither `uring` nor `core`.
 */
export function support(): Support {
  const forced = forcedBackend();
  const { cause: _, ...trial } = attempt();
  if (forced === 'core') return { ...trial, backend: 'core', reason: trial.reason ?? 'FORCED_CORE' };
  return { ...trial, backend: forced ?? (trial.available || isShortage(trial) ? 'uring' : 'core') };
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
  if (trial.available || isShortage(trial)) return 'uring';
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
  if (!trial.available && !isShortage(trial)) {
    throw new IouringUnavailableError(trial.reason as UnavailableReason, trial.errno, trial.cause);
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
  if (!isShortage(trial)) settled = trial;
  return trial;
}

function tryOut(): Trial {
  const native = loadNative();
  const kernel = process.platform === 'linux' ? os.release() : undefined;
  if (native.binding === null) {
    return { available: false, reason: native.reason, kernel, features: {}, cause: native.cause };
  }
  const found = native.binding.support();
  const features = Object.fromEntries(found.features.map((name) => [name, true]));
  if (found.available) return { available: true, kernel: found.kernel, features };
  return {
    available: false,
    reason: found.reason ?? 'UNKNOWN',
    errno: found.errno === 0 ? undefined : getSystemErrorName(-Math.abs(found.errno)),
    kernel: found.kernel,
    features,
  };
}

/** Something ran out that may be there again later. */
function isShortage(trial: Trial): boolean {
  return !trial.available && SHORTAGES.has(trial.errno);
}

/** Workers inherit environment data, so that they do not repeat what the thread that started them has said. */
const WARNED = 'iouring-transport: fallback announced';

function warnOfFallback({ reason, errno }: Trial): void {
  if (reason === undefined || reason === 'UNSUPPORTED_PLATFORM' || getEnvironmentData(WARNED) === true) return;
  setEnvironmentData(WARNED, true);
  process.emitWarning(`io_uring is not available, running on Node's own modules: ${describeReason(reason)}`, {
    type: 'IouringTransportWarning',
    code: 'IOURING_TRANSPORT_FALLBACK',
    detail: `Reason: ${errno === undefined ? reason : `${reason} (${errno})`}. IOURING_TRANSPORT=core makes this deliberate and silent.`,
  });
}
