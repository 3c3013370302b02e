// Servers of TLS and HTTP/2 that are given sockets of ours, as a program does that looks at a connection first: `server.emit('connection', socket)`.
import type { Server as NetServer } from 'node:net';
import net from 'iouring-transport/net';

/** Has a server of ours listen in the place of `server`, which gets its connections. */
export function serveGiven<Server extends NetServer>(server: Server, allowHalfOpen = false): Server {
  const below = net.createServer({ allowHalfOpen }, (socket) => server.emit('connection', socket));
  for (const event of ['listening', 'close'] as const) below.on(event, () => server.emit(event));
  return Object.assign(server, {
    listen: (...args: Parameters<NetServer['listen']>) => (below.listen(...args), server),
    address: () => below.address(),
    close: (done?: () => void) => (below.close(done), server),
  });
}
