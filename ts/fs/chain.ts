/**
 * Linked operations: one submission, in which each starts only when the one before it has succeeded completely.
 *
 * A write that is followed by a sync and nothing else is not linked: the reactor lets those of one file share their syncs.
 */
import { Buffer } from 'node:buffer';
import { ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE } from '../errors/core.ts';
import { ECANCELED } from '../errors/errno.ts';
import { ChainError } from '../errors/iouring.ts';
import { validateInteger, validateView } from '../validate.ts';
import { bytesOf, endChain, type FileRequest, type RingFile } from '../reactor/index.ts';
import { type PathBytes, validPosition } from './arguments.ts';
import type { FileState } from './file-state.ts';
import { failureOf } from './request.ts';

/** Most steps of a chain. */
const LONGEST = 32;

/** Most bytes that Linux moves at once: of what is longer a step would always be short. */
const MAX_STEP = 2 ** 31 - 4096;

interface Step {
  readonly name: string;
  /** Bytes that have to be moved for it to succeed; 0 where none are. */
  readonly length: number;
  start(file: RingFile, request: FileRequest, linked: boolean): void;
}

/** Collects the steps; nothing happens before {@link submit}, which also says what is wrong with them. */
export class Chain {
  readonly #holder: object;
  readonly #state: FileState;
  readonly #steps: Step[] = [];
  /** What was wrong with the first step that will not do. */
  #refusal: Error | undefined;

  /** @internal */
  constructor(holder: object, state: FileState) {
    this.#holder = holder;
    this.#state = state;
  }

  /** Adds a step, unless one before or this one will not do: `submit()` says so. */
  #add(make: () => Step): this {
    if (this.#refusal !== undefined) return this;
    try {
      if (this.#steps.length === LONGEST) throw new ERR_OUT_OF_RANGE('steps', `<= ${LONGEST}`, LONGEST + 1);
      this.#steps.push(make());
    } catch (error) {
      this.#refusal = error as Error;
    }
    return this;
  }

  /** Writes all of a view (or string, as UTF-8), up to 2^31 - 4096 bytes; at the file's own position, or its end in append mode, where none is given. */
  write(data: ArrayBufferView | string, position?: number | bigint | null): this {
    return this.#add(() => {
      if (typeof data !== 'string' && !ArrayBuffer.isView(data)) {
        throw new ERR_INVALID_ARG_TYPE('data', ['string', 'Buffer', 'TypedArray', 'DataView'], data);
      }
      const bytes = typeof data === 'string' ? Buffer.from(data) : bytesOf(data);
      const { length } = bytes;
      validateInteger(length, 'data.byteLength', 0, MAX_STEP);
      const at = validPosition(position, 'position');
      return {
        name: 'write',
        length,
        start: (file, request, linked) => file.write(bytes, 0, length, at, request, linked),
      };
    });
  }

  /** Fills a view of up to 2^31 - 4096 bytes; the step fails where the file ends before. */
  read(buffer: ArrayBufferView, position?: number | bigint | null): this {
    return this.#add(() => {
      validateView(buffer, 'buffer');
      const bytes = bytesOf(buffer);
      const { length } = bytes;
      validateInteger(length, 'buffer.byteLength', 0, MAX_STEP);
      const at = validPosition(position, 'position');
      return {
        name: 'read',
        length,
        start: (file, request, linked) => file.read(bytes, 0, length, at, request, linked),
      };
    });
  }

  /** `fsync(2)`. */
  sync(): this {
    return this.#add(() => ({
      name: 'fsync',
      length: 0,
      start: (file, request, linked) => file.sync(false, request, linked),
    }));
  }

  /** `fdatasync(2)`. Right behind the one write of a chain it may be shared with other chains, or be about the bytes of that write alone. */
  datasync(): this {
    return this.#add(() => ({
      name: 'fdatasync',
      length: 0,
      start: (file, request, linked) => file.sync(true, request, linked),
    }));
  }

  /** `ftruncate(2)`. Before Linux 6.9 (`support().features.ftruncate`) the whole chain fails with `EINVAL`, and nothing of it is done. */
  truncate(length: number = 0): this {
    return this.#add(() => {
      validateInteger(length, 'length', 0);
      return {
        name: 'ftruncate',
        length: 0,
        start: (file, request, linked) => file.truncate(length, request, linked),
      };
    });
  }

  /** Reserves `length` bytes from `offset` on. */
  preallocate(length: number, offset: number = 0): this {
    return this.#add(() => {
      validateInteger(length, 'length', 0);
      validateInteger(offset, 'offset', 0);
      return {
        name: 'fallocate',
        length: 0,
        start: (file, request, linked) => file.allocate(0, offset, length, request, linked),
      };
    });
  }

  /**
   * Hands the steps to the kernel, in one submission.
   *
   * @returns for each step the bytes moved, or 0
   * @throws {ChainError} where a step failed
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` for a step that was told with arguments that will not do, or one too many: nothing is done then
   */
  async submit(): Promise<number[]> {
    const steps = this.#steps.splice(0);
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal !== undefined) throw refusal;
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
  /** What an error of it is about. */
  readonly paths?: readonly [PathBytes, PathBytes];
  start(request: FileRequest, linked: boolean): void;
}

/** Runs linked steps. */
export async function runChain(steps: readonly LinkedStep[]): Promise<number[]> {
  if (steps.length === 0) return [];
  const results = await startAll(steps);
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

/** Starts linked steps: the result of each, once they all have one. */
function startAll(steps: readonly LinkedStep[]): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const results = new Array<number>(steps.length).fill(-ECANCELED);
    let left = 0;
    let settle = () => resolve(results);
    const waiting = (done: (result: number) => void): FileRequest => {
      left++;
      return {
        done(result) {
          done(result);
          if (--left === 0) settle();
        },
      };
    };
    try {
      for (const [index, step] of steps.entries()) {
        step.start(
          waiting((result) => {
            results[index] = result;
          }),
          index < steps.length - 1,
        );
      }
    } catch (error) {
      // Whoever starts something next must not find the chain open.
      left--;
      const refusal = error instanceof Error ? error : new Error(String(error));
      settle = () => reject(refusal);
      endChain(waiting(() => {}));
    }
  });
}
