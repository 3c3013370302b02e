// See native.spec.ts: `node _native.ts <directory> <seed> <seconds>`. Prints what was done, and fails with what went wrong.
import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { stats } from 'iouring-transport';
import { bystand } from './_bystanders.ts';

const [directory, ...numbers] = process.argv.slice(2);
const [first, seconds] = numbers.map(Number);
process.chdir(directory);
/** How long a thread lives: several in a run, since each ends with what it has in flight. */
const LIFE = 700;
/** Threads do not inherit the loader of TypeScript in every version of Node. */
const BODY = `
  import(${JSON.stringify(import.meta.resolve('../../scripts/typescript/register.mjs'))})
    .then(() => import(${JSON.stringify(import.meta.resolve('./_native-thread.ts'))}))
    .catch((error) => setImmediate(() => { throw error; }));`;

writeFileSync('f', Buffer.alloc(300_000));
mkdirSync('directory');
const open = () => readdirSync('/proc/self/fd').length;

/** A thread that does what its seed says, ended in the middle of it. */
async function live(seed: number): Promise<number> {
  const worker = new Worker(BODY, { eval: true, trackUnmanagedFds: false, workerData: { seed, milliseconds: LIFE } });
  worker.on('error', (error) => {
    throw error;
  });
  const [calls] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  return calls;
}

// Everything that is made once.
await live(first);
await bystand('.').stop();
const before = open();
const bystanders = bystand('.');
const end = Date.now() + 1000 * seconds;
let [seed, calls] = [first, 0];
while (Date.now() < end) calls += (await Promise.all([live(++seed), live(++seed)])).reduce((sum, each) => sum + each, 0);
await bystanders.stop();
for (let patience = 0; open() > before && patience < 200; patience++) await sleep(10);
const { turns: _turns, ...held } = stats();
const { stream, datagram, file } = bystanders.rounds;
process.stdout.write(
  `${calls} calls, seeds ${first} to ${seed}; beside them ${stream} streams, ${datagram} datagrams, ${file} files\n`,
);
const left = { ...held, descriptors: Math.max(0, open() - before) };
if (Object.values(left).some((count) => Number(count) > 0)) {
  const all = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return `${fd}=${readlinkSync(`/proc/self/fd/${fd}`)}`;
    } catch {
      return '';
    }
  });
  throw new Error(`left: ${JSON.stringify(left)} ${all.join(' ')}`);
}
if (Math.min(stream, datagram, file) < 5) throw new Error('the others have not come forward');
process.exit(0);
