/**
 * `node:fs/promises` over io_uring: same names, signatures, options, defaults and errors. What io_uring has not is core's. Where io_uring cannot be
 * used all of these are core's own exports; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import type { PathLike } from 'node:fs';
import core from 'node:fs/promises';
import process from 'node:process';
import { define } from '../define.ts';
import { selectBackend, support } from '../support.ts';
import { IouringUnavailableError } from '../errors/iouring.ts';
import { validateInt32, validateObject } from '../validate.ts';
import type { FileHandle } from './additions.ts';
import { alignedBuffer as makeAligned } from './aligned.ts';
import type { SetXattrOptions } from './attributes.ts';
import { type BlockFile, type BlockFileOptions, openBlockFile } from './blocks.ts';
import * as ring from './uring.ts';
import { replaceWithCore } from './atomic-on-core.ts';

// Node's permission model guards core's functions alone: what it forbids must not be had by another way.
const guarded = (process as { permission?: unknown }).permission !== undefined;
const onRing = !guarded && selectBackend() === 'uring';
// Bundling may have renamed what shares a name with a local.
for (const [name, value] of Object.entries(ring)) define(value, 'name', { value: name, configurable: true });
const chosen = (onRing ? { ...core, ...ring } : core) as Omit<typeof core, 'open'> & {
  open: (...args: Parameters<typeof core.open>) => Promise<FileHandle>;
};

export const {
  /** Opens a file: a FileHandle. */
  open,
  /** Reads a whole file. */
  readFile,
  /** Writes a whole file. */
  writeFile,
  /** Writes behind a file's end. */
  appendFile,
  unlink,
  rename,
  link,
  symlink,
} = chosen;

export const {
  access,
  chmod,
  chown,
  constants,
  copyFile,
  cp,
  lchmod,
  lchown,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  opendir,
  readdir,
  readlink,
  realpath,
  rm,
  rmdir,
  stat,
  statfs,
  truncate,
  utimes,
  watch,
} = core;

// What newer Node versions have.
export * from 'node:fs/promises';

export type { Advice, FileHandle, FileHandleAdditions, PriorityClass } from './additions.ts';
export type { SetXattrOptions } from './attributes.ts';
export type { Positions } from './batch.ts';
export { BlockFile, type BlockFileOptions, type BlockMode } from './blocks.ts';
export type { Chain } from './chain.ts';
export { ChainError } from '../errors/iouring.ts';
export { sendFile, type SendFileOptions } from './send-file.ts';

/**
 * Replaces a file so that whoever looks, also after a crash, finds the old content or the new one: a temporary file beside it is written, flushed,
 * renamed, and the directory flushed. Options as for `writeFile`, without `flag` and `flush`. A symbolic link is replaced, not followed.
 */
export const writeFileAtomic: (
  path: PathLike,
  data: Parameters<typeof core.writeFile>[1],
  options?: Parameters<typeof core.writeFile>[2],
) => Promise<void> = onRing ? ring.writeFileAtomic : replaceWithCore;

/**
 * The value of an extended attribute (`getxattr(2)`), such as `user.comment`; symbolic links are followed.
 *
 * @throws `ENODATA` where there is none of that name, `ENOTSUP` where the file system has no attributes of that kind.
 * @throws {IouringUnavailableError} with the `core` backend: core has no function for it.
 */
export const getxattr: (path: PathLike, name: string) => Promise<Buffer> = onRing ? ring.getxattr : unavailable;

/**
 * Sets an extended attribute (`setxattr(2)`) to a value of up to 64 KiB; strings are written as UTF-8. Symbolic links are followed. The value is copied
 * before this returns.
 *
 * @throws `EEXIST`, `ENODATA` where the options say so; `ENOTSUP`; `E2BIG`, `ENOSPC` for a value that is too long, for Linux or the file system.
 * @throws {IouringUnavailableError} with the `core` backend: core has no function for it.
 */
export const setxattr: (
  path: PathLike,
  name: string,
  value: string | ArrayBufferView,
  options?: SetXattrOptions,
) => Promise<void> = onRing ? ring.setxattr : unavailable;

function unavailable(): Promise<never> {
  const {
    reason = 'ERR_IOURING_PERMISSION_MODEL',
    message = "Node's permission model guards core's functions alone",
    errno,
  } = support();
  return Promise.reject(new IouringUnavailableError(reason, message, errno));
}

/**
 * A zero-filled Buffer of `size` bytes, page-aligned, of memory that the kernel can be given as it is: reads and writes with it copy nothing where others go
 * through memory of the library's, that is with `O_DIRECT` (from offsets in it that are multiples of 4096) and where a file is not in the page cache.
 * Each takes whole pages and a mapping of its own: make one for many reads, and use its parts. Until an operation is done its part is the kernel's.
 *
 * With the `core` backend it is as well aligned, unless there is no native part for this machine.
 *
 * @param size 0 to `buffer.constants.MAX_LENGTH`
 * @throws `ERR_OUT_OF_RANGE`; `ENOMEM`.
 */
export function alignedBuffer(size: number): Buffer {
  return makeAligned(size, onRing);
}

/** Opens a file as blocks. */
export function openBlocks(path: string, options?: BlockFileOptions): Promise<BlockFile> {
  return openBlockFile(open, path, options);
}

/**
 * Limits the kernel threads that do what cannot be done without waiting, for this JavaScript thread: `bounded` for regular files and block devices,
 * `unbounded` for everything else; 0 leaves a limit as it is. Does nothing with the `core` backend.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
export function limitWorkers(limits: { bounded?: number; unbounded?: number }): void {
  validateObject(limits, 'limits');
  const { bounded = 0, unbounded = 0 } = limits;
  validateInt32(bounded, 'limits.bounded', 0);
  validateInt32(unbounded, 'limits.unbounded', 0);
  if (onRing) ring.limitWorkers(bounded, unbounded);
}
