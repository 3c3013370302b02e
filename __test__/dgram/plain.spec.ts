import core from 'node:dgram';
import { once } from 'node:events';
import test from 'ava';
import dgram from 'iouring-transport/dgram';
import { bound, open, send } from './_tools.ts';

test('a datagram of every size arrives whole', async (t) => {
  const receiver = await bound(t);
  const sender = await bound(t);
  for (const size of [0, 1, 95, 96, 97, 1472, 8191, 8192, 8193, 65507]) {
    const data = Buffer.alloc(size, size % 251);
    const arrived = once(receiver, 'message');
    t.is(await send(sender, data, receiver.address().port), size);
    const [message, rinfo] = await arrived;
    t.true(data.equals(message as Buffer), String(size));
    t.deepEqual(rinfo, { address: '127.0.0.1', family: 'IPv4', port: sender.address().port, size });
  }
});

test('ours and core hear each other', async (t) => {
  const ours = await bound(t);
  const theirs = core.createSocket('udp4');
  t.teardown(() => theirs.close());
  theirs.on('message', (message, { port, address }) => theirs.send(`${message.toString()}!`, port, address));
  theirs.bind(0, '127.0.0.1');
  await once(theirs, 'listening');
  ours.send('hello', theirs.address().port, '127.0.0.1');
  t.is(String((await once(ours, 'message'))[0]), 'hello!');
});

test('instanceof works both ways', (t) => {
  const ours = open(t, { type: 'udp4' });
  const theirs = core.createSocket('udp4');
  t.true(ours instanceof core.Socket);
  t.true(theirs instanceof dgram.Socket);
  theirs.close();
});

test('microtasks run between two messages, so that none is missed by `once` in a loop', async (t) => {
  const receiver = await bound(t);
  const sender = await bound(t);
  const heard: string[] = [];
  const first = once(receiver, 'message');
  for (let i = 0; i < 50; i++) sender.send(String(i), receiver.address().port, '127.0.0.1');
  heard.push(String((await first)[0]));
  while (heard.length < 50) heard.push(String((await once(receiver, 'message'))[0]));
  t.deepEqual(
    heard,
    Array.from({ length: 50 }, (_, i) => String(i)),
  );
});

test('callbacks come in order, each in the context of its send', async (t) => {
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const storage = new AsyncLocalStorage<number>();
  const receiver = await bound(t);
  const sender = await bound(t);
  const seen: unknown[] = [];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 600; i++) {
      storage.run(i, () => {
        sender.send('x', receiver.address().port, '127.0.0.1', () => {
          seen.push(storage.getStore());
          if (i === 599) resolve();
        });
      });
    }
  });
  t.deepEqual(
    seen,
    Array.from({ length: 600 }, (_, i) => i),
  );
});

test('more than the arena holds can be sent at once', async (t) => {
  const sender = await bound(t);
  let done = 0;
  const data = Buffer.alloc(4096, 1);
  await new Promise<void>((resolve, reject) => {
    for (let i = 0; i < 1500; i++) {
      sender.send(data, sender.address().port, '127.0.0.1', (error) => {
        if (error) reject(error);
        else if (++done === 1500) resolve();
      });
    }
  });
  t.is(done, 1500);
  t.is(sender.getSendQueueSize(), 0);
  t.is(sender.getSendQueueCount(), 0);
});

test('a port is free when close() returns', async (t) => {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  const next = open(t, { type: 'udp4' });
  next.bind(port, '127.0.0.1');
  await once(next, 'listening');
  t.is(next.address().port, port);
});

test('IPv6 with its scope', async (t) => {
  const receiver = open(t, { type: 'udp6' });
  receiver.bind(0, '::1');
  const outcome = await Promise.race([once(receiver, 'listening'), once(receiver, 'error')]);
  if (outcome.length > 0) {
    t.log('skipped: no IPv6 here');
    t.pass();
    return;
  }
  receiver.send('x', receiver.address().port, '::1');
  const [, rinfo] = await once(receiver, 'message');
  t.deepEqual(rinfo, { address: '::1', family: 'IPv6', port: receiver.address().port, size: 1 });
});
