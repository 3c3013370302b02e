/**
 * One-off requests as promises.
 */
import { failing } from '../errors/callers.ts';
import { EFAULT } from '../errors/errno.ts';
import type { FileRequest } from '../reactor/index.ts';
import { BufferGoneError } from '../errors/iouring.ts';
import { fileError } from '../errors/system.ts';
import type { PathBytes } from './arguments.ts';

/** The error of a request that failed. */
export function failureOf(result: number, syscall: string, path?: PathBytes, dest?: PathBytes): Error {
  return result === -EFAULT && path === undefined ? new BufferGoneError(syscall) : fileError(result, syscall, path, dest);
}

class Settling implements FileRequest {
  constructor(
    private readonly resolve: (result: number | Promise<never>) => void,
    private readonly syscall: string,
    private readonly path: PathBytes | undefined,
    private readonly dest: PathBytes | undefined,
  ) {}

  done(result: number): void {
    if (result < 0) this.resolve(failing(failureOf(result, this.syscall, this.path, this.dest)));
    else this.resolve(result);
  }
}

/** Starts a request: its result, or core's error for that system call. */
export function request(
  start: (request: FileRequest) => void,
  syscall: string,
  path?: PathBytes,
  dest?: PathBytes,
): Promise<number> {
  return new Promise((resolve) => start(new Settling(resolve, syscall, path, dest)));
}
