// Long writes are offered to the kernel within write(): what it takes is over, and the rest keeps its place and, up to 64 KiB, its bytes.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import type core from 'node:net';
import process from 'node:process';
import test from 'ava';
import net, { receiveDescriptors, sendDescriptors } from 'iouring-transport/net';
import { closeOf, listening, nothingLeft, onRing, pair, textOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const KIB = 1024;

const text = (count: number): string => randomBytes(count).toString('latin1');

const CHUNKS: (() => [string | Buffer, BufferEncoding?])[] = [
  () => [text(100), 'latin1'],
  () => [text(100), 'utf8'],
  () => [text(9000), 'utf8'],
  () => [text(30_000), 'latin1'],
  () => [text(3), 'ucs2'],
  () => ['', 'utf8'],
  () => [Buffer.alloc(0)],
  () => [randomBytes(2)],
  () => [randomBytes(1000)],
  () => [randomBytes(20_000)],
  () => [randomBytes(64 * KIB)],
  () => [randomBytes(150_000)],
];

function hashOf(socket: core.Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (bytes: Buffer) => hash.update(bytes));
  return once(socket, 'end').then(() => hash.digest('hex'));
}

for (const where of ['tcp', 'unix'] as const) {
  const connected = () => (where === 'unix' ? pairAt(`\0long-writes-${process.pid}`) : pair());

  test.serial(`${where}: short and long ones in one tick keep their order, whoever fills their memory anew`, async (t) => {
    const { client, peer } = await connected();
    const arrived = hashOf(peer);
    const hash = createHash('sha256');
    const memory = Buffer.alloc(64 * KIB);
    for (let round = 0; round < 60; round++) {
      for (let count = randomInt(1, 6); count > 0; count--) {
        const size = [1, 100, 8 * KIB, 32 * KIB - 1, 32 * KIB, 50_000, 64 * KIB][randomInt(7)];
        const bytes = memory.subarray(0, size);
        randomBytes(size).copy(bytes);
        hash.update(bytes);
        // What the stream queues itself is lent to it until the callback; with core, so is what the kernel does not take at once.
        client.write(onRing && client.writableLength === 0 ? bytes : Buffer.from(bytes));
        memory.fill(0xee);
      }
      if (client.writableNeedDrain) await once(client, 'drain');
      else if (randomInt(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    client.end();
    t.is(await arrived, hash.digest('hex'));
    peer.end();
    await closeOf(client);
  });

  test.serial(`${where}: a long one goes with the short ones before it in the same tick`, async (t) => {
    const { client, peer } = await connected();
    const arrived = hashOf(peer);
    const hash = createHash('sha256');
    for (const size of [5, 20_000, 70_000]) {
      const bytes = randomBytes(size);
      hash.update(bytes);
      client.write(bytes);
    }
    t.is(client.writableLength, 0, 'the kernel has taken it within write()');
    t.is(client.bytesWritten, 90_005);
    client.end();
    t.is(await arrived, hash.digest('hex'));
    peer.end();
    await closeOf(client);
  });

  test.serial(`${where}: a long one behind short ones waits where there is no room, time and again`, async (t) => {
    const { client, peer } = await connected();
    peer.pause();
    const hash = createHash('sha256');
    const order: number[] = [];
    for (let i = 0; i < 120; i++) {
      const bytes = randomBytes([100, 70_000, 1000, 40 * KIB][i % 4]);
      hash.update(bytes);
      client.write(bytes, () => order.push(i));
      // Each round is a tick of its own, so that what is short is queued when what is long comes.
      if (i % 4 === 3) await new Promise((resolve) => setImmediate(resolve));
    }
    client.end();
    const arrived = hashOf(peer);
    peer.resume();
    t.is(await arrived, hash.digest('hex'));
    peer.end();
    await closeOf(client);
    t.deepEqual(
      order,
      Array.from({ length: 120 }, (_, i) => i),
    );
  });

  test.serial(`${where}: a peer that reads late gets all that was written meanwhile, once`, async (t) => {
    const { client, peer } = await connected();
    peer.pause();
    const hash = createHash('sha256');
    let [callbacks, total] = [0, 0];
    for (let i = 0; i < 80; i++) {
      const bytes = randomBytes([40 * KIB, 64 * KIB, 200 * KIB][i % 3]);
      hash.update(bytes);
      total += bytes.length;
      client.write(bytes, () => callbacks++);
    }
    t.true(client.writableLength > 0, 'the kernel does not have room for all of it');
    t.is(client.bytesWritten, total);
    client.end();
    const arrived = hashOf(peer);
    peer.resume();
    t.is(await arrived, hash.digest('hex'));
    peer.end();
    await closeOf(client);
    t.is(callbacks, 80);
  });

  for (const late of [false, true]) {
    test.serial(
      `${where}: chunks of all kinds and sizes written together keep their order${late ? ', read late' : ''}`,
      async (t) => {
        const { client, peer } = await connected();
        if (late) peer.pause();
        const arrived = late ? undefined : hashOf(peer);
        const hash = createHash('sha256');
        let total = 0;
        for (let round = 0; round < 20; round++) {
          client.cork();
          for (let count = randomInt(2, 12); count > 0; count--) {
            const [chunk, encoding] = CHUNKS[randomInt(CHUNKS.length)]();
            hash.update(chunk as string, encoding as 'utf8');
            total += Buffer.byteLength(chunk, encoding);
            client.write(chunk, encoding);
          }
          client.uncork();
          if (randomInt(3) > 0) await new Promise((resolve) => setImmediate(resolve));
        }
        client.end();
        t.is(client.bytesWritten, total);
        const digest = arrived ?? hashOf(peer);
        peer.resume();
        t.is(await digest, hash.digest('hex'));
        peer.end();
        await closeOf(client);
        t.is(client.bytesWritten, total);
      },
    );
  }

  for (const [count, size] of [
    [5000, 100],
    [1024, 2 * KIB],
    [1025, 2 * KIB],
    [3000, 1500],
  ]) {
    test.serial(`${where}: ${count} chunks of ${size} bytes written together`, async (t) => {
      const { client, peer } = await connected();
      const arrived = hashOf(peer);
      const hash = createHash('sha256');
      client.cork();
      for (let i = 0; i < count; i++) {
        const bytes = randomBytes(size);
        hash.update(bytes);
        client.write(bytes);
      }
      client.uncork();
      client.end();
      t.is(await arrived, hash.digest('hex'));
      t.is(client.bytesWritten, count * size);
      peer.end();
      await closeOf(client);
    });
  }
}

test.serial('many chunks keep their place behind what takes a descriptor along', async (t) => {
  if (!onRing) {
    t.pass();
    return;
  }
  const { client, peer } = await pairAt(`\0long-writes-${process.pid}`);
  let descriptors = 0;
  receiveDescriptors(peer, (came) => {
    descriptors += came.length;
    for (const fd of came) closeSync(fd);
  });
  const arrived = textOf(peer);
  sendDescriptors(client, [0], 'a');
  client.cork();
  client.write('b');
  client.write(Buffer.alloc(40 * KIB, 'c'));
  client.write('d');
  client.uncork();
  sendDescriptors(client, [0], 'e');
  client.end('f');
  t.is(await arrived, `ab${'c'.repeat(40 * KIB)}def`);
  t.is(descriptors, 2);
  peer.end();
  await closeOf(client);
});

test.serial('what the kernel has taken of chunks written together is over when uncork() returns', async (t) => {
  const { client, peer } = await pair();
  const arrived = textOf(peer);
  const bytes = Buffer.alloc(100 * KIB, 'b');
  client.cork();
  client.write('head\n', 'latin1');
  client.write(bytes);
  client.write('\u00fc', 'utf8');
  client.uncork();
  t.is(client.writableLength, 0);
  t.is(client.bytesWritten, 5 + 100 * KIB + 2);
  // They are the writer's again.
  bytes.fill('x');
  client.end();
  t.is(await arrived, `head\n${'b'.repeat(100 * KIB)}\u00fc`);
  peer.end();
  await closeOf(client);
});

test.serial('what the kernel has taken is over when write() returns', async (t) => {
  const { client, peer } = await pair();
  peer.resume();
  let called = false;
  t.true(client.write(Buffer.alloc(40 * KIB), () => (called = true)) || !onRing);
  t.is(client.writableLength, 0);
  t.is(client.bytesWritten, 40 * KIB);
  t.false(called, 'a callback never comes within the call');
  await new Promise(process.nextTick);
  t.true(called);
  client.destroy();
  await once(peer, 'close');
});

test.serial('a connection that was reset is told of once, by the write or the read', async (t) => {
  for (const size of [32 * KIB, 64 * KIB, 100 * KIB]) {
    const { client, peer } = await pair();
    const errors: string[] = [];
    client.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code!));
    peer.resetAndDestroy();
    await closeOf(peer);
    client.write(Buffer.alloc(size));
    client.write(Buffer.alloc(size));
    await closeOf(client);
    t.is(errors.length, 1);
    t.true(['ECONNRESET', 'EPIPE'].includes(errors[0]), errors[0]);
  }
});

test.serial('the same of chunks written together', async (t) => {
  for (const size of [32 * KIB, 64 * KIB, 100 * KIB]) {
    const { client, peer } = await pair();
    const errors: NodeJS.ErrnoException[] = [];
    const ends: unknown[] = [];
    client.on('error', (error) => errors.push(error));
    peer.resetAndDestroy();
    await closeOf(peer);
    client.cork();
    client.write('head', (error) => ends.push(error));
    client.write(Buffer.alloc(size), (error) => ends.push(error));
    client.uncork();
    await closeOf(client);
    t.is(errors.length, 1);
    t.true(['ECONNRESET', 'EPIPE'].includes(errors[0].code!), errors[0].code);
    t.is(ends.length, 2);
  }
});

async function pairAt(path: string): Promise<{ client: core.Socket; peer: core.Socket }> {
  const server = await listening({}, undefined, { path });
  const client = track(net.connect({ path }));
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[core.Socket], unknown];
  server.close();
  return { client, peer };
}
