/**
 * What our handles can do beyond core's.
 */
import type core from 'node:fs/promises';
import { define } from '../define.ts';
import { validateBoolean, validateInteger, validateObject, validateWord } from '../validate.ts';
import { type Positions, transferMany } from './batch.ts';
import { copyOf, getAttribute, plainName, setAttribute, type SetXattrOptions, xattrFlags } from './attributes.ts';
import { Chain } from './chain.ts';
import type { FileState } from './file-state.ts';
import { request } from './request.ts';
import { statusOf } from './stats.ts';

const FALLOC_FL_KEEP_SIZE = 1;

export type Advice = 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed' | 'noreuse';
export type PriorityClass = 'none' | 'realtime' | 'best-effort' | 'idle';

/** `POSIX_FADV_*`. */
const ADVICE: ReadonlyMap<Advice, number> = new Map([
  ['normal', 0],
  ['random', 1],
  ['sequential', 2],
  ['willneed', 3],
  ['dontneed', 4],
  ['noreuse', 5],
]);
/** `IOPRIO_CLASS_*`. */
const CLASSES: ReadonlyMap<PriorityClass, number> = new Map([
  ['none', 0],
  ['realtime', 1],
  ['best-effort', 2],
  ['idle', 3],
]);

/** Most bytes that one request can give advice on: some kernels keep the number in 32 bits. Whole pages. */
const MAX_ADVICE = 2 ** 31;

/** Methods of the ring's handles. With the `core` backend they are not there. */
export interface FileHandleAdditions {
  /**
   * Reads `size` bytes at each of the positions into consecutive places of `buffer`: one promise for all.
   *
   * @returns for each position the bytes read, or a negative errno
   */
  readMany(buffer: ArrayBufferView, positions: Positions, size: number): Promise<Int32Array>;
  /** Writes consecutive pieces of `size` bytes of `buffer` at the positions; results as for {@link readMany}. */
  writeMany(buffer: ArrayBufferView, positions: Positions, size: number): Promise<Int32Array>;
  /** Linked operations in one submission. */
  chain(): Chain;
  /** Reserves space, so that later writes there cannot fail for want of it. `keepSize`: the file does not grow; false. */
  preallocate(length: number, options?: { offset?: number; keepSize?: boolean }): Promise<void>;
  /** Says how a part of the file will be used (`posix_fadvise(2)`); `length` 0: to its end. */
  advise(advice: Advice, offset?: number, length?: number): Promise<void>;
  /** Sets the io priority of the reads and writes of this handle: level 0 (first) to 7. `realtime` takes `CAP_SYS_ADMIN`. */
  prioritize(priorityClass: PriorityClass, level?: number): void;
  /**
   * The value of an extended attribute (`fgetxattr(2)`), such as `user.comment`.
   *
   * @throws `ENODATA` where there is none of that name, `ENOTSUP` where the file system has no attributes of that kind.
   */
  getxattr(name: string): Promise<Buffer>;
  /**
   * Sets an extended attribute (`fsetxattr(2)`) to a value of up to 64 KiB; strings are written as UTF-8. The value is copied before this returns.
   *
   * @throws `EEXIST`, `ENODATA` where the options say so; `ENOTSUP`; `E2BIG`, `ENOSPC` for a value that is too long, for Linux or the file system.
   */
  setxattr(name: string, value: string | ArrayBufferView, options?: SetXattrOptions): Promise<void>;
}

/** A handle of the ring's. */
export type FileHandle = core.FileHandle & FileHandleAdditions;

/** Puts the methods on a prototype whose objects keep their state where `stateOf` finds it. */
export function addTo(prototype: object, stateOf: (handle: object) => FileState): void {
  const methods: FileHandleAdditions & ThisType<object> = {
    readMany(buffer, positions, size) {
      return transferMany(false, this, stateOf(this), buffer, positions, size);
    },
    writeMany(buffer, positions, size) {
      return transferMany(true, this, stateOf(this), buffer, positions, size);
    },
    chain() {
      return new Chain(this, stateOf(this));
    },
    async preallocate(length, options = {}) {
      validateObject(options, 'options');
      const { offset = 0, keepSize = false } = options;
      validateInteger(length, 'length', 0);
      validateInteger(offset, 'options.offset', 0);
      validateBoolean(keepSize, 'options.keepSize');
      await stateOf(this).use('fallocate', (file) =>
        request((waiting) => file.allocate(keepSize ? FALLOC_FL_KEEP_SIZE : 0, offset, length, waiting), 'fallocate'),
      );
    },
    async advise(advice, offset = 0, length = 0) {
      const number = validateWord(advice, 'advice', ADVICE);
      validateInteger(offset, 'offset', 0);
      validateInteger(length, 'length', 0);
      const state = stateOf(this);
      const status = () => statusOf(state.fd, state);
      await state.use('fadvise', async (file) => {
        const ask = (from: number, count: number) => request((waiting) => file.advise(number, from, count, waiting), 'fadvise');
        // What goes on to the file's end need not be taken apart, and what lies beyond it is nobody's.
        if (length > MAX_ADVICE && offset + length >= (await status()).size) length = 0;
        do {
          const count = Math.min(length, MAX_ADVICE);
          await ask(offset, count);
          offset += count;
          length -= count;
        } while (length > 0);
      });
    },
    prioritize(priorityClass, level = 4) {
      const number = validateWord(priorityClass, 'priorityClass', CLASSES);
      validateInteger(level, 'level', 0, 7);
      stateOf(this)
        .file('ioprio')
        .prioritize((number << 13) | level);
    },
    async getxattr(name) {
      const plain = plainName(name);
      return stateOf(this).use('fgetxattr', (file) => getAttribute(file, plain));
    },
    async setxattr(name, value, options) {
      const [plain, bytes, flags] = [plainName(name), copyOf(value), xattrFlags(options)];
      await stateOf(this).use('fsetxattr', (file) => setAttribute(file, plain, bytes, flags));
    },
  };
  for (const [name, method] of Object.entries(methods)) {
    define(prototype, name, { value: method, writable: true, configurable: true });
  }
}
