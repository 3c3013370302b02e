// A writer is held back by a reader that does not read, and memory does not grow meanwhile.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import core from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { support } from 'iouring-transport';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { nothingLeft, pair } from './_sockets.ts';

const MIB = 1024 * 1024;

test.afterEach.always(nothingLeft);

test.serial('a gibibyte for a peer that never reads', async (t) => {
  const { client, peer } = await pair({ pauseOnConnect: true });
  const chunk = Buffer.alloc(MIB, 'x');
  const before = process.memoryUsage.rss();
  let last = true;
  for (let i = 0; i < 32; i++) last = client.write(chunk);
  await sleep(20); // The kernel has taken what it takes.
  let drained = 0;
  client.on('drain', () => drained++);
  for (let i = 32; i < 1024; i++) {
    last = client.write(chunk);
    if (i % 64 === 0) await sleep(1);
  }
  await sleep(300);
  t.false(last);
  t.is(drained, 0);
  t.true(client.writableNeedDrain);
  t.true(client.writableLength > 1000 * MIB);
  t.is(client.bytesWritten, 1024 * MIB);
  t.true(peer.bytesRead < MIB, `the peer has taken in ${peer.bytesRead}`);
  const grown = (process.memoryUsage.rss() - before) / MIB;
  t.true(grown < 48, `grown by ${grown.toFixed(1)} MiB`);
});

test.serial('write() is false exactly from the high-water mark on, and drain follows', async (t) => {
  const { client, peer } = await pair({ pauseOnConnect: true });
  let written = 0;
  while (client.write(Buffer.alloc(4096))) written += 4096;
  t.true(client.writableLength >= client.writableHighWaterMark, `after ${written} bytes`);
  const drain = once(client, 'drain');
  peer.resume();
  await drain;
  t.is(client.writableLength, 0);
});

test.serial('a reader that pauses takes in no more, and gets everything once it goes on', async (t) => {
  const { client, peer } = await pair();
  const total = 24 * MIB;
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let read = 0;
  peer.on('data', (bytes: Buffer) => {
    read += bytes.length;
    received.update(bytes);
  });
  const sending = (async () => {
    for (let at = 0; at < total; at += 60_000) {
      const chunk = Buffer.alloc(Math.min(60_000, total - at), at % 251);
      sent.update(chunk);
      if (!client.write(chunk)) await once(client, 'drain');
    }
    client.end();
  })();
  // From here on: on a busy machine all of it may have come before the rounds are over.
  const ended = once(peer, 'end');
  await once(peer, 'data');
  for (let round = 0; round < 3; round++) {
    peer.pause();
    // What was on its way still comes, for as long as this machine takes to bring it.
    let before: number;
    do {
      before = peer.bytesRead;
      await sleep(50);
    } while (peer.bytesRead !== before);
    if (round === 0) t.true(peer.bytesRead < total, 'all of it came in spite of the pause');
    peer.resume();
    await sleep(5);
  }
  await Promise.all([sending, ended]);
  t.is(read, total);
  t.is(received.digest('hex'), sent.digest('hex'));
});

const bounded = support().backend === 'core' || support().features['bounded-receive'] === true;
needs('receives that end by themselves, of Linux 6.17', bounded)(
  'readers that have stopped hold little, however much is sent',
  async (t) => {
    const READERS = 40;
    const readers: { readonly socket: net.Socket; read: number }[] = [];
    const server = net.createServer((socket) => {
      const reader = { socket, read: 0 };
      readers.push(reader);
      socket.on('data', (bytes) => {
        reader.read += bytes.length;
        socket.pause();
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as net.AddressInfo;
    const bytes = Buffer.alloc(8 * MIB);
    const senders = Array.from({ length: READERS }, () => {
      const sender = core.connect(port, '127.0.0.1');
      sender.on('error', () => {});
      sender.write(bytes);
      return sender;
    });
    while (readers.length < READERS || readers.some(({ read }) => read === 0)) await sleep(5);
    await sleep(100); // What is on its way comes.
    // Beyond the stream's own high-water mark and what a read puts together, 64 KiB each.
    for (const { socket, read } of readers)
      t.true(socket.bytesRead - read <= 64 * 1024 + 128 * 1024, String(socket.bytesRead - read));
    for (const sender of senders) sender.destroy();
    for (const { socket } of readers) socket.destroy();
    await once(server.close(), 'close');
  },
);

test.serial('a slow writer at the other end: 128 MiB through pipe() with flat memory', async (t) => {
  const { client, peer } = await pair();
  peer.pipe(peer); // Echo: both directions hold each other back.
  const total = 128 * MIB;
  const chunk = Buffer.alloc(256 * 1024, 'y');
  const before = process.memoryUsage.rss();
  let most = 0;
  let echoed = 0;
  client.on('data', (bytes: Buffer) => {
    echoed += bytes.length;
    most = Math.max(most, process.memoryUsage.rss());
  });
  for (let at = 0; at < total; at += chunk.length) if (!client.write(chunk)) await once(client, 'drain');
  const ended = once(client, 'end');
  client.end();
  await ended;
  t.is(echoed, total);
  const grown = (most - before) / MIB;
  t.true(grown < 96, `grown by ${grown.toFixed(1)} MiB`);
});
