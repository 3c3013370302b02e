/**
 * Binding to a socket that is there: a descriptor, a handle of core's, or one that the workers of a cluster share.
 */
import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { adoptCopy, noteOwner, type CoreHandle } from '../core/handles.ts';
import { ERR_INVALID_FD_TYPE } from '../errors/core.ts';
import { EBUSY } from '../errors/errno.ts';
import { errnoException } from '../errors/system.ts';
import { DatagramHandle } from '../reactor/index.ts';
import { attach } from './receive.ts';
import type { DgramSocket, State } from './state.ts';

/** @throws {Error} `ERR_INVALID_FD_TYPE` where it is none of a socket of that kind; of the system, where it cannot be taken over. */
export function adoptDescriptor(socket: DgramSocket, state: State, fd: number): void {
  const handle = state.handle === null ? DatagramHandle.adopt(fd, state.kind) : -EBUSY;
  // The socket is of no use then, as core's is not: it still counts as being bound.
  if (typeof handle === 'number') {
    const type = describeDescriptor(fd);
    // Core's type of UNIX datagrams, which it does not know.
    if (type === (state.kind === 'unix_dgram' ? 'UNKNOWN' : 'UDP')) throw errnoException(handle, 'open');
    throw new ERR_INVALID_FD_TYPE(type);
  }
  handle.share();
  attach(socket, state, handle);
}

/** Takes over a handle of core, with a socket that is bound. It is closed with ours. @returns zero, or a negative errno */
export function takeOver(socket: DgramSocket, state: State, theirs: CoreHandle): number {
  const handle = adoptCopy(theirs.fd, (fd) => DatagramHandle.adopt(fd, state.kind));
  if (typeof handle === 'number') {
    theirs.close();
    return handle;
  }
  handle.share();
  noteOwner(theirs, socket);
  // It may receive already.
  (theirs as { recvStop?: () => void }).recvStop?.();
  state.sibling = theirs;
  // What was opened before, to set an option, gives way as in core.
  state.handle?.close();
  attach(socket, state, handle);
  return 0;
}

function describeDescriptor(fd: number): string {
  try {
    const stats = fstatSync(fd);
    if (stats.isSocket()) return DatagramHandle.kindOf(fd) ?? 'UNKNOWN';
    if (isatty(fd)) return 'TTY';
    return stats.isFIFO() ? 'PIPE' : stats.isFile() || stats.isCharacterDevice() ? 'FILE' : 'UNKNOWN';
  } catch {
    return 'UNKNOWN';
  }
}
