// A socket has an address of its own from connect(2) on: not while the attempt is announced, and not that of the wildcard.
import core from 'node:net';
import { once } from 'node:events';
import test from 'ava';
import net from 'iouring-transport/net';
import { listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

for (const [name, it] of Object.entries({ ours: net, "core's": core })) {
  test.serial(`none when the attempt begins, its own when the attempt has failed (${name})`, async (t) => {
    const socket = track(it.connect({ port: 1, host: '127.0.0.1' }));
    const seen: unknown[] = [];
    socket.on('connectionAttempt', () => seen.push(socket.address(), socket.localAddress, socket.localPort));
    socket.on('connectionAttemptFailed', () => seen.push(socket.localAddress, socket.localPort! > 0));
    await once(socket, 'close').catch(() => {});
    t.deepEqual(seen, [{}, undefined, undefined, '127.0.0.1', true]);
  });

  test.serial(`asking too early does not keep a wrong answer (${name})`, async (t) => {
    const server = await listening();
    const socket = track(it.connect(portOf(server), '127.0.0.1'));
    socket.on('connectionAttempt', () => t.is(socket.localPort, undefined));
    await once(socket, 'connect');
    t.is(socket.localAddress, '127.0.0.1');
    t.true(socket.localPort! > 0);
  });
}
