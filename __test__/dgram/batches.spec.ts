import { once } from 'node:events';
import { BlockList } from 'node:net';
import { bound, open, ring, until } from './_tools.ts';
import type { Message } from 'iouring-transport/dgram';

ring('sendMany tells of each in order; messages come in batches', async (t) => {
  const receiver = await bound(t);
  const sender = await bound(t);
  const batches: Message[][] = [];
  receiver.on('messages' as 'message', (batch: unknown) => batches.push(batch as Message[]));
  await new Promise(setImmediate);
  const { port } = receiver.address();
  const results = await sender.sendMany([
    ...Array.from({ length: 100 }, (_, i) => ({ data: `message ${i}`, port, address: '127.0.0.1' })),
    { data: Buffer.alloc(65508), port, address: '127.0.0.1' },
    { data: 'no address', port, address: 'nowhere' },
    { data: 'no port', port: 70000, address: '127.0.0.1' },
    { data: '', port, address: '127.0.0.1' },
  ]);
  t.is(results[0], 9);
  t.deepEqual(
    results.slice(100).map((result) => (typeof result === 'number' ? result : (result as NodeJS.ErrnoException).code)),
    ['EMSGSIZE', 'EINVAL', 'EINVAL', 0],
  );
  t.true(await until(() => batches.flat().length === 101));
  t.true(batches.length < 101);
  t.deepEqual(
    batches.flat().map(({ data }) => data.toString()),
    [...Array.from({ length: 100 }, (_, i) => `message ${i}`), ''],
  );
});

ring('linked messages stop at the first failure', async (t) => {
  const socket = await bound(t);
  const { port } = socket.address();
  const results = await socket.sendMany(
    ['a', Buffer.alloc(65508), 'b', 'c'].map((data) => ({ data, port, address: '127.0.0.1' })),
    { linked: true },
  );
  t.deepEqual(
    results.map((result) => (typeof result === 'number' ? result : (result as NodeJS.ErrnoException).code)),
    [1, 'EMSGSIZE', 'ECANCELED', 'ECANCELED'],
  );
});

ring('iteration yields batches and ends with the socket', async (t) => {
  const socket = await bound(t);
  const heard: string[] = [];
  const { port } = socket.address();
  const reading = (async () => {
    for await (const batch of socket) {
      for (const { data } of batch) heard.push(data.toString());
      if (heard.length === 3) socket.close();
    }
  })();
  await new Promise(setImmediate);
  await socket.sendMany(['a', 'b', 'c'].map((data) => ({ data, port, address: '127.0.0.1' })));
  await reading;
  t.deepEqual(heard, ['a', 'b', 'c']);
});

ring('reply answers the sender', async (t) => {
  const server = await bound(t, { type: 'udp4', reply: true });
  server.on('message', (message, rinfo) => (rinfo as Message['rinfo']).reply?.(`${message.toString()}!`));
  const client = await bound(t);
  client.send('hello', server.address().port, '127.0.0.1');
  t.is(String((await once(client, 'message'))[0]), 'hello!');
});

ring('GSO cuts up what is sent, GRO is taken apart again', async (t) => {
  const plain = await bound(t);
  const gro = await bound(t, { type: 'udp4', gro: true });
  const sender = await bound(t);
  t.log('offload', gro.offload);
  for (const receiver of [plain, gro]) {
    const sizes: number[] = [];
    receiver.on('message', (message) => sizes.push(message.length));
    const results = await sender.sendMany([
      { data: Buffer.alloc(2500, 7), port: receiver.address().port, address: '127.0.0.1', segmentSize: 1000 },
    ]);
    t.deepEqual(results, [2500]);
    t.true(await until(() => sizes.length === 3), String(sizes));
    t.deepEqual(sizes, [1000, 1000, 500]);
  }
});

ring('ancillary data on request', async (t) => {
  const before = BigInt(Date.now()) * 1_000_000n;
  const socket = await bound(t, { type: 'udp4', packetInfo: true, tos: true, timestamp: true, dropCounter: true });
  socket.send('x', socket.address().port, '127.0.0.1');
  const [, rinfo] = (await once(socket, 'message')) as [Buffer, Message['rinfo']];
  const { ancillary } = rinfo;
  t.like(ancillary, { destination: '127.0.0.1', interfaceIndex: 1, tos: 0, ecn: 0 });
  t.true(ancillary!.timestamp! >= before - 1_000_000_000n);
  t.is(ancillary?.truncated, undefined);
});

ring('a flood is dropped and counted, memory stays bounded, other sockets are served', async (t) => {
  const flooded = await bound(t, { type: 'udp4', dropCounter: true, recvBufferSize: 8192 });
  const other = await bound(t);
  const sender = await bound(t);
  let dropped = 0;
  let received = 0;
  flooded.on('message', (_message, rinfo) => {
    received++;
    dropped = (rinfo as Message['rinfo']).ancillary?.dropped ?? dropped;
  });
  const before = process.memoryUsage().rss;
  const { port } = flooded.address();
  const data = Buffer.alloc(1000);
  const flood = Array.from({ length: 1000 }, () => ({ data, port, address: '127.0.0.1' }));
  for (let round = 0; round < 20; round++) await sender.sendMany(flood);
  const heard = once(other, 'message');
  sender.send('still there?', other.address().port, '127.0.0.1');
  t.is(String((await heard)[0]), 'still there?');
  sender.send('last', port, '127.0.0.1');
  await until(() => received + dropped >= 20_000);
  t.log({ received, dropped });
  t.true(received > 0 && received + dropped >= 20_000);
  t.true(process.memoryUsage().rss - before < 150 * 1024 * 1024);
});

ring('what is truncated is never reported as longer than what is there', async (t) => {
  // Nothing that UDP can carry is longer than a buffer; a UNIX datagram can be.
  const receiver = open(t, { type: 'unix_dgram' });
  const name = `\0iouring-truncation-${process.pid}`;
  (receiver.bind as (path: string) => void)(name);
  await once(receiver, 'listening');
  const sender = open(t, { type: 'unix_dgram' });
  const sent = new Promise((resolve) => (sender.send as Function)(Buffer.alloc(100_000, 5), name, resolve));
  const [message, rinfo] = (await once(receiver, 'message')) as [Buffer, Message['rinfo']];
  t.is(await sent, null);
  t.true(message.length >= 65535 && message.length < 100_000);
  t.is(rinfo.size, message.length);
  t.true(rinfo.truncated);
  t.true(message.every((byte) => byte === 5));
});

ring('a batch is settled when the socket is closed in the same tick', async (t) => {
  const socket = await bound(t);
  const { port } = socket.address();
  const address = '127.0.0.1';
  socket.send('alone', port, address, () => t.fail('core calls none of these back'));
  const batch = socket.sendMany([{ data: 'one of a batch', port, address }]);
  socket.close();
  t.deepEqual(await batch, [14]);
  t.like(await socket.sendMany([{ data: 'late', port, address }]).catch((error: unknown) => error), {
    code: 'ERR_SOCKET_DGRAM_NOT_RUNNING',
  });
});

ring('a batch of which one has no payload is refused before anything is sent', async (t) => {
  const receiver = await bound(t);
  const sender = await bound(t);
  const { port } = receiver.address();
  receiver.on('message', (message) => t.is(String(message), 'end'));
  const messages = [
    { data: 'x', port },
    { data: undefined as never, port },
  ];
  await t.throwsAsync(sender.sendMany(messages), { code: 'ERR_INVALID_ARG_TYPE' });
  await t.throwsAsync(sender.sendMany('text' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  await t.throwsAsync(sender.sendMany([], { linked: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  t.deepEqual(await sender.sendMany([]), []);
  sender.send('end', port, '127.0.0.1');
  await once(receiver, 'message');
});

ring('segment sizes that are none are refused; empty data is one datagram', async (t) => {
  const receiver = await bound(t);
  const sender = await bound(t);
  const to = { port: receiver.address().port, address: '127.0.0.1' };
  const sizes: number[] = [];
  receiver.on('message', (message) => sizes.push(message.length));
  const results = await sender.sendMany([
    ...[-1, 1.5, 65536].map((segmentSize) => ({ data: 'x', segmentSize, ...to })),
    { data: '', segmentSize: 100, ...to },
    { data: 'abc', segmentSize: 3, ...to },
  ]);
  t.deepEqual(
    results.map((result) => (typeof result === 'number' ? result : (result as NodeJS.ErrnoException).code)),
    ['EINVAL', 'EINVAL', 'EINVAL', 0, 3],
  );
  t.true(await until(() => sizes.length === 2));
  t.deepEqual(sizes, [0, 3]);
});

ring('blocked addresses are refused one by one', async (t) => {
  const list = new BlockList();
  list.addAddress('127.0.0.2');
  const socket = await bound(t, { type: 'udp4', sendBlockList: list });
  const results = await socket.sendMany(['127.0.0.2', '127.0.0.1'].map((address) => ({ data: 'x', port: 9, address })));
  t.like(results[0], { code: 'ERR_IP_BLOCKED' });
  t.is(results[1], 1);
});
