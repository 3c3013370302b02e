/**
 * What a thread's reactor is made with: sizes of its ring and buffers, how long it may keep the event loop to itself, what wakes it.
 */
import process from 'node:process';
import { environment } from '../environment.ts';
import type { ReactorOptions as NativeOptions, ReactorSettings as NativeSettings } from '../native-binding.ts';
import { ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE } from '../errors/core.ts';
import { validateBoolean, validateInteger, validateObject, validateWord } from '../validate.ts';

/** What wakes JavaScript: libuv, which polls the ring's eventfd, or a thread that waits for it and needs Node-API alone. */
export type ReactorDriver = 'uv' | 'waiter';

/** A flag of `io_uring_setup(2)` that is a matter of choice; the others are what the reactor is built on. */
export type SetupFlag = 'no-sqarray';

/** Limits of the kernel's own threads (io-wq), which do for a ring what cannot be done without waiting. */
export interface WorkerLimits {
  /**
   * Most threads for what ends in bounded time, such as reads and writes of files. 0 to 65535; 0 is the kernel's own limit.
   *
   * @default 0
   */
  readonly bounded?: number;
  /**
   * Most threads for everything else. 0 to 65535; 0 is the kernel's own limit.
   *
   * @default 0
   */
  readonly unbounded?: number;
}

/** What {@link configure} takes. What is left out, or undefined, keeps its value. */
export interface ReactorOptions {
  /**
   * Entries of the submission queue: how many requests one system call hands over. A power of two from 64 to 32768.
   *
   * @default 256
   */
  readonly submissionEntries?: number | undefined;
  /**
   * Entries of the completion queue. A power of two, at least twice and at most 64 times `submissionEntries`, at most 65536.
   *
   * @default 16 times `submissionEntries`, as far as that goes
   */
  readonly completionEntries?: number | undefined;
  /**
   * Flags of `io_uring_setup(2)`, each used where the kernel knows it.
   *
   * @default ['no-sqarray']
   */
  readonly setupFlags?: readonly SetupFlag[] | undefined;
  /**
   * Receive buffers, shared by all sockets of the thread: a power of two from 8 to 32768, with `receiveBufferSize` at most 1 GiB. Where neither this nor
   * the size is set, a kernel that fills buffers bit by bit (Linux 6.12) has a quarter of them, four times as long.
   *
   * @default 256
   */
  readonly receiveBuffers?: number | undefined;
  /**
   * Bytes of a receive buffer, and so of the longest chunk that the kernel delivers at once. 1024 to 1048576.
   *
   * @default 16384
   */
  readonly receiveBufferSize?: number | undefined;
  /**
   * Completions taken from the kernel in one round. 1 to 65536.
   *
   * @default 512
   */
  readonly completionsPerRound?: number | undefined;
  /**
   * Rounds of one turn, before the rest of the event loop has its own. 1 to 1024.
   *
   * @default 8
   */
  readonly roundsPerTurn?: number | undefined;
  /**
   * Microseconds after which a turn begins no further round, and its dispatch is cut short. 50 to 1000000.
   *
   * @default 1000
   */
  readonly turnTime?: number | undefined;
  /**
   * What wakes JavaScript.
   *
   * @default 'uv', but 'waiter' where `IOURING_TRANSPORT_DRIVER=waiter` is set, and in Bun, which cannot do otherwise
   */
  readonly driver?: ReactorDriver | undefined;
  /** The kernel's own threads. */
  readonly ioWorkers?: WorkerLimits | undefined;
  /**
   * Microseconds for which the event loop looks at its ring again and again before it goes to sleep, while it has nothing else to do. 0 to 1000000. What
   * comes within that time is heard of without a wake-up, at the price of a busy processor. With the driver `'uv'` alone.
   *
   * @default 0
   */
  readonly busyPoll?: number | undefined;
  /**
   * Print each command, request and completion to standard error.
   *
   * @default false, but true where `IOURING_TRANSPORT_TRACE=1` is set
   */
  readonly trace?: boolean | undefined;
}

/** What a reactor has been made with: less than was asked for where the kernel gave less. */
export interface ReactorSettings extends Required<ReactorOptions> {
  readonly driver: ReactorDriver;
  readonly setupFlags: readonly SetupFlag[];
  readonly ioWorkers: Required<WorkerLimits>;
}

/** @throws {RangeError} `ERR_OUT_OF_RANGE` */
function validatePower(value: unknown, name: string, min: number, max: number): asserts value is number {
  validateInteger(value, name, min, max);
  if (!Number.isInteger(Math.log2(value))) throw new ERR_OUT_OF_RANGE(name, `a power of two from ${min} to ${max}`, value);
}

const DRIVERS = new Map<string, ReactorDriver>([
  ['uv', 'uv'],
  ['waiter', 'waiter'],
]);
const SETUP_FLAGS = new Map<string, SetupFlag>([['no-sqarray', 'no-sqarray']]);

type Check = (value: unknown, name: string) => void;
const whole =
  (min: number, max: number): Check =>
  (value, name) =>
    validateInteger(value, name, min, max);
const power =
  (min: number, max: number): Check =>
  (value, name) =>
    validatePower(value, name, min, max);

const MAX_WORKERS = 65535;
const MAX_COMPLETIONS = 65536;
const MAX_RECEIVE_MEMORY = 2 ** 30;

/** How each option is checked by itself. */
const CHECKS: Readonly<Record<keyof ReactorOptions, Check>> = {
  submissionEntries: power(64, 32768),
  completionEntries: power(128, MAX_COMPLETIONS),
  setupFlags(value, name) {
    if (!Array.isArray(value)) throw new ERR_INVALID_ARG_VALUE(name, value, 'must be an array of flags');
    for (const flag of value) validateWord(flag, name, SETUP_FLAGS);
  },
  receiveBuffers: power(8, 32768),
  receiveBufferSize: whole(1024, 2 ** 20),
  completionsPerRound: whole(1, 65536),
  roundsPerTurn: whole(1, 1024),
  turnTime: whole(50, 1e6),
  driver(value, name) {
    if (validateWord(value, name, DRIVERS) === 'uv' && process.versions['bun'] !== undefined)
      throw new ERR_INVALID_ARG_VALUE(name, value, "must be 'waiter' in Bun");
  },
  ioWorkers(value, name) {
    validateObject(value, name);
    const { bounded = 0, unbounded = 0 } = value as WorkerLimits;
    validateInteger(bounded, `${name}.bounded`, 0, MAX_WORKERS);
    validateInteger(unbounded, `${name}.unbounded`, 0, MAX_WORKERS);
  },
  busyPoll: whole(0, 1e6),
  trace: validateBoolean,
};

/**
 * What has been set of `options`, checked, each by itself and with the others.
 *
 * @param before what holds where `options` says nothing
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE` for a value of another type, `ERR_INVALID_ARG_VALUE` for a name that is no option's and a word that is none of those
 * there are
 * @throws {RangeError} `ERR_OUT_OF_RANGE`
 */
export function mergeOptions(before: ReactorOptions, options: unknown): ReactorOptions {
  validateObject(options, 'options');
  const merged: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) throw new ERR_INVALID_ARG_VALUE(`options.${name}`, value, 'is no option');
    if (value === undefined) continue;
    CHECKS[name as keyof ReactorOptions](value, `options.${name}`);
    merged[name] = value;
  }
  checkTogether(merged);
  return Object.freeze(merged);
}

function checkTogether(options: ReactorOptions): void {
  const { submissionEntries = 256, completionEntries, receiveBuffers = 256, receiveBufferSize = 16384 } = options;
  if (completionEntries !== undefined) {
    const [least, most] = [2 * submissionEntries, Math.min(64 * submissionEntries, MAX_COMPLETIONS)];
    validateInteger(completionEntries, 'options.completionEntries', least, most);
  }
  if (receiveBuffers * receiveBufferSize > MAX_RECEIVE_MEMORY) {
    const most = Math.floor(MAX_RECEIVE_MEMORY / receiveBufferSize);
    throw new ERR_OUT_OF_RANGE('options.receiveBuffers', `>= 8 && <= ${most} with buffers of that size`, receiveBuffers);
  }
  if (driverOf(options) === 'waiter' && (options.busyPoll ?? 0) > 0)
    throw new ERR_INVALID_ARG_VALUE('options.busyPoll', options.busyPoll, "must be 0 with the driver 'waiter'");
}

/** What is to wake JavaScript. In Bun, which exports libuv's functions only to abort in them, there is no choice. */
export function driverOf({ driver }: ReactorOptions): ReactorDriver {
  if (driver !== undefined) return driver;
  return environment('IOURING_TRANSPORT_DRIVER') === 'waiter' || process.versions['bun'] !== undefined ? 'waiter' : 'uv';
}

/** Whether to print what goes to the ring and comes back. */
export function tracedBy({ trace }: ReactorOptions): boolean {
  return trace ?? environment('IOURING_TRANSPORT_TRACE') === '1';
}

/** The words of options, for Rust. */
export function toNative(options: ReactorOptions): NativeOptions {
  const { submissionEntries, completionEntries, setupFlags, ioWorkers, driver: _, ...rest } = options;
  return {
    ...rest,
    trace: tracedBy(options),
    submissionEntries,
    completionEntries:
      completionEntries ?? (submissionEntries === undefined ? undefined : Math.min(16 * submissionEntries, MAX_COMPLETIONS)),
    noSqArray: setupFlags?.includes('no-sqarray'),
    boundedWorkers: ioWorkers?.bounded,
    unboundedWorkers: ioWorkers?.unbounded,
  };
}

/** What Rust tells of a reactor. */
export function fromNative(native: NativeSettings): Omit<ReactorSettings, 'trace'> {
  const { noSqArray, boundedWorkers, unboundedWorkers, driver, ...rest } = native;
  return {
    ...rest,
    driver: driver as ReactorDriver,
    setupFlags: noSqArray ? ['no-sqarray'] : [],
    ioWorkers: { bounded: boundedWorkers, unbounded: unboundedWorkers },
  };
}
