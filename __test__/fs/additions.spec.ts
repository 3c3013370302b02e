// What core's handles cannot do.
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { once } from 'node:events';
import test from 'ava';
import { support } from 'iouring-transport';
import fs, { ChainError, openBlocks, sendFile, writeFileAtomic } from 'iouring-transport/fs';
import net from 'iouring-transport/net';
import { needs } from '../_needs.ts';
import { directory, nothingLeft, onRing, pattern } from './_helpers.ts';

/** Counts the flushes of the disk that a directory is on; `undefined` where it has no cache to flush, or is no disk. */
function flushCounter(place: string): (() => number) | undefined {
  const { dev } = statSync(place);
  const device = `/sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  try {
    const disk = existsSync(`${device}/partition`) ? `${device}/..` : device;
    if (readFileSync(`${disk}/queue/write_cache`, 'utf8').trim() !== 'write back') return undefined;
    // Documentation/block/stat.rst: the sixteenth value.
    const count = () => Number(readFileSync(`${disk}/stat`, 'utf8').trim().split(/\s+/)[15]);
    return Number.isNaN(count()) ? undefined : count;
  } catch {
    return undefined;
  }
}

const ring = needs('io_uring', onRing);
/** Whether Linux cuts files off on the ring. */
const cutsOff = support().features?.ftruncate === true;

ring('a chain does one step after the other', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle = await fs.open(file, 'w+');
  const back = Buffer.alloc(5);
  t.deepEqual(await handle.chain().write('hello', 0).datasync().read(back, 0).preallocate(4, 0).sync().submit(), [5, 0, 5, 0, 0]);
  t.is(back.toString(), 'hello');
  t.is(readFileSync(file, 'utf8'), 'hello');
  await handle.close();
  nothingLeft(t);
});

ring('a chain cuts a file off where Linux can within one (6.9), and does nothing at all where it cannot', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle = await fs.open(file, 'w+');
  const chain = handle.chain().write('hello', 0).truncate(4).sync();
  if (cutsOff) {
    t.deepEqual(await chain.submit(), [5, 0, 0]);
  } else {
    const error = await t.throwsAsync(chain.submit(), { instanceOf: ChainError });
    t.like(error, { step: 1, syscall: 'ftruncate', results: [-125, -22, -125], cause: { code: 'EINVAL' } });
  }
  t.is(readFileSync(file, 'utf8'), cutsOff ? 'hell' : '');
  // Alone it is done in any case.
  await handle.truncate(2);
  t.is(statSync(file).size, 2);
  await handle.close();
  nothingLeft(t);
});

ring('a chain stops at what fails, and says where', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'short');
  const handle = await fs.open(file, 'r+');
  const error = await t.throwsAsync(handle.chain().write('S', 0).read(Buffer.alloc(100), 0).write('lost', 0).sync().submit(), {
    instanceOf: ChainError,
  });
  t.like(error, { code: 'ERR_IOURING_CHAIN', step: 1, syscall: 'read', results: [1, 5, -125, -125] });
  t.is(readFileSync(file, 'utf8'), 'Short');
  await handle.close();
  nothingLeft(t);
});

ring('durable appends of many at once are all there, in the order of the calls', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle = await fs.open(file, 'a');
  const expected: string[] = [];
  // Alone, together, and while others are under way; short records, and such as are written from the caller's memory.
  for (const count of [1, 1, 50, 1, 300]) {
    const results = Array.from({ length: count }, (_, i) => {
      const record = `${expected.length}:${'x'.repeat(i % 25 === 24 ? 70_000 : i)}\n`;
      expected.push(record);
      return handle.chain().write(record).datasync().submit();
    });
    t.deepEqual(
      await Promise.all(results),
      expected.slice(-count).map((record) => [record.length, 0]),
    );
  }
  t.is(readFileSync(file, 'utf8'), expected.join(''));
  await handle.close();
  nothingLeft(t);
});

ring('what is acknowledged has gone through the cache of the disk', async (t) => {
  const place = directory(t);
  const count = flushCounter(place);
  if (count === undefined) {
    t.pass('no disk whose flushes can be counted');
    return;
  }
  const handle = await fs.open(path.join(place, 'file'), 'a');
  for (const sync of ['datasync', 'sync'] as const) {
    // The first syncs what was written before; from then on each is one request.
    for (let i = 0; i < 5; i++) {
      const before = count();
      await handle.chain().write('record')[sync]().submit();
      t.true(count() > before, `${sync} ${i}`);
    }
    const before = count();
    await Promise.all(Array.from({ length: 20 }, () => handle.chain().write('record')[sync]().submit()));
    t.true(count() > before, `${sync} of many`);
  }
  await handle.close();
});

ring('a durable append that fails does so alone', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, '');
  const handle = await fs.open(file, 'a');
  const gone = Buffer.from(new ArrayBuffer(10));
  const [first, failed, last] = [Buffer.from('first'), gone, Buffer.from('last')].map((record) =>
    handle.chain().write(record).sync().submit(),
  );
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const error = await t.throwsAsync(failed, { instanceOf: ChainError });
  t.like(error, { step: 0, syscall: 'write', cause: { code: 'ERR_IOURING_BUFFER_GONE' } });
  t.deepEqual(await Promise.all([first, last]), [
    [5, 0],
    [4, 0],
  ]);
  t.is(readFileSync(file, 'utf8'), 'firstlast');
  const reader = await fs.open(file);
  t.like(await t.throwsAsync(reader.chain().write('x', 0).datasync().submit()), { step: 0, cause: { code: 'EBADF' } });
  await reader.close();
  await handle.close();
  nothingLeft(t);
});

ring('batches', async (t) => {
  const file = path.join(directory(t), 'file');
  const content = pattern(1 << 18);
  const handle = await fs.open(file, 'w+');
  const positions = Float64Array.from({ length: 256 }, (_, i) => ((i * 37) % 256) * 1024);
  const scattered = Buffer.concat(Array.from(positions, (position) => content.subarray(position, position + 1024)));
  t.true((await handle.writeMany(scattered, positions, 1024)).every((count) => count === 1024));
  t.true(readFileSync(file).equals(content));
  const back = Buffer.alloc(scattered.length);
  t.true((await handle.readMany(back, positions, 1024)).every((count) => count === 1024));
  t.true(back.equals(scattered));
  t.deepEqual([...(await handle.readMany(back, [0, 1 << 18, (1 << 18) - 3], 10))], [10, 0, 3]);
  await t.throwsAsync(handle.readMany(back, [0, -1], 10), { code: 'ERR_OUT_OF_RANGE' });
  await t.throwsAsync(handle.readMany(Buffer.alloc(15), [0, 1], 10), { code: 'ERR_OUT_OF_RANGE' });
  await handle.close();
  nothingLeft(t);
});

ring('reserving space, advice and priority', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle = await fs.open(file, 'w+');
  await handle.preallocate(100_000, { keepSize: true });
  t.is((await handle.stat()).size, 0);
  t.true((await handle.stat()).blocks > 0);
  await handle.preallocate(5000, { offset: 5000 });
  t.is((await handle.stat()).size, 10_000);
  await handle.advise('sequential');
  await t.throwsAsync(handle.advise('nonsense' as never), { code: 'ERR_INVALID_ARG_VALUE' });
  handle.prioritize('best-effort', 7);
  t.is((await handle.write('x')).bytesWritten, 1);
  t.throws(() => handle.prioritize('idle', 8), { code: 'ERR_OUT_OF_RANGE' });
  await handle.close();
});

test.serial('replacing a file', async (t) => {
  const place = directory(t);
  const file = path.join(place, 'file');
  for (const data of ['one', Buffer.from('two'), '', Buffer.alloc(3 << 20, 7), ['a', 'b']]) {
    await writeFileAtomic(file, data);
    const expected = Array.isArray(data) ? Buffer.from('ab') : Buffer.from(data as Buffer);
    t.true(readFileSync(file).equals(expected));
  }
  await t.throwsAsync(writeFileAtomic(place, 'x'), { code: 'EISDIR' });
  await t.throwsAsync(writeFileAtomic(path.join(place, 'missing', 'file'), 'x'), { code: 'ENOENT' });
  await t.throwsAsync(writeFileAtomic(file, 5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.deepEqual(readdirSync(place), ['file']);
  nothingLeft(t);
});

test.serial('a file as blocks', async (t) => {
  const file = path.join(directory(t), 'file');
  await using blocks = await openBlocks(file, { mode: 'readWrite', create: true, blockSize: 512 });
  t.is(await blocks.writeMany([pattern(512, 1), pattern(512, 2), pattern(100, 3)]), 1124);
  t.true((await blocks.readBlocks(1)).equals(pattern(512, 2)));
  t.is((await blocks.readBlocks(2, 4)).length, 100);
  t.is((await blocks.load()).length, 1124);
  await t.throwsAsync(openBlocks(file, { mode: 'nonsense' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
  await using append = await openBlocks(file, { mode: 'writeOnlyAppend' });
  await append.write(Buffer.from('end'), 0);
  t.is((await blocks.load()).subarray(-3).toString(), 'end');
});

test.serial('sending a file through streams and sockets', async (t) => {
  const file = path.join(directory(t), 'file');
  const content = pattern(1_000_000);
  writeFileSync(file, content);
  await using handle = await fs.open(file);

  const received: Buffer[] = [];
  const server = net.createServer((socket) => socket.on('data', (bytes) => received.push(bytes)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as { port: number }).port, '127.0.0.1');
  await once(client, 'connect');
  t.is(await sendFile(handle, client), content.length);
  client.end();
  await once(client, 'close');
  server.close();
  await once(server, 'close');
  t.true(Buffer.concat(received).equals(content));

  // It waits for room again and again, and nobody is left listening.
  const slow = new PassThrough({ highWaterMark: 1024 });
  slow.resume();
  const listening = () => ['drain', 'close', 'error'].map((event) => slow.listenerCount(event));
  const before = listening();
  t.is(await sendFile(handle, slow), content.length);
  t.deepEqual(listening(), before);
  slow.destroy();

  const stream = new PassThrough();
  const [sent, chunks] = await Promise.all([
    sendFile(handle, stream, { start: 10, length: 500 }).finally(() => stream.end()),
    stream.toArray(),
  ]);
  t.is(sent, 500);
  t.true(Buffer.concat(chunks).equals(content.subarray(10, 510)));
  stream.destroy();
  await t.throwsAsync(sendFile(handle, stream), { code: 'ERR_STREAM_DESTROYED' });
});
