/**
 * Connections that the ring has accepted, and libuv reads and writes.
 *
 * TLS and HTTP/2 are C++ of core's that reads and writes a connection itself. From a handle of libuv's it does so without a word of JavaScript; from anything
 * else each write becomes a request, a list and a copy of its bytes first, which is more than the ring can save. So the servers of these protocols give
 * the descriptor of a connection to libuv before anything is received, and what stands on it is a socket of core's.
 */
import core from 'node:net';
import { openConnection, type CoreHandle } from '../core/handles.ts';
import type { AsyncScope, StreamHandle } from '../reactor/index.ts';
import { applySocketSettings } from '../socket-options.ts';
import { admits, announce } from './accept.ts';
import { kConnectionTransport, type NetSocket } from './internals.ts';
import type { NetServer } from './server-internals.ts';

/**
 * As `acceptConnection` does with a socket of ours.
 *
 * @param unix whether the listener is of the UNIX domain
 * @param scope the listener's context, where that is not the caller's; the handle's is the caller's, as with core
 */
export function acceptForLibuv(
  server: NetServer,
  peer: StreamHandle,
  unix: boolean,
  scope: AsyncScope | null = null,
  late = 0,
): void {
  if (scope === null) admitOrRefuse.call(server, peer, late);
  else scope.run(admitOrRefuse, server, peer, late);
  const handle = toLibuv(server, peer, unix);
  if (handle === null) return;
  if (scope === null) announceCores.call(server, handle);
  else scope.run(announceCores, server, handle);
}

function admitOrRefuse(this: NetServer, peer: StreamHandle, late: number): void {
  if (!admits(this, peer, late)) peer.close();
}

/** A handle of libuv's for a connection that nothing has been done with; null for one that was turned away. */
function toLibuv(server: NetServer, peer: StreamHandle, unix: boolean): CoreHandle | null {
  const own = server[kConnectionTransport];
  if (own !== undefined && !peer.closed) applySocketSettings(peer, own);
  const fd = peer.release();
  return fd < 0 ? null : openConnection(fd, unix);
}

function announceCores(this: NetServer, handle: CoreHandle): void {
  const { allowHalfOpen, pauseOnConnect: pauseOnCreate, highWaterMark } = this;
  const socket = new core.Socket({
    handle,
    allowHalfOpen,
    pauseOnCreate,
    readable: true,
    writable: true,
    readableHighWaterMark: highWaterMark,
    writableHighWaterMark: highWaterMark,
  } as core.SocketConstructorOpts);
  if (this.noDelay) socket.setNoDelay(true);
  if (this.keepAlive) socket.setKeepAlive(true, this.keepAliveInitialDelay * 1000);
  announce(this, socket as NetSocket);
}
