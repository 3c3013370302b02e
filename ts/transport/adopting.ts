/** Takes over sockets that are connected already, by their descriptors. @throws the system's error; the descriptor is the caller's then */
import core from 'node:net';
import { errnoException } from '../errors/system.ts';
import { StreamHandle } from '../reactor/index.ts';
import { CoreStream } from './core-stream.ts';
import type { TransportStream } from './stream.ts';

export type Adopt = (fd: number) => TransportStream;

/** On the ring. */
export const adoptOnRing: Adopt = (fd) => {
  const handle = StreamHandle.adopt(fd);
  if (typeof handle === 'number') throw errnoException(handle, 'open');
  return handle;
};

/** Through core. */
export const adoptOnCore: Adopt = (fd) => {
  const socket = new core.Socket({ fd, allowHalfOpen: true });
  socket.pause();
  return new CoreStream(socket);
};
