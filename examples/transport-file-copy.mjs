/**
 * A file is copied, many pieces at a time: each of them is read by one operation and written by another.
 *
 *     node examples/transport-file-copy.mjs [from [to]]
 */
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { worker } from 'iouring-transport/transport';

const [from = process.execPath, to = path.join(os.tmpdir(), `copy-${process.pid}`)] = process.argv.slice(2);

const source = await worker.files.open(from);
const target = await worker.files.open(to, { mode: 'readWrite', create: true, truncate: true });
for (;;) {
  const payloads = await source.readMany(16);
  if (payloads.length === 0) break;
  await target.writeMany(payloads);
  for (const payload of payloads) payload.release();
}
await target.sync();
const [there, here] = [await source.stat(), await target.stat()];
console.log(`${here.size} of ${there.size} bytes copied, and on the disk`);
const same = (await source.load()).equals(await target.load());
console.log(same ? 'both are the same' : 'they differ');
await worker.shutdown();
if (process.argv.length < 4) (await import('node:fs')).unlinkSync(to);
