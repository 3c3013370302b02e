import assert from 'node:assert';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import writeFileAtomic from 'write-file-atomic';
import { folder, pattern } from './_help.mjs';

test('text, bytes and an encoding', async () => {
  const file = path.join(folder(), 'file');
  await writeFileAtomic(file, 'words');
  assert.equal(readFileSync(file, 'utf8'), 'words');
  const bytes = pattern(3_000_000);
  await writeFileAtomic(file, bytes);
  assert.ok(bytes.equals(readFileSync(file)));
  await writeFileAtomic(file, 'c0ffee', 'hex');
  assert.equal(readFileSync(file, 'hex'), 'c0ffee');
});

test('mode and owner stay, links are followed', async () => {
  const place = folder();
  const file = path.join(place, 'file');
  writeFileSync(file, 'old');
  chmodSync(file, 0o640);
  symlinkSync(file, path.join(place, 'link'));
  await writeFileAtomic(path.join(place, 'link'), 'new');
  assert.equal(readFileSync(file, 'utf8'), 'new');
  assert.equal(statSync(file).mode & 0o777, 0o640);
});

test('fifty at once to one file: the last remains, nothing else', async () => {
  const place = folder();
  const file = path.join(place, 'file');
  await Promise.all(Array.from({ length: 50 }, (_, number) => writeFileAtomic(file, String(number))));
  assert.equal(readFileSync(file, 'utf8'), '49');
  assert.deepEqual(readdirSync(place), ['file']);
});

test('what fails leaves nothing behind', async () => {
  const place = folder();
  await assert.rejects(writeFileAtomic(path.join(place, 'absent', 'file'), 'x'), { code: 'ENOENT' });
  mkdirSync(path.join(place, 'folder'));
  await assert.rejects(writeFileAtomic(path.join(place, 'folder'), 'x'), { code: 'EISDIR' });
  assert.deepEqual(readdirSync(place), ['folder']);
});
