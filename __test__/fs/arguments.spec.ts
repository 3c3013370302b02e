// Every wrong argument to every addition: refused with one of core's codes, and nothing of it stays behind.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { PassThrough, Writable } from 'node:stream';
import type { ExecutionContext } from 'ava';
import fs, * as additions from 'iouring-transport/fs';
import { needs } from '../_needs.ts';
import { child, directory, nothingLeft, onRing } from './_helpers.ts';

type Call = (...args: any[]) => unknown;

const { alignedBuffer, getxattr, limitWorkers, openBlocks, sendFile, setxattr, writeFileAtomic } = additions as Record<
  string,
  any
>;

/** Values that are wrong nearly everywhere. */
const ODD: readonly unknown[] = [
  undefined,
  null,
  true,
  '',
  '5',
  'toString',
  '__proto__',
  -1,
  -0,
  0.5,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 31,
  2 ** 32,
  2 ** 32 + 0.5,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  1e300,
  0n,
  -5n,
  2n ** 64n,
  Symbol('odd'),
  {},
  [],
  [{}],
  ['1'],
  [1n],
  () => {},
  new Date(0),
  new Map(),
  new Uint8Array(0),
  new ArrayBuffer(8),
  new Proxy({}, {}),
  { valueOf: () => 4096, toString: () => 'normal' },
];

/** A number that is not so large that the disk is filled or memory is. */
const small = (value: unknown, other: unknown) => (typeof value === 'number' && value > 1e6 ? other : value);

const ring = needs('io_uring', onRing);

/** What a call comes to. Core's own codes, or a system call's. */
async function judge(t: ExecutionContext, name: string, call: () => unknown): Promise<void> {
  try {
    await call();
  } catch (error) {
    const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
    const said = code === 'ERR_IOURING_CHAIN' ? cause?.code : code;
    // A chain that reads less than it should has no code of its own.
    const known = said === undefined ? code === 'ERR_IOURING_CHAIN' : /^(ERR_[A-Z_]+|E[A-Z0-9]+)$/.test(said as string);
    t.true(known, `${name}: ${said as string} ${String(error)}`);
  }
}

ring('every argument of every addition', async (t) => {
  const place = directory(t);
  // Some of what is odd is a name all the same.
  const before = process.cwd();
  process.chdir(place);
  t.teardown(() => process.chdir(before));
  const file = path.join(place, 'file');
  writeFileSync(file, Buffer.alloc(100_000, 7));
  const handle: any = await fs.open(file, 'r+');
  const blocks = await openBlocks(file, { mode: 'readWrite', blockSize: 512 });
  const buffer = Buffer.alloc(64);
  const sink = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  // Each with arguments that will do; one after the other is replaced.
  const calls: Record<string, [Call, () => unknown[]]> = {
    readMany: [(...args) => handle.readMany(...args), () => [buffer, [0, 8], 8]],
    writeMany: [(...args) => handle.writeMany(...args), () => [buffer, [0, 8], 8]],
    preallocate: [(length, options) => handle.preallocate(small(length, 1), options), () => [4096, {}]],
    'preallocate offset': [(offset, keepSize) => handle.preallocate(1, { offset: small(offset, 1), keepSize }), () => [0, true]],
    advise: [(...args) => handle.advise(...args), () => ['normal', 0, 10]],
    prioritize: [(...args) => handle.prioritize(...args), () => ['none', 4]],
    getxattr: [(...args) => handle.getxattr(...args), () => ['user.a']],
    setxattr: [(...args) => handle.setxattr(...args), () => ['user.a', 'value', {}]],
    'setxattr options': [(create, replace) => handle.setxattr('user.a', 'value', { create, replace }), () => [false, false]],
    'chain write': [
      (...args) =>
        handle
          .chain()
          .write(...args)
          .sync()
          .submit(),
      () => ['data', 0],
    ],
    'chain read': [
      (...args) =>
        handle
          .chain()
          .sync()
          .read(...args)
          .submit(),
      () => [buffer, 0],
    ],
    'chain truncate': [(length) => handle.chain().write('x', 0).truncate(small(length, '1')).submit(), () => [100_000]],
    'chain preallocate': [
      (length, offset) => handle.chain().preallocate(small(length, '1'), small(offset, '1')).submit(),
      () => [4096, 0],
    ],
    'fs.getxattr': [getxattr, () => [file, 'user.a']],
    'fs.setxattr': [setxattr, () => [file, 'user.a', 'value', {}]],
    writeFileAtomic: [writeFileAtomic, () => [path.join(place, 'atomic'), 'data', {}]],
    'writeFileAtomic options': [
      (encoding, mode, signal, flush) => writeFileAtomic(path.join(place, 'atomic'), 'data', { encoding, mode, signal, flush }),
      () => ['utf8', 0o600, undefined, false],
    ],
    alignedBuffer: [(size) => alignedBuffer(small(size, -1)), () => [4096]],
    openBlocks: [async (...args) => (await openBlocks(...args)).close(), () => [file, {}]],
    'openBlocks options': [
      async (mode, create, truncate, direct, blockSize, permissions) =>
        (await openBlocks(path.join(place, 'blocks'), { mode, create, truncate, direct, blockSize, permissions })).close(),
      () => ['readWrite', true, false, false, 4096, 0o600],
    ],
    readBlocks: [(first, count) => blocks.readBlocks(first, small(count, -1)), () => [0, 1]],
    'blocks write': [(data, offset) => blocks.write(data, small(offset, -1)), () => [buffer, 0]],
    'blocks writeMany': [(pieces, offset) => blocks.writeMany(pieces, small(offset, -1)), () => [[buffer, buffer], 0]],
    sendFile: [(from, to, options) => sendFile(from, to, options), () => [handle, sink(), {}]],
    'sendFile options': [
      (start, length, signal) => sendFile(handle, sink(), { start, length, signal }),
      () => [0, 10, undefined],
    ],
    limitWorkers: [limitWorkers, () => [{}]],
    'limitWorkers options': [(bounded, unbounded) => limitWorkers({ bounded, unbounded }), () => [0, 0]],
  };
  for (const [name, [call, usual]] of Object.entries(calls)) {
    await judge(t, name, () => call(...usual()));
    for (let place = 0; place < usual().length; place++) {
      for (const odd of ODD) {
        const args = usual();
        args[place] = odd;
        await judge(t, `${name}[${place}] = ${typeof odd === 'symbol' ? 'symbol' : String(typeof odd)}`, () => call(...args));
      }
    }
  }
  for (const method of ['readMany', 'writeMany', 'chain', 'preallocate', 'advise', 'prioritize', 'getxattr', 'setxattr']) {
    for (const self of [{}, 5, null, undefined, 'x', sink()]) {
      await judge(t, `${method} of another`, () => (handle[method] as Call).call(self, 'normal', 'user.a', 1));
    }
  }
  // Nobody else has come to harm.
  await handle.write('0123456789', 50_000);
  t.is((await handle.read(buffer, 0, 10, 50_000)).bytesRead, 10);
  await fs.rename(file, `${file}2`);
  await blocks.close();
  await handle.close();
  nothingLeft(t);
});

ring('what is wrong is named as core names it', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'content');
  const handle: any = await fs.open(file, 'r+');
  const type = { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' };
  const range = { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' };
  const value = { code: 'ERR_INVALID_ARG_VALUE', name: 'TypeError' };
  const stream = new PassThrough();
  await t.throwsAsync(handle.preallocate('4096'), type);
  await t.throwsAsync(handle.preallocate(1, { offset: '5' }), type);
  await t.throwsAsync(handle.preallocate(1, null), type);
  await t.throwsAsync(handle.preallocate(-1), range);
  await t.throwsAsync(handle.advise('toString'), value);
  await t.throwsAsync(handle.advise('normal', '7'), type);
  await t.throwsAsync(handle.chain().truncate('2').submit(), type);
  await t.throwsAsync(handle.chain().write('x', '5').submit(), type);
  await t.throwsAsync(handle.chain().read(5).submit(), type);
  await t.throwsAsync(handle.readMany(Buffer.alloc(8), 5, 4), type);
  await t.throwsAsync(handle.readMany(Buffer.alloc(8), [0], '4'), type);
  await t.throwsAsync(handle.setxattr('user.a', 'x', null), type);
  t.throws(() => handle.prioritize('idle', '3'), type);
  await t.throwsAsync(sendFile(handle, stream, { start: -1 }), range);
  await t.throwsAsync(sendFile(handle, stream, { length: Number.NaN }), range);
  await t.throwsAsync(sendFile({}, stream), type);
  await t.throwsAsync(sendFile(handle, {}), type);
  await t.throwsAsync(openBlocks(file, { blockSize: '512' }), type);
  t.throws(() => limitWorkers({ bounded: 'x' }), type);
  t.throws(() => limitWorkers(), type);
  await t.throwsAsync(writeFileAtomic(5, 'x'), type);
  await t.throwsAsync(writeFileAtomic(file, 5), type);
  await t.throwsAsync(writeFileAtomic(file, 'x', { mode: 'rw' }), value);
  for (const method of ['read', 'stat', 'readMany', 'sync', 'appendFile', 'writev']) {
    await t.throwsAsync(async () => handle[method].call({}), { code: 'ERR_INTERNAL_ASSERTION' }, method);
  }
  await handle.close();
  nothingLeft(t);
});

ring('a chain that was told wrong does nothing, and is over', async (t) => {
  const place = directory(t);
  const file = path.join(place, 'file');
  writeFileSync(file, 'content');
  writeFileSync(path.join(place, 'other'), 'other');
  const reader: any = await fs.open(file, 'r');
  const chain = reader.chain().write('X', 0);
  await t.throwsAsync(chain.truncate('abc').submit(), { code: 'ERR_INVALID_ARG_TYPE' });
  await fs.rename(path.join(place, 'other'), path.join(place, 'renamed'));
  // It can be used for others.
  t.deepEqual(await chain.sync().submit(), [0]);
  await reader.close();
  nothingLeft(t);
});

ring('a process that has told much wrong ends by itself', (t) => {
  const { status, stdout, stderr } = child(`
    import { open, writeFileAtomic } from 'iouring-transport/fs';
    const handle = await open(process.execPath);
    const wrong = [() => handle.preallocate({}), () => handle.advise('normal', {}), () => handle.chain().write('x').preallocate({}).submit(), () => handle.readMany(Buffer.alloc(1), {}, 1)];
    for (const call of wrong) await call().catch((error) => process.stdout.write(error.code + ' '));
    await handle.close();
  `);
  t.is(status, 0, stderr);
  t.is(stdout, 'ERR_INVALID_ARG_TYPE '.repeat(4));
});
