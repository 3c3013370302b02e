/**
 * Core's HTTP/2 session over one of our sockets.
 *
 * Core carries it in a stream of JavaScript, as it carries TLS. That stream knows no addresses and options, keeps no process alive, and takes a socket
 * that is still connecting for one that is connected. These are mended here, on the session. One over TLS needs nothing: its TLSSocket is core's.
 */
import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Members of a socket that are not in its typings. */
interface Named {
  _getpeername(): object;
  _getsockname(): object;
}

/** Connects a session to the socket below it. */
export function carry(session: Http2Session, socket: Socket): void {
  if (socket instanceof TLSSocket || session.destroyed) return;
  const below = socket as Socket & Named;
  // What core has just asked of the stream.
  socket.setNoDelay();
  session.ref = () => void socket.ref();
  session.unref = () => void socket.unref();
  if (!socket.connecting) {
    nameEnds(session, below);
    return;
  }
  // Core says 'connect' on the next tick: too early.
  const emit = session.emit.bind(session) as (event: string | symbol, ...args: unknown[]) => boolean;
  session.emit = ((event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'connect') return emit(event, ...args);
    delete (session as { emit?: unknown }).emit;
    if (!socket.connecting) return emit(event, ...args);
    socket.once('connect', () => emit(event, ...args));
    return true;
  }) as typeof session.emit;
  socket.once('connect', () => nameEnds(session, below));
}

/** Addresses are read off the wrapped socket through these two. */
function nameEnds(session: Http2Session, below: Socket & Named): void {
  if (session.destroyed) return;
  const shown = session.socket as unknown as { _peername: object; _sockname: object };
  shown._peername = below._getpeername();
  shown._sockname = below._getsockname();
}
