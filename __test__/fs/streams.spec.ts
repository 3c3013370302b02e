// Pipes and terminals as files: core's errors, and nobody else has to wait.
import { execFileSync, spawn } from 'node:child_process';
import { constants, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import fs from 'iouring-transport/fs';
import { needs } from '../_needs.ts';
import { child, directory, nothingLeft, onRing } from './_helpers.ts';

const { O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
const ring = needs('io_uring', onRing);

function fifo(t: ExecutionContext): string {
  const made = path.join(directory(t), 'fifo');
  execFileSync('mkfifo', [made]);
  return made;
}

ring('what has no positions says so', async (t) => {
  for (const file of [fifo(t), '/dev/ptmx']) {
    const handle: any = await fs.open(file, 'r+');
    const refused = { code: 'ESPIPE' };
    await t.throwsAsync(handle.read(Buffer.alloc(5), 0, 5, 0), { ...refused, message: /read$/ });
    await t.throwsAsync(handle.read(Buffer.alloc(5), 0, 5, 3n), refused);
    await t.throwsAsync(handle.readv([Buffer.alloc(5), Buffer.alloc(5)], 0), refused);
    await t.throwsAsync(handle.write(Buffer.alloc(5), 0, 5, 0), { ...refused, message: /write$/ });
    await t.throwsAsync(handle.write('text', 7), refused);
    await t.throwsAsync(handle.writev([Buffer.alloc(5)], 0), refused);
    t.deepEqual([...(await handle.readMany(Buffer.alloc(8), [0, 4], 4))], [-29, -29]);
    const error = await t.throwsAsync(handle.chain().write('never', 4).sync().submit());
    t.like(error, { step: 0, cause: { code: 'ESPIPE' } });
    await handle.close();
  }
  nothingLeft(t);
});

ring('devices that have positions keep them', async (t) => {
  const handle = await fs.open('/dev/zero', 'r+');
  const buffer = Buffer.alloc(70_000, 1);
  t.is((await handle.read(buffer, 0, 70_000, 5)).bytesRead, 70_000);
  t.true(buffer.every((byte) => byte === 0));
  t.is((await handle.read(buffer, 0, 70_000, null)).bytesRead, 70_000);
  await handle.close();
  nothingLeft(t);
});

ring('O_NONBLOCK: nothing is waited for', async (t) => {
  const file = fifo(t);
  await t.throwsAsync(fs.open(file, O_WRONLY | O_NONBLOCK), { code: 'ENXIO' });
  const reader = await fs.open(file, O_RDONLY | O_NONBLOCK);
  t.is((await reader.read(Buffer.alloc(5), 0, 5, null)).bytesRead, 0, 'nobody writes');
  const writer = await fs.open(file, O_WRONLY | O_NONBLOCK);
  await t.throwsAsync(reader.read(Buffer.alloc(5), 0, 5, null), { code: 'EAGAIN', message: /read$/ });
  await t.throwsAsync(reader.readFile(), { code: 'EAGAIN' });
  await writer.write('hello');
  t.is((await reader.read(Buffer.alloc(50), 0, 50, null)).bytesRead, 5);
  t.is((await writer.write(Buffer.alloc(200_000))).bytesWritten, 65_536);
  await t.throwsAsync(writer.write(Buffer.alloc(5000)), { code: 'EAGAIN', message: /write$/ });
  await reader.close();
  await t.throwsAsync(writer.write('x'), { code: 'EPIPE' });
  await writer.close();
  const terminal = await fs.open('/dev/ptmx', O_RDWR | O_NONBLOCK | O_NOCTTY);
  await t.throwsAsync(terminal.read(Buffer.alloc(5), 0, 5, null), { code: 'EAGAIN' });
  await terminal.close();
  const made = await fs.open('/proc/self/status', O_RDONLY | O_NONBLOCK);
  t.regex(await made.readFile('utf8'), /^Name:/);
  await made.close();
  nothingLeft(t);
});

ring('opening a pipe waits for the other end', async (t) => {
  const file = fifo(t);
  for (const [first, second] of [
    [O_RDONLY, O_WRONLY],
    [O_WRONLY, O_RDONLY],
  ] as const) {
    let opened = false;
    const one = fs.open(file, first).then((handle) => {
      opened = true;
      return handle;
    });
    await fs.readFile('/proc/self/stat');
    await delay(50);
    t.false(opened);
    const other = await fs.open(file, second);
    await other.close();
    await (await one).close();
  }
  nothingLeft(t);
});

ring('reads that wait for ever hold nobody up', async (t) => {
  const file = fifo(t);
  const handle = await fs.open(file, 'r+');
  const big = Buffer.allocUnsafe(1 << 20);
  const reads = Array.from({ length: 100 }, () => handle.read(big, 0, big.length, null));
  const others = await Promise.all(Array.from({ length: 90 }, () => fs.open(fifo(t), 'r+')));
  const waiting = others.map((other) => other.read(Buffer.allocUnsafe(1 << 20), 0, 1 << 20, null));
  const regular = path.join(directory(t), 'file');
  writeFileSync(regular, Buffer.alloc(8192, 7));
  const beside: any = await fs.open(regular, 'r+');
  t.deepEqual(await beside.chain().read(Buffer.alloc(4096), 0).sync().submit(), [4096, 0]);
  // More than all memory that may be in use, in one chain.
  const large = Buffer.alloc(48 << 20, 5);
  const chain = beside.chain().write(large, 0).read(large, 0).read(large, 0).submit();
  t.deepEqual(await chain, [large.length, large.length, large.length]);
  await beside.close();
  for (const read of reads) {
    await handle.write('x');
    t.is((await read).bytesRead, 1);
  }
  for (const [index, other] of others.entries()) {
    await other.write('y');
    t.is((await waiting[index]).bytesRead, 1);
    await other.close();
  }
  await handle.close();
  nothingLeft(t);
});

ring('what is written to a pipe at once stays in order and whole', async (t) => {
  const file = fifo(t);
  const reading = fs.readFile(file);
  const writer = await fs.open(file, 'w');
  const pieces = Array.from({ length: 40 }, (_, index) => Buffer.alloc(index % 7 === 6 ? 200_000 : 500, index));
  const counts = await Promise.all(pieces.map((piece) => writer.write(piece)));
  t.deepEqual(
    counts.map(({ bytesWritten }) => bytesWritten),
    pieces.map(({ length }) => length),
  );
  await writer.close();
  t.true((await reading).equals(Buffer.concat(pieces)));
  nothingLeft(t);
});

ring('what one process writes to a pipe another reads', async (t) => {
  const file = fifo(t);
  const cat = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const sum = (async () => {
    let length = 0;
    for await (const chunk of cat.stdout) length += (chunk as Buffer).length;
    return length;
  })();
  const bytes = readFileSync(process.execPath).subarray(0, 3_000_000);
  await fs.writeFile(file, bytes);
  t.is(await sum, bytes.length);
  nothingLeft(t);
});

ring('a terminal that nobody reads blocks the write alone', (t) => {
  const { status, stdout, stderr } = child(`
    import { open, readFile } from 'iouring-transport/fs';
    const terminal = await open('/dev/ptmx', 'r+');
    terminal.write(Buffer.alloc(300_000, 97)).catch(() => {});
    await new Promise((done) => setTimeout(done, 20));
    console.log((await readFile('/proc/self/stat', 'utf8')).length > 0);
    process.exit();
  `);
  t.is(status, 0, stderr);
  t.is(stdout, 'true\n');
});
