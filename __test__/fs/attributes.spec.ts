// Extended attributes: what is set is found, by path and by handle, and errors are those of the system calls in core's shape.
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import fs from 'iouring-transport/fs';
import { needs } from '../_needs.ts';
import { child, directory, nothingLeft, onRing, pattern } from './_helpers.ts';

const ring = needs('io_uring', onRing);

/** A file that may have attributes. Where the file system has none of users', `undefined`. */
async function place(t: ExecutionContext, within = directory(t)): Promise<string | undefined> {
  const file = path.join(within, 'file');
  writeFileSync(file, 'content');
  try {
    await fs.setxattr(file, 'user.probe', 'x');
    return file;
  } catch (error) {
    t.is((error as NodeJS.ErrnoException).code, 'ENOTSUP');
    t.log(`skipped: the file system of ${within} has no attributes of users`);
    return undefined;
  }
}

ring('what is set by one way is found by the other', async (t) => {
  const file = await place(t);
  if (file === undefined) return;
  await using handle = await fs.open(file);
  await fs.setxattr(file, 'user.text', 'héllo');
  t.is((await handle.getxattr('user.text')).toString(), 'héllo');
  const bytes = pattern(300);
  await handle.setxattr('user.bytes', new DataView(bytes.buffer, bytes.byteOffset + 1, 200));
  t.deepEqual(await fs.getxattr(pathToFileURL(file), 'user.bytes'), bytes.subarray(1, 201));
  await handle.setxattr('user.bytes', '');
  t.deepEqual(await fs.getxattr(Buffer.from(file), 'user.bytes'), Buffer.alloc(0));
  const link = `${file}.link`;
  symlinkSync(file, link);
  t.is((await fs.getxattr(link, 'user.text')).toString(), 'héllo');
});

ring('values of all lengths come back whole', async (t) => {
  const file = await place(t);
  if (file === undefined) return;
  // What is tried first has 1024 bytes of room. File systems may have less than Linux allows: they say so.
  for (const length of [1, 1023, 1024, 1025, 3000, 40_000, 65_536]) {
    const value = pattern(length, length);
    try {
      await fs.setxattr(file, 'user.long', value);
    } catch (error) {
      t.regex((error as NodeJS.ErrnoException).code!, /^(ENOSPC|E2BIG)$/);
      t.true(length > 3000, `no room for ${length} bytes`);
      continue;
    }
    const found = await fs.getxattr(file, 'user.long');
    t.true(found.equals(value), `${length} bytes`);
  }
  await t.throwsAsync(fs.setxattr(file, 'user.long', Buffer.alloc(65_537)), { code: 'E2BIG' });
  nothingLeft(t);
});

ring('the longest value that Linux has', async (t) => {
  // ext4 has room for one block; tmpfs takes it from Linux 6.6 on.
  const within = mkdtempSync('/dev/shm/iouring-fs-');
  t.teardown(() => rmSync(within, { recursive: true, force: true }));
  const file = await place(t, within);
  if (file === undefined) return;
  await using handle = await fs.open(file);
  const value = pattern(65_536);
  await handle.setxattr('user.long', value);
  t.true((await handle.getxattr('user.long')).equals(value));
  t.true((await fs.getxattr(file, 'user.long')).equals(value));
});

ring('the value is the one at the time of the call', async (t) => {
  const file = await place(t);
  if (file === undefined) return;
  await using handle = await fs.open(file);
  const value = Buffer.alloc(6, 'before');
  const setting = [fs.setxattr(file, 'user.a', value), handle.setxattr('user.b', value)];
  value.fill('!');
  structuredClone(value.buffer, { transfer: [value.buffer] });
  t.is(value.length, 0);
  await Promise.all(setting);
  t.is((await fs.getxattr(file, 'user.a')).toString(), 'before');
  t.is((await fs.getxattr(file, 'user.b')).toString(), 'before');
});

ring('create and replace', async (t) => {
  const file = await place(t);
  if (file === undefined) return;
  await using handle = await fs.open(file);
  const missing = { code: 'ENODATA', syscall: 'setxattr', path: file };
  t.like(await t.throwsAsync(fs.setxattr(file, 'user.a', '1', { replace: true })), missing);
  await fs.setxattr(file, 'user.a', '1', { create: true });
  t.like(await t.throwsAsync(fs.setxattr(file, 'user.a', '2', { create: true })), {
    code: 'EEXIST',
    errno: -17,
    syscall: 'setxattr',
    path: file,
    message: `EEXIST: file already exists, setxattr '${file}'`,
  });
  t.like(await t.throwsAsync(handle.setxattr('user.a', '2', { create: true })), {
    code: 'EEXIST',
    syscall: 'fsetxattr',
    message: 'EEXIST: file already exists, fsetxattr',
  });
  t.is((await handle.getxattr('user.a')).toString(), '1');
  await handle.setxattr('user.a', '2', { replace: true });
  t.is((await handle.getxattr('user.a')).toString(), '2');
});

ring('what cannot be', async (t) => {
  const file = await place(t);
  if (file === undefined) return;
  const handle = await fs.open(file);
  t.like(await t.throwsAsync(fs.getxattr(file, 'user.none')), { code: 'ENODATA', errno: -61, syscall: 'getxattr', path: file });
  const nameless = await t.throwsAsync(handle.getxattr('user.none'));
  t.like(nameless, { code: 'ENODATA', syscall: 'fgetxattr' });
  t.false('path' in nameless);
  t.like(await t.throwsAsync(fs.getxattr(`${file}.none`, 'user.a')), { code: 'ENOENT', path: `${file}.none` });
  for (const of of [fs.getxattr(file, 'nonsense'), fs.setxattr(file, 'nonsense', 'x'), handle.getxattr('nonsense')]) {
    await t.throwsAsync(of, { code: 'ENOTSUP' });
  }
  // Linux says so of names; it is not the value that has no room.
  await t.throwsAsync(fs.getxattr(file, `user.${'x'.repeat(300)}`), { code: 'ERANGE' });
  await t.throwsAsync(handle.getxattr(''), { code: 'ERANGE' });
  await t.throwsAsync(fs.getxattr(file, 'user.\0'), { code: 'ERR_INVALID_ARG_VALUE' });
  await t.throwsAsync(fs.getxattr(file, 5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  await t.throwsAsync(fs.setxattr(file, 'user.a', 5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  await t.throwsAsync(fs.getxattr(5 as never, 'user.a'), { code: 'ERR_INVALID_ARG_TYPE' });
  await t.throwsAsync(fs.getxattr('\0', 'user.a'), { code: 'ERR_INVALID_ARG_VALUE' });
  await handle.close();
  await t.throwsAsync(handle.getxattr('user.a'), { code: 'EBADF' });
  nothingLeft(t);
});

ring('a handle is closed once its attributes are there', async (t) => {
  const file = await place(t);
  if (file === undefined) return;
  const handle = await fs.open(file);
  const waiting = [handle.setxattr('user.a', '1'), handle.getxattr('user.probe'), handle.close()] as const;
  t.is((await Promise.all(waiting))[1].toString(), 'x');
  nothingLeft(t);
});

ring('a file system without attributes says so', async (t) => {
  t.like(await t.throwsAsync(fs.getxattr('/proc/self/status', 'user.a')), { code: 'ENOTSUP', syscall: 'getxattr' });
});

test('with core there is an error that tells why', (t) => {
  const { stdout, stderr } = child(
    `
    process.env.IOURING_TRANSPORT = 'core';
    const { default: fs } = await import('iouring-transport/fs');
    const results = await Promise.allSettled([fs.getxattr('x', 'user.a'), fs.setxattr('x', 'user.a', 'y')]);
    const handle = await fs.open('/dev/null');
    console.log(JSON.stringify([...results.map(({ reason }) => reason.code), typeof handle.getxattr]));
    await handle.close();`,
  );
  t.is(stdout.trim(), '["ERR_IOURING_UNAVAILABLE","ERR_IOURING_UNAVAILABLE","undefined"]', stderr);
});
