// What is received lies in memory of its own: it shows nothing else, and can be transferred without harm to what came before or comes after.
import { once } from 'node:events';
import { createSocket, type Socket } from 'iouring-transport/dgram';
import test from 'ava';
import { nothingLeft, pair } from './_sockets.ts';

test.afterEach.always(nothingLeft);

/** Sizes around those at which V8 and Node make memory differently. */
const SIZES = [1, 5, 64, 65, 96, 97, 1000, 4095, 4096, 20_000];

/** Moves the memory of a chunk away; what was in it. */
function move(chunk: Buffer): Buffer {
  const memory = chunk.buffer as ArrayBuffer;
  return Buffer.from(structuredClone(memory, { transfer: [memory] }));
}

for (const size of SIZES) {
  test.serial(`chunks of ${size} B`, async (t) => {
    const { client, peer } = await pair();
    const secret = await pair();
    secret.peer.on('data', () => secret.peer.write('SECRET'));
    const kept: Buffer[] = [];
    for (let round = 1; round <= 6; round++) {
      secret.client.write('SECRET');
      await once(secret.client, 'data');
      client.write(Buffer.alloc(size, round));
      const chunks: Buffer[] = [];
      for (let got = 0; got < size;) {
        const [chunk] = (await once(peer, 'data')) as [Buffer];
        got += chunk.length;
        chunks.push(chunk);
      }
      for (const chunk of chunks) {
        t.is(chunk.byteOffset, 0);
        t.is(chunk.buffer.byteLength, chunk.length);
        t.is(Object.getPrototypeOf(chunk), Buffer.prototype);
      }
      if (round % 2 === 0) for (const chunk of chunks) t.true(move(chunk).every((byte) => byte === round));
      else kept.push(...chunks.map((chunk) => Buffer.from(chunk)));
    }
    for (const chunk of kept) t.true([1, 3, 5].includes(chunk[0]) && chunk.every((byte) => byte === chunk[0]));
  });
}

test.serial('chunks of several connections that arrive in one turn are apart', async (t) => {
  const pairs = await Promise.all([pair(), pair(), pair()]);
  for (const [number, { client }] of pairs.entries()) client.write(Buffer.alloc(50, number));
  const chunks = await Promise.all(pairs.map(async ({ peer }) => ((await once(peer, 'data')) as [Buffer])[0]));
  t.is(move(chunks[1]).length, 50);
  t.true(chunks[0].every((byte) => byte === 0) && chunks[2].every((byte) => byte === 2));
  t.is(chunks[0].length + chunks[2].length, 100);
});

test.serial('datagrams', async (t) => {
  const [receiver, sender]: Socket[] = [createSocket('udp4'), createSocket('udp4')];
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address();
  for (const size of SIZES) {
    sender.send(Buffer.alloc(size, 7), port, '127.0.0.1');
    const [message] = (await once(receiver, 'message')) as [Buffer];
    t.is(message.buffer.byteLength, size);
    t.deepEqual(move(message), Buffer.alloc(size, 7));
  }
  sender.close();
  receiver.close();
  await Promise.all([once(sender, 'close'), once(receiver, 'close')]);
});
