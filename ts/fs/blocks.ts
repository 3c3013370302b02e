/**
 * A file seen as blocks.
 */
import { Buffer } from 'node:buffer';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE } from '../errors/core.ts';
import { validateBoolean, validateInteger, validateObject, validateView, validateWord } from '../validate.ts';
import { bytesOf } from '../reactor/index.ts';

const { O_APPEND, O_CREAT, O_DIRECT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

/** Most bytes of one read of {@link BlockFile.load}. */
const STEP = 1024 * 1024;

/** Most bytes of one read at all. */
const LONGEST = 2 ** 31 - 1;

/** What a block file is opened for. */
export type BlockMode = 'readOnly' | 'writeOnly' | 'readWrite' | 'writeOnlyAppend' | 'readWriteAppend';

const MODES: ReadonlyMap<BlockMode, number> = new Map([
  ['readOnly', O_RDONLY],
  ['writeOnly', O_WRONLY],
  ['readWrite', O_RDWR],
  ['writeOnlyAppend', O_WRONLY | O_APPEND],
  ['readWriteAppend', O_RDWR | O_APPEND],
]);

export interface BlockFileOptions {
  /**
   * What may be done.
   *
   * @default 'readOnly'
   */
  mode?: BlockMode;
  /**
   * Make the file where there is none.
   *
   * @default false
   */
  create?: boolean;
  /**
   * Empty the file.
   *
   * @default false
   */
  truncate?: boolean;
  /**
   * Past the page cache (`O_DIRECT`): blocks must be multiples of the device's.
   *
   * @default false
   */
  direct?: boolean;
  /**
   * Bytes of a block: 1 to 2^31 - 1.
   *
   * @default 4096
   */
  blockSize?: number;
  /**
   * Permissions of a file that is made, before the umask: 0 to 0o7777.
   *
   * @default 0o666
   */
  permissions?: number;
}

type Open = (path: string, flags: number, mode: number) => Promise<FileHandle>;

/** See {@link BlockFileOptions}. Closed with `close()` or `await using`. */
export class BlockFile {
  /** The file's handle, for everything else. */
  readonly handle: FileHandle;
  /** Bytes of a block. */
  readonly blockSize: number;
  readonly #append: boolean;

  /** @internal */
  constructor(handle: FileHandle, blockSize: number, append: boolean) {
    this.handle = handle;
    this.blockSize = blockSize;
    this.#append = append;
  }

  /**
   * Reads `count` blocks, less than 2 GiB, from block `first` on. Shorter where the file ends.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  async readBlocks(first: number, count: number = 1): Promise<Buffer> {
    validateInteger(count, 'count', 1, Math.floor(LONGEST / this.blockSize));
    validateInteger(first, 'first', 0, Math.floor(Number.MAX_SAFE_INTEGER / this.blockSize) - count);
    const size = count * this.blockSize;
    const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafeSlow(size), 0, size, first * this.blockSize);
    return bytesRead === size ? buffer : buffer.subarray(0, bytesRead);
  }

  /** Reads the whole file, as long as it is when it ends; whole blocks at a time, as `O_DIRECT` asks for. */
  async load(): Promise<Buffer> {
    const step = Math.max(1, Math.floor(STEP / this.blockSize)) * this.blockSize;
    const { size } = await this.handle.stat();
    const known = Math.ceil(size / step) * step;
    const bytes = Buffer.allocUnsafeSlow(known);
    let filled = 0;
    for (let count = step; filled < known && count === step; filled += count) {
      ({ bytesRead: count } = await this.handle.read(bytes, filled, step, filled));
    }
    if (size > 0) return bytes.subarray(0, filled);
    // Devices do not say how long they are.
    const pieces: Buffer[] = [];
    for (let count = step; count === step; filled += count) {
      const piece = Buffer.allocUnsafeSlow(step);
      ({ bytesRead: count } = await this.handle.read(piece, 0, step, filled));
      pieces.push(piece.subarray(0, count));
    }
    return Buffer.concat(pieces);
  }

  /**
   * Writes all of `data` at a byte offset; at the end in append modes, where the offset does not count. Returns the bytes written.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  async write(data: ArrayBufferView, offset: number = 0): Promise<number> {
    validateView(data, 'data');
    const bytes = bytesOf(data);
    validateInteger(offset, 'offset', 0, Number.MAX_SAFE_INTEGER - bytes.length);
    let written = 0;
    while (written < bytes.length) {
      const position = this.#append ? null : offset + written;
      const count = Math.min(LONGEST, bytes.length - written);
      const { bytesWritten } = await this.handle.write(bytes, written, count, position);
      written += bytesWritten;
    }
    return written;
  }

  /** Writes several pieces one behind the other; otherwise as {@link write}. */
  async writeMany(pieces: readonly ArrayBufferView[], offset: number = 0): Promise<number> {
    if (!Array.isArray(pieces)) throw new ERR_INVALID_ARG_TYPE('pieces', 'Array', pieces);
    pieces.forEach((piece, index) => validateView(piece, `pieces[${index}]`));
    // A detached one is empty as well, and cannot be copied.
    const views = pieces.map((piece) => bytesOf(piece as ArrayBufferView)).filter(({ length }) => length > 0);
    return this.write(views.length === 1 ? views[0] : Buffer.concat(views), offset);
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Opens a file as blocks. */
export async function openBlockFile(open: Open, path: string, options: BlockFileOptions = {}): Promise<BlockFile> {
  validateObject(options, 'options');
  const { mode = 'readOnly', create = false, truncate = false, direct = false, blockSize = 4096, permissions = 0o666 } = options;
  const access = validateWord(mode, 'options.mode', MODES);
  validateBoolean(create, 'options.create');
  validateBoolean(truncate, 'options.truncate');
  validateBoolean(direct, 'options.direct');
  validateInteger(blockSize, 'options.blockSize', 1, LONGEST);
  if (direct && blockSize % 512 !== 0) throw new ERR_OUT_OF_RANGE('options.blockSize', 'a multiple of 512', blockSize);
  validateInteger(permissions, 'options.permissions', 0, 0o7777);
  const flags = access | (create ? O_CREAT : 0) | (truncate ? O_TRUNC : 0) | (direct ? O_DIRECT : 0);
  return new BlockFile(await open(path, flags, permissions), blockSize, (flags & O_APPEND) !== 0);
}
