// Core's virtual file systems (`node:vfs`): paths in them are core's to serve, also those of functions that otherwise run on the ring.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';
import { needs } from '../_needs.ts';

const FLAG = '--experimental-vfs';

/** Every function that takes paths and runs on the ring, with each way of naming a file, in a directory below the mount. */
const SCRIPT = `
import { pathToFileURL } from 'node:url';
import vfs from 'node:vfs';
const { default: fs } = await import(process.argv[1]);
const files = vfs.create();
files.writeFileSync('/there', 'virtual');
files.mount();
const root = files.mountPoint;
const told = [];
const tell = (name, call) => call().then((value) => told.push([name, value ?? null]), (error) => told.push([name, error.message]));
for (const path of [root + '/there', root.replace('/dev', '/dev/.') + '//there', Buffer.from(root + '/there'), pathToFileURL(root + '/there')])
  await tell('readFile', () => fs.readFile(path, 'utf8'));
process.chdir('/dev');
await tell('relative', () => fs.readFile(root.slice('/dev/'.length) + '/there', 'utf8'));
await tell('open', async () => {
  await using handle = await fs.open(root + '/there');
  return handle.readFile('utf8');
});
await tell('writeFile', () => fs.writeFile(root + '/a', 'a'));
await tell('appendFile', () => fs.appendFile(root + '/a', 'b'));
await tell('link', () => fs.link(root + '/a', root + '/b'));
await tell('symlink', () => fs.symlink('a', root + '/c'));
await tell('rename', () => fs.rename(root + '/b', root + '/d'));
await tell('rename out', () => fs.rename(root + '/d', '/tmp/out-of-a-virtual-file-system'));
await tell('unlink', () => fs.unlink(root + '/a'));
await tell('readdir', async () => (await fs.readdir(root)).sort());
await tell('missing', () => fs.readFile(root + '/missing'));
console.log(JSON.stringify(told));
`;

function outcome(module: string): unknown {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [FLAG, '--no-warnings', '--input-type=module', '--eval', SCRIPT, module],
    { encoding: 'utf8', timeout: 20_000 },
  );
  return stdout === '' ? stderr : JSON.parse(stdout);
}

needs('node:vfs', process.allowedNodeEnvironmentFlags.has(FLAG))('virtual files are read and written as with core', (t) => {
  const expected = outcome('node:fs/promises');
  t.true(Array.isArray(expected) && expected.length === 15, String(expected));
  t.deepEqual(outcome('iouring-transport/fs'), expected);
});

test('names that look like those of virtual files', async (t) => {
  const { default: fs } = await import('iouring-transport/fs');
  await t.throwsAsync(fs.readFile('/dev/null/vfs/0/file'), { code: 'ENOTDIR' });
  await t.throwsAsync(fs.open(Buffer.from('/dev/null/vfs/0/file')), { code: 'ENOTDIR' });
});
