/**
 * `node:fs/promises` over io_uring: same names, signatures, options, defaults and errors. What io_uring has not is core's. Where io_uring cannot be
 * used all of these are core's own exports; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import type { PathLike } from 'node:fs';
import core from 'node:fs/promises';
import process from 'node:process';
import { selectBackend } from '../support.ts';
import type { FileHandle } from './additions.ts';
import { type BlockFile, type BlockFileOptions, openBlockFile } from './blocks.ts';
import * as ring from './module.ts';
import { replaceWithCore } from './replace.ts';

// Node's permission model guards core's functions alone: what it forbids must not be had by another way.
const guarded = (process as { permission?: unknown }).permission !== undefined;
const onRing = !guarded && selectBackend() === 'uring';
// Bundling may have renamed what shares a name with a local.
for (const [name, value] of Object.entries(ring)) Object.defineProperty(value, 'name', { value: name, configurable: true });
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

/** What newer versions of Node have; `undefined` in those without. */
export const { glob, mkdtempDisposable } = core as unknown as { glob: any; mkdtempDisposable: any };

export type { FileHandle, FileHandleAdditions } from './additions.ts';
export { BlockFile, type BlockFileOptions } from './blocks.ts';
export { ChainError, type Chain } from './chain.ts';
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

/** Opens a file as blocks. */
export function openBlocks(path: string, options?: BlockFileOptions): Promise<BlockFile> {
  return openBlockFile(open, path, options);
}

/**
 * Limits the kernel threads that do what cannot be done without waiting, for this JavaScript thread: `bounded` for regular files and block devices,
 * `unbounded` for everything else; 0 leaves a limit as it is. Does nothing with the `core` backend.
 */
export const limitWorkers: (limits: { bounded?: number; unbounded?: number }) => void = onRing ? ring.limitWorkers : () => {};
