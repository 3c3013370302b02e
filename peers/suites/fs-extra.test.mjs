import assert from 'node:assert';
import path from 'node:path';
import { test } from 'node:test';
import fs from 'fs-extra';
import { folder, pattern } from './_help.mjs';

test('a tree is copied, moved, emptied and removed', async () => {
  const place = folder();
  const bytes = pattern(500_000);
  for (let number = 0; number < 20; number++)
    await fs.outputFile(path.join(place, 'from', `${number % 3}`, `${number}.bin`), bytes.subarray(number));
  await fs.copy(path.join(place, 'from'), path.join(place, 'to'));
  await fs.move(path.join(place, 'to'), path.join(place, 'moved'));
  assert.equal(await fs.pathExists(path.join(place, 'to')), false);
  for (let number = 0; number < 20; number++) {
    assert.ok(bytes.subarray(number).equals(await fs.readFile(path.join(place, 'moved', `${number % 3}`, `${number}.bin`))));
  }
  await fs.emptyDir(path.join(place, 'moved'));
  assert.deepEqual(await fs.readdir(path.join(place, 'moved')), []);
  await fs.remove(place);
  assert.equal(await fs.pathExists(place), false);
});

test('JSON', async () => {
  const file = path.join(folder(), 'a', 'b.json');
  await fs.outputJson(file, { number: 1 }, { spaces: 2 });
  assert.deepEqual(await fs.readJson(file), { number: 1 });
  await fs.writeFile(file, 'not JSON');
  await assert.rejects(fs.readJson(file), SyntaxError);
  assert.equal(await fs.readJson(file, { throws: false }), null);
});

test('filters, times and links', async () => {
  const place = folder();
  await fs.outputFile(path.join(place, 'from', 'keep'), 'keep');
  await fs.outputFile(path.join(place, 'from', 'drop'), 'drop');
  await fs.ensureSymlink(path.join(place, 'from', 'keep'), path.join(place, 'from', 'link'));
  await fs.utimes(path.join(place, 'from', 'keep'), 1_000_000, 1_000_000);
  await fs.copy(path.join(place, 'from'), path.join(place, 'to'), {
    filter: (file) => !file.endsWith('drop'),
    preserveTimestamps: true,
  });
  assert.deepEqual((await fs.readdir(path.join(place, 'to'))).sort(), ['keep', 'link']);
  assert.equal((await fs.stat(path.join(place, 'to', 'keep'))).mtimeMs, 1_000_000_000);
});

test('handles of both ways of calling', async () => {
  const file = path.join(folder(), 'file');
  const fd = await fs.open(file, 'w+');
  const { bytesWritten } = await fs.write(fd, Buffer.from('some words'), 0, 10, 0);
  assert.equal(bytesWritten, 10);
  const { bytesRead, buffer } = await fs.read(fd, Buffer.alloc(5), 0, 5, 5);
  assert.deepEqual([bytesRead, String(buffer)], [5, 'words']);
  await fs.close(fd);
  const handle = await fs.promises.open(file);
  assert.equal(await handle.readFile('utf8'), 'some words');
  await handle.close();
});
