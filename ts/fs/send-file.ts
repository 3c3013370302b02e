/**
 * Sending a file through a stream.
 */
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { isDoneAtCallback } from '../chunk-memory.ts';
import { checkAborted, ERR_INVALID_ARG_TYPE, ERR_STREAM_DESTROYED } from '../errors/core.ts';
import { AbortController, AbortSignal } from '../globals.ts';
import { validateAbortSignal, validateObject, validatePart } from '../validate.ts';

/** Pieces of 64 KiB took more than half as much CPU again; pieces of 1 MiB saved a tenth, and that with large files alone. */
const CHUNK = 256 * 1024;

export interface SendFileOptions {
  /**
   * First byte: 0 to 2^53 - 1.
   *
   * @default 0
   */
  start?: number;
  /**
   * Bytes at most: 0 to 2^53 - 1 less `start`; `Infinity` for all up to the end of the file.
   *
   * @default Infinity
   */
  length?: number;
  /** Ends the transfer with an `AbortError`: before its next chunk, or while it waits for 'drain'. */
  signal?: AbortSignal;
}

/**
 * Sends the bytes of a file through any writable stream (plain or TLS sockets, HTTP responses), waiting for `drain`. The stream is not ended.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `ERR_STREAM_DESTROYED`; whatever reading throws
 * @returns the bytes handed to the stream
 */
export async function sendFile(handle: FileHandle, stream: Writable, options: SendFileOptions = {}): Promise<number> {
  validateHandle(handle);
  validateStream(stream);
  validateObject(options, 'options');
  const { start = 0, length = Infinity, signal } = options;
  validatePart(start, length);
  validateAbortSignal(signal, 'options.signal');
  const reusable = await isDoneAtCallback(stream);
  let spare: Buffer | undefined;
  let sent = 0;
  while (sent < length) {
    checkAborted(signal);
    if (stream.destroyed || stream.writableEnded) {
      throw new ERR_STREAM_DESTROYED();
    }
    const size = Math.min(CHUNK, length - sent);
    // Memory that is new each time took a fifth of all CPU: the kernel has to find and clear every page of it.
    const memory = spare ?? Buffer.allocUnsafeSlow(size);
    spare = undefined;
    const { bytesRead } = await handle.read(memory, 0, size, start + sent);
    if (bytesRead === 0) break;
    sent += bytesRead;
    const done = (error?: Error | null): void => {
      if (!error) spare = memory;
    };
    if (!stream.write(memory.subarray(0, bytesRead), reusable ? done : undefined)) await drained(stream, signal);
  }
  return sent;
}

function validateHandle(handle: unknown): asserts handle is FileHandle {
  const found = typeof handle === 'object' && handle !== null && 'fd' in handle && 'read' in handle;
  if (!found || typeof handle.read !== 'function') throw new ERR_INVALID_ARG_TYPE('handle', 'FileHandle', handle);
}

function validateStream(stream: unknown): asserts stream is Writable {
  const found = typeof stream === 'object' && stream !== null && 'write' in stream && 'once' in stream;
  if (!found || typeof stream.write !== 'function' || typeof stream.once !== 'function') {
    throw new ERR_INVALID_ARG_TYPE('stream', 'Writable', stream);
  }
}

/** Waits for room, or for the end of the stream. No listener stays behind: a large file waits many times. */
async function drained(stream: Writable, signal: AbortSignal | undefined): Promise<void> {
  if (stream.destroyed) return;
  const over = new AbortController();
  const options = { signal: signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]) };
  try {
    await Promise.race([once(stream, 'drain', options), once(stream, 'close', options)]);
  } finally {
    over.abort();
  }
}
