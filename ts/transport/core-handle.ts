/** Handles of core's sockets, moved from one socket to another: core cannot let go of a descriptor, but of the handle that has it. */
import core from 'node:net';

/** What there is below a socket of core's. */
export interface CoreHandle {
  reading: boolean;
  readStop(): number;
}

interface Holder {
  _handle: CoreHandle | null;
}

/** What is below a socket of core's: null where it has no connection, or has lost it. */
export function coreHandleOf(socket: core.Socket): CoreHandle | null {
  return (socket as unknown as Holder)._handle;
}

/** Takes the connection out of a socket. What its stream holds stays there. */
export function takeCoreHandle(socket: core.Socket): CoreHandle {
  const holder = socket as unknown as Holder;
  const handle = holder._handle!;
  handle.reading = false;
  handle.readStop();
  holder._handle = null;
  return handle;
}

/** A socket on such a handle. @param pauseOnCreate reads nothing before it is told to */
export function socketOnHandle(handle: CoreHandle, allowHalfOpen: boolean, pauseOnCreate: boolean): core.Socket {
  const options = { handle, allowHalfOpen, pauseOnCreate, readable: true, writable: true };
  return new core.Socket(options);
}
