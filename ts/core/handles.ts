/**
 * Handles of core's: made for what is open here, and taken over from there. Core's child_process and cluster know descriptors by such handles alone, so
 * that they are where sockets cross.
 *
 * Either way the descriptor is duplicated, since a handle of core's cannot let go of its own without closing it.
 */
import { closeSync } from 'node:fs';
import core from 'node:net';
import { errnoException } from '../errors/system.ts';
import { duplicateDescriptor } from '../reactor/index.ts';

/** As much of a handle of core's as is of use here. */
export interface CoreHandle {
  readonly fd: number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  /** Not of UNIX-domain sockets, as the next. */
  setNoDelay?(enable: boolean): number;
  /** @param delay in seconds */
  setKeepAlive?(enable: boolean, delay: number): number;
}

/** A socket of core's, from inside. */
interface CoreSocket {
  _handle: CoreHandle | null;
}

/**
 * A second descriptor, for a handle of core's to have.
 *
 * @throws {Error} `EMFILE` and its like
 */
export function duplicated(fd: number): number {
  const copy = duplicateDescriptor(fd);
  if (copy < 0) throw errnoException(copy, 'dup');
  return copy;
}

/**
 * A handle of core's for the open stream socket at `fd`, which may listen or be connected. It does nothing by itself, and does not hold the process.
 *
 * @throws {Error} `EMFILE` and its like
 */
export function makeCoreHandle(fd: number): CoreHandle {
  const handle = openCoreHandle(duplicated(fd));
  handle.unref();
  return handle;
}

/** The same that has the descriptor itself from here on, and holds the process as core's do. */
function openCoreHandle(fd: number): CoreHandle {
  // The classes are not to be had, but a socket of core's makes a handle of the right one for any descriptor.
  return handleOf({ fd })!;
}

/**
 * A handle of core's that has no descriptor: what sends it hears `EBADF`, as of core's sockets before they are opened and behind their end.
 */
export function makeClosedHandle(): CoreHandle {
  // A socket has one as soon as it begins to look up whom it connects to, which here never ends.
  const carrier = new core.Socket() as core.Socket & CoreSocket;
  carrier.connect({ host: 'nowhere', port: 1, lookup: () => {} });
  const handle = carrier._handle!;
  carrier._handle = null;
  handle.close();
  return handle;
}

type HandleClass = new (kind: number) => CoreHandle & { open(fd: number): number };
/** What core's classes of handles are told: not one that listens. */
const SOCKET = 0;

let Tcp: HandleClass | undefined;
let Pipe: HandleClass | undefined;

/**
 * The same of a connection whose family is known, without a socket of core's for each.
 *
 * @throws {Error} as `net.Socket` does where libuv refuses the descriptor
 */
export function openConnection(fd: number, unix: boolean): CoreHandle {
  const Class = unix ? Pipe : Tcp;
  if (Class === undefined) {
    const first = openCoreHandle(fd);
    if (unix) Pipe = first.constructor as HandleClass;
    else Tcp = first.constructor as HandleClass;
    return first;
  }
  const handle = new Class(SOCKET);
  const status = handle.open(fd);
  if (status < 0) throw errnoException(status, 'open');
  return handle;
}

function handleOf(options: object): CoreHandle | null {
  const carrier = new core.Socket({ ...options, manualStart: true } as core.SocketConstructorOpts) as unknown as CoreSocket;
  const handle = carrier._handle;
  carrier._handle = null;
  return handle;
}

/**
 * Adopts what a handle of core's has open, and closes that handle.
 *
 * @param adopt takes a descriptor over, or says with a negative errno that it has not
 * @returns what it has made of it, or a negative errno
 */
export function takeFromCore<Handle extends object>(handle: CoreHandle, adopt: (fd: number) => Handle | number): Handle | number {
  const taken = adoptCopy(handle.fd, adopt);
  handle.close();
  return taken;
}

/** The same of a duplicate alone: the other descriptor stays whose it is. */
export function adoptCopy<Handle extends object>(fd: number, adopt: (fd: number) => Handle | number): Handle | number {
  const copy = duplicateDescriptor(fd);
  if (copy < 0) return copy;
  const taken = adopt(copy);
  if (typeof taken === 'number') closeSync(copy);
  return taken;
}

let ownerSymbol: symbol | undefined;

/** Notes down on what stands for a handle of core's whose it is, where core's cluster looks. */
export function noteOwner(handle: object, owner: object): void {
  if (ownerSymbol === undefined) {
    // Core takes any object for a handle, and notes down on it whose it is.
    const probe = {};
    handleOf({ handle: probe });
    ownerSymbol = Object.getOwnPropertySymbols(probe).find(({ description }) => description === 'owner_symbol');
  }
  if (ownerSymbol !== undefined) (handle as Record<symbol, object>)[ownerSymbol] = owner;
}
