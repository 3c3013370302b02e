/**
 * Sending a file through a stream.
 */
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { isDoneAtCallback } from '../chunk-memory.ts';
import { checkAborted } from './failure.ts';

/** Pieces of 64 KiB took more than half as much CPU again; pieces of 1 MiB saved a tenth, and that with large files alone. */
const CHUNK = 256 * 1024;

export interface SendFileOptions {
  /** First byte; 0. */
  start?: number;
  /** Number of bytes at most; to the end of the file. */
  length?: number;
  signal?: AbortSignal;
}

/**
 * Sends the bytes of a file through any writable stream (plain or TLS sockets, HTTP responses), waiting for `drain`. The stream is not ended.
 *
 * @returns the bytes handed to the stream
 */
export async function sendFile(handle: FileHandle, stream: Writable, options: SendFileOptions = {}): Promise<number> {
  const { start = 0, length = Infinity, signal } = options;
  const reusable = await isDoneAtCallback(stream);
  let spare: Buffer | undefined;
  let sent = 0;
  while (sent < length) {
    checkAborted(signal);
    if (stream.destroyed || stream.writableEnded) {
      throw Object.assign(new Error('Cannot write to a stream that has ended'), { code: 'ERR_STREAM_DESTROYED' });
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
