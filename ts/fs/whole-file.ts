/**
 * Whole files: reading one to its end, writing everything that a source gives.
 */
import { Buffer } from 'node:buffer';
import { bytesOf, type RingFile } from '../reactor/index.ts';
import { checkAborted, ERR_FS_FILE_TOO_LARGE } from '../errors/core.ts';
import { setImmediate } from '../timers.ts';
import { request } from './request.ts';

/** Most bytes of one read or write: between two of them other work and abort signals get their turn. */
const STEP = 1024 * 1024;
/** Size of reads where the length is not known. */
const UNKNOWN_STEP = 64 * 1024;
/** Bytes that a buffer of `readFile` may have at most, as core's. */
const MAX_LENGTH = 2 ** 31 - 1;

/**
 * Reads from the file's own position to its end.
 *
 * @param size what the file is known to hold; 0 where that is not known
 * @param fresh the file has just been opened: its own position is 0, and nobody else moves it
 */
export async function readAll(
  file: RingFile,
  size: number,
  encoding: BufferEncoding | null,
  signal: AbortSignal | undefined,
  fresh: boolean,
): Promise<Buffer | string> {
  await lastChance(signal);
  if (size > MAX_LENGTH) throw new ERR_FS_FILE_TOO_LARGE(size);
  const bytes = size > 0 ? await readKnown(file, size, signal, fresh) : await readUnknown(file, signal);
  if (encoding === null) return bytes;
  return bytes.toString(encoding);
}

/**
 * Reads from memory are done before the event loop has turned once. Who holds a signal gets that one turn to give it, as with core, which
 * never takes less.
 */
async function lastChance(signal: AbortSignal | undefined): Promise<void> {
  checkAborted(signal);
  if (signal === undefined) return;
  await new Promise<void>((resolve) => setImmediate(resolve));
  checkAborted(signal);
}

async function readKnown(file: RingFile, size: number, signal: AbortSignal | undefined, fresh: boolean): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  while (filled < size) {
    const at = filled;
    const step = Math.min(STEP, size - at);
    const count = await request((waiting) => file.read(bytes, at, step, fresh ? at : -1, waiting), 'read');
    checkAborted(signal);
    if (count === 0) break;
    filled += count;
  }
  return filled === size ? bytes : bytes.subarray(0, filled);
}

async function readUnknown(file: RingFile, signal: AbortSignal | undefined): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let total = 0;
  for (;;) {
    const piece = Buffer.allocUnsafeSlow(UNKNOWN_STEP);
    const count = await request((waiting) => file.read(piece, 0, piece.length, -1, waiting), 'read');
    checkAborted(signal);
    if (count === 0) break;
    pieces.push(piece.subarray(0, count));
    total += count;
  }
  // Neither most of a piece that nobody needs, nor memory of Node's pool, which others have pieces of.
  const bytes = Buffer.allocUnsafeSlow(total);
  let filled = 0;
  for (const piece of pieces) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

/** What `writeFile` takes. */
export type Source = ArrayBufferView | Iterable<unknown> | AsyncIterable<unknown>;

/** Whether a value gives its bytes piece by piece. */
export function isIterable(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    (Symbol.iterator in value || Symbol.asyncIterator in value)
  );
}

/** Writes everything at the file's own position. */
export async function writeAll(
  file: RingFile,
  source: Source,
  encoding: BufferEncoding,
  signal: AbortSignal | undefined,
): Promise<void> {
  await lastChance(signal);
  // A view of its own, as core makes one: what is detached is an error, not nothing to write.
  if (!isIterable(source)) return writeBytes(file, new Uint8Array(source.buffer, source.byteOffset, source.byteLength), signal);
  for await (const piece of source) {
    checkAborted(signal);
    const bytes = ArrayBuffer.isView(piece) ? bytesOf(piece) : Buffer.from(piece as string, encoding);
    await writeBytes(file, bytes, signal);
  }
}

async function writeBytes(file: RingFile, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  // As many as there were: memory that is detached meanwhile fails the write instead of ending it.
  const { length } = bytes;
  for (let written = 0; written < length;) {
    checkAborted(signal);
    const at = written;
    const step = Math.min(STEP, length - at);
    written += await request((waiting) => file.write(bytes, at, step, -1, waiting), 'write');
    checkAborted(signal);
  }
}
