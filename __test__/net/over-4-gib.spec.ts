// Counters and offsets do not stop at 32 bits. Takes a while, so: IOURING_TRANSPORT_TEST_HUGE=1
import { constants } from 'node:buffer';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import process from 'node:process';
import test from 'ava';
import { nothingLeft, pair } from './_sockets.ts';

const wanted = process.env.IOURING_TRANSPORT_TEST_HUGE === '1';

test.afterEach.always(nothingLeft);

(wanted ? test.serial : test.serial.skip)('more than 4 GiB over one connection (IOURING_TRANSPORT_TEST_HUGE=1)', async (t) => {
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
  (possible ? test.serial : test.serial.skip)(`one write of ${size} bytes (IOURING_TRANSPORT_TEST_HUGE=1)`, async (t) => {
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
