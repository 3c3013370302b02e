// Small things in which functions and methods must not differ from core's.
import core from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import test from 'ava';
import fs from 'iouring-transport/fs';
import { directory } from './_helpers.ts';

type Loose = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** What a call ends in: its error, or that there was none. */
async function endOf(call: () => Promise<unknown>) {
  try {
    await call();
    return 'no error';
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    return { name, code, message };
  }
}

test.serial('names of functions', async (t) => {
  for (const [name, value] of Object.entries(core)) {
    if (typeof value === 'function') t.is((fs as unknown as Record<string, Function | undefined>)[name]?.name, value.name);
  }
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'hello');
  await using ours = await fs.open(file);
  await using cores = await core.open(file);
  for (const name of ['close', 'read', 'createReadStream', 'createWriteStream', 'readLines'] as const) {
    t.deepEqual([ours[name].name, ours[name].length], [cores[name].name, cores[name].length], name);
  }
});

test.serial('what is no buffer, and offsets of another type', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'hello');
  const ours = (await fs.open(file, 'r+')) as unknown as Loose;
  const cores = (await core.open(file, 'r+')) as unknown as Loose;
  const calls: Array<[string, unknown[]]> = [
    ...[5, 'text', true, [], 2n].map((first): [string, unknown[]] => ['read', [first]]),
    ['read', [Buffer.alloc(4), 2n]],
    ['write', [Buffer.alloc(4), 2n]],
  ];
  for (const [method, args] of calls) {
    t.deepEqual(await endOf(() => ours[method](...args)), await endOf(() => cores[method](...args)), `${method} ${String(args)}`);
  }
  await ours['close']();
  await cores['close']();
});

test.serial('what reads and writes give has no prototype', async (t) => {
  const file = path.join(directory(t), 'file');
  for (const { open } of [fs, core]) {
    writeFileSync(file, 'hello');
    await using handle = await open(file, 'r+');
    const [bytes, none] = [Buffer.alloc(2), Buffer.alloc(0)];
    const results: Array<[object, object]> = [
      [await handle.read(bytes, 0, 2, 0), { bytesRead: 2, buffer: bytes }],
      [await handle.read({ buffer: bytes }), { bytesRead: 2, buffer: bytes }],
      [await handle.read(bytes, 0, 0, 0), { bytesRead: 0, buffer: bytes }],
      [await handle.write(bytes, 0, 2, 0), { bytesWritten: 2, buffer: bytes }],
      [await handle.write('xy', 0), { bytesWritten: 2, buffer: 'xy' }],
      [await handle.write(none), { bytesWritten: 0, buffer: none }],
      [await handle.readv([bytes], 0), { bytesRead: 2, buffers: [bytes] }],
      [await handle.readv([bytes, bytes], 0), { bytesRead: 4, buffers: [bytes, bytes] }],
      [await handle.readv([none]), { bytesRead: 0, buffers: [none] }],
      [await handle.writev([bytes], 0), { bytesWritten: 2, buffers: [bytes] }],
      [await handle.writev([none], 0), { bytesWritten: 0, buffers: [none] }],
    ];
    for (const [result, expected] of results) {
      t.is(Object.getPrototypeOf(result), null);
      t.deepEqual({ ...result }, expected);
      t.deepEqual(Object.keys(result), Object.keys(expected));
    }
  }
});

test.serial('several pieces, empty ones and none, of a file that is not open for that', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'hello');
  const outcomes = [];
  for (const { open } of [core, fs]) {
    await using reader = await open(file, 'r');
    await using writer = await open(file, 'a');
    const pieces = [[], [Buffer.alloc(0)], [Buffer.alloc(0), Buffer.alloc(0)], [Buffer.alloc(2)]];
    const asked = pieces.flatMap((some) => [undefined, 0].flatMap((at) => [reader.writev(some, at), writer.readv(some, at)]));
    outcomes.push(
      (await Promise.allSettled(asked)).map((each) => (each.status === 'rejected' ? String(each.reason) : each.value)),
    );
  }
  t.deepEqual(outcomes[1], outcomes[0]);
});

test.serial('positions of every kind', async (t) => {
  const file = path.join(directory(t), 'file');
  const numbers = [0, 2, 4, 5, -1, -2, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, 2 ** 53, 1.5, NaN, Infinity, -Infinity];
  // Before that core read at the file's own position where it was told a bigint.
  const bigints =
    Number.parseInt(process.versions.node, 10) < 22
      ? []
      : [0n, 3n, -1n, -2n, 2n ** 32n, 2n ** 63n - 6n, 2n ** 63n - 5n, 2n ** 63n];
  for (const position of [null, undefined, ...numbers, ...bigints, '1', true, {}]) {
    const ends = [];
    for (const { open } of [fs, core]) {
      writeFileSync(file, 'hello');
      const handle: any = await open(file, 'r+');
      const buffer = Buffer.alloc(5);
      const read = await endOf(() => handle.read(buffer, 0, 5, position));
      const other = await endOf(() => handle.read({ buffer, length: 2, position }));
      const written = typeof position === 'bigint' ? '' : await endOf(() => handle.write('HE', position));
      const own = (await handle.read(Buffer.alloc(9), 0, 9, null)).bytesRead;
      const start = (await handle.read(Buffer.alloc(9), 0, 9, 0)).buffer.toString();
      ends.push({ read, other, written, own, start, size: (await handle.stat()).size, found: buffer.toString() });
      await handle.close();
    }
    t.deepEqual(ends[0], ends[1], inspect(position));
  }
});

test.serial('what readFile gives is in memory of its own, and no more', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'hello');
  for (const name of [file, '/proc/version', '/proc/self/maps', '/dev/null']) {
    const bytes = await fs.readFile(name);
    t.is(bytes.buffer.byteLength, bytes.length, name);
    if (name === file) t.is(String(bytes), 'hello');
  }
  t.is(String(await fs.readFile('/proc/version')), String(await core.readFile('/proc/version')));
});
