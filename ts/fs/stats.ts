/**
 * The status of open files.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { Found } from '../reactor/index.ts';

const fstat = promisify(fs.fstat) as (fd: number, options?: fs.StatOptions) => Promise<fs.Stats>;

/**
 * `fstat(2)`. At once where the answer lies in memory, since a trip through any queue takes twenty times as long; by a thread of core's where a network or a
 * server has to be asked, which may never answer.
 */
export async function statusOf(fd: number, { local }: Pick<Found, 'local'>, options?: fs.StatOptions): Promise<fs.Stats> {
  return local ? (fs.fstatSync(fd, options) as fs.Stats) : fstat(fd, options);
}

/** How many bytes there are to be read from the start; 0 where that is not known: of pipes, devices, and what the kernel makes up. */
export async function sizeOf(fd: number, found: Found): Promise<number> {
  if (!isRegular(found.mode)) return 0;
  return found.local ? found.size : (await fstat(fd)).size;
}

/** Whether it is a regular file. */
export function isRegular(mode: number): boolean {
  return (mode & fs.constants.S_IFMT) === fs.constants.S_IFREG;
}
