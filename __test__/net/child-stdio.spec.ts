// A socket as a child's standard input and output, as inetd does it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import net from 'iouring-transport/net';
import { listening, nothingLeft, portOf, textOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('a paused socket is a child’s input and output', async (t) => {
  const server = await listening({ pauseOnConnect: true }, (socket) => {
    const child = spawn('cat', [], { stdio: [socket, socket, 'inherit'] });
    child.on('exit', () => socket.destroy());
  });
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  client.end('through cat');
  t.is(await textOf(client), 'through cat');
});

test.serial('the descriptor is there while the socket is open', async (t) => {
  const server = await listening();
  const client = track(net.connect(portOf(server), '127.0.0.1')) as unknown as { fd?: number } & ReturnType<typeof net.connect>;
  t.is(client.fd, undefined);
  await once(client, 'connect');
  t.is(typeof client.fd, 'number');
  client.destroy();
  t.is(client.fd, undefined);
  await once(client, 'close');
});
