/**
 * FileHandle: core's class with every method on the ring, or on core's functions where the ring has nothing.
 */
import { AsyncResource } from 'node:async_hooks';
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import readline from 'node:readline';
import { types } from 'node:util';
import { define, defineAll } from '../define.ts';
import { addTo, type FileHandleAdditions } from './additions.ts';
import { plainDataOptions, plainMode, plainStatOptions } from './arguments.ts';
import { isIterable, readAll, type Source, writeAll } from './whole-file.ts';
import { type Core, type CoreFileHandle, nativeHandle, noteTransferred } from './core-file-handle.ts';
import { FileState, watch } from './file-state.ts';
import type { Opened } from './opening.ts';
import { request } from './request.ts';
import { isRegular, statusOf } from './stats.ts';
import { ERR_INTERNAL_ASSERTION } from '../errors/core.ts';
import { DOMException } from '../globals.ts';
import { read, readv, write, writev } from './transfers.ts';
import { webStream, type WebStreamSource } from './web-stream.ts';

/** Core's file handle, made of a file of the ring. */
export type RingFileHandle = CoreFileHandle & FileHandleAdditions & { readonly [stateOf]: FileState };

/** Core's methods, which work on our handles as well: they ask for `fd`, and say when they begin and end. They check what they are given themselves. */
interface CoreMethods {
  read(buffer: unknown, offset: unknown, length: unknown, position: unknown): Promise<unknown>;
  write(buffer: unknown, offset: unknown, length: unknown, position: unknown): Promise<unknown>;
  readv(buffers: unknown, position: unknown): Promise<unknown>;
  writev(buffers: unknown, position: unknown): Promise<unknown>;
  readFile(options: unknown): Promise<unknown>;
  writeFile(data: unknown, options: unknown): Promise<void>;
  truncate(length: unknown): Promise<void>;
  stat(options: unknown): Promise<fs.Stats>;
  emit(event: string): boolean;
}

/** Where a handle keeps its state. */
const stateOf: unique symbol = Symbol('state');

/** Makes the class, right below core's. */
export function fileHandleClass({ Class, symbols }: Core): new (opened: Opened) => RingFileHandle {
  const Base = Class as unknown as new () => CoreMethods;

  class FileHandle extends Base {
    declare readonly [stateOf]: FileState;
    #resource: AsyncResource | undefined;

    constructor(opened: Opened) {
      super();
      const state = new FileState(opened);
      defineAll(this, {
        [stateOf]: { value: state },
        // Core's is bound to its handle, too.
        close: { value: { close: () => this.#close() }.close, writable: true, configurable: true },
      });
      watch(this, state);
    }

    get fd(): number {
      // Undefined, as core's, on anything else.
      return ownState(this)?.fd as number;
    }

    getAsyncId(): number {
      return (this.#resource ??= new AsyncResource('FILEHANDLE')).asyncId();
    }

    override read(buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<unknown> {
      try {
        return read(this, brand(this), buffer, offset, length, position) ?? super.read(buffer, offset, length, position);
      } catch (error) {
        return refuse(error);
      }
    }

    override write(buffer: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<unknown> {
      try {
        return write(this, brand(this), buffer, offset, length, position) ?? super.write(buffer, offset, length, position);
      } catch (error) {
        return refuse(error);
      }
    }

    override readv(buffers: unknown, position?: unknown): Promise<unknown> {
      try {
        return readv(this, brand(this), buffers, position) ?? super.readv(buffers, position);
      } catch (error) {
        return refuse(error);
      }
    }

    override writev(buffers: unknown, position?: unknown): Promise<unknown> {
      try {
        return writev(this, brand(this), buffers, position) ?? super.writev(buffers, position);
      } catch (error) {
        return refuse(error);
      }
    }

    override async readFile(options?: unknown): Promise<unknown> {
      const state = brand(this);
      const plain = plainDataOptions(options);
      if (plain === undefined) return super.readFile(options);
      return state.use('readFile', async (file) => {
        const { size, mode } = await statusOf(state.fd, state);
        return readAll(file, isRegular(mode) ? size : 0, plain.encoding, plain.signal, false);
      });
    }

    override async writeFile(data: unknown, options?: unknown): Promise<void> {
      brand(this).file('writeFile');
      const plain = plainDataOptions(options);
      const encoding = plain?.encoding ?? 'utf8';
      const source = plain === undefined ? undefined : sourceOf(data, encoding);
      const usual = plain !== undefined && source !== undefined && plainMode(plain.mode, 0) !== undefined;
      if (!usual) return super.writeFile(data, options);
      await brand(this).use('writeFile', (file) => writeAll(file, source, encoding, plain.signal));
      if (plain.flush) await this.sync();
    }

    async appendFile(data: unknown, options?: unknown): Promise<void> {
      brand(this);
      return this.writeFile(data, options);
    }

    async sync(): Promise<void> {
      await brand(this).use('fsync', (file) => request((waiting) => file.sync(false, waiting), 'fsync'));
    }

    async datasync(): Promise<void> {
      await brand(this).use('fdatasync', (file) => request((waiting) => file.sync(true, waiting), 'fdatasync'));
    }

    override async truncate(length: unknown = 0): Promise<void> {
      await brand(this).use('ftruncate', async (file) => {
        if (typeof length !== 'number' || !Number.isSafeInteger(length)) return super.truncate(length);
        try {
          await request((waiting) => file.truncate(Math.max(0, length), waiting), 'ftruncate');
        } catch (error) {
          // The opcode came with Linux 6.9; before it and where the file cannot be cut, this is the error.
          if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
          await super.truncate(length);
        }
      });
    }

    override async stat(options?: unknown): Promise<fs.Stats> {
      const state = brand(this);
      const plain = plainStatOptions(options);
      if (plain === undefined) return super.stat(options);
      return state.use('fstat', () => statusOf(state.fd, state, plain));
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
      return webStream(this as unknown as WebStreamSource, brand(this), options);
    }

    #close(): Promise<void> {
      const state = brand(this);
      if (state.fd === -1 || state.closing) return state.close();
      const closing = state.close();
      this.emit('close');
      return closing;
    }

    [Symbol.asyncDispose](): Promise<void> {
      return this.#close();
    }
  }

  addTo(FileHandle.prototype, brand);
  const ours = FileHandle.prototype as unknown as Record<symbol, unknown>;
  ours[symbols.ref] = function (this: FileHandle) {
    brand(this).enter();
  };
  ours[symbols.unref] = function (this: FileHandle) {
    brand(this).leave();
  };
  // Core asks for the list first: what is moved is core's own handle, and what arrives is core's FileHandle.
  const moving = new WeakMap<object, object>();
  ours[symbols.transferList] = function (this: FileHandle) {
    const state = brand(this);
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
    noteTransferred(this, Class);
    return { data: { handle }, deserializeInfo: 'internal/fs/promises:FileHandle' };
  };
  define(ours, 'constructor', { value: Class, writable: true, configurable: true });
  return FileHandle as unknown as new (opened: Opened) => RingFileHandle;
}

/** The state of one of our handles, for a method that may have been called on anything. */
function brand(handle: unknown): FileState {
  const state = ownState(handle);
  if (state === undefined) throw new ERR_INTERNAL_ASSERTION('handle must be an instance of FileHandle');
  return state;
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

/** The state of a value that is one of our handles; `undefined` for any other, core's among them. */
export function ownState(value: unknown): FileState | undefined {
  const candidate = typeof value === 'object' && value !== null && !types.isProxy(value);
  return candidate ? (value as { [stateOf]?: FileState })[stateOf] : undefined;
}
