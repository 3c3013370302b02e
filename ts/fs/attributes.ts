/**
 * Extended attributes, which core has no functions for.
 */
import { Buffer } from 'node:buffer';
import core from 'node:fs/promises';
import { ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE } from '../errors/core.ts';
import { validateBoolean, validateObject, validateString } from '../validate.ts';
import { bytesOf, FileOpKind, lendingCall } from '../reactor/index.ts';
import { plainPath, refused } from './arguments.ts';
import type { PathBytes } from './arguments.ts';
import { request } from './request.ts';

/** `XATTR_SIZE_MAX`. */
const LONGEST = 64 * 1024;
/** What is tried first: most values are short, and room for the longest would have to be cleared for each. */
const FIRST_TRY = 1024;

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

export interface SetXattrOptions {
  /**
   * Fail with `EEXIST` where the attribute is there already.
   *
   * @default false
   */
  create?: boolean;
  /**
   * Fail with `ENODATA` where it is not there yet.
   *
   * @default false
   */
  replace?: boolean;
}

/** What has the attribute: the file at a path, or else an open one by its number. */
export interface Subject {
  readonly path?: PathBytes;
  readonly id: number;
}

const KINDS = {
  getxattr: FileOpKind.GetXattr,
  fgetxattr: FileOpKind.FGetXattr,
  setxattr: FileOpKind.SetXattr,
  fsetxattr: FileOpKind.FSetXattr,
} as const;

/** The file that a path names; symbolic links are followed. */
export async function subjectOf(path: unknown): Promise<Subject> {
  const plain = plainPath(path);
  if (plain !== undefined) return { path: plain, id: -1 };
  return refused('path', path, core.access(path as string));
}

/** The value of an attribute: `getxattr(2)`, `fgetxattr(2)`. */
export async function getAttribute(subject: Subject, name: string): Promise<Buffer> {
  try {
    return await readValue(subject, name, FIRST_TRY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERANGE') throw error;
    return readValue(subject, name, LONGEST);
  }
}

async function readValue(subject: Subject, name: string, room: number): Promise<Buffer> {
  const value = Buffer.allocUnsafeSlow(room);
  const length = await ask(subject.path === undefined ? 'fgetxattr' : 'getxattr', subject, name, 0, value);
  // Of its own size, not with all the room that was made for it.
  return Buffer.from(value.subarray(0, length));
}

/** Sets an attribute: `setxattr(2)`, `fsetxattr(2)`. The value is lent until that is done. */
export async function setAttribute(subject: Subject, name: string, value: Uint8Array, flags: number): Promise<void> {
  await ask(subject.path === undefined ? 'fsetxattr' : 'setxattr', subject, name, flags, value);
}

/** `XATTR_*`, of the options of a caller. */
export function xattrFlags(options: unknown = {}): number {
  validateObject(options, 'options');
  const { create = false, replace = false } = options as SetXattrOptions;
  validateBoolean(create, 'options.create');
  validateBoolean(replace, 'options.replace');
  return (create ? XATTR_CREATE : 0) | (replace ? XATTR_REPLACE : 0);
}

function ask(call: keyof typeof KINDS, { path, id }: Subject, name: string, flags: number, value: Uint8Array): Promise<number> {
  return request((waiting) => lendingCall(KINDS[call], id, path ?? null, name, flags, value, waiting), call, path);
}

/** The name of an attribute. */
export function plainName(name: unknown): string {
  validateString(name, 'name');
  if (name.includes('\0')) throw new ERR_INVALID_ARG_VALUE('name', name, 'must be a string without null bytes');
  return name;
}

/** The bytes of a value as they are now, whatever becomes of its buffer. Of one that is too long, enough to be told so. */
export function copyOf(value: unknown): Uint8Array {
  if (typeof value === 'string') return copyOf(Buffer.from(value));
  if (!ArrayBuffer.isView(value)) throw new ERR_INVALID_ARG_TYPE('value', ['string', 'Buffer', 'TypedArray', 'DataView'], value);
  return Uint8Array.prototype.slice.call(bytesOf(value), 0, LONGEST + 1);
}
