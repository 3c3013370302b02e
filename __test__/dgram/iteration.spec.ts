import { once } from 'node:events';
import { needs } from '../_needs.ts';
import { bound, holdsNothing, onRing, send, until } from './_tools.ts';

const ring = needs('io_uring', onRing);

ring('a slow consumer stops the receive: what waits is bounded, the rest is dropped and counted by the kernel', async (t) => {
  const socket = await bound(t, { type: 'udp4', dropCounter: true, recvBufferSize: 8192 });
  const sender = await bound(t);
  const iterator = socket.messages({ highWaterMark: 10 });
  const to = { port: socket.address().port, address: '127.0.0.1' };
  const flood = Array.from({ length: 1000 }, () => ({ data: Buffer.alloc(100), ...to }));
  for (let round = 0; round < 5; round++) {
    await sender.sendMany(flood);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  let received = 0;
  let dropped = 0;
  await send(sender, 'last', to.port).catch(() => {});
  while (received + dropped < 5000) {
    const { value } = await iterator.next();
    for (const { rinfo } of value!) {
      received++;
      dropped = rinfo.ancillary?.dropped ?? dropped;
    }
    if (received % 50 === 0 || dropped > 0) await send(sender, 'more', to.port);
  }
  t.log({ received, dropped });
  t.true(dropped > 3000);
  await iterator.return();
});

ring('ends with the socket, and leaves no listener', async (t) => {
  const socket = await bound(t);
  const iterator = socket.messages();
  const waiting = [iterator.next(), iterator.next()];
  socket.close();
  t.deepEqual(await Promise.all(waiting), Array(2).fill({ value: undefined, done: true }));
  t.deepEqual(socket.eventNames(), []);
  t.deepEqual(await iterator.next(), { value: undefined, done: true });
  t.throws(() => socket.messages(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  t.true(await until(holdsNothing));
});

ring('leaving the loop, return() and throw() stop listening; the socket stays open and goes on receiving', async (t) => {
  const socket = await bound(t);
  const { port } = socket.address();
  const first = socket.messages({ highWaterMark: 1 });
  await send(socket, 'waits', port);
  t.true(await until(() => socket.listenerCount('messages') === 1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await first.return();
  await t.throwsAsync(socket.messages().throw(new Error('mine')), { message: 'mine' });
  const second = socket.messages();
  await send(socket, 'left', port);
  for await (const [{ data }] of second) {
    t.is(String(data), 'left');
    break;
  }
  t.deepEqual(socket.eventNames(), []);
  const heard = once(socket, 'message');
  await send(socket, 'still', port);
  t.is(String((await heard)[0]), 'still');
});

ring('an error of the network ends the iteration, after what came before it', async (t) => {
  const socket = await bound(t);
  const iterator = socket.messages();
  await send(socket, 'before', socket.address().port);
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.emit('error', new Error('the network'));
  t.is(String((await iterator.next()).value?.[0]?.data), 'before');
  await t.throwsAsync(iterator.next(), { message: 'the network' });
  t.deepEqual(await iterator.next(), { value: undefined, done: true });
  t.deepEqual(socket.eventNames(), []);
});

ring('a signal ends it at once, with its reason', async (t) => {
  const socket = await bound(t);
  const controller = new AbortController();
  const waiting = socket.messages({ signal: controller.signal }).next();
  controller.abort('why');
  t.like(await waiting.catch((error: unknown) => error), { name: 'AbortError', code: 'ABORT_ERR', cause: 'why' });
  t.throws(() => socket.messages({ signal: controller.signal }), { code: 'ABORT_ERR' });
  t.deepEqual(socket.eventNames(), []);
});

ring('options that are none', async (t) => {
  const socket = await bound(t);
  t.throws(() => socket.messages({ highWaterMark: 0 }), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => socket.messages({ highWaterMark: '1' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => socket.messages({ signal: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
});
