/** A read is done at once where the bytes are in memory: nobody must be able to tell, but by the clock. */
import type fs from 'node:fs';
import core from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { stats } from 'iouring-transport';
import { type FileHandle, open } from 'iouring-transport/fs';

const LENGTH = 100_000;
const content = Buffer.from(Array.from({ length: LENGTH }, (_, index) => index % 251));

let place: string;
let file: string;
test.before(async () => {
  place = await core.mkdtemp(path.join(os.tmpdir(), 'lone-reads-'));
  file = path.join(place, 'file');
  await core.writeFile(file, content);
});
test.after.always(() => core.rm(place, { recursive: true, force: true }));

test.serial('whoever awaits read after read lets timers and other handles have their turn', async (t) => {
  await using(file, 'r', async (handle) => {
    const buffer = Buffer.alloc(64);
    let rang = false;
    setTimeout(() => {
      rang = true;
    }, 5);
    const until = Date.now() + 20_000;
    while (!rang && Date.now() < until) await handle.read(buffer, 0, 64, 0);
    t.true(rang);
  });
});

test.serial("reads at the file's own position follow one another, alone and together", async (t) => {
  await using(file, 'r', async (handle) => {
    const parts: Buffer[] = [];
    const take = async (size: number) => {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(size));
      return buffer.subarray(0, bytesRead);
    };
    for (let round = 0; parts.reduce((sum, part) => sum + part.length, 0) < LENGTH; round++) {
      if (round % 3 === 0) parts.push(await take(1000));
      else parts.push(...(await Promise.all([take(700), take(1), take(500)])));
      if (round % 5 === 0) {
        // Elsewhere, which moves nothing.
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(10), 0, 10, 5);
        t.deepEqual(buffer.subarray(0, bytesRead), content.subarray(5, 15));
      }
    }
    t.true(Buffer.concat(parts).equals(content));
    t.is((await take(10)).length, 0);
  });
});

test.serial("a read does not overtake what was asked for before it at the file's own position", async (t) => {
  const target = path.join(place, 'order');
  for (const opener of [open, core.open]) {
    await core.writeFile(target, 'abcdefgh');
    const handle = await opener(target, 'r+');
    const buffer = Buffer.alloc(3);
    const [, { bytesRead }] = await Promise.all([handle.write('XYZ'), handle.read(buffer, 0, 3, null)]);
    t.is(bytesRead, 3);
    // Core leaves the order to its threads.
    if (opener === open) t.is(buffer.toString(), 'def');
    await handle.close();
  }
});

test.serial('reads beside others that wait for a disk are done, and closing waits for all', async (t) => {
  const handle = await open(file, 'r');
  const lanes = Array.from({ length: 600 }, async (_, lane) => {
    const buffer = Buffer.alloc(2048);
    const { bytesRead } = await handle.read(buffer, 0, 2048, lane * 100);
    t.true(bytesRead === 2048 && buffer.equals(content.subarray(lane * 100, lane * 100 + 2048)));
  });
  const many = handle.readMany(Buffer.alloc(500 * 64), Array(500).fill(7), 64);
  await handle.close();
  await Promise.all(lanes);
  t.true((await many).every((count) => count === 64));
  t.like(stats(), { handles: 0, operations: 0, waiting: 0, views: 0, bounces: 0 });
});

test.serial('positions that no piece of a batch can have are refused', async (t) => {
  await using(file, 'r', async (handle) => {
    for (const position of [-1, 0.5, Number.NaN, 2 ** 53, '0', 1n]) {
      const positions = [0, position] as number[];
      const code = typeof position === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE';
      await t.throwsAsync(() => (handle as FileHandle).readMany(Buffer.alloc(8), positions, 4), { code });
      await t.throwsAsync(() => (handle as FileHandle).writeMany(Buffer.alloc(8), positions, 4), { code });
    }
    t.is((await (handle as FileHandle).readMany(Buffer.alloc(8), [], 4)).length, 0);
    t.is((await (handle as FileHandle).writeMany(Buffer.alloc(8), [], 4)).length, 0);
  });
});

test.serial('the end of the file is where it is', async (t) => {
  await using(file, 'r', async (handle) => {
    const buffer = Buffer.alloc(100, 0xee);
    t.is((await handle.read(buffer, 20, 80, LENGTH - 30)).bytesRead, 30);
    t.deepEqual(buffer.subarray(20, 50), content.subarray(LENGTH - 30));
    t.true(buffer.subarray(0, 20).every((byte) => byte === 0xee) && buffer.subarray(50).every((byte) => byte === 0xee));
    t.is((await handle.read(buffer, 0, 10, LENGTH)).bytesRead, 0);
    t.is((await handle.read(buffer, 0, 10, LENGTH + 1e9)).bytesRead, 0);
  });
});

test.serial('what was written is read, and what was cut off is not', async (t) => {
  const target = path.join(place, 'changing');
  await using(target, 'w+', async (handle) => {
    const buffer = Buffer.alloc(16);
    for (let round = 0; round < 100; round++) {
      await handle.write(Buffer.alloc(16, round), 0, 16, 0);
      await handle.read(buffer, 0, 16, 0);
      t.true(buffer.every((byte) => byte === round));
      await handle.truncate(round % 16);
      t.is((await handle.read(buffer, 0, 16, 0)).bytesRead, round % 16);
    }
  });
});

test.serial("errors are core's", async (t) => {
  const target = path.join(place, 'write-only');
  for (const opener of [open, core.open]) {
    const handle = await opener(target, 'w');
    const error = await t.throwsAsync<NodeJS.ErrnoException>(() => handle.read(Buffer.alloc(4), 0, 4, 0));
    t.like(error, { code: 'EBADF', syscall: 'read', message: 'EBADF: bad file descriptor, read' });
    await handle.close();
    t.is((await t.throwsAsync<NodeJS.ErrnoException>(() => handle.read(Buffer.alloc(4), 0, 4, 0))).code, 'EBADF');
  }
});

test.serial('a buffer that is gone gets nothing, and one of shared memory is filled', async (t) => {
  await using(file, 'r', async (handle) => {
    const shared = new Uint8Array(new SharedArrayBuffer(32), 8, 16);
    t.is((await handle.read(shared, 4, 8, 100)).bytesRead, 8);
    t.deepEqual(Buffer.from(shared).subarray(4, 12), content.subarray(100, 108));
    const detached = new Uint8Array(16);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const outcome = await handle.read(detached, 0, 0, 0).then(({ bytesRead }) => bytesRead);
    t.is(outcome, 0);
    await t.throwsAsync(() => handle.read(detached, 0, 16, 0));
  });
});

test.serial('what reads in parallel and what reads alone see the same, and nothing stays behind', async (t) => {
  await using(file, 'r', async (handle) => {
    const lane = async (from: number, pause: number) => {
      const buffer = Buffer.alloc(300);
      for (let round = 0; round < 200; round++) {
        const at = (from + round * 331) % (LENGTH - 300);
        const { bytesRead } = await handle.read(buffer, 0, 300, at);
        if (bytesRead !== 300 || !buffer.equals(content.subarray(at, at + 300))) throw new Error(`other bytes at ${at}`);
        if (pause > 0 && round % pause === 0) await sleep(1);
      }
    };
    await Promise.all([lane(0, 0), lane(7, 3), lane(100, 20), lane(5000, 50)]);
    t.pass();
  });
  t.like(stats(), { operations: 0, waiting: 0, views: 0, bounces: 0 });
});

async function using(name: string, flags: string, use: (handle: fs.promises.FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(name, flags);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}
