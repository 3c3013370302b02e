// Long writes are offered to the kernel within write(): what it takes is over, and the rest keeps its place and, up to 64 KiB, its bytes.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import type core from 'node:net';
import process from 'node:process';
import test from 'ava';
import net from 'iouring-transport/net';
import { closeOf, listening, nothingLeft, onRing, pair, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const KIB = 1024;

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
}

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

async function pairAt(path: string): Promise<{ client: core.Socket; peer: core.Socket }> {
  const server = await listening({}, undefined, { path });
  const client = track(net.connect({ path }));
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[core.Socket], unknown];
  server.close();
  return { client, peer };
}
