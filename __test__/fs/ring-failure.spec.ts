// The ring itself fails while files are in use: everybody who waits hears of it, and the process can end.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { needs } from '../_needs.ts';
import { refuse, refusing } from '../_refuse.ts';
import { child, directory, onRing, pattern } from './_helpers.ts';

const ring = needs('io_uring', onRing, refusing);

ring('what is asked of files is settled with the error of the ring, before and after', (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, pattern(4096));
  const { status, stdout, stderr } = child(
    `
    import fs from 'iouring-transport/fs';
    const file = ${JSON.stringify(file)};
    const thrown = [];
    process.on('uncaughtException', (error) => thrown.push(error.code));
    const handle = await fs.open(file, 'r+');
    const tell = (promises) => Promise.allSettled(promises).then((all) => {
      const counts = {};
      for (const { status, reason } of all) {
        const key = status === 'fulfilled' ? status : reason.code;
        counts[key] = (counts[key] ?? 0) + 1;
      }
      return counts;
    });
    // 77 requests in one submission are what the filter refuses. What reads at the file's own position waits behind the first.
    // The sync comes first, or some of the reads would be alone, and over when they are asked for.
    const begun = [handle.sync(), ...Array.from({ length: 75 }, (_, i) => handle.read(Buffer.alloc(9), 0, 9, i))];
    begun.push(handle.read(Buffer.alloc(9), 0, 9), handle.read(Buffer.alloc(9), 0, 9), handle.write('x'));
    const before = await tell(begun);
    const after = await tell([
      handle.read(Buffer.alloc(9), 0, 9),
      handle.read(Buffer.alloc(9), 0, 9),
      handle.write('x', 0),
      handle.sync(),
      handle.chain().write('y', 0).datasync().submit(),
      fs.readFile(file),
      fs.unlink(file),
      fs.rename(file, file + '2'),
    ]);
    await handle.close();
    process.stdout.write(JSON.stringify({ before, after, thrown }));`,
    [refuse, 'batch'],
  );
  t.is(status, 0, stderr);
  const { before, after, thrown } = JSON.parse(stdout) as Record<string, unknown>;
  t.deepEqual(before, { EPERM: 79 });
  t.deepEqual(after, { EPERM: 7, ERR_IOURING_CHAIN: 1 });
  t.is((thrown as unknown[]).length, 1);
});
