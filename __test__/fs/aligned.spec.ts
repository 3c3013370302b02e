// Memory that the kernel can be given as it is.
import { constants, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { stats } from 'iouring-transport';
import fs, { alignedBuffer } from 'iouring-transport/fs';
import { needs } from '../_needs.ts';
import { child, directory, nothingLeft, onRing, pattern } from './_helpers.ts';

const { O_DIRECT, O_RDONLY, O_RDWR } = constants;
const ring = needs('io_uring', onRing);

test.serial('sizes', (t) => {
  for (const size of [0, 1, 4096, 10_000, 1 << 24]) {
    const bytes = alignedBuffer(size);
    t.true(Buffer.isBuffer(bytes));
    t.is(bytes.length, size);
    t.true(bytes.every((byte) => byte === 0));
  }
  for (const size of [-1, 0.5, NaN, Infinity]) t.throws(() => alignedBuffer(size), { code: 'ERR_OUT_OF_RANGE' });
  for (const size of ['1', 1n, null]) t.throws(() => alignedBuffer(size as never), { code: 'ERR_INVALID_ARG_TYPE' });
});

ring('reads and writes with O_DIRECT need no memory of the library', async (t) => {
  const file = path.join(directory(t), 'file');
  const content = pattern(1 << 20);
  writeFileSync(file, content);
  const handle = await fs.open(file, O_RDWR | O_DIRECT);
  const memory = alignedBuffer(1 << 20);
  const other = Buffer.alloc(1 << 20);
  let most = 0;
  const watched = async <T>(work: Promise<T>): Promise<T> => {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, stats().bounces);
    return work;
  };
  t.is((await watched(handle.read(memory, 0, 1 << 20, 0))).bytesRead, 1 << 20);
  t.true(memory.equals(content));
  const part = memory.subarray(8192, 16_384);
  part.fill(7);
  t.is((await watched(handle.write(part, 0, 8192, 4096))).bytesWritten, 8192);
  t.true(readFileSync(file).subarray(4096, 12_288).equals(part));
  t.deepEqual([...(await watched(handle.readMany(memory, [0, 65_536, 4096], 4096)))], [4096, 4096, 4096]);
  t.true(memory.subarray(4096, 8192).equals(content.subarray(65_536, 69_632)));
  t.is(most, 0);
  // Parts of it that are not aligned, and other memory, work as well.
  t.is((await handle.read(memory, 3, 4096, 0)).bytesRead, 4096);
  t.true(memory.subarray(3, 4099).equals(content.subarray(0, 4096)));
  t.is((await handle.read(other, 0, 4096, 0)).bytesRead, 4096);
  await handle.close();
  nothingLeft(t);
});

ring('memory that is forgotten while it is read into', (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, Buffer.alloc(4 << 20, 1));
  const { status, signal, stderr } = child(`
    import { open, alignedBuffer } from 'iouring-transport/fs';
    import { stats } from 'iouring-transport';
    import v8 from 'node:v8';
    import vm from 'node:vm';
    v8.setFlagsFromString('--expose-gc');
    const gc = vm.runInNewContext('gc');
    const handle = await open(${JSON.stringify(file)}, ${O_RDONLY | O_DIRECT});
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 300; round++) {
      const memory = alignedBuffer(4 << 20);
      const reading = handle.read(memory, 0, memory.length, 0);
      // It is with the kernel from here on. Where JavaScript can, it takes the bytes away as well.
      await new Promise((resolve) => setImmediate(resolve));
      memory.buffer.transfer?.();
      if (round % 10 === 0) gc();
      await reading;
    }
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await handle.close();
    const grown = (process.memoryUsage().rss - before) / (4 << 20);
    if (grown > 100) throw new Error(Math.round(grown) + ' of 300 pieces are still there');
    if (stats().operations + stats().bounces + stats().views > 0) throw new Error('something is left');`);
  t.is(status, 0, `${signal} ${stderr}`);
});

ring('memory that was moved to another thread outlives the one that made it', (t) => {
  const { status, signal, stderr } = child(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    if (ArrayBuffer.prototype.transfer === undefined) process.exit(0);
    const body = \`
      import('iouring-transport/fs').then(async ({ alignedBuffer }) => {
        const { parentPort } = await import('node:worker_threads');
        for (let i = 0; i < 20; i++) {
          const moved = alignedBuffer(1 << 20).fill(1).buffer.transfer();
          parentPort.postMessage(moved, [moved]);
        }
      });\`;
    const worker = new Worker(body, { eval: true });
    const there = [];
    worker.on('message', (memory) => there.push(new Uint8Array(memory)));
    await once(worker, 'exit');
    if (there.length !== 20) throw new Error('only ' + there.length);
    for (const bytes of there) bytes.fill(2);`);
  t.is(status, 0, `${signal} ${stderr}`);
});

test.serial('with the core backend', (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, pattern(8192));
  const { status, stderr } = child(`
    process.env.IOURING_TRANSPORT = 'core';
    const { open, alignedBuffer } = await import('iouring-transport/fs');
    const { support } = await import('iouring-transport');
    if (support().backend !== 'core') throw new Error('this is about core');
    const handle = await open(${JSON.stringify(file)}, ${O_RDONLY | O_DIRECT});
    const memory = alignedBuffer(8192);
    const { bytesRead } = await handle.read(memory, 0, 8192, 0);
    if (bytesRead !== 8192 || memory[1] !== ${pattern(2)[1]}) throw new Error('read ' + bytesRead);
    await handle.close();`);
  t.is(status, 0, stderr);
});
