/**
 * `socket.connect()`. One direction: `connect.ts` looks at the options, `lookup.ts` finds addresses, `race.ts` tries several of them and `attempt.ts` one,
 * and `target.ts` knows what one is.
 */
import { ERR_MISSING_ARGS } from '../errors/core.ts';
import { validateString } from '../validate.ts';
import type { NormalizedArguments } from './arguments.ts';
import { connectTo } from './attempt.ts';
import { announceClient, SAYS_SO_IN_CONNECT } from './client-channel.ts';
import { kLink, kUserBuffer, type NetSocket } from './internals.ts';
import { Link } from './link.ts';
import { lookUpAndConnect } from './lookup.ts';

/** Takes connect()'s arguments; see there. */
export function connectSocket(socket: NetSocket, [options, callback]: NormalizedArguments): void {
  if (SAYS_SO_IN_CONNECT) announceClient(socket);
  if (callback !== null) socket.once('connect', callback);
  if (socket._parent?.connecting) return;
  const { path } = options;
  if (options['port'] === undefined && path == null) throw new ERR_MISSING_ARGS(['options', 'port', 'path']);

  // Its own `write` is what a socket gets when the peer has ended: see socket.ts.
  if (Object.hasOwn(socket, 'write')) delete (socket as { write?: unknown }).write;
  if (socket.destroyed) {
    socket[kLink] = null;
    socket._peername = null;
    socket._sockname = null;
  }
  if (socket[kLink] === null) beginLink(socket, Boolean(path));

  socket._unrefTimer();
  socket.connecting = true;
  if (path) {
    validateString(path, 'options.path');
    connectTo(socket, { address: path });
  } else {
    lookUpAndConnect(socket, options);
  }
}

function beginLink(socket: NetSocket, unix: boolean): void {
  const link = new Link(unix);
  link.own(socket);
  socket._undestroy();
  socket._sockname = null;
  useBuffer(socket, link);
}

/** Connects the `onread` option to a link. */
export function useBuffer(socket: NetSocket, link: Link): void {
  link.userBuffer = socket[kUserBuffer];
  link.userBuffer?.begin();
}
