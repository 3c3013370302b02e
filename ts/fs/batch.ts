/**
 * Many reads or writes with one promise.
 */
import { ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE } from '../errors.ts';
import { bytesOf } from '../reactor/ring-file.ts';
import type { FileRequest, RingFile } from '../reactor/index.ts';
import type { FileState } from './file-state.ts';

/** Where each piece of a batch lies in the file: bytes from its start. */
export type Positions = ArrayLike<number>;

/** A batch under way. */
class Batch {
  constructor(
    readonly results: Int32Array,
    private left: number,
    private readonly finish: (results: Int32Array) => void,
    /** Kept from being collected meanwhile. */
    readonly holder: object,
  ) {}

  settle(index: number, result: number): void {
    this.results[index] = result;
    if (--this.left === 0) this.finish(this.results);
  }
}

/** One piece of a batch; used again and again. */
class Piece implements FileRequest {
  batch: Batch | undefined;
  index = 0;

  done(result: number): void {
    const batch = this.batch!;
    this.batch = undefined;
    spare.push(this);
    batch.settle(this.index, result);
  }
}

const spare: Piece[] = [];

/**
 * Moves `size` bytes for each position, to or from consecutive places of `buffer`. What is read and in memory is there at once; the rest goes by way of
 * the ring.
 *
 * @returns for each position the bytes moved, or a negative errno
 */
export async function transferMany(
  write: boolean,
  holder: object,
  state: FileState,
  buffer: unknown,
  positions: Positions,
  size: number,
): Promise<Int32Array> {
  const file = state.file(write ? 'write' : 'read');
  const bytes = checked(buffer, positions, size);
  const results = new Int32Array(positions.length);
  const first = !write && state.quiet ? file.readManyNow(bytes, doubles(positions), size, results) : 0;
  return first === results.length ? results : transferRest(write, holder, state, file, bytes, positions, size, results, first);
}

/** The bytes of the buffer, where all arguments will do. */
function checked(buffer: unknown, positions: Positions, size: number): Uint8Array {
  if (!ArrayBuffer.isView(buffer)) throw new ERR_INVALID_ARG_TYPE('buffer', ['Buffer', 'TypedArray', 'DataView'], buffer);
  const count = positions.length;
  if (!Number.isInteger(size) || size < 1 || size * count > buffer.byteLength || size > 2 ** 31 - 1) {
    throw new ERR_OUT_OF_RANGE('size', `>= 1 && <= ${Math.floor(buffer.byteLength / Math.max(1, count))}`, size);
  }
  for (let i = 0; i < count; i++) {
    const position = positions[i];
    if (!(position >= 0 && Number.isSafeInteger(position))) {
      throw new ERR_OUT_OF_RANGE('positions', '>= 0 && <= 2 ** 53 - 1', position);
    }
  }
  return bytesOf(buffer);
}

/** Moves the pieces from `first` on by way of the ring. */
function transferRest(
  write: boolean,
  holder: object,
  state: FileState,
  file: RingFile,
  bytes: Uint8Array,
  positions: Positions,
  size: number,
  results: Int32Array,
  first: number,
): Promise<Int32Array> {
  const count = results.length;
  state.enter();
  if (!write) state.reading++;
  const region = file.lend(bytes);
  return new Promise((resolve) => {
    const finish = (all: Int32Array) => {
      file.reclaim(region);
      if (!write) state.reading--;
      state.leave();
      resolve(all);
    };
    const batch = new Batch(results, count - first, finish, holder);
    for (let i = first; i < count; i++) {
      const piece = spare.pop() ?? new Piece();
      piece.batch = batch;
      piece.index = i;
      file.transferLent(write, region, i * size, size, positions[i], piece);
    }
  });
}

function doubles(numbers: ArrayLike<number>): Float64Array {
  return numbers instanceof Float64Array ? numbers : new Float64Array(numbers);
}
