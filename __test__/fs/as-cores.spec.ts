// Small things in which functions and methods must not differ from core's.
import core from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fs from 'iouring-transport/fs';
import { directory } from './_helpers.ts';

type Loose = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** What a call ends in: its error, or that there was none. */
async function endOf(call: () => Promise<unknown>) {
  try {
    await call();
    return 'no error';
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    return { name, code, message };
  }
}

test.serial('names of functions', async (t) => {
  for (const [name, value] of Object.entries(core)) {
    if (typeof value === 'function') t.is((fs as unknown as Record<string, Function | undefined>)[name]?.name, value.name);
  }
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'hello');
  await using ours = await fs.open(file);
  await using cores = await core.open(file);
  for (const name of ['close', 'read', 'createReadStream', 'createWriteStream', 'readLines'] as const) {
    t.deepEqual([ours[name].name, ours[name].length], [cores[name].name, cores[name].length], name);
  }
});

test.serial('what is no buffer, and offsets of another type', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, 'hello');
  const ours = (await fs.open(file, 'r+')) as unknown as Loose;
  const cores = (await core.open(file, 'r+')) as unknown as Loose;
  const calls: Array<[string, unknown[]]> = [
    ...[5, 'text', true, [], 2n].map((first): [string, unknown[]] => ['read', [first]]),
    ['read', [Buffer.alloc(4), 2n]],
    ['write', [Buffer.alloc(4), 2n]],
  ];
  for (const [method, args] of calls) {
    t.deepEqual(await endOf(() => ours[method](...args)), await endOf(() => cores[method](...args)), `${method} ${String(args)}`);
  }
  await ours['close']();
  await cores['close']();
});
