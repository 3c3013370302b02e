/**
 * From the stream's chunks to the handle's writes. The stream sees to it that there is one at a time.
 */
import { Buffer } from 'node:buffer';
import { EBADF } from '../errors/errno.ts';
import { ERR_SOCKET_CLOSED, ERR_SOCKET_CLOSED_BEFORE_CONNECTION, plainCodedError } from '../errors/core.ts';
import { errnoException } from '../errors/system.ts';
import type { StreamHandle } from '../reactor/index.ts';
import { Duplex } from 'node:stream';
import { nextTick } from '../timers.ts';
import { kLink, type NetSocket, type WriteCallback } from './internals.ts';
import type { Link } from './link.ts';
import { touchTimeout } from './timeout.ts';

/** A chunk as Writable queues it. */
export interface QueuedChunk {
  chunk: string | Uint8Array;
  encoding: BufferEncoding;
}

/** What Writable hands to `_writev`: marked where there are no strings among the chunks. */
export type QueuedChunks = QueuedChunk[] & { allBuffers?: boolean };

type Encoding = 'utf8' | 'latin1' | 'ascii' | 'ucs2';

/** Encodings that the handle writes without a buffer in between. */
const DIRECT: Readonly<Record<string, Encoding>> = {
  __proto__: null as never,
  utf8: 'utf8',
  'utf-8': 'utf8',
  latin1: 'latin1',
  binary: 'latin1',
  ascii: 'ascii',
  ucs2: 'ucs2',
  'ucs-2': 'ucs2',
  utf16le: 'ucs2',
  'utf-16le': 'ucs2',
};

/** One chunk. `encoding` is `buffer` for bytes. */
export function writeChunk(socket: NetSocket, data: string | Uint8Array, encoding: BufferEncoding, done: WriteCallback): void {
  if (typeof data === 'string' && (encoding as string) === 'buffer') throw textIsNoBuffer();
  const handle = beginWrite(socket, data, encoding, done);
  if (handle === null) return;
  if (socket[kLink]!.carries(data)) {
    handle.writeWithDescriptors(data as Uint8Array);
    settle(socket, handle, false, done);
    return;
  }
  settle(socket, handle, typeof data === 'string' ? writeText(handle, data, encoding) : handle.write(data), done);
}

/** Several chunks that piled up while another write was under way, or between cork() and uncork(). */
export function writeChunks(socket: NetSocket, chunks: QueuedChunks, done: WriteCallback): void {
  const handle = beginWrite(socket, chunks, '', done);
  if (handle === null) return;
  if (socket[kLink]!.carriesAny) {
    const reports = writeWithCarriers(socket[kLink]!, handle, chunks);
    settle(socket, handle, reports === 0, done, reports);
    return;
  }
  const encoding = commonEncoding(chunks);
  const over = encoding !== undefined ? handle.writeString(joinText(chunks), encoding) : handle.writev(chunks.map(toBytes));
  settle(socket, handle, over, done);
}

/**
 * The socket is being destroyed while chunks wait behind a write: the kernel is offered them once. Core would have handed them over one by one as they
 * came; only what found no room would still be here, and that is dropped.
 */
export function offerChunks(socket: NetSocket, handle: StreamHandle): void {
  const chunks = writableBuffer(socket);
  const link = socket[kLink]!;
  if (link.carriesAny) writeWithCarriers(link, handle, chunks);
  else if (chunks.length > 0) handle.writev(chunks.map(toBytes));
}

/** Chunks among which some take descriptors with them: those are writes of their own. @returns how many reports of the handle will follow */
function writeWithCarriers(link: Link, handle: StreamHandle, chunks: QueuedChunks): number {
  let reports = 0;
  let run: Uint8Array[] = [];
  const flushRun = (): void => {
    if (run.length > 0 && !handle.writev(run)) reports++;
    run = [];
  };
  for (const queued of chunks) {
    if (!link.carries(queued.chunk)) {
      run.push(toBytes(queued));
      continue;
    }
    flushRun();
    handle.writeWithDescriptors(queued.chunk as Uint8Array);
    reports++;
  }
  flushRun();
  return reports;
}

/** What Writable holds back; not in core's typings. */
function writableBuffer(socket: NetSocket): QueuedChunk[] {
  return (socket as unknown as { writableBuffer: QueuedChunk[] }).writableBuffer;
}

/** @returns the handle to write to; null where there is none now, and `done` is, or will be, taken care of */
function beginWrite(socket: NetSocket, data: unknown, encoding: string, done: WriteCallback): StreamHandle | null {
  if (socket.connecting) {
    holdUntilConnected(socket, data, encoding, done);
    return null;
  }
  const link = socket[kLink];
  if (link === null || link.handle === null) {
    done(new ERR_SOCKET_CLOSED());
    return null;
  }
  if (link.handle.closed) {
    // By somebody who has its `_handle`.
    done(errnoException(-EBADF, 'write'));
    return null;
  }
  touchTimeout(socket);
  link.writtenBefore = link.handle.bytesWritten;
  return link.handle;
}

/** A write has been started: it is over, or will be. The timeout tells a stalled write from a slow one by the size of the queue, and core starts at all of it. */
function settle(socket: NetSocket, handle: StreamHandle, over: boolean, done: WriteCallback, reports = 1): void {
  if (over) {
    done(null);
    return;
  }
  const link = socket[kLink]!;
  link.lastQueueSize = handle.bytesWritten - link.writtenBefore;
  link.expectWrite(done, reports);
}

function holdUntilConnected(socket: NetSocket, data: unknown, encoding: string, done: WriteCallback): void {
  socket._pendingData = data;
  socket._pendingEncoding = encoding;
  const onClose = () => {
    done(new ERR_SOCKET_CLOSED_BEFORE_CONNECTION());
  };
  socket.once('connect', () => {
    socket.off('close', onClose);
    socket._pendingData = null;
    socket._pendingEncoding = '';
    if (Array.isArray(data)) writeChunks(socket, data, done);
    else writeChunk(socket, data as string | Uint8Array, encoding as BufferEncoding, done);
  });
  socket.once('close', onClose);
}

/** `write('text', 'buffer')`. */
function textIsNoBuffer(): Error {
  return plainCodedError('ERR_INVALID_ARG_TYPE', 'Second argument must be a buffer', TypeError);
}

function writeText(handle: StreamHandle, text: string, encoding: BufferEncoding): boolean {
  const direct = DIRECT[encoding];
  return direct === undefined ? handle.write(Buffer.from(text, encoding)) : handle.writeString(text, direct);
}

/** The encoding of all chunks where they are text of one kind that can be joined: halves of a pair of surrogates in two chunks are two errors, not one character. */
function commonEncoding(chunks: QueuedChunks): Encoding | undefined {
  if (chunks.allBuffers) return undefined;
  const first = chunks[0].encoding;
  let endsInHalf = false;
  for (const { chunk, encoding } of chunks) {
    if (typeof chunk !== 'string' || encoding !== first) return undefined;
    if (endsInHalf && (chunk.charCodeAt(0) & 0xfc00) === 0xdc00) return undefined;
    if (chunk.length > 0) endsInHalf = (chunk.charCodeAt(chunk.length - 1) & 0xfc00) === 0xd800;
  }
  return DIRECT[first];
}

function joinText(chunks: QueuedChunks): string {
  let text = '';
  for (const { chunk } of chunks) text += chunk as string;
  return text;
}

function toBytes({ chunk, encoding }: QueuedChunk): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
}

/**
 * `write()` of a socket whose peer has ended, and which ended itself for that reason: a plain "write after end" would blame
 * the caller for what the peer has done.
 */
export function writeAfterPeerEnd(this: NetSocket, chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
  if (!this.writableEnded) return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, callback as WriteCallback);
  const error = plainCodedError('EPIPE', 'This socket has been ended by the other party');
  const done = typeof encoding === 'function' ? encoding : callback;
  if (typeof done === 'function') nextTick(done, error);
  this.destroy(error);
  return false;
}
