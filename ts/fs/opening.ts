/**
 * Opening files on the ring.
 */
import { fileCall, FileOpKind, type FileRequest, type Found, getReactor, RingFile } from '../reactor/index.ts';
import { failing } from '../errors/callers.ts';
import { fileError } from '../errors/system.ts';
import type { PathBytes } from './arguments.ts';
import { request } from './request.ts';

/** Descriptors are never inherited by other programs, as core's are not. */
const O_CLOEXEC = 0o2000000;

/** A file that has been opened, and what was found. */
export interface Opened extends Found {
  readonly file: RingFile;
  /** What was asked for. */
  readonly path: PathBytes;
}

class Opening implements FileRequest {
  constructor(
    private readonly resolve: (opened: Opened | Promise<never>) => void,
    private readonly path: PathBytes,
  ) {}

  done(result: number): void {
    this.resolve(failing(fileError(result, 'open', this.path)));
  }

  opened(handle: number, found: Found): void {
    this.resolve({ file: new RingFile(getReactor(), handle), path: this.path, ...found });
  }
}

/** Opens a file. */
export function openFile(path: PathBytes, flags: number, mode: number): Promise<Opened> {
  return new Promise((resolve) => {
    fileCall(FileOpKind.Open, -1, path, null, flags | O_CLOEXEC, mode, 0, new Opening(resolve, path));
  });
}

/** Closes a file that nothing is under way on. */
export function closeFile(file: RingFile): Promise<number> {
  return request((waiting) => file.close(waiting), 'close');
}

/** Does something with a file and closes it, whatever comes of it. */
export async function closingAfter<T>(file: RingFile, use: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await use();
  } catch (error) {
    await closeFile(file);
    throw error;
  }
  await closeFile(file);
  return result;
}
