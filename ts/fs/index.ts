/**
 * `node:fs/promises` over io_uring: same names, signatures, options, defaults and errors. What io_uring has not is core's. Where io_uring cannot be
 * used all of these are core's own exports; `support()` of the main entry point tells why.
 *
 * @packageDocumentation
 */
import core from 'node:fs/promises';
import process from 'node:process';
import { selectBackend } from '../support.ts';
import * as ring from './module.ts';

// Node's permission model guards core's functions alone: what it forbids must not be had by another way.
const guarded = (process as { permission?: unknown }).permission !== undefined;
const chosen = (!guarded && selectBackend() === 'uring' ? { ...core, ...ring } : core) as typeof core;

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
  rmdir,
  rename,
  mkdir,
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
  mkdtemp,
  opendir,
  readdir,
  readlink,
  realpath,
  rm,
  stat,
  statfs,
  truncate,
  utimes,
  watch,
} = core;

export type FileHandle = core.FileHandle;
