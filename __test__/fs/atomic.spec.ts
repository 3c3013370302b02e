// Replacing a file: whatever its name is, whoever it belongs to, and when the disk is full.
import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import { writeFileAtomic } from 'iouring-transport/fs';
import { needs, needsAnotherUser } from '../_needs.ts';
import { child, directory, nothingLeft } from './_helpers.ts';

test.serial('names of any bytes and any length', async (t) => {
  const place = directory(t);
  const names = [
    Buffer.from([0x63, 0x61, 0x66, 0xe9]),
    Buffer.from('n'.repeat(240)),
    Buffer.from('n'.repeat(255)),
    Buffer.from('ü'.repeat(120)),
    Buffer.from('x'),
  ];
  for (const name of names) {
    const file = Buffer.concat([Buffer.from(`${place}/`), name]);
    for (const content of ['new', 'newer']) {
      await writeFileAtomic(file, content);
      t.is(readFileSync(file, 'utf8'), content);
    }
  }
  const found = readdirSync(place, { encoding: 'buffer' }).map((name) => name.toString('hex'));
  t.deepEqual(found.sort(), names.map((name) => name.toString('hex')).sort());
  await t.throwsAsync(writeFileAtomic(path.join(place, 'n'.repeat(256)), ''), { code: 'ENAMETOOLONG' });
  await t.throwsAsync(writeFileAtomic(path.join(place, 'no', 'file'), ''), { code: 'ENOENT', message: /no\/file'$/ });
  await t.throwsAsync(writeFileAtomic(place, ''), { code: 'EISDIR' });
  const before = process.cwd();
  process.chdir(place);
  await writeFileAtomic('relative', 'x').finally(() => process.chdir(before));
  t.is(readFileSync(path.join(place, 'relative'), 'utf8'), 'x');
  nothingLeft(t);
});

test.serial('permissions stay what they were', async (t) => {
  const file = path.join(directory(t), 'file');
  await writeFileAtomic(file, 'new');
  t.is(statSync(file).mode & 0o7777, 0o666 & ~process.umask());
  for (const mode of [0o600, 0o640, 0o755, 0o444, 0o666, 0o777]) {
    chmodSync(file, mode);
    for (const content of ['small', Buffer.alloc(2_000_000, 1)]) {
      await writeFileAtomic(file, content);
      t.is(statSync(file).mode & 0o7777, mode);
    }
  }
  await writeFileAtomic(file, 'x', { mode: 0o600 });
  t.is(statSync(file).mode & 0o7777, 0o600);
  symlinkSync(file, `${file}-link`);
  await writeFileAtomic(`${file}-link`, 'replaced');
  t.is(statSync(`${file}-link`).mode & 0o7777, 0o600);
  t.is(readFileSync(file, 'utf8'), 'x');
  nothingLeft(t);
});

const root = needs('root', process.getuid!() === 0);

root('the owner stays who it was, with his rights', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'old');
  chownSync(file, 1234, 2345);
  chmodSync(file, 0o4755);
  await writeFileAtomic(file, 'new');
  const { uid, gid, mode } = statSync(file);
  t.deepEqual([uid, gid, mode & 0o7777], [1234, 2345, 0o4755]);
  nothingLeft(t);
});

needsAnotherUser()('who may not give files away keeps the permissions', (t) => {
  const place = directory(t);
  chmodSync(place, 0o777);
  const file = path.join(place, 'file');
  writeFileSync(file, 'old');
  chmodSync(file, 0o4664);
  // What is there of a directory that may be written and not read cannot be flushed.
  const closed = path.join(place, 'closed');
  mkdirSync(closed);
  chownSync(closed, 1234, 1234);
  chmodSync(closed, 0o333);
  const { status, stderr } = child(`
    import { writeFileAtomic } from 'iouring-transport/fs';
    process.setgroups([]); process.setgid(1234); process.setuid(1234);
    await writeFileAtomic(${JSON.stringify(file)}, 'new');
    await writeFileAtomic(${JSON.stringify(path.join(closed, 'file'))}, 'new');
  `);
  t.is(status, 0, stderr);
  const { uid, mode } = statSync(file);
  t.deepEqual([uid, mode & 0o7777], [1234, 0o664]);
  t.is(readFileSync(path.join(closed, 'file'), 'utf8'), 'new');
});

root('a full disk is told as core tells it, and leaves the old', (t) => {
  const place = directory(t);
  const { status, stdout, stderr } = child(
    `
    import fs from 'node:fs';
    import { writeFileAtomic } from 'iouring-transport/fs';
    const place = ${JSON.stringify(place)};
    fs.writeFileSync(place + '/file', 'old');
    fs.writeFileSync(place + '/fill', Buffer.alloc(2.5 * (1 << 20)));
    for (const size of [900_000, 5_000_000]) {
      const error = await writeFileAtomic(place + '/file', Buffer.alloc(size)).catch((error) => error);
      console.log(error.code, error.syscall, fs.readFileSync(place + '/file', 'utf8'), fs.readdirSync(place).join());
    }
  `,
    ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=3m tmpfs ${place} && exec "$@"`, 'sh'],
  );
  if (status !== 0 && /unshare|mount/.test(stderr)) {
    t.pass('no file systems can be mounted here');
    return;
  }
  t.is(status, 0, stderr);
  t.is(stdout, 'ENOSPC write old file,fill\n'.repeat(2));
});
