/**
 * Errors of file operations, in core's shape.
 */
import { getSystemErrorMap } from 'node:util';
import { AbortError } from '../errors.ts';

/** A failed system call on files: `ENOENT: no such file or directory, open 'x'`. */
export interface FileError extends Error {
  /** Negative. */
  errno: number;
  code: string;
  syscall: string;
  path?: string;
  dest?: string;
}

export type PathBytes = string | Uint8Array;

function text(path: PathBytes): string {
  return typeof path === 'string' ? path : Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString();
}

/** The error of a system call that failed with a negative errno. */
export function fileError(errno: number, syscall: string, path?: PathBytes, dest?: PathBytes): FileError {
  const [code, meaning] = getSystemErrorMap().get(errno) ?? ['UNKNOWN', 'unknown error'];
  let message = `${code}: ${meaning}, ${syscall}`;
  if (path !== undefined) message += ` '${text(path)}'`;
  if (dest !== undefined) message += ` -> '${text(dest)}'`;
  const error = Object.assign(new Error(message), { errno, code, syscall }) as FileError;
  if (path !== undefined) error.path = text(path);
  if (dest !== undefined) error.dest = text(dest);
  return error;
}

/** A method was called on a handle that is closed. */
export function closedError(syscall: string): Error {
  return Object.assign(new Error('file closed'), { code: 'EBADF', syscall });
}

/** The memory that an operation was to fill or send was detached or shrunk before it was done. */
export class BufferGoneError extends Error {
  readonly code = 'ERR_IOURING_BUFFER_GONE';
  constructor(syscall: string) {
    super(`The buffer was detached or resized while ${syscall} was under way`);
  }
}

/** @throws {AbortError} where the signal has been given. */
export function checkAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}
