/**
 * Datagrams that go through the kernel as one (GSO): nobody but a socket with the option `gro` can tell.
 */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import type { ExecutionContext } from 'ava';
import dgram, { type DgramOptions, type Socket } from 'iouring-transport/dgram';
import { bound, open, ring, until } from './_tools.ts';

/** What a receiver that has the kernel put datagrams together hears: each payload, and the size that it was cut by if it did not come alone. */
async function listener(t: ExecutionContext): Promise<{ port: number; heard: [string, number | undefined][] }> {
  const socket = await bound(t, { type: 'udp4', gro: true });
  const heard: [string, number | undefined][] = [];
  socket.on('messages', (batch) => {
    for (const { data, rinfo } of batch) heard.push([data.toString(), rinfo.ancillary?.segmentSize]);
  });
  return { port: socket.address().port, heard };
}

const texts = Array.from({ length: 10 }, (_, i) => `message ${i}`);

const inBatch = async (socket: Socket, port: number): Promise<void> => {
  const results = await socket.sendMany(texts.map((data) => ({ data, port, address: '127.0.0.1' })));
  if (results.some((result) => result !== 9)) throw new Error(String(results));
};

const inTick = (socket: Socket, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = texts.length;
    for (const text of texts) {
      socket.send(text, port, '127.0.0.1', (error, bytes) => {
        if (error !== null || bytes !== 9) reject(error ?? new Error(String(bytes)));
        else if (--left === 0) resolve();
      });
    }
  });

for (const [gso, batch, tick] of [
  [undefined, true, false],
  [true, true, true],
  [false, false, false],
] as const) {
  ring(`gso: ${gso}`, async (t) => {
    const options: DgramOptions = gso === undefined ? { type: 'udp4' } : { type: 'udp4', gso };
    const sender = await bound(t, options);
    t.is(sender.offload.gso, gso !== false);
    for (const [send, together] of [
      [inBatch, batch],
      [inTick, tick],
    ] as const) {
      const { port, heard } = await listener(t);
      await send(sender, port);
      t.true(await until(() => heard.length === texts.length), JSON.stringify(heard));
      t.deepEqual(
        heard,
        texts.map((text) => [text, together ? 9 : undefined]),
      );
    }
  });
}

ring('sizes, destinations and flags part them; all arrive as they were sent, in order', async (t) => {
  const receivers = await Promise.all([bound(t), bound(t)]);
  const heard: string[][] = receivers.map(() => []);
  receivers.forEach((receiver, index) => receiver.on('message', (data) => heard[index].push(data.toString())));
  const sender = await bound(t);
  let serial = 0;
  const expected: string[][] = receivers.map(() => []);
  const messages = [6, 6, 6, 4, 6, 6, 0, 6, 7, 7, 3, 3, 3, 900, 900, 900, ...new Array<number>(70).fill(8)].flatMap((size) =>
    // Now in turns, now several to the same.
    (serial % 4 < 2 ? [0, 1] : [0, 0, 1]).map((to) => {
      const data = `${serial++}`.padStart(size, '.').slice(0, size);
      expected[to].push(data);
      return { data, port: receivers[to].address().port, address: '127.0.0.1', flags: serial % 11 === 0 ? 0x800 : 0 };
    }),
  );
  const results = await sender.sendMany(messages);
  t.deepEqual(
    results,
    messages.map(({ data }) => data.length),
  );
  t.true(await until(() => heard.every((list, index) => list.length === expected[index].length)));
  t.deepEqual(heard, expected);
});

for (const type of ['udp4', 'udp6'] as const) {
  ring(`${type}: a connected socket, more than go at once`, async (t) => {
    const receiver = await bound(t, { type, recvBufferSize: 200_000 });
    const sizes: number[] = [];
    receiver.on('message', (data) => sizes.push(data.length));
    const sender = open(t, { type });
    await new Promise<void>((resolve) => sender.connect(receiver.address().port, resolve));
    const results = await sender.sendMany(Array.from({ length: 130 }, () => ({ data: Buffer.alloc(1200) })));
    t.deepEqual(results, new Array<number>(130).fill(1200));
    t.true(await until(() => sizes.length === 130), String(sizes.length));
    t.true(sizes.every((size) => size === 1200));
  });
}

ring('an error that the network has reported is the answer to the first of them alone', async (t) => {
  const gone = await bound(t);
  const { port } = gone.address();
  gone.close();
  const sender = open(t, { type: 'udp4' });
  // Heard there too, where sending has not heard of it first.
  sender.on('error', () => {});
  await new Promise<void>((resolve) => sender.connect(port, resolve));
  // The kernel takes 64 together; what the first of them meet is the answer to the next.
  const results = await sender.sendMany(Array.from({ length: 200 }, (_, i) => ({ data: `message ${i + 100}` })));
  const codes = results.map((result) => (typeof result === 'number' ? result : (result as NodeJS.ErrnoException).code));
  t.true(codes.includes('ECONNREFUSED'), String(codes));
  t.true(codes.every((code) => code === 11 || code === 'ECONNREFUSED'));
  t.true(codes.filter((code) => code !== 11).length < 10, String(codes));
});

ring('datagrams that are too large for the path go one by one, in fragments', (t) => {
  const script = `
    import { createSocket } from 'iouring-transport/dgram';
    import { once } from 'node:events';
    const receiver = createSocket('udp4').bind(0, '127.0.0.1');
    const sender = createSocket('udp4').bind(0, '127.0.0.1');
    await Promise.all([once(receiver, 'listening'), once(sender, 'listening')]);
    const sizes = [];
    receiver.on('message', (data) => { if (sizes.push(data.length) === 20) finish(); });
    const { port } = receiver.address();
    const results = await sender.sendMany(Array.from({ length: 20 }, () => ({ data: Buffer.alloc(3000), port, address: '127.0.0.1' })));
    if (sizes.length < 20) await new Promise((resolve) => { globalThis.finish = resolve; });
    console.log(JSON.stringify([results, sizes]));
    receiver.close();
    sender.close();`.replace('finish()', 'globalThis.finish?.()');
  const { stdout, stderr, status } = spawnSync(
    'unshare',
    ['--net', 'sh', '-c', 'ip link set lo mtu 1500 up && exec "$0" --input-type=module --eval "$1"', process.execPath, script],
    { encoding: 'utf8', timeout: 20_000 },
  );
  if (/unshare|not permitted|not found|Operation/.test(stderr) && stdout === '') {
    t.log(`skipped: no network namespace can be made here: ${stderr.trim().split('\n')[0] ?? ''}`);
    t.pass();
    return;
  }
  const all = new Array<number>(20).fill(3000);
  t.is(stdout.trim(), JSON.stringify([all, all]), `${status}: ${stderr}`);
});

ring('the option is a boolean', (t) => {
  t.throws(() => dgram.createSocket({ type: 'udp4', gso: 1 as unknown as boolean }), { code: 'ERR_INVALID_ARG_TYPE' });
});

ring("flags that a datagram cannot have are ignored, also the one that is our own protocol's for going together", async (t) => {
  const { port, heard } = await listener(t);
  const sender = await bound(t, { type: 'udp4', gso: false });
  const flags = [1 << 21, 1 << 21, 1 << 21];
  const results = await sender.sendMany(flags.map((flag) => ({ data: 'flagged', port, address: '127.0.0.1', flags: flag })));
  t.deepEqual(results, [7, 7, 7]);
  t.true(await until(() => heard.length === 3), JSON.stringify(heard));
  t.deepEqual(heard, new Array(3).fill(['flagged', undefined]));
});
