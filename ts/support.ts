/**
 * Can this thread use io_uring, and if not, why; and which backend the facades run on.
 *
 * That is decided once for a thread, by the first who asks: its reactor is made, with all the memory and descriptors that it will need. So nothing
 * that a facade over the ring does later fails for want of them, and where they are not to be had all facades of the thread are core's.
 */
import os from 'node:os';
import process from 'node:process';
import { publish } from './channels.ts';
import { loadNative } from './native.ts';
import { makeReactor, Reactor, type ReactorSettings } from './reactor/index.ts';
import { environment, unlessForbidden } from './environment.ts';
import { ERR_INVALID_ARG_VALUE } from './errors/core.ts';
import { EAGAIN, EMFILE, ENFILE, ENOMEM } from './errors/errno.ts';
import {
  codesOf,
  IouringUnavailableError,
  missingBinding,
  type Obstacle,
  type TrialReason,
  type UnavailableReason,
} from './errors/iouring.ts';

/** What the facades run on: io_uring, or Node's own modules. */
export type Backend = 'uring' | 'core';

/** Kernel features by name. Only what was found is listed, as `true`. */
export type SupportFeatures = Readonly<Record<string, boolean>>;

/** The answer of {@link support}. */
export interface Support {
  /** Whether io_uring works in this thread, found out by trying. */
  readonly available: boolean;
  /** What the facades run on. `core` although available where `IOURING_TRANSPORT=core` forces it. */
  readonly backend: Backend;
  /** Code of what stands in the way; absent where nothing does. */
  readonly reason?: UnavailableReason;
  /** The same for a person: a sentence without its full stop; absent where nothing does. */
  readonly message?: string;
  /** The errno that was seen, negative as in errors, such as -1 for `EPERM`; absent where there was none. */
  readonly errno?: number;
  /** What was thrown, such as `dlopen()`'s error; absent where nothing was. */
  readonly cause?: unknown;
  /** The running kernel's release; absent where it is not Linux. */
  readonly kernel?: string;
  /** What this kernel can do. Empty where io_uring is not available. */
  readonly features: SupportFeatures;
  /** What this thread's ring has been made with, see `configure`; absent where there is none. */
  readonly settings?: ReactorSettings;
}

/** What came of trying: the names of the kernel's features, or what stands in the way. */
type Finding = readonly string[] | Obstacle;

let decided: Finding | undefined;
let triedAside: Finding | undefined;

/**
 * Tells what this thread can use: `worker_threads` may differ, since the memory that a user may lock can be enough for some of them. Nothing is guessed
 * from version numbers: the first call makes the thread's ring and passes a few bytes through it (about a millisecond); later calls return the same answer.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_VALUE` where the environment variable `IOURING_TRANSPORT` is neither `uring` nor `core`.
 */
export function support(): Support {
  const forced = forcedBackend();
  const finding = forced === 'core' ? tryAside() : decide(forced);
  const kernel = process.platform === 'linux' ? unlessForbidden(os.release) : undefined;
  if (isObstacle(finding)) {
    return { available: false, backend: forced ?? 'core', ...finding, kernel, features: {} };
  }
  const features = Object.fromEntries(finding.map((name) => [name, true]));
  if (forced !== 'core') {
    const made = makeReactor();
    return { available: true, backend: 'uring', kernel, features, ...(made instanceof Reactor && { settings: made.settings }) };
  }
  const message = 'IOURING_TRANSPORT=core is set';
  return { available: true, backend: 'core', reason: 'ERR_IOURING_FORCED_CORE', message, kernel, features };
}

/**
 * The backend for a facade that is being imported: the same for all of a thread's. Falling back to core is announced by one warning of the process with the
 * code `IOURING_TRANSPORT_FALLBACK`, except off Linux, where there is nothing to be done about it.
 *
 * @throws {IouringUnavailableError} where `IOURING_TRANSPORT=uring` demands what cannot be had.
 */
export function selectBackend(): Backend {
  const forced = forcedBackend();
  if (forced === 'core') return 'core';
  const finding = decide(forced);
  if (!isObstacle(finding)) return 'uring';
  if (forced === 'uring') throw new IouringUnavailableError(finding.reason, finding.message, finding.errno, finding.cause);
  warnOfFallback(finding);
  return 'core';
}

function forcedBackend(): Backend | undefined {
  const value = environment('IOURING_TRANSPORT');
  if (value === undefined || value === '') return undefined;
  if (value === 'uring' || value === 'core') return value;
  throw new ERR_INVALID_ARG_VALUE('process.env.IOURING_TRANSPORT', value, "must be 'uring' or 'core'");
}

/** Makes the reactor. A demand that cannot be met now may be met the next time; a thread that has fallen back has done so for good. */
function decide(forced: 'uring' | undefined): Finding {
  if (decided !== undefined && !(forced === 'uring' && isObstacle(decided))) return decided;
  const made = makeReactor();
  const finding = made instanceof Reactor ? made.native.features : made;
  if (forced !== 'uring' || !isObstacle(finding)) decided = finding;
  return finding;
}

/** Errors of the moment: the next self-test may end otherwise. */
const MOMENTARY: ReadonlySet<number | undefined> = new Set([-EMFILE, -ENFILE, -ENOMEM, -EAGAIN]);

/** Tries without making a reactor, for a thread that is not to have one. */
function tryAside(): Finding {
  const finding = decided ?? triedAside ?? tryOut();
  if (!isObstacle(finding) || !MOMENTARY.has(finding.errno)) triedAside = finding;
  return finding;
}

function tryOut(): Finding {
  const native = loadNative();
  if (native.binding === null) return missingBinding(native.reason, native.cause);
  const { available, features, reason, message, errno } = native.binding.support();
  return available ? features : { reason: (reason as TrialReason | undefined) ?? 'ERR_IOURING_SELF_TEST_FAILED', message, errno };
}

function isObstacle(finding: Finding): finding is Obstacle {
  return 'reason' in finding;
}

function warnOfFallback(obstacle: Obstacle): void {
  publish('iouring-transport.fallback', () => ({ ...obstacle }));
  if (obstacle.reason === 'ERR_IOURING_NOT_LINUX' || !isFirstToWarn()) return;
  const { isMainThread, threadId } = process.getBuiltinModule('node:worker_threads');
  const who = isMainThread ? '' : ` to worker ${threadId}`;
  process.emitWarning(`io_uring is not available${who}, running on Node's own modules: ${obstacle.message}`, {
    type: 'IouringTransportWarning',
    code: 'IOURING_TRANSPORT_FALLBACK',
    detail: `${codesOf(obstacle)}. IOURING_TRANSPORT=core makes this deliberate and silent.`,
  });
}

/** Without a binding nothing is shared but what workers inherit. */
const WARNED = 'iouring-transport: fallback announced';

function isFirstToWarn(): boolean {
  const { binding } = loadNative();
  if (binding !== null) return binding.claimWarning();
  const { getEnvironmentData, setEnvironmentData } = process.getBuiltinModule('node:worker_threads');
  if (getEnvironmentData(WARNED) === true) return false;
  setEnvironmentData(WARNED, true);
  return true;
}
