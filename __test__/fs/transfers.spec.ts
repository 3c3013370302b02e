// Bytes arrive where they belong, however much is under way.
import { constants, existsSync, readFileSync, readSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import fs from 'iouring-transport/fs';
import { directory, nothingLeft, onRing, pattern } from './_helpers.ts';

test.serial('reads at random positions, many at once', async (t) => {
  const file = path.join(directory(t), 'file');
  const content = pattern(1 << 20);
  writeFileSync(file, content);
  await using handle = await fs.open(file);
  await Promise.all(
    Array.from({ length: 3000 }, async (_, i) => {
      const position = (i * 7919) % content.length;
      const { bytesRead, buffer } = await handle.read(
        Buffer.alloc(700),
        10,
        500,
        (i % 2 ? position : BigInt(position)) as number,
      );
      const expected = content.subarray(position, position + 500);
      if (bytesRead !== expected.length || !buffer.subarray(10, 10 + bytesRead).equals(expected)) t.fail(`at ${position}`);
    }),
  );
  t.pass();
});

test.serial('many more operations than the kernel is given at once', async (t) => {
  const count = Number(process.env['IOURING_TEST_OPERATIONS'] ?? 100_000);
  const file = path.join(directory(t), 'file');
  writeFileSync(file, pattern(65536));
  const handle = await fs.open(file);
  const buffer = Buffer.alloc(64);
  let done = 0;
  const promises = [];
  for (let i = 0; i < count; i++) promises.push(handle.read(buffer, 0, 64, (i * 64) % 65536).then(() => done++));
  const closed = handle.close();
  await Promise.all(promises);
  await closed;
  t.is(done, count);
  nothingLeft(t);
});

test.serial('writes at the same time, at their own places', async (t) => {
  const file = path.join(directory(t), 'file');
  const content = pattern(1 << 20, 5);
  const handle = await fs.open(file, 'w');
  const piece = 4096;
  await Promise.all(
    Array.from({ length: content.length / piece }, async (_, i) => {
      const { bytesWritten } = await handle.write(content, i * piece, piece, i * piece);
      if (bytesWritten !== piece) t.fail();
    }),
  );
  await handle.close();
  t.true(readFileSync(file).equals(content));
  nothingLeft(t);
});

test.serial("the file's own position, in the order of the calls", async (t) => {
  const file = path.join(directory(t), 'file');
  await using handle = await fs.open(file, 'w+');
  await Promise.all(Array.from({ length: 200 }, (_, i) => handle.write(`${String(i).padStart(4, '0')}\n`)));
  const expected = Array.from({ length: 200 }, (_, i) => `${String(i).padStart(4, '0')}\n`).join('');
  t.is(readFileSync(file, 'utf8'), expected);
});

test.serial('the end of a file, and a file that is cut while it is read', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, pattern(10_000));
  await using handle = await fs.open(file);
  t.is((await handle.read(Buffer.alloc(4096), 0, 4096, 8192)).bytesRead, 10_000 - 8192);
  t.is((await handle.read(Buffer.alloc(16), 0, 16, 10_000)).bytesRead, 0);
  t.is((await handle.read(Buffer.alloc(16), 0, 16, 2 ** 40)).bytesRead, 0);
  const whole = handle.readFile();
  truncateSync(file, 100);
  t.true((await whole).length <= 10_000);
  t.is((await handle.read(Buffer.alloc(4096), 0, 4096, 0)).bytesRead, 100);
});

test.serial('readv and writev', async (t) => {
  const file = path.join(directory(t), 'file');
  await using handle = await fs.open(file, 'w+');
  t.is((await handle.writev([Buffer.from('abc'), new Uint16Array([0x6464, 0x6565]), Buffer.from('f')], 2)).bytesWritten, 8);
  const views = [Buffer.alloc(4), new DataView(new ArrayBuffer(3)), Buffer.alloc(10)] as const;
  t.is((await handle.readv(views as never, 1)).bytesRead, 9);
  t.deepEqual(views[0], Buffer.from('\0abc'));
  t.deepEqual(Buffer.from(views[1].buffer), Buffer.from('dde'));
  t.deepEqual(views[2].subarray(0, 2), Buffer.from('ef'));
});

test.serial('O_DIRECT with memory that is not aligned', async (t) => {
  const file = path.join(directory(t), 'file');
  const content = pattern(64 * 4096);
  writeFileSync(file, content);
  const handle = await fs.open(file, constants.O_RDWR | constants.O_DIRECT).catch((error) => {
    t.log(`skipped: this file system has no O_DIRECT: ${error.code}`);
  });
  if (!onRing || !handle) {
    t.pass();
    return;
  }
  await Promise.all(
    Array.from({ length: 64 }, async (_, i) => {
      const { buffer } = await handle.read(Buffer.alloc(4100), 3, 4096, i * 4096);
      if (!buffer.subarray(3, 4099).equals(content.subarray(i * 4096, (i + 1) * 4096))) t.fail(`block ${i}`);
    }),
  );
  t.is((await handle.write(content.subarray(1, 4097), 0, 4096, 8192)).bytesWritten, 4096);
  // Most file systems refuse what is no whole block, tmpfs takes it.
  const part = [Buffer.alloc(100), 0, 100, 3] as const;
  const failure = (error: Error) => error.message;
  const expected = await Promise.resolve()
    .then(() => readSync(handle.fd, ...part))
    .catch(failure);
  t.is(await handle.read(...part).then(({ bytesRead }) => bytesRead, failure), expected);
  await handle.close();
  t.true(readFileSync(file).subarray(8192, 12288).equals(content.subarray(1, 4097)));
  nothingLeft(t);
});

test.serial('a buffer that is detached meanwhile', async (t) => {
  const file = path.join(directory(t), 'file');
  // Longer than what may be over when the call returns.
  const length = 1 << 18;
  writeFileSync(file, pattern(length));
  const handle = await fs.open(file);
  const bytes = new Uint8Array(length);
  const reading = handle.read(bytes, 0, length, 0);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  if (onRing) await t.throwsAsync(reading, { code: 'ERR_IOURING_BUFFER_GONE' });
  await handle.close();
  nothingLeft(t);
});

test.serial('a thread sleeps when its writes are done', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle = await fs.open(file, 'w');
  for (let i = 0; i < 100; i++) await handle.write('x');
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { user, system } = process.cpuUsage(before);
  t.true(user + system < 250_000, `${user + system} µs of 500,000`);
  await handle.close();
  nothingLeft(t);
});

test.serial('a buffer that is detached while it is written', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle = await fs.open(file, 'w');
  // The first write finds out whether the file system writes at once.
  await handle.write(Buffer.alloc(1), 0, 1, 0);
  const bytes = new Uint8Array(1 << 22);
  const writing = handle.write(bytes, 0, bytes.length, 0);
  // It is with the kernel from the end of this tick on.
  await new Promise((resolve) => setImmediate(resolve));
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  if (onRing) {
    await writing.then(
      ({ bytesWritten }) => t.is(bytesWritten, 1 << 22, 'done before'),
      (error: unknown) => t.like(error, { code: 'ERR_IOURING_BUFFER_GONE' }),
    );
  } else {
    await writing;
  }
  await handle.close();
  nothingLeft(t);
});

test.serial('content that is detached while it is written is not taken for written', async (t) => {
  const file = path.join(directory(t), 'file');
  const bytes = new Uint8Array(8 << 20);
  const { signal } = new AbortController();
  // It is asked between two pieces: the moment at which none is under way.
  Object.defineProperty(signal, 'aborted', {
    get() {
      const written = existsSync(file) ? statSync(file).size : 0;
      if (written > 0 && bytes.length > 0) structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      return false;
    },
  });
  await t.throwsAsync(fs.writeFile(file, bytes, { signal }));
  t.is(bytes.length, 0);
  nothingLeft(t);
});

test.serial('a file that is written and read whole', async (t) => {
  const file = path.join(directory(t), 'file');
  for (const size of [0, 1, 4096, 65_537, 3 << 20]) {
    const content = pattern(size, size);
    await fs.writeFile(file, content);
    t.true(content.equals(await fs.readFile(file)), `${size}`);
  }
  await fs.appendFile(file, 'end');
  t.is((await fs.readFile(file)).subarray(-3).toString(), 'end');
  await fs.writeFile(
    file,
    (function* () {
      yield 'a';
      yield Buffer.from('b');
    })(),
  );
  t.is(await fs.readFile(file, 'utf8'), 'ab');
  t.true((await fs.readFile('/proc/self/status', 'latin1')).startsWith('Name:'));
  nothingLeft(t);
});
