/**
 * Reads and writes of a FileHandle: one promise each, and nothing else that has to be made anew but the request.
 *
 * Arguments of the usual kind go to the ring. For all others `undefined` is returned: core's methods decide, on the same descriptor.
 */
import { Buffer } from 'node:buffer';
import { CORE_MAJOR } from '../core/version.ts';
import { failing } from '../errors/callers.ts';
import { bytesOf, type LendingRequest, type RingFile } from '../reactor/index.ts';
import type { FileState } from './file-state.ts';
import { failureOf } from './request.ts';
import { buffersRead, buffersWritten, type BytesRead, bytesRead, type BytesWritten, bytesWritten } from './results.ts';

/** Most bytes of one system call. */
const LONGEST = 2 ** 31 - 1;

/** From here on it depends on the length whether a position will do. */
const NEAR_THE_LAST = 2n ** 63n - 2n ** 31n;

/** Until then a position that will not do was none. */
const CHECKS_POSITIONS = CORE_MAJOR >= 22;

/** Settles a promise; errors are those of {@link failing}. */
type Resolve<T> = (value: T | Promise<never>) => void;

let resolveLast: Resolve<any>;
/** Shared by all promises: what they are settled with is taken over right after each was made. */
function takeOver(resolve: Resolve<any>): void {
  resolveLast = resolve;
}

/** A read under way. Keeps the handle from being collected, and its file from being closed. */
class Reading implements LendingRequest {
  region = 0;

  constructor(
    private readonly holder: object,
    private readonly state: FileState,
    private readonly file: RingFile,
    private readonly buffer: ArrayBufferView,
    private readonly placed: boolean,
    private readonly resolve: Resolve<BytesRead>,
  ) {}

  done(result: number): void {
    this.file.reclaim(this.region);
    if (this.placed) this.state.reading--;
    this.state.leave();
    if (result >= 0) this.resolve(bytesRead(result, this.buffer));
    else this.resolve(failing(failureOf(result, 'read')));
  }
}

/** A write under way; `buffer` is what the caller gave. */
class Writing implements LendingRequest {
  region = 0;

  constructor(
    private readonly holder: object,
    private readonly state: FileState,
    private readonly file: RingFile,
    private readonly buffer: unknown,
    private readonly resolve: Resolve<BytesWritten>,
  ) {}

  done(result: number): void {
    this.file.reclaim(this.region);
    this.state.leave();
    if (result >= 0) this.resolve(bytesWritten(result, this.buffer));
    else this.resolve(failing(failureOf(result, 'write')));
  }
}

/** A read of what is in memory is over at once, unless others come first; see {@link RingFile.readNowait}. */
function startRead(
  holder: object,
  state: FileState,
  buffer: ArrayBufferView,
  offset: number,
  length: number,
  position: number | bigint,
) {
  const file = state.file('read');
  const bytes = bytesOf(buffer);
  if (typeof position === 'number' && state.quiet) {
    const count = file.readNowait(bytes, offset, length, position);
    if (count >= 0) return Promise.resolve(bytesRead(count, buffer));
  }
  const promise = new Promise<any>(takeOver);
  const placed = position >= 0;
  const reading = new Reading(holder, state, file, buffer, placed, resolveLast);
  file.transfer(false, bytes, offset, length, position, reading);
  state.enter();
  if (placed) state.reading++;
  return promise;
}

function startWrite(
  holder: object,
  state: FileState,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number | bigint,
  given: unknown,
) {
  const file = state.file('write');
  const promise = new Promise<any>(takeOver);
  file.transfer(true, bytes, offset, length, position, new Writing(holder, state, file, given, resolveLast));
  state.enter();
  return promise;
}

/** Whether a piece of a view is what it says; -1 stands for what is left of it. */
function fits(offset: unknown, length: unknown, size: number): boolean {
  return (
    typeof offset === 'number' &&
    typeof length === 'number' &&
    Number.isInteger(offset) &&
    Number.isInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    length <= LONGEST &&
    offset + length <= size
  );
}

/** A position to read from; -1 for the file's own. */
function placeToRead(position: unknown): number | bigint | undefined {
  if (position === undefined || position === null) return -1;
  const place = usualPlace(position);
  if (!CHECKS_POSITIONS) return place ?? -1;
  return typeof place === 'bigint' && place >= NEAR_THE_LAST ? undefined : place;
}

/** A position to write at, or to read several views from: what will not do is none, as in core. Bigints count here. */
function placeToWrite(position: unknown): number | bigint {
  return usualPlace(position) ?? -1;
}

function usualPlace(position: unknown): number | bigint | undefined {
  if (typeof position === 'number') return Number.isSafeInteger(position) && position >= -1 ? position : undefined;
  return typeof position === 'bigint' && position >= -1n && position < 2n ** 63n ? position : undefined;
}

/** Whether core lets a length pass that is no integer. It makes one of it from Node 26 on; before that it ends the process. */
function passesAsLength(offset: number, length: unknown, size: number): boolean {
  return !Number.isInteger(length) && !((length as number) < 0) && !(offset + (length as number) > size);
}

interface ReadOptions {
  buffer?: ArrayBufferView;
  offset?: number | null;
  length?: number | null;
  position?: number | bigint | null;
}

/** `read(buffer[, offset[, length[, position]]])`, `read(buffer[, options])` and `read([options])`. */
export function read(
  holder: object,
  state: FileState,
  first?: unknown,
  second?: unknown,
  length?: unknown,
  position?: unknown,
): Promise<any> | undefined {
  state.file('read');
  let buffer = first;
  let offset = second;
  if (!ArrayBuffer.isView(buffer)) {
    if (first !== undefined && first !== null && (typeof first !== 'object' || Array.isArray(first))) return undefined;
    const options = (first ?? {}) as ReadOptions;
    ({ buffer = Buffer.alloc(16384), offset = 0, length, position } = options);
  } else if (typeof offset === 'object' && offset !== null) {
    ({ offset = 0, length, position } = second as ReadOptions);
  }
  offset ??= 0;
  const at = placeToRead(position);
  if (!ArrayBuffer.isView(buffer) || at === undefined) return undefined;
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) return undefined;
  length ??= buffer.byteLength - offset;
  if (passesAsLength(offset, length, buffer.byteLength)) {
    length = (length as number) | 0;
    if (length === 0) return Promise.resolve(bytesRead(0, buffer));
  }
  // No system call reads more; core loses the upper bits of such a length, or its life.
  if (typeof length === 'number' && length > LONGEST && fits(offset, LONGEST, buffer.byteLength - (length - LONGEST))) {
    length = LONGEST;
  }
  if (length === 0 || !fits(offset, length, buffer.byteLength)) return undefined;
  return startRead(holder, state, buffer, offset, length as number, at);
}

/** `write(buffer[, offset[, length[, position]]])`, `write(buffer[, options])` and `write(string[, position[, encoding]])`. */
export function write(
  holder: object,
  state: FileState,
  buffer: unknown,
  second?: unknown,
  length?: unknown,
  position?: unknown,
): Promise<any> | undefined {
  state.file('write');
  if (ArrayBuffer.isView(buffer)) {
    let offset = second;
    if (typeof offset === 'object' && offset !== null) ({ offset = 0, length, position } = second as ReadOptions);
    offset ??= 0;
    if (typeof length !== 'number' && typeof offset === 'number') length = buffer.byteLength - offset;
    const at = placeToWrite(position);
    if (buffer.byteLength === 0 || !fits(offset, length, buffer.byteLength)) return undefined;
    return startWrite(holder, state, bytesOf(buffer), offset as number, length as number, at, buffer);
  }
  const encoding = length ?? 'utf8';
  const at = placeToWrite(second);
  if (typeof buffer !== 'string' || typeof encoding !== 'string' || !Buffer.isEncoding(encoding)) return undefined;
  if (encoding === 'hex' && buffer.length % 2 !== 0) return undefined;
  const bytes = Buffer.from(buffer, encoding);
  return startWrite(holder, state, bytes, 0, bytes.length, at, buffer);
}

function totalOf(views: readonly ArrayBufferView[]): number {
  return views.reduce((sum, view) => sum + view.byteLength, 0);
}

function areViews(buffers: unknown): buffers is ArrayBufferView[] {
  return Array.isArray(buffers) && buffers.every((buffer) => ArrayBuffer.isView(buffer));
}

/** Views that are moved in one go, how many bytes they have, and where those are in the file. */
interface Several {
  readonly views: readonly ArrayBufferView[];
  readonly total: number;
  readonly at: number | bigint;
}

/** Undefined for what core has to check. */
function usualViews(views: unknown, position: unknown): Several | undefined {
  if (!areViews(views)) return undefined;
  const total = totalOf(views);
  return total > 0 && total <= LONGEST ? { views, total, at: placeToWrite(position) } : undefined;
}

/** `readv(buffers[, position])`: one read, whose bytes are dealt out to the views. */
export function readv(holder: object, state: FileState, buffers: unknown, position?: unknown): Promise<any> | undefined {
  state.file('readv');
  const usual = usualViews(buffers, position);
  return usual && readInto(holder, state, usual);
}

async function readInto(holder: object, state: FileState, { views, total, at }: Several): Promise<unknown> {
  if (views.length === 1) {
    const whole = await startRead(holder, state, views[0], 0, total, at);
    return buffersRead(whole.bytesRead, views);
  }
  const bytes = Buffer.allocUnsafe(total);
  const { bytesRead: count } = await startRead(holder, state, bytes, 0, total, at);
  let dealt = 0;
  for (const view of views) {
    if (dealt >= count) break;
    // A detached one is empty as well, and cannot even be given nothing.
    if (view.byteLength === 0) continue;
    const share = bytes.subarray(dealt, Math.min(dealt + view.byteLength, count));
    bytesOf(view).set(share);
    dealt += share.length;
  }
  return buffersRead(count, views);
}

/** `writev(buffers[, position])`: one write of all the bytes. */
export function writev(holder: object, state: FileState, buffers: unknown, position?: unknown): Promise<any> | undefined {
  state.file('writev');
  const usual = usualViews(buffers, position);
  return usual && writeFrom(holder, state, usual);
}

async function writeFrom(holder: object, state: FileState, { views, total, at }: Several): Promise<unknown> {
  // A detached one is empty as well, and cannot be copied.
  const pieces = views.filter((view) => view.byteLength > 0).map((view) => bytesOf(view));
  const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, total);
  const whole = await startWrite(holder, state, bytes, 0, total, at, views);
  return buffersWritten(whole.bytesWritten, views);
}
