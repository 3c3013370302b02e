/**
 * Many reads or writes with one promise.
 */
import { ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { validateInteger, validateView } from '../validate.ts';
import { bytesOf, type FileRequest, type RingFile } from '../reactor/index.ts';
import type { FileState } from './file-state.ts';

/** Where each piece of a batch lies in the file: bytes from its start. */
export type Positions = ArrayLike<number>;

/** Most bytes of one piece. */
const LONGEST = 2 ** 31 - 1;

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
  validateView(buffer, 'buffer');
  const places = placesOf(positions);
  validateInteger(size, 'size', 1, Math.min(LONGEST, Math.floor(buffer.byteLength / Math.max(1, places.length))));
  const file = state.file(write ? 'write' : 'read');
  const bytes = bytesOf(buffer);
  const results = new Int32Array(places.length);
  const first = !write && state.quiet ? file.readManyNowait(bytes, places, size, results) : 0;
  return first === results.length ? results : transferRest(write, holder, state, file, bytes, places, size, results, first);
}

/** The positions, each of which will do: a copy that nobody else changes. */
function placesOf(positions: unknown): Float64Array {
  const list = Array.isArray(positions) || (ArrayBuffer.isView(positions) && !(positions instanceof DataView));
  if (!list) throw new ERR_INVALID_ARG_TYPE('positions', ['Array', 'TypedArray'], positions);
  const given = positions as unknown as ArrayLike<unknown>;
  const places = new Float64Array(given.length);
  for (let i = 0; i < places.length; i++) {
    const position = given[i];
    // The name is put together for those alone that will not do.
    if (!Number.isSafeInteger(position) || (position as number) < 0) validateInteger(position, `positions[${i}]`, 0);
    places[i] = position as number;
  }
  return places;
}

/** Moves the pieces from `first` on by way of the ring. */
function transferRest(
  write: boolean,
  holder: object,
  state: FileState,
  file: RingFile,
  bytes: Uint8Array,
  positions: Float64Array,
  size: number,
  results: Int32Array,
  first: number,
): Promise<Int32Array> {
  const count = results.length;
  state.enter();
  if (!write) state.reading++;
  return new Promise((resolve) => {
    const region = file.lend(bytes);
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
      file.transferPiece(write, region, i * size, size, positions[i], piece);
    }
  });
}
