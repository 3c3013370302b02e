/**
 * The functions of `fs/promises` that run on the ring.
 */
import core from 'node:fs/promises';
import { CORE_MAJOR } from '../core/version.ts';
import { fileCall, FileOpKind, getReactor } from '../reactor/index.ts';
import { replaceFile } from './atomic.ts';
import { plainDataOptions, plainFlags, plainMode, plainPath, refused } from './arguments.ts';
import { readAll, writeAll } from './whole-file.ts';
import { findCore } from './core-file-handle.ts';
import { checkAborted } from '../errors/core.ts';
import { fileError } from '../errors/system.ts';
import { fileHandleClass, ownState, type RingFileHandle, sourceOf } from './file-handle.ts';
import { copyOf, getAttribute, plainName, setAttribute, subjectOf, xattrFlags } from './attributes.ts';
import { closingAfter, openFile } from './opening.ts';
import { request } from './request.ts';
import { sizeOf } from './stats.ts';

const STANDARD_MODE = 0o666;

/** From Node 26 on (seen; 24 does not) an error of reading a whole file tells its path. */
const READ_NAMES_PATH = CORE_MAJOR >= 26;

type HandleClass = ReturnType<typeof fileHandleClass>;

let handleClass: HandleClass | undefined;

async function loadHandleClass(): Promise<HandleClass> {
  return (handleClass ??= fileHandleClass(await findCore()));
}

/** Opens a file: a FileHandle. */
export async function open(path: unknown, flags?: unknown, mode?: unknown): Promise<core.FileHandle> {
  const [plain, flag, permissions] = [plainPath(path), plainFlags(flags), plainMode(mode, STANDARD_MODE)];
  if (plain === undefined || flag === undefined || permissions === undefined)
    return core.open(path as string, flags as string, mode as number);
  const Class = handleClass ?? (await loadHandleClass());
  return new Class(await openFile(plain, flag, permissions));
}

/**
 * A handle of ours that is open. One that is closed is no path either, and so goes to core, whose error of it is another here than that of the handle's own
 * methods, and not the same in all versions.
 */
function openHandle(path: unknown): RingFileHandle | undefined {
  const state = ownState(path);
  return state === undefined || state.fd === -1 ? undefined : (path as RingFileHandle);
}

/** Reads a whole file, or what is left of an open one. */
export async function readFile(path: unknown, options?: unknown): Promise<Buffer | string> {
  const handle = openHandle(path);
  if (handle) return handle.readFile(options as never);
  const plain = plainPath(path);
  const chosen = plainDataOptions(options);
  const flag = plainFlags(chosen?.flag ?? 'r');
  if (plain === undefined || chosen === undefined || flag === undefined) return core.readFile(path as string, options as never);
  checkAborted(chosen.signal);
  const opened = await openFile(plain, flag, STANDARD_MODE);
  return closingAfter(opened.file, async () => {
    const size = await sizeOf(opened.file.fd(), opened);
    return readAll(opened.file, size, chosen.encoding, chosen.signal, true).catch((error: NodeJS.ErrnoException) => {
      throw READ_NAMES_PATH && error.syscall === 'read' && error.errno !== undefined
        ? fileError(error.errno, 'read', plain)
        : error;
    });
  });
}

/** Writes a whole file. */
export function writeFile(path: unknown, data: unknown, options?: unknown): Promise<void> {
  return write(path, data, options, 'w', core.writeFile);
}

/** Writes behind a file's end. */
export function appendFile(path: unknown, data: unknown, options?: unknown): Promise<void> {
  return write(path, data, options, 'a', core.appendFile);
}

async function write(path: unknown, data: unknown, options: unknown, flag: string, fallback: Function): Promise<void> {
  const handle = openHandle(path);
  if (handle) return handle.writeFile(data as string, options as never);
  const plain = plainPath(path);
  const chosen = plainDataOptions(options);
  const flags = plainFlags(chosen?.flag ?? flag);
  const mode = plainMode(chosen?.mode, STANDARD_MODE);
  const source = chosen === undefined ? undefined : sourceOf(data, chosen.encoding ?? 'utf8');
  if (plain === undefined || chosen === undefined || flags === undefined || mode === undefined || source === undefined) {
    return fallback(path, data, options) as Promise<void>;
  }
  checkAborted(chosen.signal);
  const { file } = await openFile(plain, flags, mode);
  return closingAfter(file, async () => {
    await writeAll(file, source, chosen.encoding ?? 'utf8', chosen.signal);
    if (chosen.flush) await request((waiting) => file.sync(false, waiting), 'fsync');
  });
}

/** Removes a file or link. */
export async function unlink(path: unknown): Promise<void> {
  const plain = plainPath(path);
  if (plain === undefined) return core.unlink(path as string);
  await request((waiting) => fileCall(FileOpKind.Unlink, -1, plain, null, 0, 0, 0, waiting), 'unlink', plain);
}

/** Renames, replacing what is there. */
export async function rename(from: unknown, to: unknown): Promise<void> {
  const [source, target] = [plainPath(from), plainPath(to)];
  if (source === undefined || target === undefined) return core.rename(from as string, to as string);
  await request((waiting) => fileCall(FileOpKind.Rename, -1, source, target, 0, 0, 0, waiting), 'rename', source, target);
}

/** Makes a hard link. */
export async function link(from: unknown, to: unknown): Promise<void> {
  const [source, target] = [plainPath(from), plainPath(to)];
  if (source === undefined || target === undefined) return core.link(from as string, to as string);
  await request((waiting) => fileCall(FileOpKind.Link, -1, source, target, 0, 0, 0, waiting), 'link', source, target);
}

/** Makes a symbolic link at `path`. */
export async function symlink(target: unknown, path: unknown, type?: unknown): Promise<void> {
  const [text, place] = [plainPath(target), plainPath(path)];
  if (text === undefined || place === undefined || (type !== undefined && type !== null)) {
    return core.symlink(target as string, path as string, type as string);
  }
  await request((waiting) => fileCall(FileOpKind.Symlink, -1, text, place, 0, 0, 0, waiting), 'symlink', text, place);
}

/** Replaces a file; see the export of that name. */
export async function writeFileAtomic(path: unknown, data: unknown, options?: unknown): Promise<void> {
  const plain = plainPath(path);
  if (plain === undefined) return refused('path', path, core.access(path as string));
  const chosen = plainDataOptions(options);
  if (chosen === undefined) return refused('options', options, core.writeFile('/dev/null', '', options as never));
  const given = chosen.mode ?? undefined;
  const mode = given === undefined ? undefined : plainMode(given, STANDARD_MODE);
  if (given !== undefined && mode === undefined) return refused('mode', given, core.open('/dev/null', 'r', given as number));
  const encoding = chosen.encoding ?? 'utf8';
  const source = sourceOf(data, encoding);
  if (source === undefined) return refused('data', data, core.writeFile('/dev/null', data as string));
  checkAborted(chosen.signal);
  await replaceFile(plain, source, encoding, mode, chosen.signal);
}

/** The value of an extended attribute; see the export of that name. */
export async function getxattr(path: unknown, name: unknown): Promise<Buffer> {
  const plain = plainName(name);
  return getAttribute(await subjectOf(path), plain);
}

/** Sets an extended attribute; see the export of that name. */
export async function setxattr(path: unknown, name: unknown, value: unknown, options?: unknown): Promise<void> {
  // Before anything is waited for: the caller may change its buffer afterwards.
  const [plain, bytes, flags] = [plainName(name), copyOf(value), xattrFlags(options)];
  await setAttribute(await subjectOf(path), plain, bytes, flags);
}

/** Limits the kernel's worker threads; see the export of that name. */
export function limitWorkers(bounded: number, unbounded: number): void {
  const status = getReactor().native.limitWorkers(bounded, unbounded);
  if (status < 0) throw fileError(status, 'io_uring_register');
}
