// What files do, on whichever backend is chosen: the spec files beside choose one and call this.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { FileMode, FileOptions } from 'iouring-transport/transport';
import { needs } from '../_needs.ts';

const { Transport, worker } = await import('iouring-transport/transport');

const folder = mkdtempSync(path.join(os.tmpdir(), 'transport-files-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** A path, and a file there where content is given. */
function at(content?: string | Buffer): string {
  const name = path.join(folder, String(++files));
  if (content !== undefined) writeFileSync(name, content);
  return name;
}

/** Nothing is left of what a test has opened. */
function nothingLeft(t: ExecutionContext): void {
  t.is([...worker.files].length, 0);
  t.is(worker.buffers.used(), 0);
}

const MODES: readonly (readonly [FileMode, { reads: boolean; writes: boolean; appends: boolean }])[] = [
  ['readOnly', { reads: true, writes: false, appends: false }],
  ['writeOnly', { reads: false, writes: true, appends: false }],
  ['readWrite', { reads: true, writes: true, appends: false }],
  ['writeOnlyAppend', { reads: false, writes: true, appends: true }],
  ['readWriteAppend', { reads: true, writes: true, appends: true }],
];

export function declareCases(): void {
  for (const [mode, { reads, writes, appends }] of MODES) {
    test.serial(`${mode}: what it is for can be done, and nothing else`, async (t) => {
      const name = at('0123456789');
      const file = await worker.files.open(name, { mode });
      t.is(file.mode, mode);
      if (writes) {
        await file.write(Buffer.from('ab'), { position: 4 });
        t.is(readFileSync(name, 'latin1'), appends ? '0123456789ab' : '0123ab6789');
      } else {
        await t.throwsAsync(file.write(Buffer.from('ab')), { code: 'EBADF' });
      }
      if (reads) t.is((await file.read({ position: 0, length: 4 }))!.takeBytes().toString(), '0123');
      else await t.throwsAsync(file.read(), { code: 'EBADF' });
      await file.close();
      nothingLeft(t);
    });

    if (writes) {
      test.serial(`${mode}: a file is made, and made empty, where that is asked for`, async (t) => {
        const name = at();
        await t.throwsAsync(worker.files.open(name, { mode }), { code: 'ENOENT' });
        await (await worker.files.open(name, { mode, create: true, permissions: 0o600 })).close();
        writeFileSync(name, 'old');
        const file = await worker.files.open(pathToFileURL(name), { mode, truncate: true });
        t.is(file.path, name);
        t.is((await file.stat()).size, 0);
        t.is((await file.stat()).mode & 0o777, 0o600);
        await file.close();
        nothingLeft(t);
      });
    }
  }

  for (const size of [0, 1, 1000, 64 * 1024, 64 * 1024 + 1, 1024 * 1024]) {
    test.serial(`${size} bytes are written, read piece by piece, by many and as a whole`, async (t) => {
      const bytes = randomBytes(size);
      await using file = await worker.files.open(at(), { mode: 'readWrite', create: true });
      const third = Math.ceil(size / 3);
      await file.writeMany([bytes.subarray(0, third), bytes.subarray(third, 2 * third), bytes.subarray(2 * third)]);
      t.is((await file.stat()).size, size);
      t.true(bytes.equals(await file.load()));

      const parts: Buffer[] = [];
      for (let at = 0; ; at += parts.at(-1)!.length) {
        const payload = await file.read({ position: at, length: 10_000 });
        if (payload === null) break;
        t.is(payload.length, Math.min(10_000, size - at));
        parts.push(payload.takeBytes());
      }
      t.true(bytes.equals(Buffer.concat(parts)));

      const many = await file.readMany(8, { position: 0, length: 9000 });
      t.is(many.length, Math.min(8, Math.ceil(size / 9000)));
      t.true(bytes.subarray(0, 72_000).equals(Buffer.concat(many.map((payload) => payload.takeBytes()))));
      await file.close();
      nothingLeft(t);
    });
  }

  test.serial('without a position one read or write follows another', async (t) => {
    await using file = await worker.files.open(at('one two three'));
    t.is((await file.read({ length: 4 }))!.takeBytes().toString(), 'one ');
    const [two, three] = await file.readMany(2, { length: 4 });
    t.is(two.takeBytes().toString(), 'two ');
    t.is(three.takeBytes().toString(), 'thre');
    t.is((await file.read())!.takeBytes().toString(), 'e');
    t.is(await file.read(), null);
    t.deepEqual(await file.readMany(3), []);
  });

  test.serial('a payload of one file is written to another, and is gone when it is released', async (t) => {
    const bytes = randomBytes(5000);
    await using source = await worker.files.open(at(bytes));
    const name = at();
    await using target = await worker.files.open(name, { mode: 'writeOnlyAppend', create: true });
    const payload = (await source.read())!;
    const view = payload.bytes;
    await target.writeMany([payload, Buffer.from('!'), payload]);
    payload.release();
    t.true(view.length === 0 || view.every((byte) => byte === 0));
    t.throws(() => payload.bytes, { code: 'ERR_IOURING_PAYLOAD_RELEASED' });
    t.true(readFileSync(name).equals(Buffer.concat([bytes, Buffer.from('!'), bytes])));
    await t.throwsAsync(target.write(payload), { code: 'ERR_IOURING_PAYLOAD_RELEASED' });
  });

  test.serial('more pieces than the system takes at once are written all the same', async (t) => {
    const name = at();
    await using file = await worker.files.open(name, { mode: 'writeOnly', create: true });
    const list = Array.from({ length: 2500 }, (_, index) => Buffer.from(`${index} `));
    await file.writeMany(list, { position: 0 });
    t.true(readFileSync(name).equals(Buffer.concat(list)));
  });

  test.serial('a file that has no size is loaded whole', async (t) => {
    await using file = await worker.files.open('/proc/self/status');
    t.regex((await file.load()).toString(), /^Name:/u);
  });

  test.serial('whoever closes the FileHandle closes the file', async (t) => {
    const file = await worker.files.open(at('x'));
    const closing = file.delegate.close();
    t.false(file.active);
    await closing;
    t.false(file.active);
    t.is(file.fd, -1);
    await t.throwsAsync(file.read(), { code: 'ERR_IOURING_CLOSED' });
    await t.throwsAsync(file.load(), { code: 'ERR_IOURING_CLOSED' });
    await file.close();
    await new Promise(setImmediate);
    nothingLeft(t);
  });

  // Twice, and one system call moves less than 2 GiB.
  const large = needs('6 GiB of free memory', os.freemem() > 6 * 2 ** 30);
  large('more than 2 GiB are loaded and written whole', async (t) => {
    const size = 2 ** 31 + 10_000;
    // Of a hole for the most part.
    await using file = await worker.files.open(at('first'), { mode: 'readWrite' });
    await file.write(Buffer.from('last'), { position: size - 4 });
    const whole = await file.load();
    t.is(whole.length, size);
    t.is(whole.toString('latin1', 0, 5), 'first');
    t.is(whole.toString('latin1', size - 4), 'last');
    await using nowhere = await worker.files.open('/dev/null', { mode: 'writeOnly' });
    await nowhere.write(whole);
  });

  test.serial('truncate() and sync() do what they say, and delegate is the FileHandle', async (t) => {
    const name = at('0123456789');
    await using file = await worker.files.open(name, { mode: 'readWrite' });
    await file.truncate(4);
    await file.sync();
    t.is(readFileSync(name, 'latin1'), '0123');
    await file.truncate();
    t.is((await file.stat()).size, 0);
    await file.delegate.writeFile('by hand');
    t.is(readFileSync(name, 'latin1'), 'by hand');
    t.is(file.fd, file.delegate.fd);
  });

  test.serial('a file that is closed says so, and is closed once', async (t) => {
    const file = await worker.files.open(at('x'), { mode: 'readWrite' });
    t.deepEqual([...worker.files], [file]);
    const closing = file.close();
    t.is(file.close(), closing);
    t.false(file.active);
    const closed = { code: 'ERR_IOURING_CLOSED' };
    await t.throwsAsync(file.read(), closed);
    await t.throwsAsync(file.write(Buffer.from('x')), closed);
    await t.throwsAsync(file.load(), closed);
    await t.throwsAsync(file.stat(), closed);
    await t.throwsAsync(file.truncate(), closed);
    await closing;
    t.is(file.fd, -1);
    nothingLeft(t);
  });

  test.serial('a worker that is shut down closes its files, and opens no more', async (t) => {
    const transport = new Transport({ workers: 0 });
    const data = { name: at('x'), file: null as null | { active: boolean; fd: number }, worker: null as never };
    await transport.start(
      'data:text/javascript,export default async (worker, data) => { data.worker = worker; data.file = await worker.files.open(data.name); }',
      data,
    );
    t.true(data.file!.active);
    await transport.shutdown();
    t.false(data.file!.active);
    t.is(data.file!.fd, -1);
    await t.throwsAsync((data.worker as typeof worker).files.open(data.name), { code: 'ERR_IOURING_CLOSED' });
  });

  test.serial('wrong arguments have core’s codes', async (t) => {
    const open = (name: unknown, options?: unknown) => worker.files.open(name as string, options as FileOptions);
    await t.throwsAsync(open(1), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(open('a\0b'), { code: 'ERR_INVALID_ARG_VALUE' });
    await t.throwsAsync(open('a', null), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(open('a', { mode: 'r' }), { code: 'ERR_INVALID_ARG_VALUE' });
    await t.throwsAsync(open('a', { create: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(open('a', { truncate: 1 }), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(open('a', { permissions: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await using file = await worker.files.open(at('x'), { mode: 'readWrite' });
    for (const count of [0, 1025, 0.5]) await t.throwsAsync(file.readMany(count), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(file.read({ length: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(file.read({ position: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(file.read({ position: '1' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(file.write('text' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(file.writeMany('text' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await t.throwsAsync(file.truncate(-1), { code: 'ERR_OUT_OF_RANGE' });
  });
}
