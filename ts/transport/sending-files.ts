/** Sends files over a connection. */
import { Buffer } from 'node:buffer';
import { URL } from 'node:url';
import { ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { TransportClosedError } from '../errors/iouring.ts';
import type { FileHandle } from '../fs/additions.ts';
import { validateAbortSignal, validateObject, validatePart } from '../validate.ts';
import type { TransportFile } from './file.ts';
import { unlessAborted } from './giving-up.ts';

/** Bytes of a piece. Smaller ones took more than half as much CPU again, larger ones saved a tenth with large files alone (`sendFile` of `iouring-transport/fs`). */
const PIECE = 256 * 1024;

/** What to send of a file. */
export interface SendFileOptions {
  /** First byte, 0 to 2^53 - 1. Default: 0. */
  readonly start?: number;
  /** Bytes at most, 0 to 2^53 - 1 less `start`. Default: `Infinity`, all up to the end of the file. */
  readonly length?: number;
  /** Gives up with the signal's reason: what has been written by then is sent. */
  readonly signal?: AbortSignal;
}

/** Something that has a file: a path, a `FileHandle` of `node:fs/promises` or of `iouring-transport/fs`, or a {@link TransportFile}. */
export type FileSource = string | URL | TransportFile | Pick<FileHandle, 'read'>;

type Readable = Pick<FileHandle, 'read'>;

/** A `Connection`, as far as it is needed here. */
interface Writer {
  writeSingle(data: Uint8Array): Promise<void>;
}

/** `Connection.sendFile()` */
export async function sendFile(connection: Writer, source: FileSource, options: SendFileOptions): Promise<number> {
  validateSource(source);
  validateObject(options, 'options');
  const { start = 0, length = Infinity, signal } = options;
  validatePart(start, length);
  validateAbortSignal(signal, 'options.signal');
  signal?.throwIfAborted();
  if (typeof source !== 'string' && !(source instanceof URL)) {
    const isOpen = !('delegate' in source) || source.active;
    if (!isOpen) throw new TransportClosedError('file');
    return send(connection, 'delegate' in source ? source.delegate : source, start, length, signal);
  }
  // Whoever has no files does without all that is behind them.
  const { open } = await import('../fs/index.ts');
  const handle = await open(source, 'r');
  try {
    return await send(connection, handle, start, length, signal);
  } finally {
    await handle.close();
  }
}

async function send(
  connection: Writer,
  file: Readable,
  start: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  // One piece is read when the one before is the kernel's: so its memory can be used again, which is a fifth of the CPU time.
  const memory = Buffer.allocUnsafeSlow(Math.min(PIECE, length));
  let sent = 0;
  while (sent < length) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(memory, 0, Math.min(memory.length, length - sent), start + sent);
    if (bytesRead === 0) break;
    await unlessAborted(connection.writeSingle(memory.subarray(0, bytesRead)), signal);
    sent += bytesRead;
  }
  return sent;
}

function validateSource(source: unknown): asserts source is FileSource {
  const isPlace = typeof source === 'string' || source instanceof URL;
  const isFile = typeof source === 'object' && source !== null && 'read' in source && typeof source.read === 'function';
  if (!isPlace && !isFile) throw new ERR_INVALID_ARG_TYPE('source', ['string', 'URL', 'FileHandle', 'TransportFile'], source);
}
