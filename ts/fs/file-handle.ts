/**
 * FileHandle: core's class with every method on the ring, or on core's functions where the ring has nothing.
 */
import { AsyncResource } from 'node:async_hooks';
import fs from 'node:fs';
import readline from 'node:readline';
import { promisify } from 'node:util';
import type { RingFile } from '../reactor/index.ts';
import { addTo, type FileHandleAdditions } from './additions.ts';
import { plainDataOptions } from './arguments.ts';
import { isIterable, readAll, type Source, writeAll } from './content.ts';
import { type Core, type CoreFileHandle, nativeHandle } from './core-file-handle.ts';
import { FileState, watch } from './file-state.ts';
import { request } from './request.ts';
import { isLocal } from './status.ts';
import { read, readv, write, writev } from './transfers.ts';
import { webStream } from './web-stream.ts';

const call = {
  fchmod: promisify(fs.fchmod),
  fchown: promisify(fs.fchown),
  futimes: promisify(fs.futimes),
  fstat: promisify(fs.fstat) as (fd: number, options: unknown) => Promise<fs.Stats>,
  ftruncate: promisify(fs.ftruncate),
};

/** Core's file handle, made of a file of the ring. */
export type RingFileHandle = CoreFileHandle & FileHandleAdditions & { readonly [stateOf]: FileState };

/** Where a handle keeps its state. */
export const stateOf: unique symbol = Symbol('state');

/** Makes the class, right below core's. */
export function fileHandleClass({ Class, symbols }: Core): new (file: RingFile) => RingFileHandle {
  const Base = Class as unknown as new () => { emit(event: string): boolean; once(event: string, listener: () => void): unknown };

  class FileHandle extends Base {
    declare readonly [stateOf]: FileState;
    #resource: AsyncResource | undefined;

    constructor(file: RingFile) {
      super();
      const state = new FileState(file);
      Object.defineProperties(this, {
        [stateOf]: { value: state },
        // Core's is bound to its handle, too.
        close: { value: { close: () => this.#close() }.close, writable: true, configurable: true },
      });
      watch(this, state);
    }

    get fd(): number {
      return this[stateOf].fd;
    }

    getAsyncId(): number {
      return (this.#resource ??= new AsyncResource('FILEHANDLE')).asyncId();
    }

    read(buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<unknown> {
      try {
        return read(this, this[stateOf], buffer, offset, length, position);
      } catch (error) {
        return refuse(error);
      }
    }

    write(buffer: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<unknown> {
      try {
        return write(this, this[stateOf], buffer, offset, length, position);
      } catch (error) {
        return refuse(error);
      }
    }

    readv(buffers: unknown, position?: unknown): Promise<unknown> {
      return readv(this, this[stateOf], buffers, position);
    }

    writev(buffers: unknown, position?: unknown): Promise<unknown> {
      return writev(this, this[stateOf], buffers, position);
    }

    async readFile(options?: unknown): Promise<unknown> {
      const plain = plainDataOptions(options);
      // Throws, with core's error.
      if (plain === undefined) return fs.promises.readFile('/dev/null', options as never);
      return this[stateOf].use('readFile', async (file) => {
        const { size, mode } = fs.fstatSync(this.fd);
        const regular = (mode & fs.constants.S_IFMT) === fs.constants.S_IFREG;
        return readAll(file, regular ? size : 0, plain.encoding, plain.signal, false);
      });
    }

    async writeFile(data: unknown, options?: unknown): Promise<void> {
      this[stateOf].file('writeFile');
      const plain = plainDataOptions(options);
      if (plain === undefined) return fs.promises.writeFile('/dev/null', '', options as never);
      const encoding = plain.encoding ?? 'utf8';
      const source = sourceOf(data, encoding);
      if (source === undefined) return fs.promises.writeFile('/dev/null', data as never, options as never);
      await this[stateOf].use('writeFile', (file) => writeAll(file, source, encoding, plain.signal));
      if (plain.flush) await this.sync();
    }

    appendFile(data: unknown, options?: unknown): Promise<void> {
      return this.writeFile(data, options);
    }

    async sync(): Promise<void> {
      await this[stateOf].use('fsync', (file) => request((waiting) => file.sync(false, waiting), 'fsync'));
    }

    async datasync(): Promise<void> {
      await this[stateOf].use('fdatasync', (file) => request((waiting) => file.sync(true, waiting), 'fdatasync'));
    }

    async truncate(length: number = 0): Promise<void> {
      await this[stateOf].use('ftruncate', async (file) => {
        if (!Number.isSafeInteger(length)) return call.ftruncate(this.fd, length);
        try {
          await request((waiting) => file.truncate(Math.max(0, length), waiting), 'ftruncate');
        } catch (error) {
          // The opcode came with Linux 6.9; before it and where the file cannot be cut, this is the error.
          if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
          await call.ftruncate(this.fd, length);
        }
      });
    }

    async stat(options?: unknown): Promise<fs.Stats> {
      const state = this[stateOf];
      return state.use('fstat', (file) => {
        // No waiting where the answer lies in memory: a trip through any queue takes twenty times as long.
        state.local ??= isLocal(file);
        return state.local
          ? Promise.resolve(fs.fstatSync(this.fd, options as fs.StatOptions) as fs.Stats)
          : call.fstat(this.fd, options);
      });
    }

    async chmod(mode: fs.Mode): Promise<void> {
      await this[stateOf].use('fchmod', () => call.fchmod(this.fd, mode));
    }

    async chown(uid: number, gid: number): Promise<void> {
      await this[stateOf].use('fchown', () => call.fchown(this.fd, uid, gid));
    }

    async utimes(atime: fs.TimeLike, mtime: fs.TimeLike): Promise<void> {
      await this[stateOf].use('futimes', () => call.futimes(this.fd, atime, mtime));
    }

    readLines(options: object = {}): readline.Interface {
      return readline.createInterface({ input: this.createReadStream(options), crlfDelay: Infinity });
    }

    createReadStream(options: object = {}): fs.ReadStream {
      return streamOn<fs.ReadStream>('ReadStream', { ...options, fd: this });
    }

    createWriteStream(options: object = {}): fs.WriteStream {
      return streamOn<fs.WriteStream>('WriteStream', { ...options, fd: this });
    }

    readableWebStream(options?: { type?: string; autoClose?: boolean }): unknown {
      return webStream(this as unknown as RingFileHandle, this[stateOf], options);
    }

    #close(): Promise<void> {
      const state = this[stateOf];
      if (state.fd === -1 || state.closing) return state.close();
      const closing = state.close();
      this.emit('close');
      return closing;
    }

    [Symbol.asyncDispose](): Promise<void> {
      return this.#close();
    }

    get [Symbol.toStringTag](): string {
      return 'FileHandle';
    }
  }

  addTo(FileHandle.prototype, (handle) => (handle as FileHandle)[stateOf]);
  const ours = FileHandle.prototype as unknown as Record<symbol, unknown>;
  ours[symbols.ref] = function (this: FileHandle) {
    this[stateOf].enter();
  };
  ours[symbols.unref] = function (this: FileHandle) {
    this[stateOf].leave();
  };
  // Core asks for the list first: what is moved is core's own handle, and what arrives is core's FileHandle.
  const moving = new WeakMap<object, object>();
  ours[symbols.transferList] = function (this: FileHandle) {
    const state = this[stateOf];
    if (state.closing || state.busy || state.fd === -1) return [];
    const fd = state.release();
    if (fd < 0) return [];
    const handle = nativeHandle(fd);
    moving.set(this, handle);
    return [handle];
  };
  ours[symbols.transfer] = function (this: FileHandle) {
    const handle = moving.get(this);
    if (handle === undefined) throw new DOMException('Cannot transfer FileHandle while in use', 'DataCloneError');
    // What stays behind is a closed handle, of the same class as what arrives.
    Object.setPrototypeOf(this, Class.prototype as object);
    return { data: { handle }, deserializeInfo: 'internal/fs/promises:FileHandle' };
  };
  Object.defineProperty(ours, 'constructor', { value: Class, writable: true, configurable: true });
  return FileHandle as unknown as new (file: RingFile) => RingFileHandle;
}

/** What a method that does not await throws. */
function refuse(error: unknown): Promise<never> {
  return Promise.reject(error instanceof Error ? error : new Error(String(error)));
}

/** Core's fs streams, which take a handle for their descriptor. */
function streamOn<Stream>(name: 'ReadStream' | 'WriteStream', options: object): Stream {
  const Class = fs[name] as unknown as new (path: undefined, options: object) => Stream;
  return new Class(undefined, options);
}

/** What is to be written, or undefined for what cannot be. */
export function sourceOf(data: unknown, encoding: BufferEncoding): Source | undefined {
  if (typeof data === 'string') return Buffer.from(data, encoding);
  return ArrayBuffer.isView(data) || isIterable(data) ? (data as Source) : undefined;
}

/** Whether a value is one of our handles; `undefined` for those that are closed or core's. */
export function ownState(value: unknown): FileState | undefined {
  return typeof value === 'object' && value !== null ? (value as { [stateOf]?: FileState })[stateOf] : undefined;
}
