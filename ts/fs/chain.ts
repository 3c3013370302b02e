/**
 * Linked operations: one submission, in which each starts only when the one before it has succeeded completely.
 *
 * A write that is followed by a sync and nothing else is not linked: the reactor lets those of one file share their syncs.
 */
import { ECANCELED } from '../errno.ts';
import { ERR_OUT_OF_RANGE } from '../errors.ts';
import { bytesOf } from '../reactor/ring-file.ts';
import type { FileRequest, RingFile } from '../reactor/index.ts';
import { plainPosition } from './arguments.ts';
import type { FileState } from './file-state.ts';
import { failureOf } from './request.ts';

/** Most steps of a chain. */
const LONGEST = 32;

interface Step {
  readonly name: string;
  /** Bytes that have to be moved for it to succeed; 0 where none are. */
  readonly length: number;
  start(file: RingFile, request: FileRequest, linked: boolean): void;
}

/** A step of a chain failed, and those behind it were not done. */
export class ChainError extends Error {
  readonly code: string = 'ERR_IOURING_CHAIN';
  /** The step that failed, counted from 0. */
  readonly step: number;
  /** The system call of that step. */
  readonly syscall: string;
  /** For each step bytes or 0, or a negative errno: `-ECANCELED` for those not done. */
  readonly results: readonly number[];

  constructor(step: number, syscall: string, results: readonly number[], cause: unknown) {
    super(`Step ${step} (${syscall}) of the chain failed`, { cause });
    this.step = step;
    this.syscall = syscall;
    this.results = results;
  }
}

/** Collects the steps; nothing happens before {@link submit}. */
export class Chain {
  readonly #holder: object;
  readonly #state: FileState;
  readonly #steps: Step[] = [];

  /** @internal */
  constructor(holder: object, state: FileState) {
    this.#holder = holder;
    this.#state = state;
  }

  #add(step: Step): this {
    if (this.#steps.length === LONGEST) throw new ERR_OUT_OF_RANGE('steps', `<= ${LONGEST}`, LONGEST + 1);
    this.#steps.push(step);
    return this;
  }

  /** Writes all of a view (or string, as UTF-8); at the file's own position, or its end in append mode, where none is given. */
  write(data: ArrayBufferView | string, position?: number | bigint | null): this {
    const bytes = typeof data === 'string' ? Buffer.from(data) : bytesOf(data);
    const at = plainPosition(position) ?? -1;
    return this.#add({
      name: 'write',
      length: bytes.length,
      start: (file, request, linked) => file.write(bytes, 0, bytes.length, at, request, linked),
    });
  }

  /** Fills a view; the step fails where the file ends before. */
  read(buffer: ArrayBufferView, position?: number | bigint | null): this {
    const bytes = bytesOf(buffer);
    const at = plainPosition(position) ?? -1;
    return this.#add({
      name: 'read',
      length: bytes.length,
      start: (file, request, linked) => file.read(bytes, 0, bytes.length, at, request, linked),
    });
  }

  /** `fsync(2)`. */
  sync(): this {
    return this.#add({ name: 'fsync', length: 0, start: (file, request, linked) => file.sync(false, request, linked) });
  }

  /** `fdatasync(2)`. Right behind the one write of a chain it may be shared with other chains, or be about the bytes of that write alone. */
  datasync(): this {
    return this.#add({ name: 'fdatasync', length: 0, start: (file, request, linked) => file.sync(true, request, linked) });
  }

  /** `ftruncate(2)`; takes Linux 6.9. */
  truncate(length: number = 0): this {
    return this.#add({ name: 'ftruncate', length: 0, start: (file, request, linked) => file.truncate(length, request, linked) });
  }

  /** Reserves `length` bytes from `offset` on. */
  preallocate(length: number, offset: number = 0): this {
    return this.#add({
      name: 'fallocate',
      length: 0,
      start: (file, request, linked) => file.allocate(0, offset, length, request, linked),
    });
  }

  /**
   * Hands the steps to the kernel, in one submission.
   *
   * @returns for each step the bytes moved, or 0
   * @throws {ChainError} where a step failed
   */
  submit(): Promise<number[]> {
    const steps = this.#steps.splice(0);
    return this.#state.use('chain', async (file) => {
      void this.#holder;
      return runChain(
        steps.map(({ name, length, start }) => ({ name, length, start: (request, linked) => start(file, request, linked) })),
      );
    });
  }
}

/** A step on whatever it is about. */
export interface LinkedStep {
  readonly name: string;
  readonly length: number;
  start(request: FileRequest, linked: boolean): void;
}

/** Runs linked steps. */
export async function runChain(steps: readonly LinkedStep[]): Promise<number[]> {
  if (steps.length === 0) return [];
  const results = await new Promise<number[]>((resolve) => {
    const collected = new Array<number>(steps.length).fill(0);
    let left = steps.length;
    steps.forEach((step, index) => {
      const request = {
        done(result: number) {
          collected[index] = result;
          if (--left === 0) resolve(collected);
        },
      };
      step.start(request, index < steps.length - 1);
    });
  });
  const failed = steps.findIndex((step, index) => results[index] < step.length && results[index] !== -ECANCELED);
  if (failed >= 0) {
    const { name } = steps[failed];
    const result = results[failed];
    const cause = result < 0 ? failureOf(result, name) : new Error(`Only ${result} of ${steps[failed].length} bytes`);
    throw new ChainError(failed, name, results, cause);
  }
  const cancelled = results.indexOf(-ECANCELED);
  if (cancelled >= 0)
    throw new ChainError(cancelled, steps[cancelled].name, results, failureOf(-ECANCELED, steps[cancelled].name));
  return results;
}
