/**
 * Replacing a file so that whoever looks, also after a crash, finds the old content or the new one.
 */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import core from 'node:fs/promises';
import process from 'node:process';
import { promisify } from 'node:util';
import { bytesOf, fileCall, FileOpKind, type RingFile } from '../reactor/index.ts';
import { ChainError } from '../errors/iouring.ts';
import { type LinkedStep, runChain } from './chain.ts';
import { isIterable, type Source, writeAll } from './whole-file.ts';
import { fileError } from '../errors/system.ts';
import type { PathBytes } from './arguments.ts';
import { closingAfter, openFile, type Opened } from './opening.ts';
import { request } from './request.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants;

/** Up to here the content is written in the chain itself. */
const LINKED_WRITE = 1024 * 1024;

/** Permissions of a file that was not there before, but for what the umask takes away. */
const STANDARD_MODE = 0o666;

/** Bytes that a name may have on every file system: eCryptfs takes no more. */
const SURE_LENGTH = 143;

const SLASH = 0x2f;

const fchmod = promisify(fs.fchmod);
const fchown = promisify(fs.fchown);
const fstat = promisify(fs.fstat);

/** Where the new content goes until it is complete. */
export interface Places {
  readonly directory: Buffer;
  readonly temporary: Buffer;
}

/** The directory of a file, and a name in it that nobody else has. In bytes: names need not be UTF-8. */
export function placesFor(file: PathBytes): Places {
  const bytes = typeof file === 'string' ? Buffer.from(file) : Buffer.from(file);
  let end = bytes.length;
  while (end > 1 && bytes[end - 1] === SLASH) end--;
  const start = bytes.lastIndexOf(SLASH, end - 1) + 1;
  const suffix = Buffer.from(`.${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
  // As long as the file's own at most, where that is not sure to do anyway; characters are left whole.
  let kept = Math.max(0, Math.min(end - start, Math.max(SURE_LENGTH, end - start) - 1 - suffix.length));
  while (kept > 0 && kept < end - start && (bytes[start + kept] & 0xc0) === 0x80) kept--;
  const name = Buffer.concat([Buffer.from('.'), bytes.subarray(start, start + kept), suffix]);
  const directory = start === 0 ? Buffer.from('.') : bytes.subarray(0, Math.max(1, start - 1));
  return { directory, temporary: Buffer.concat([bytes.subarray(0, start), name]) };
}

/** The file that is replaced, as far as something of it is to be kept: nothing where permissions are given, or there is none. */
export async function modelOf(file: PathBytes, mode: number | undefined): Promise<fs.Stats | undefined> {
  return mode === undefined ? core.stat(file as Buffer).catch(() => undefined) : undefined;
}

/** Permissions to make the temporary file with: none for others before it is theirs. */
export function firstMode(model: fs.Stats | undefined, mode: number | undefined): number {
  if (model === undefined) return mode ?? STANDARD_MODE;
  const own = model.uid === process.geteuid!() && model.gid === process.getegid!();
  return model.mode & (own ? 0o777 : 0o700);
}

/** Gives an open file the owner and the permissions of another, as far as that is allowed. Without the owner, nobody is given his rights (set-user-ID). */
export async function inherit(fd: number, model: fs.Stats): Promise<void> {
  const made = await fstat(fd);
  let owned = made.uid === model.uid && made.gid === model.gid;
  owned ||= await allowed(fchown(fd, model.uid, model.gid));
  if (!owned && made.gid !== model.gid) await allowed(fchown(fd, made.uid, model.gid));
  const mode = model.mode & (owned ? 0o7777 : 0o777);
  // A change of the owner has taken such rights away.
  if (!owned || (made.mode & 0o7777) !== mode || mode > 0o777) await allowed(fchmod(fd, mode));
}

/** Whether something was done; not where the user may not, or the file system cannot. */
async function allowed(change: Promise<void>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (['EPERM', 'EINVAL', 'ENOSYS', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code!)) return false;
    throw error;
  }
}

/** Whether an error of opening or flushing a directory says that it cannot be flushed, by us or at all. */
export function cannotFlush(error: unknown): boolean {
  return ['EACCES', 'EINVAL', 'EISDIR', 'EBADF'].includes((error as NodeJS.ErrnoException).code!);
}

/**
 * Writes to a temporary file, flushes it, renames it over `file` and flushes the directory: all linked, for content of up to 1 MiB.
 *
 * @param mode permissions; where they are not given, those of the file that is replaced, and its owner
 */
export async function replaceFile(
  file: PathBytes,
  source: Source,
  encoding: BufferEncoding,
  mode: number | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { directory, temporary } = placesFor(file);
  const model = await modelOf(file, mode);
  const folder = await openFolder(directory, file);
  const replace = async (flushFolder: LinkedStep[]) => {
    const opened = await openAs(file, temporary, O_CREAT | O_EXCL | O_WRONLY, firstMode(model, mode));
    await closingAfter(opened.file, async () => {
      try {
        if (model !== undefined) await inherit(opened.file.fd(), model);
        await fill(opened.file, source, encoding, signal, [renaming(temporary, file), ...flushFolder]);
      } catch (error) {
        const gone = (waiting: Parameters<LinkedStep['start']>[0]) =>
          fileCall(FileOpKind.Unlink, -1, temporary, null, 0, 0, 0, waiting);
        await request(gone, 'unlink', temporary).catch(() => {});
        throw error;
      }
    });
  };
  if (folder === undefined) return replace([]);
  return closingAfter(folder.file, () => replace([syncing(folder.file)]));
}

/** Writes everything and goes on with what follows, linked where the content is short. */
async function fill(
  file: RingFile,
  source: Source,
  encoding: BufferEncoding,
  signal: AbortSignal | undefined,
  last: readonly LinkedStep[],
): Promise<void> {
  const bytes = isIterable(source) ? undefined : bytesOf(source);
  if (bytes === undefined || signal !== undefined || bytes.length === 0 || bytes.length > LINKED_WRITE) {
    await writeAll(file, source, encoding, signal);
    return runSteps([syncing(file), ...last]);
  }
  const { length } = bytes;
  const writing: LinkedStep = {
    name: 'write',
    length,
    start: (waiting, linked) => file.write(bytes, 0, length, 0, waiting, linked),
  };
  try {
    await runSteps([writing, syncing(file), ...last]);
  } catch (error) {
    if (!(error instanceof ChainError) || error.step > 0) throw error;
    // A short write: the next one tells why, or there is room again.
    for (let done = error.results[0]; done < length;) {
      const at = done;
      done += await request((waiting) => file.write(bytes, at, length - at, at, waiting), 'write');
    }
    await runSteps([syncing(file), ...last]);
  }
}

function syncing(file: RingFile): LinkedStep {
  return { name: 'fsync', length: 0, start: (waiting, linked) => file.sync(false, waiting, linked) };
}

function renaming(from: PathBytes, to: PathBytes): LinkedStep {
  return {
    name: 'rename',
    length: 0,
    start: (waiting, linked) => fileCall(FileOpKind.Rename, -1, from, to, 0, 0, 0, waiting, linked),
    paths: [from, to],
  };
}

/** Runs the steps; the error is that of the system call that failed. A directory need not be one that can be flushed. */
async function runSteps(steps: readonly LinkedStep[]): Promise<void> {
  try {
    await runChain(steps);
  } catch (error) {
    if (!(error instanceof ChainError) || error.results[error.step] >= 0) throw error;
    const { paths } = steps[error.step];
    if (steps[error.step - 1]?.paths !== undefined && cannotFlush(error.cause)) return;
    throw fileError(error.results[error.step], error.syscall, ...(paths ?? []));
  }
}

/** The directory of a file, to be flushed; nothing where it may not be read. */
async function openFolder(directory: PathBytes, file: PathBytes): Promise<Opened | undefined> {
  try {
    return await openAs(file, directory, O_RDONLY | O_DIRECTORY, 0);
  } catch (error) {
    if (cannotFlush(error)) return undefined;
    throw error;
  }
}

/** Opens something on behalf of a file, which an error is about then. */
async function openAs(file: PathBytes, path: PathBytes, flags: number, mode: number): Promise<Opened> {
  try {
    return await openFile(path, flags, mode);
  } catch (error) {
    throw fileError((error as NodeJS.ErrnoException).errno!, 'open', file);
  }
}
