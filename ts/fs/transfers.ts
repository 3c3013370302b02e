/**
 * Reads and writes of a FileHandle: one promise each, and nothing else that has to be made anew but the request.
 *
 * Arguments of the usual kind go to the ring; for all others core's callback functions decide, on the same descriptor.
 */
import fs from 'node:fs';
import process from 'node:process';
import { bytesOf } from '../reactor/ring-file.ts';
import type { LendingRequest, RingFile } from '../reactor/index.ts';
import { ERR_INVALID_ARG_TYPE } from '../errors.ts';
import { plainPosition } from './arguments.ts';
import type { FileState } from './file-state.ts';
import { failureOf } from './request.ts';
import { buffersRead, buffersWritten, type BytesRead, bytesRead, type BytesWritten, bytesWritten } from './results.ts';

/** Most bytes of one system call. */
const LONGEST = 2 ** 31 - 1;

/** Until then the methods of core's FileHandle took any position, and only numbers counted. */
const LENIENT = Number.parseInt(process.versions.node, 10) < 22;

type Resolve = (value: never) => void;
type Reject = (error: unknown) => void;

let resolveLast: Resolve;
let rejectLast: Reject;
/** Shared by all promises: what they are settled with is taken over right after each was made. */
function takeOver(resolve: (value: any) => void, reject: Reject): void {
  resolveLast = resolve as Resolve;
  rejectLast = reject;
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
    private readonly resolve: (value: BytesRead) => void,
    private readonly reject: Reject,
  ) {}

  done(result: number): void {
    this.file.reclaim(this.region);
    if (this.placed) this.state.reading--;
    this.state.leave();
    if (result >= 0) this.resolve(bytesRead(result, this.buffer));
    else this.reject(failureOf(result, 'read'));
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
    private readonly resolve: (value: BytesWritten) => void,
    private readonly reject: Reject,
  ) {}

  done(result: number): void {
    this.file.reclaim(this.region);
    this.state.leave();
    if (result >= 0) this.resolve(bytesWritten(result, this.buffer));
    else this.reject(failureOf(result, 'write'));
  }
}

/** A read of what is in memory is over at once, unless others come first; see {@link RingFile.readNow}. */
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
    const count = file.readNow(bytes, offset, length, position);
    if (count >= 0) return Promise.resolve(bytesRead(count, buffer));
  }
  const promise = new Promise<any>(takeOver);
  const placed = position >= 0;
  const reading = new Reading(holder, state, file, buffer, placed, resolveLast as never, rejectLast);
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
  file.transfer(true, bytes, offset, length, position, new Writing(holder, state, file, given, resolveLast as never, rejectLast));
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

function positionOf(position: unknown): number | bigint | undefined {
  const plain = plainPosition(position);
  return plain === undefined && LENIENT ? -1 : plain;
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
): Promise<any> {
  state.file('read');
  let buffer = first;
  let offset = second;
  if (!ArrayBuffer.isView(buffer)) {
    if (first !== undefined && first !== null && (typeof first !== 'object' || Array.isArray(first))) {
      throw new ERR_INVALID_ARG_TYPE('options', 'object', first);
    }
    const options = (first ?? {}) as ReadOptions;
    ({ buffer = Buffer.alloc(16384), offset = 0, length, position } = options);
  } else if (typeof offset === 'object' && offset !== null) {
    ({ offset = 0, length, position } = second as ReadOptions);
  }
  offset ??= 0;
  if (ArrayBuffer.isView(buffer)) {
    // An offset of another type is for core to refuse.
    if (typeof offset === 'number') length ??= buffer.byteLength - offset;
    if (length === 0) return Promise.resolve(bytesRead(0, buffer));
    const at = positionOf(position);
    // No system call reads more; core loses the upper bits of such a length, or its life.
    if (typeof length === 'number' && length > LONGEST && fits(offset, LONGEST, buffer.byteLength - (length - LONGEST))) {
      length = LONGEST;
    }
    if (at !== undefined && buffer.byteLength > 0 && fits(offset, length, buffer.byteLength)) {
      return startRead(holder, state, buffer, offset as number, length as number, at);
    }
  }
  return judge(
    state,
    (done) => fs.read(state.fd, buffer as Buffer, offset as number, length as number, position as number, done),
    (count) => bytesRead(count, buffer as Buffer),
  );
}

/** `write(buffer[, offset[, length[, position]]])`, `write(buffer[, options])` and `write(string[, position[, encoding]])`. */
export function write(
  holder: object,
  state: FileState,
  buffer: unknown,
  second?: unknown,
  length?: unknown,
  position?: unknown,
): Promise<any> {
  state.file('write');
  const result = (count: number) => bytesWritten(count, buffer);
  if (ArrayBuffer.isView(buffer)) {
    if (buffer.byteLength === 0) return Promise.resolve(result(0));
    let offset = second;
    if (typeof offset === 'object' && offset !== null) ({ offset = 0, length, position } = second as ReadOptions);
    offset ??= 0;
    if (typeof length !== 'number' && typeof offset === 'number') length = buffer.byteLength - offset;
    const at = typeof position === 'number' || typeof position === 'bigint' ? positionOf(position) : -1;
    if (at !== undefined && fits(offset, length, buffer.byteLength)) {
      return startWrite(holder, state, bytesOf(buffer), offset as number, length as number, at, buffer);
    }
    return judge(
      state,
      (done) => fs.write(state.fd, buffer as Buffer, offset as number, length as number, position as number, done),
      result,
    );
  }
  const encoding = length ?? 'utf8';
  const at = positionOf(second);
  if (typeof buffer === 'string' && at !== undefined && typeof encoding === 'string' && Buffer.isEncoding(encoding)) {
    const odd = encoding === 'hex' && buffer.length % 2 !== 0;
    if (!odd) {
      const bytes = Buffer.from(buffer, encoding);
      return startWrite(holder, state, bytes, 0, bytes.length, at, buffer);
    }
  }
  return judge(state, (done) => fs.write(state.fd, buffer as string, second as number, length as BufferEncoding, done), result);
}

/** Lets core's function decide: it throws where the arguments will not do. */
function judge(
  state: FileState,
  call: (done: (error: NodeJS.ErrnoException | null, count: number) => void) => void,
  result: (count: number) => unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call((error, count) => {
      state.leave();
      if (error) reject(error);
      else resolve(result(count));
    });
    state.enter();
  });
}

function totalOf(views: readonly ArrayBufferView[]): number {
  return views.reduce((sum, view) => sum + view.byteLength, 0);
}

function areViews(buffers: unknown): buffers is ArrayBufferView[] {
  return Array.isArray(buffers) && buffers.every((buffer) => ArrayBuffer.isView(buffer));
}

/** `readv(buffers[, position])`: one read, whose bytes are dealt out to the views. */
export async function readv(holder: object, state: FileState, buffers: unknown, position?: unknown): Promise<any> {
  state.file('readv');
  const at = typeof position === 'number' || typeof position === 'bigint' ? positionOf(position) : -1;
  const total = areViews(buffers) ? totalOf(buffers) : Infinity;
  if (!areViews(buffers) || total === 0 || total > LONGEST || at === undefined) {
    return judge(
      state,
      (done) => fs.readv(state.fd, buffers as never, position as number, done as never),
      (count) => buffersRead(count, buffers),
    );
  }
  if (buffers.length === 1) {
    const whole = await startRead(holder, state, buffers[0], 0, total, at);
    return buffersRead(whole.bytesRead, buffers);
  }
  const bytes = Buffer.allocUnsafe(total);
  const { bytesRead: count } = await startRead(holder, state, bytes, 0, total, at);
  let dealt = 0;
  for (const view of buffers) {
    if (dealt >= count) break;
    const share = bytes.subarray(dealt, Math.min(dealt + view.byteLength, count));
    bytesOf(view).set(share);
    dealt += share.length;
  }
  return buffersRead(count, buffers);
}

/** `writev(buffers[, position])`: one write of all the bytes. */
export async function writev(holder: object, state: FileState, buffers: unknown, position?: unknown): Promise<any> {
  state.file('writev');
  const at = typeof position === 'number' || typeof position === 'bigint' ? positionOf(position) : -1;
  const total = areViews(buffers) ? totalOf(buffers) : Infinity;
  if (!areViews(buffers) || total === 0 || total > LONGEST || at === undefined) {
    return judge(
      state,
      (done) => fs.writev(state.fd, buffers as never, position as number, done as never),
      (count) => buffersWritten(count, buffers),
    );
  }
  const bytes =
    buffers.length === 1
      ? bytesOf(buffers[0])
      : Buffer.concat(
          buffers.map((view) => bytesOf(view)),
          total,
        );
  const whole = await startWrite(holder, state, bytes, 0, total, at, buffers);
  return buffersWritten(whole.bytesWritten, buffers);
}
