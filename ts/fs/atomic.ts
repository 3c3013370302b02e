/**
 * Replacing a file so that whoever looks, also after a crash, finds the old content or the new one.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { FileJob } from '../reactor/index.ts';
import { bytesOf, fileJob } from '../reactor/ring-file.ts';
import { ChainError, type LinkedStep, runChain } from './chain.ts';
import { isIterable, type Source, writeAll } from './content.ts';
import { closeFile, openFile } from './opening.ts';
import { request } from './request.ts';

/** Up to here the content is written in the chain itself. */
const LINKED_WRITE = 1024 * 1024;

/** A name beside the file's own, for content that is not complete. */
export function temporaryName(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
}

/** Writes to a temporary file, flushes it, renames it over `file` and flushes the directory: all linked, for content of up to 1 MiB. */
export async function replaceFile(
  file: string,
  source: Source,
  encoding: BufferEncoding,
  mode: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = temporaryName(file);
  const directory = await openFile(path.dirname(file), constants.O_RDONLY | constants.O_DIRECTORY, 0);
  try {
    const opened = await openFile(temporary, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, mode);
    try {
      const steps: LinkedStep[] = [
        { name: 'fsync', length: 0, start: (waiting, linked) => opened.file.sync(false, waiting, linked) },
        {
          name: 'rename',
          length: 0,
          start: (waiting, linked) => fileJob(FileJob.Rename, -1, temporary, file, 0, 0, 0, waiting, linked),
        },
        { name: 'fsync', length: 0, start: (waiting, linked) => directory.file.sync(false, waiting, linked) },
      ];
      const bytes = isIterable(source) ? undefined : bytesOf(source);
      if (bytes !== undefined && signal === undefined && bytes.length > 0 && bytes.length <= LINKED_WRITE) {
        const { length } = bytes;
        steps.unshift({
          name: 'write',
          length,
          start: (waiting, linked) => opened.file.write(bytes, 0, length, -1, waiting, linked),
        });
      } else {
        await writeAll(opened.file, source, encoding, signal);
      }
      await runChain(steps);
    } catch (error) {
      await request((waiting) => fileJob(FileJob.Unlink, -1, temporary, null, 0, 0, 0, waiting), 'unlink', temporary).catch(
        () => {},
      );
      throw error instanceof ChainError ? asFileError(error, temporary, file) : error;
    } finally {
      await closeFile(opened.file);
    }
  } finally {
    await closeFile(directory.file);
  }
}

/** The step's own error, with the paths that it was about. */
function asFileError(error: ChainError, temporary: string, file: string): unknown {
  const { cause } = error;
  if (!(cause instanceof Error) || !('errno' in cause)) return error;
  return error.syscall === 'rename'
    ? Object.assign(cause, { path: temporary, dest: file })
    : Object.assign(cause, { path: file });
}
