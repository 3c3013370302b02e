/** Connections that leave their sockets, to stand below something else. */
import type core from 'node:net';
import type { StreamHandle } from '../reactor/index.ts';
import { kLink, type NetSocket } from './internals.ts';

/** Whether this is a socket of this module, connected, and nothing of core's reads and writes in its place. */
export function canGiveUp(socket: unknown): boolean {
  const link = (socket as Partial<NetSocket> | null | undefined)?.[kLink];
  return link?.handle != null && link.connected && !link.feedsCore;
}

/** Takes the connection out of a socket that {@link canGiveUp}, whose writes are over. What the stream holds stays there; the socket has no connection any more. */
export function giveUpConnection(socket: core.Socket): StreamHandle {
  const given = socket as NetSocket;
  const link = given[kLink]!;
  const handle = link.handle!;
  handle.readStop();
  given[kLink] = null;
  link.scope.emitDestroy();
  return handle;
}
