/**
 * Sockets and servers that other processes send to one that has us registered: core makes them, of handles; ours take the handles over.
 *
 * An entry point of its own, so that `register` loads nothing of this package before one arrives.
 */
import coreDgram from 'node:dgram';
import core from 'node:net';
import { createSocket } from '../dgram/uring.ts';
import { coreState } from '../dgram/shown-handle.ts';
import { errnoException } from '../errors/system.ts';
import { adoptCopy, takeFromCore, type CoreHandle } from '../core/handles.ts';
import { connectionParts } from '../net/connection-parts.ts';
import { ring } from '../net/uring.ts';
import { ListenHandle, StreamHandle } from '../reactor/index.ts';

/** A socket or server of core's, from inside. */
interface Inside {
  _handle: CoreHandle | null;
}

/** Passes on what stands here for a thing that core has received: for what is neither socket nor server, the thing itself. */
export function exchange(received: unknown, pass: (thing: unknown) => void): void {
  if (received instanceof core.Socket && isCores(received, ring.Socket)) pass(takeSocket(received));
  else if (received instanceof core.Server && isCores(received, ring.Server)) takeServer(received, pass);
  else if (received instanceof coreDgram.Socket) takeDatagrams(received, pass);
  else pass(received);
}

function isCores(thing: object, Ours: { prototype: object }): boolean {
  return !Object.prototype.isPrototypeOf.call(Ours.prototype, thing) && (thing as Inside)._handle !== null;
}

function takeSocket(theirs: core.Socket): core.Socket {
  const inside = theirs as unknown as Inside;
  const taken = takeFromCore(inside._handle!, (fd) => StreamHandle.adopt(fd, true));
  inside._handle = null;
  let ours: core.Socket;
  if (typeof taken === 'number') {
    ours = new ring.Socket().destroy(errnoException(taken, 'open'));
  } else {
    const { Link, connectedOptions } = connectionParts();
    const link = new Link();
    link.attach(taken);
    ours = new ring.Socket(connectedOptions(link));
    // Core's reads at once. The message may have come before anybody listened for it, or before this package was loaded.
    const early: unknown = theirs.read();
    if (early !== null) ours.push(early);
  }
  // The process that has sent it is told how many of its connections are open here. Core counts its own.
  ours.once('close', () => theirs.destroy());
  return ours;
}

function takeServer(theirs: core.Server, pass: (server: core.Server) => void): void {
  const taken = adoptCopy((theirs as unknown as Inside)._handle!.fd, (fd) => ListenHandle.adopt(fd));
  if (typeof taken === 'number') {
    pass(theirs);
    return;
  }
  theirs.close();
  const ours = new ring.Server();
  ours.listen(taken, () => pass(ours));
}

function takeDatagrams(theirs: coreDgram.Socket, pass: (socket: coreDgram.Socket) => void): void {
  const { handle } = (theirs as unknown as Record<symbol, { handle: CoreHandle }>)[coreState()];
  const ours = createSocket((theirs as unknown as { type: coreDgram.SocketType }).type);
  Reflect.apply(ours.bind, ours, [handle, () => pass(ours)]);
}
