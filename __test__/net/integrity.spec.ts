// Every byte arrives, once and in order, however it was handed over.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import type core from 'node:net';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import net from 'iouring-transport/net';
import { listening, nothingLeft, pair, portOf } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const ENCODINGS = ['utf8', 'latin1', 'ascii', 'ucs2', 'base64', 'base64url', 'hex', 'binary', 'utf16le'] as const;
const SIZES = [0, 1, 63, 64, 1000, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537, 200_000] as const;

const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)];

function text(encoding: BufferEncoding, size: number): string {
  const bytes = randomBytes(size);
  if (encoding === 'utf8') return bytes.toString('latin1').replaceAll('e', '€').replaceAll('x', '😀');
  if (encoding === 'ucs2' || encoding === 'utf16le') return bytes.toString('latin1') + 'é€';
  return bytes.toString(encoding);
}

/** Writes chunks of all kinds. @returns the hash of what the peer must get */
async function writeEverything(socket: core.Socket, rounds: number): Promise<string> {
  const hash = createHash('sha256');
  for (let round = 0; round < rounds; round++) {
    const corked = randomInt(3) === 0;
    if (corked) socket.cork();
    for (let i = randomInt(1, 8); i > 0; i--) {
      const size = pick(SIZES);
      if (randomInt(2) === 0) {
        const bytes = randomBytes(size);
        hash.update(bytes);
        socket.write(randomInt(4) === 0 ? new Uint8Array(bytes) : bytes);
      } else {
        const encoding = pick(ENCODINGS);
        const string = text(encoding, Math.min(size, 70_000));
        hash.update(Buffer.from(string, encoding));
        socket.write(string, encoding);
      }
    }
    if (corked) socket.uncork();
    if (socket.writableNeedDrain) await once(socket, 'drain');
    else if (randomInt(2) === 0) await setImmediate();
  }
  socket.end();
  return hash.digest('hex');
}

function hashOf(socket: core.Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (bytes: Buffer) => {
    hash.update(bytes);
    if (randomInt(20) === 0) {
      socket.pause();
      setTimeout(() => socket.resume(), randomInt(3));
    }
  });
  return new Promise((resolve, reject) => {
    socket.on('end', () => resolve(hash.digest('hex')));
    socket.on('error', reject);
  });
}

test.serial('60 connections, both ways at once, chunks of all sizes and kinds', async (t) => {
  const peers: Promise<string>[] = [];
  const peerSends = new Map<number, Promise<string>>();
  const server = await listening({ allowHalfOpen: true }, (socket) => {
    peers.push(hashOf(socket));
    peerSends.set(socket.remotePort!, writeEverything(socket, 12));
  });
  const clients = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const client = net.connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
      await once(client, 'connect');
      const port = client.localPort!;
      const [sent, received] = await Promise.all([writeEverything(client, 12), hashOf(client)]);
      return { sent, received, port };
    }),
  );
  const received = await Promise.all(peers);
  t.deepEqual(received.sort(), clients.map(({ sent }) => sent).sort());
  for (const client of clients) t.is(client.received, await peerSends.get(client.port)!);
});

for (const encoding of ENCODINGS) {
  test.serial(`text as ${encoding}, of every size around the limits`, async (t) => {
    const { client, peer } = await pair();
    const expected = createHash('sha256');
    const actual = hashOf(peer);
    for (const size of SIZES) {
      const string = text(encoding, size);
      expected.update(Buffer.from(string, encoding));
      client.write(string, encoding);
    }
    client.end();
    t.is(await actual, expected.digest('hex'));
  });
}

test.serial('callbacks of writes come in order, one each', async (t) => {
  const { client, peer } = await pair();
  peer.resume();
  const order: number[] = [];
  const all = Array.from(
    { length: 300 },
    (_, i) =>
      new Promise<void>((resolve) =>
        client.write(Buffer.alloc(pick(SIZES)), () => {
          order.push(i);
          resolve();
        }),
      ),
  );
  await Promise.all(all);
  t.deepEqual(
    order,
    order.map((_, i) => i),
  );
});

test.serial('a buffer may be changed once its write is over', async (t) => {
  const { client, peer } = await pair();
  const received: Buffer[] = [];
  peer.on('data', (bytes: Buffer) => received.push(bytes));
  for (const size of [10, 100_000]) {
    const bytes = Buffer.alloc(size, 'a');
    await new Promise((resolve) => client.write(bytes, resolve));
    bytes.fill('b');
  }
  client.end();
  await once(peer, 'end');
  t.is(Buffer.concat(received).toString(), 'a'.repeat(100_010));
});

test.serial('halves of a pair of surrogates in two writes are two errors, as if each had been sent by itself', async (t) => {
  const { client, peer } = await pair();
  const chunks = ['a\ud83d', '\ude00b', '', '\ud83d', '', '\ude00', 'c\ud83d\ude00', '\ude00\ud83d'];
  client.cork();
  for (const chunk of chunks) client.write(chunk);
  client.end();
  const received: Buffer[] = [];
  for await (const bytes of peer) received.push(bytes as Buffer);
  t.deepEqual(Buffer.concat(received), Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))));
});
