/**
 * A file seen as blocks.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE } from '../errors.ts';

const { O_APPEND, O_CREAT, O_DIRECT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

const MODES = {
  readOnly: O_RDONLY,
  writeOnly: O_WRONLY,
  readWrite: O_RDWR,
  writeOnlyAppend: O_WRONLY | O_APPEND,
  readWriteAppend: O_RDWR | O_APPEND,
} as const;

export interface BlockFileOptions {
  /** What may be done; `readOnly`. */
  mode?: keyof typeof MODES;
  /** Make the file where there is none; false. */
  create?: boolean;
  /** Empty the file; false. */
  truncate?: boolean;
  /** Past the page cache (`O_DIRECT`): blocks must be multiples of the device's. False. */
  direct?: boolean;
  /** Bytes of a block; 4096. */
  blockSize?: number;
  /** Permissions of a file that is made; 0o666. */
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

  /** Reads `count` blocks from block `first` on. Shorter where the file ends. */
  async readBlocks(first: number, count: number = 1): Promise<Buffer> {
    checkCount('first', first, 0);
    checkCount('count', count, 1);
    const size = count * this.blockSize;
    const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafeSlow(size), 0, size, first * this.blockSize);
    return bytesRead === size ? buffer : buffer.subarray(0, bytesRead);
  }

  /** Reads the whole file. */
  async load(): Promise<Buffer> {
    const { size } = await this.handle.stat();
    const bytes = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const step = Math.min(1024 * 1024, size - filled);
      const { bytesRead } = await this.handle.read(bytes, filled, step, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  /** Writes all of `data` at a byte offset; at the end in append modes, where the offset does not count. Returns the bytes written. */
  async write(data: Uint8Array, offset: number = 0): Promise<number> {
    let written = 0;
    while (written < data.length) {
      const position = this.#append ? null : offset + written;
      const { bytesWritten } = await this.handle.write(data, written, data.length - written, position);
      written += bytesWritten;
    }
    return written;
  }

  /** Writes several pieces one behind the other. Returns the bytes written. */
  async writeMany(pieces: readonly Uint8Array[], offset: number = 0): Promise<number> {
    return this.write(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces), offset);
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) throw new ERR_OUT_OF_RANGE(name, `>= ${least}`, value);
}

/** Opens a file as blocks. */
export async function openBlockFile(open: Open, path: string, options: BlockFileOptions = {}): Promise<BlockFile> {
  const { mode = 'readOnly', create = false, truncate = false, direct = false, blockSize = 4096, permissions = 0o666 } = options;
  if (!Object.hasOwn(MODES, mode)) throw new ERR_INVALID_ARG_VALUE('options.mode', mode);
  checkCount('options.blockSize', blockSize, 1);
  if (direct && blockSize % 512 !== 0) throw new ERR_OUT_OF_RANGE('options.blockSize', 'a multiple of 512', blockSize);
  const flags = MODES[mode] | (create ? O_CREAT : 0) | (truncate ? O_TRUNC : 0) | (direct ? O_DIRECT : 0);
  return new BlockFile(await open(path, flags, permissions), blockSize, (flags & O_APPEND) !== 0);
}
