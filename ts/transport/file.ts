/** A file of the transport: what is read comes as payloads, what is written is written whole. */
import { Buffer, constants } from 'node:buffer';
import type { EventEmitter } from 'node:events';
import type { Stats } from 'node:fs';
import { ERR_FS_FILE_TOO_LARGE, ERR_INVALID_ARG_TYPE } from '../errors/core.ts';
import { TransportClosedError } from '../errors/iouring.ts';
import type { FileHandle } from '../fs/additions.ts';
import { getReactor, withoutFirst } from '../reactor/index.ts';
import { queueMicrotask } from '../timers.ts';
import { validateInteger, validateObject } from '../validate.ts';
import { validateBytes } from './connection-options.ts';
import { holdPayload } from './held-payloads.ts';
import { Payload } from './payload.ts';
import { ReceiveShare } from './receive-share.ts';

/** Bytes of a read, by default. */
const READ_SIZE = 64 * 1024;

/** Most bytes of one read or write: the system takes less than twice as many. */
const MOST_BYTES = 2 ** 30;

/** Most payloads of one read: as many pieces as the kernel takes at once. */
const MOST_PIECES = 1024;

/** What a file is opened for. Whoever appends writes behind the end, wherever that is by then. */
export type FileMode = 'readOnly' | 'writeOnly' | 'readWrite' | 'writeOnlyAppend' | 'readWriteAppend';

/** Where in a file. */
export interface FilePosition {
  /** Bytes from the beginning; null: where the last read or write without a position has ended. Default: null. */
  readonly position?: number | null;
}

/** How to read. */
export interface FileReadOptions extends FilePosition {
  /** Bytes to read at most, into each payload; 1 to 2^30. Default: 65,536. */
  readonly length?: number;
}

/** A file that is read as payloads. It comes of `worker.files.open()`. */
export class TransportFile implements AsyncDisposable {
  /** The path that it was opened by. */
  readonly path: string;
  readonly mode: FileMode;
  /** The `FileHandle` of `iouring-transport/fs` beneath, for whatever this class does not have. */
  readonly delegate: FileHandle;
  readonly #onRing: boolean;
  readonly #onClose: (file: TransportFile) => void;
  /** Files have no peer that could be held back. */
  readonly #share = new ReceiveShare(Infinity, { receive: () => {} });
  #closed: Promise<void> | null = null;

  /** @internal Files come of {@link TransportWorker}. */
  constructor(path: string, mode: FileMode, delegate: FileHandle, onRing: boolean, onClose: (file: TransportFile) => void) {
    this.path = path;
    this.mode = mode;
    this.delegate = delegate;
    this.#onRing = onRing;
    this.#onClose = onClose;
    // By whoever it is closed. Core's typings lack that it is an emitter.
    (delegate as unknown as EventEmitter).once('close', () => queueMicrotask(() => void this.close().catch(() => {})));
  }

  /** Whether it can be read and written: neither it nor its `delegate` has been closed. */
  get active(): boolean {
    return this.#closed === null && this.delegate.fd >= 0;
  }

  /** The descriptor's number, which stays the file's own; -1 once it is closed. */
  get fd(): number {
    return this.delegate.fd;
  }

  /**
   * Reads a payload, which is the caller's to release; null at the end of the file. It may be shorter than was asked for.
   *
   * @throws the system's error; {@link TransportClosedError}
   */
  async read(options: FileReadOptions = {}): Promise<Payload | null> {
    const [payload = null] = await this.readMany(1, options);
    return payload;
  }

  /**
   * Reads payloads that follow one another, by one operation: as many as there are bytes for, at most `count`, 1 to 1024. The last may be shorter than the others;
   * none at the end of the file.
   */
  async readMany(count: number, options: FileReadOptions = {}): Promise<Payload[]> {
    validateInteger(count, 'count', 1, MOST_PIECES);
    validateObject(options, 'options');
    const { length = READ_SIZE } = options;
    validateInteger(length, 'options.length', 1, MOST_BYTES);
    const position = positionOf(options);
    this.#check();
    const buffers = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(length));
    const { bytesRead } =
      count === 1
        ? await this.delegate.read(buffers[0], 0, length, position)
        : await this.delegate.readv(buffers, position as number);
    return buffers.slice(0, Math.ceil(bytesRead / length)).map((buffer, index) => {
      const size = Math.min(length, bytesRead - index * length);
      return this.#wrap(buffer.subarray(0, size));
    });
  }

  /** Reads the whole file, from its beginning. The bytes are the caller's. @throws core's `ERR_FS_FILE_TOO_LARGE` for more than a buffer can have */
  async load(): Promise<Buffer> {
    this.#check();
    const { size } = await this.delegate.stat();
    if (size > constants.MAX_LENGTH) throw new ERR_FS_FILE_TOO_LARGE(size);
    const whole = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const { bytesRead } = await this.delegate.read(whole, filled, Math.min(size - filled, MOST_BYTES), filled);
      if (bytesRead === 0) return whole.subarray(0, filled);
      filled += bytesRead;
    }
    // It may have grown meanwhile; files that have no size have bytes all the same.
    const more: Buffer[] = [];
    for (let position = size; ;) {
      const buffer = Buffer.allocUnsafeSlow(READ_SIZE);
      const { bytesRead } = await this.delegate.read(buffer, 0, READ_SIZE, position);
      if (bytesRead === 0) return more.length === 0 ? whole : Buffer.concat([whole, ...more]);
      more.push(buffer.subarray(0, bytesRead));
      position += bytesRead;
    }
  }

  /** Writes all of the bytes. They may be changed, and a payload be released, when the promise is settled. */
  async write(data: Uint8Array | Payload, options: FilePosition = {}): Promise<void> {
    await this.writeMany([data], options);
  }

  /** Writes one behind the other, by one operation where the system takes them at once. Likewise. */
  async writeMany(list: readonly (Uint8Array | Payload)[], options: FilePosition = {}): Promise<void> {
    if (!Array.isArray(list)) throw new ERR_INVALID_ARG_TYPE('list', 'Array', list);
    validateObject(options, 'options');
    let position = positionOf(options);
    let left = (list as readonly (Uint8Array | Payload)[]).map((item) => {
      if (item instanceof Payload) return item.bytes;
      validateBytes(item, 'data');
      return item;
    });
    this.#check();
    for (left = left.filter(({ length }) => length > 0); left.length > 0;) {
      const some = left.slice(0, MOST_PIECES);
      const { bytesWritten } =
        some.length === 1
          ? await this.delegate.write(some[0], 0, Math.min(some[0].length, MOST_BYTES), position)
          : await this.delegate.writev(some, position as number);
      left = withoutFirst(left, bytesWritten);
      if (position !== null) position += bytesWritten;
    }
  }

  /** Makes the file so long: what is behind is cut off, what is missing is zeros. Default: 0. */
  async truncate(length = 0): Promise<void> {
    validateInteger(length, 'length', 0);
    this.#check();
    await this.delegate.truncate(length);
  }

  /** What the system knows of the file: core's `Stats`. */
  async stat(): Promise<Stats> {
    this.#check();
    return this.delegate.stat();
  }

  /** Settled when everything that was written is on the medium (`fsync(2)`). */
  async sync(): Promise<void> {
    this.#check();
    await this.delegate.sync();
  }

  /** Closes the file, behind what is under way. The second time the same promise is returned. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.delegate.close();
    } finally {
      this.#onClose(this);
    }
  }

  #check(): void {
    if (!this.active) throw new TransportClosedError('file');
  }

  #wrap(bytes: Buffer): Payload {
    const payload = new Payload(this.#share, bytes.length, bytes, this.#onRing ? getReactor().received : undefined);
    holdPayload(payload, undefined);
    return payload;
  }
}

function positionOf({ position = null }: FilePosition): number | null {
  if (position !== null) validateInteger(position, 'options.position', 0);
  return position;
}
