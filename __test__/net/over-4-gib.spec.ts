// Counters and offsets do not stop at 32 bits. Takes a while, so: IOURING_TRANSPORT_TEST_HUGE=1
import { constants } from 'node:buffer';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import test from 'ava';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { nothingLeft, pair } from './_sockets.ts';

const wanted = process.env.IOURING_TRANSPORT_TEST_HUGE === '1';

test.afterEach.always(nothingLeft);

needs('IOURING_TRANSPORT_TEST_HUGE=1', wanted)('more than 4 GiB over one connection', async (t) => {
  t.timeout(300_000);
  const { client, peer } = await pair();
  const total = 4 * 2 ** 30 + 12_345_678;
  const chunk = Buffer.alloc(2 ** 20);
  const [sent, received] = [createHash('sha1'), createHash('sha1')];
  const started = Date.now();
  let read = 0;
  peer.on('data', (bytes: Buffer) => {
    read += bytes.length;
    received.update(bytes);
  });
  for (let at = 0; at < total; at += chunk.length) {
    chunk.writeDoubleLE(at, 100);
    const part = chunk.subarray(0, Math.min(chunk.length, total - at));
    sent.update(part);
    await new Promise((resolve) => client.write(part, resolve)); // The chunk is used again.
  }
  client.end();
  await once(peer, 'end');
  t.is(read, total);
  t.is(peer.bytesRead, total);
  t.is(client.bytesWritten, total);
  t.is(received.digest('hex'), sent.digest('hex'));
  t.log(`${total} bytes in ${Date.now() - started} ms`);
});

for (const size of [2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 10]) {
  const possible = wanted && size <= constants.MAX_LENGTH;
  needs('IOURING_TRANSPORT_TEST_HUGE=1 and buffers of that size', possible)(`one write of ${size} bytes`, async (t) => {
    t.timeout(300_000);
    const { client, peer } = await pair();
    const bytes = new Uint8Array(size);
    // One byte near each border.
    const marks = [0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, size - 1].filter((at) => at < size);
    for (const at of marks) bytes[at] = 1;
    const found = new Set<number>();
    let read = 0;
    peer.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(1); at >= 0; at = chunk.indexOf(1, at + 1)) found.add(read + at);
      read += chunk.length;
    });
    const written = new Promise<unknown>((resolve) => client.write(bytes, resolve));
    client.end();
    await once(peer, 'end');
    t.falsy(await written);
    t.is(read, size);
    t.deepEqual(found, new Set(marks));
  });
}

const possible = constants.MAX_LENGTH > 2 ** 32 + 4096;

needs('IOURING_TRANSPORT_TEST_HUGE=1 and buffers beyond 4 GiB', wanted && possible)(
  'one writev of more than 4 GiB',
  async (t) => {
    t.timeout(300_000);
    const { client, peer } = await pair();
    const bytes = Buffer.alloc(2 ** 32 + 4096);
    bytes[2 ** 32 + 10] = 1;
    const found: number[] = [];
    let read = 0;
    peer.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(1); at >= 0; at = chunk.indexOf(1, at + 1)) found.push(read + at);
      read += chunk.length;
    });
    client.cork();
    client.write(bytes.subarray(0, 2 ** 31));
    client.write(bytes.subarray(2 ** 31));
    client.write(bytes.subarray(2 ** 32 + 5, 2 ** 32 + 15));
    client.uncork();
    client.end();
    await once(peer, 'end');
    t.is(read, bytes.length + 10);
    t.deepEqual(found, [2 ** 32 + 10, bytes.length + 5]);
    t.deepEqual([client.bytesWritten, peer.bytesRead], [read, read]);
  },
);

needs('buffers beyond 4 GiB', possible)('views beyond 4 GiB, to write and to read into', async (t) => {
  // Pages that nobody touches cost nothing.
  const bytes = Buffer.alloc(2 ** 32 + 4096);
  bytes[2 ** 32 + 10] = 1;
  const pieces = [bytes.subarray(2 ** 32 + 10, 2 ** 32 + 20), bytes.subarray(2 ** 32 - 100_000, 2 ** 32 + 15)];
  const { client, peer } = await pair();
  const received: Buffer[] = [];
  peer.on('data', (chunk: Buffer) => received.push(chunk));
  for (const corked of [false, true]) {
    if (corked) client.cork();
    for (const piece of pieces) client.write(piece);
    if (corked) client.uncork();
  }
  client.end();
  await once(peer, 'end');
  t.true(Buffer.concat(received).equals(Buffer.concat([...pieces, ...pieces])));

  const server = net.createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const buffer of [bytes, bytes.subarray(2 ** 32 + 1000)]) {
    let text = '';
    const reader = net.connect({
      port,
      onread: {
        buffer,
        callback(count: number, filled: Uint8Array) {
          text += Buffer.from(filled.subarray(0, count)).toString();
          return true;
        },
      },
    });
    await once(reader, 'close');
    t.is(text, 'hello');
    t.is(buffer.toString('latin1', 0, 5), 'hello');
  }
  server.close();
  await once(server, 'close');
});
