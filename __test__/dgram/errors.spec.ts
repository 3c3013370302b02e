import { once } from 'node:events';
import { BlockList } from 'node:net';
import test from 'ava';
import { bound, onRing, open, send } from './_tools.ts';

test('an oversized datagram is refused with EMSGSIZE', async (t) => {
  const socket = await bound(t);
  const error = await t.throwsAsync<NodeJS.ErrnoException>(send(socket, Buffer.alloc(65508), 1234));
  t.is(error?.message, 'send EMSGSIZE 127.0.0.1:1234');
  t.like(error, { code: 'EMSGSIZE', errno: -90, syscall: 'send', address: '127.0.0.1', port: 1234 });
});

test('a connected socket hears of ECONNREFUSED and goes on', async (t) => {
  const gone = await bound(t);
  const { port } = gone.address();
  gone.close();
  const socket = await bound(t);
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.send('x');
  const [error] = await once(socket, 'error');
  t.like(error, { code: 'ECONNREFUSED', syscall: 'recvmsg' });
  socket.send('x');
  t.is((await once(socket, 'error'))[0].code, 'ECONNREFUSED');
  socket.disconnect();
  t.throws(() => socket.remoteAddress(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
});

test('a socket that is not connected hears nothing of it', async (t) => {
  const gone = await bound(t);
  const { port } = gone.address();
  gone.close();
  const socket = await bound(t);
  socket.on('error', t.fail);
  for (let i = 0; i < 3; i++) t.is(await send(socket, 'x', port), 1);
});

test('sending on a closed socket throws', async (t) => {
  const socket = await bound(t);
  socket.close();
  t.throws(() => socket.send('x', 1, '127.0.0.1'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  t.throws(() => socket.close(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
});

test('an address of the other family is refused', async (t) => {
  const socket = await bound(t);
  const refused = new Promise<NodeJS.ErrnoException | null>((resolve) => socket.send('x', 1, '::1', resolve));
  t.is((await refused)?.code, 'EINVAL');
});

test('blocked peers are neither sent to nor heard', async (t) => {
  if (!onRing) {
    t.log('skipped: an addition, or a newer Node version');
    t.pass();
    return;
  }
  const list = new BlockList();
  list.addAddress('127.0.0.1');
  const deaf = await bound(t, { type: 'udp4', receiveBlockList: list });
  const mute = await bound(t, { type: 'udp4', sendBlockList: list });
  deaf.on('message', () => t.fail());
  const error = await t.throwsAsync<NodeJS.ErrnoException>(send(mute, 'x', 1));
  t.is(error?.code, 'ERR_IP_BLOCKED');
  t.is(await send(deaf, 'x', deaf.address().port), 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
});

test('an abort closes', async (t) => {
  const controller = new AbortController();
  const socket = open(t, { type: 'udp4', signal: controller.signal });
  controller.abort();
  await once(socket, 'close');
  t.pass();
});
