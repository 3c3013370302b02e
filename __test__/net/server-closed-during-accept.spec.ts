// A server that closes while connections are being made: each of them is served or ends, and 'close' comes after the last.
import { once } from 'node:events';
import type core from 'node:net';
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

for (const when of ['in the same tick', 'with the first connection']) {
  test.serial(`closed ${when} as 50 connect`, async (t) => {
    const served: core.Socket[] = [];
    const server = await listening({}, (socket) => {
      served.push(socket);
      if (when === 'with the first connection' && served.length === 1) server.close();
      socket.on('error', () => {}).resume();
      socket.end('served');
    });
    const port = portOf(server);
    const clients = Array.from({ length: 50 }, () =>
      track(
        net
          .connect(port, '127.0.0.1')
          .on('error', () => {})
          .resume(),
      ),
    );
    const closes = clients.map(closeOf);
    const closed = once(server, 'close');
    if (when === 'in the same tick') server.close();
    await Promise.all([...closes, closed]);
    t.false(server.listening);
    t.true(served.every((socket) => socket.destroyed));
  });
}

test.serial('close() waits for the connections there are, and takes no more', async (t) => {
  const server = await listening();
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  const [peer] = (await once(server, 'connection')) as [core.Socket];
  const port = portOf(server);
  let closed = false;
  server.close(() => (closed = true));
  const late = track(net.connect(port, '127.0.0.1'));
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNREFUSED');
  t.false(closed);
  client.destroy();
  peer.resume();
  await once(server, 'close');
  t.true(closed);
});

test.serial('the port is free when close() has returned', async (t) => {
  const server = await listening();
  const port = portOf(server);
  server.close();
  const next = track(net.createServer().listen(port, '127.0.0.1'));
  await once(next, 'listening');
  t.is(portOf(next), port);
});
