/**
 * The `fd` option: taking over a descriptor that somebody else has opened.
 */
import { fstatSync, type Stats } from 'node:fs';
import { constants } from 'node:os';
import process from 'node:process';
import { ERR_INVALID_FD_TYPE } from '../errors/core.ts';
import { errnoException } from '../errors/system.ts';
import { ListenHandle, StreamHandle } from '../reactor/index.ts';
import { validateInt32 } from '../validate.ts';

const { errno } = constants;

/**
 * A connected socket from its descriptor, which belongs to the result from then on.
 *
 * @returns null for a pipe (FIFO): core's sockets read and write those too, the ring's do not
 * @throws {TypeError} `ERR_INVALID_FD_TYPE` for what is neither stream socket nor pipe.
 * @throws {Error} `EEXIST` where another handle has it already.
 */
export function adoptDescriptor(fd: number): StreamHandle | null {
  validateInt32(fd, 'fd', 0);
  const handle = StreamHandle.adopt(fd);
  if (typeof handle === 'object') return handle;
  const type = describeDescriptor(fd, handle);
  if (type === 'PIPE') return null;
  if (type === 'TCP') throw errnoException(handle, 'open');
  throw new ERR_INVALID_FD_TYPE(type);
}

/**
 * A socket to listen on from its descriptor.
 *
 * @returns the handle, or a negative errno; EINVAL for everything that cannot listen
 */
export function adoptListener(fd: number): ListenHandle | number {
  const handle = ListenHandle.adopt(fd);
  if (typeof handle === 'object') return handle;
  return describeDescriptor(fd, handle) === 'TCP' ? handle : -errno.EINVAL;
}

/** What core calls the kind of a descriptor that could not be taken over because of `status`. */
function describeDescriptor(fd: number, status: number): string {
  let stats: Stats;
  try {
    stats = fstatSync(fd);
  } catch {
    return 'UNKNOWN';
  }
  if (stats.isFIFO()) return 'PIPE';
  if (stats.isFile()) return 'FILE';
  if (stats.isCharacterDevice()) return process.getBuiltinModule('node:tty').isatty(fd) ? 'TTY' : 'FILE';
  if (!stats.isSocket()) return 'UNKNOWN';
  // The reactor says EINVAL of a socket that is no stream.
  return status === -errno.EINVAL ? 'UDP' : 'TCP';
}
