// Lengths, offsets and positions beyond 2^31 and 2^32.
import { constants, kMaxLength } from 'node:buffer';
import { closeSync, ftruncateSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { support } from 'iouring-transport';
import fs, { openBlocks } from 'iouring-transport/fs';
import { needs } from '../_needs.ts';
import { directory, nothingLeft, onRing } from './_helpers.ts';

const ring = needs('io_uring', onRing);
const GIB = 2 ** 30;

ring('positions in the file', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle: any = await fs.open(file, 'w+');
  const back = Buffer.alloc(5);
  for (const position of [2 ** 31 - 2, 2 ** 31, 2 ** 32 - 2, 2 ** 32 + 7, 2 ** 40, BigInt(2 ** 33) + 1n]) {
    t.is((await handle.write('hello', position)).bytesWritten, 5);
    t.is((await handle.read(back.fill(0), 0, 5, position)).bytesRead, 5);
    t.is(back.toString(), 'hello');
    await handle.chain().write('HELLO', position).read(back.fill(0), position).submit();
    t.is(back.toString(), 'HELLO');
    t.deepEqual([...(await handle.readMany(back.fill(0), [Number(position)], 5))], [5]);
    t.is(back.toString(), 'HELLO');
    t.deepEqual([...(await handle.writeMany(Buffer.from('again'), [Number(position)], 5))], [5]);
  }
  await handle.advise('willneed', 0, 2 ** 33 + 5);
  await handle.advise('dontneed', 2 ** 33, 2 ** 41);
  await handle.preallocate(4096, { offset: 2 ** 40 + 4096 });
  await handle.truncate(2 ** 33);
  t.is(statSync(file).size, 2 ** 33);
  // Linux 6.9.
  if (support().features?.ftruncate === true) {
    await handle
      .chain()
      .truncate(2 ** 32 + 1)
      .submit();
    t.is(statSync(file).size, 2 ** 32 + 1);
  }
  const blocks = await openBlocks(file, { mode: 'readWrite' });
  await blocks.write(Buffer.from('block'), 2 ** 32 - 4096);
  t.is((await blocks.readBlocks(2 ** 20 - 1)).toString('utf8', 0, 5), 'block');
  await blocks.close();
  await handle.close();
  nothingLeft(t);
});

const large = needs('io_uring and buffers beyond 4 GiB', onRing && kMaxLength > 5 * GIB);

large('offsets in the buffer', async (t) => {
  const file = path.join(directory(t), 'file');
  // Pages that nobody touches cost nothing.
  const big = Buffer.alloc(2 ** 32 + 2 ** 20);
  const handle: any = await fs.open(file, 'w+');
  for (const offset of [2 ** 31 - 3, 2 ** 31 + 100, 2 ** 32 - 3, 2 ** 32 + 100]) {
    const put = (text: string, at: number) => big.set(Buffer.from(text), at);
    put('WRONG', offset % 2 ** 31);
    put('WRONG', offset % 2 ** 32);
    put('RIGHT', offset);
    for (const length of [5, 100_000]) {
      t.is((await handle.write(big, offset, length, 0)).bytesWritten, length);
      const found = Buffer.alloc(5);
      const fd = openSync(file, 'r');
      readSync(fd, found, 0, 5, 0);
      closeSync(fd);
      t.is(found.toString(), 'RIGHT');
      await handle.write('again', 0);
      t.is((await handle.read(big, offset, length, 0)).bytesRead, length);
      t.is(Buffer.from(big.subarray(offset, offset + 5)).toString(), 'again');
      put('RIGHT', offset);
    }
  }
  // Short where the file ends: nearly no page of the buffer is touched.
  await handle.truncate(10);
  const read = await handle.readMany(big, [0, 1, 2, 3], GIB);
  t.deepEqual([...read], [10, 9, 8, 7]);
  for (let piece = 0; piece < 4; piece++) t.is(big[piece * GIB], 'again'.charCodeAt(piece));
  await handle.close();
  nothingLeft(t);
});

large('lengths of one operation', async (t) => {
  const file = path.join(directory(t), 'file');
  const big = Buffer.alloc(2 ** 32 + 10);
  const handle: any = await fs.open(file, 'w+');
  ftruncateSync(handle.fd, 10);
  for (const length of [2 ** 31, 2 ** 32, 2 ** 32 + 5]) {
    await t.throwsAsync(handle.write(big, 0, length, 0), { code: 'ERR_OUT_OF_RANGE' });
    // Short, as all reads of so much are.
    t.is((await handle.read(big, 0, length, 0)).bytesRead, 10);
    await t.throwsAsync(handle.chain().write(big.subarray(0, length)).sync().submit(), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(handle.chain().read(big.subarray(0, length)).sync().submit(), { code: 'ERR_OUT_OF_RANGE' });
    await t.throwsAsync(handle.readMany(big, [0], length), { code: 'ERR_OUT_OF_RANGE' });
  }
  t.is((await handle.read(big, 5, 2 ** 31 - 1, 0)).bytesRead, 10);
  // Not more than the file has.
  const error = await t.throwsAsync(
    handle
      .chain()
      .read(big.subarray(0, 2 ** 31 - 4096), 0)
      .sync()
      .submit(),
  );
  t.like(error, { code: 'ERR_IOURING_CHAIN', step: 0 });
  await handle.close();
  t.true(constants.MAX_LENGTH > 0);
  nothingLeft(t);
});
