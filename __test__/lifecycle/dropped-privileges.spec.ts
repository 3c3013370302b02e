// A ring is made when the first facade is imported, by a process that may still be root's. What is asked of it later is done with the rights of that moment.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { tmpdir } from 'node:os';
import test from 'ava';
import { support } from 'iouring-transport';
import { needs, needsAnotherUser } from '../_needs.ts';

const onRing = support().backend === 'uring';

needs(
  'io_uring',
  onRing,
  needsAnotherUser(test),
)('what root may read is refused to who is root no longer', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'privileges-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o711);
  const file = path.join(folder, 'secret');
  const [secret, fresh] = [JSON.stringify(file), JSON.stringify(path.join(folder, 'new'))];
  writeFileSync(file, 'secret', { mode: 0o600 });
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import * as fs from 'iouring-transport/fs';
       const attempt = (work) => work.then(() => 'done', ({ code }) => code);
       const all = () => Promise.all([
         attempt(fs.readFile(${secret})),
         attempt(fs.open(${secret}, 'r+').then((handle) => handle.close())),
         attempt(fs.writeFile(${fresh}, 'x').then(() => fs.unlink(${fresh}))),
       ]);
       // By then the kernel has worker threads for the ring, too.
       const before = await all();
       process.setgid(65534);
       process.setuid(65534);
       console.log(JSON.stringify([before, await all()]));`,
    ],
    { encoding: 'utf8', timeout: 20_000 },
  );
  const [before, after] = JSON.parse(stdout || '[]') as string[][];
  t.deepEqual(before, ['done', 'done', 'done'], stderr);
  t.deepEqual(after, ['EACCES', 'EACCES', 'EACCES'], stderr);
});
