/**
 * Configuration of a thread's ring.
 */
import { configureReactor, type ReactorOptions } from './reactor/index.ts';

export type { ReactorDriver, ReactorOptions, ReactorSettings, SetupFlag, WorkerLimits } from './reactor/index.ts';

/**
 * Sets what the ring of this thread is made with: its sizes, its budgets, what wakes it. To be called before the thread's first socket or file; importing a
 * facade is no use of it yet. A later call adds to an earlier one. Each of `worker_threads` has a ring of its own, and so a configuration.
 *
 * What came of it is in `support().settings`. Where the facades are core's it is checked, and has no effect.
 *
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE` for a value of another type, `ERR_INVALID_ARG_VALUE` for a name that is no option's, and for words that are none of
 * those there are.
 * @throws {RangeError} `ERR_OUT_OF_RANGE` for a number out of its range.
 * @throws {ReactorInUseError} where the ring is in use.
 * @throws {IouringUnavailableError} where a facade has been imported and there is no room for a ring like that. The former settings hold then.
 */
export function configure(options: ReactorOptions): void {
  configureReactor(options);
}
