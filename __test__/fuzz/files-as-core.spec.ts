// Random calls of file handles and of the functions of fs/promises, of core's and ours alike: the same answers, the same errors, the same files.
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import core from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import ours from 'iouring-transport/fs';
import { needs } from '../_needs.ts';
import { directory, nothingLeft, onRing, pattern } from '../fs/_helpers.ts';
import { type Call, callsOf, describe, hold, outcomeOf, same } from './_calls.ts';
import { anything, encodings, made, type Made, mostly, numbers, options, plain, texts, views } from './_values.ts';

const ring = needs('io_uring', onRing);

const small = plain(0, 1, 5, 10, 100);
const positions = [...plain(null, undefined, -1, 0, 3, 100, 4096), ...numbers];
/** Core's own `open` ends the process with -0, before Node 24. */
const flag = mostly(plain('r', 'r+', 'w', 'w+', 'a', 'a+', 'wx', 0, 2, 1025)).filter(
  ({ make: value }) => !Object.is(value(), -0),
);
/** And with a mode beyond 31 bits. */
const mode = mostly(plain(0o600, '644')).filter(({ make: value }) => {
  const given = value();
  return typeof given !== 'number' || Object.is(given, given | 0) || !Number.isInteger(given);
});
const dataOptions = options({
  encoding: mostly(encodings),
  flag,
  mode,
  signal: mostly(plain(undefined)),
  flush: mostly(plain(true, false)),
});
const data = mostly(views, texts, plain([], ['a', 'b']));

/** Core takes no account of bigints where it writes, and of none at all before Node 22. */
const place = mostly(positions).filter(({ make: value }) => typeof value() !== 'bigint');
/** Core's own `read` ends the process where the length is no integer, before Node 26. */
const lengths = fc.constantFrom(
  ...small,
  ...numbers.filter(({ make: value }) => Number.isInteger(value()) && !Object.is(value(), -0)),
  ...plain(undefined, null),
);

/** With a length of -0 its `write` does. */
const notMinusZero = ({ make: value }: Made) => !Object.is(value(), -0);

const HANDLE = {
  read: [mostly(views), mostly(small), lengths, place],
  'read ': [options({ buffer: mostly(views), offset: mostly(small), length: lengths, position: place })],
  '  read': [mostly(views), options({ offset: mostly(small), length: lengths, position: place })],
  write: [mostly(views), mostly(small), mostly(small, numbers).filter(notMinusZero), place],
  'write ': [mostly(texts), place, mostly(encodings)],
  ' write': [mostly(views), options({ offset: mostly(small), length: mostly(small).filter(notMinusZero), position: place })],
  readv: [fc.array(mostly(views), { maxLength: 4 }).map(list), place],
  writev: [fc.array(mostly(views), { maxLength: 4 }).map(list), place],
  readFile: [fc.oneof(dataOptions, mostly(encodings))],
  writeFile: [data, fc.oneof(dataOptions, mostly(encodings))],
  appendFile: [data, fc.oneof(dataOptions, mostly(encodings))],
  truncate: [mostly(small, numbers)],
  stat: [options({ bigint: mostly(plain(true, false)) })],
  sync: [anything],
  datasync: [anything],
  close: [],
};

/** An array of what there is, as one argument. */
function list(items: readonly { name: string; make: () => unknown }[]) {
  return made(`[${items.map(({ name }) => name).join(', ')}]`, () => items.map(({ make }) => make()));
}

/** Statuses tell when and where. */
const plainly = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'ino' in value && 'size' in value && 'mode' in value
    ? { size: value.size, mode: value.mode, nlink: (value as { nlink?: unknown }).nlink }
    : value;

/** Calls a method with its arguments; the name may have spaces around it. */
const make = (target: object, { method, args }: Call) => {
  const given = args.map((argument) => argument.make());
  return outcomeOf(async () => {
    const result = plainly(await (target as Record<string, Function>)[method.trim()](...given));
    // What was read into is told as well.
    return [result, given.filter((argument) => ArrayBuffer.isView(argument))];
  });
};

const contentOf = (file: string) => {
  const { size } = statSync(file);
  return size > 1e6 ? size : describe(readFileSync(file));
};

ring('file handles', async (t) => {
  const place = directory(t);
  const sides = [core, ours].map((fs, index) => ({ fs, file: path.join(place, `file ${index}`) }));
  await hold(
    t,
    fc.asyncProperty(
      fc.constantFrom('r+', 'r', 'w+', 'a+', 'a', 'w'),
      fc.array(callsOf(HANDLE), { minLength: 1, maxLength: 6 }),
      async (flag, calls) => {
        const outcomes = [];
        for (const { fs, file } of sides) {
          writeFileSync(file, pattern(5000));
          const handle = await fs.open(file, flag);
          const found = [];
          for (const call of calls) found.push(await make(handle, call));
          await handle.close().catch(() => {});
          outcomes.push([...found, contentOf(file)]);
        }
        same([...calls.map(fc.stringify), 'the file'], outcomes[0], outcomes[1]);
      },
    ),
  );
  nothingLeft(t);
});

const paths = [
  ...plain('file', 'other', 'directory', 'missing/file', 'é', ''),
  made('bytes of a path', () => Buffer.from('other')),
  ...texts,
];

/** Core before Node 22 takes the bytes of a name in memory that can change its length for none. */
const name = mostly(paths).filter((made) => !made.name.startsWith('resizable'));

const MODULE = {
  readFile: [name, fc.oneof(dataOptions, mostly(encodings))],
  writeFile: [name, data, fc.oneof(dataOptions, mostly(encodings))],
  appendFile: [name, data, fc.oneof(dataOptions, mostly(encodings))],
  unlink: [name],
  rename: [name, name],
  link: [name, name],
  symlink: [name, name, mostly(plain(undefined, null, 'file'))],
  mkdir: [name, options({ recursive: mostly(plain(true, false)), mode: mostly(plain(0o700, '755')) })],
  rmdir: [name],
  stat: [name, options({ bigint: mostly(plain(true, false)) })],
  lstat: [name, options({ bigint: mostly(plain(true, false)) })],
  truncate: [name, mostly(small, numbers)],
  copyFile: [name, name, mostly(plain(0, 1))],
  access: [name, mostly(plain(0, 4))],
  open: [name, flag, mode],
};

ring('functions', async (t) => {
  const place = directory(t);
  const before = process.cwd();
  t.teardown(() => process.chdir(before));
  await hold(
    t,
    fc.asyncProperty(fc.array(callsOf(MODULE), { minLength: 1, maxLength: 5 }), async (calls) => {
      const outcomes = [];
      for (const fs of [core, ours]) {
        process.chdir(place);
        rmSync('tree', { recursive: true, force: true });
        mkdirSync('tree/directory', { recursive: true });
        process.chdir('tree');
        writeFileSync('file', pattern(5000));
        writeFileSync('other', 'other');
        const found = [];
        for (const call of calls) {
          found.push(
            await make(
              {
                ...fs,
                open: async (...args: Parameters<typeof core.open>) => {
                  const handle = await fs.open(...args);
                  await handle.close();
                },
              },
              call,
            ),
          );
        }
        outcomes.push([...found, readdirSync('.').map((entry) => [entry, lstatSync(entry).mode])]);
      }
      same([...calls.map(fc.stringify), 'the directory'], outcomes[0], outcomes[1]);
    }),
  );
  nothingLeft(t);
});
