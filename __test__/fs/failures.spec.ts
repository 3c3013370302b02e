// What cannot be done is refused as core refuses it.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import core from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fs from 'iouring-transport/fs';
import { child, directory, nothingLeft } from './_helpers.ts';

type Module = typeof core;

/** Every call is made with both modules; what they throw must be the same. */
const failing: Record<string, (module: Module, at: (name: string) => string) => Promise<unknown>> = {
  'a file that is not there': (m, at) => m.open(at('missing')),
  'a path through a file': (m, at) => m.open(at('file/below')),
  'a directory for writing': (m, at) => m.open(at('directory'), 'w'),
  'a directory to be read': (m, at) => m.readFile(at('directory')),
  'a file that is there already': (m, at) => m.open(at('file'), 'wx'),
  'a path with a zero byte': (m) => m.open('a\0b'),
  'a number for a path': (m) => m.open(7 as never),
  'flags that do not exist': (m, at) => m.open(at('file'), 'z'),
  'a mode that is none': (m, at) => m.open(at('file'), 'r', '9'),
  'rename of nothing': (m, at) => m.rename(at('missing'), at('other')),
  'unlink of a directory': (m, at) => m.unlink(at('directory')),
  'unlink of nothing': (m, at) => m.unlink(Buffer.from(at('missing'))),
  'mkdir of what is there': (m, at) => m.mkdir(at('directory')),
  'rmdir of a file': (m, at) => m.rmdir(at('file')),
  'link of nothing': (m, at) => m.link(at('missing'), at('other')),
  'symlink over a file': (m, at) => m.symlink('target', at('file')),
  'data that is none': (m, at) => m.writeFile(at('file'), 5 as never),
  'an encoding that is none': (m, at) => m.readFile(at('file'), 'nonsense' as never),
  'a signal given before': (m, at) => m.readFile(at('file'), { signal: AbortSignal.abort() }),
  'an empty buffer': async (m, at) => using(m, at, 'r', (handle) => handle.read(Buffer.alloc(0), 0, 1)),
  'a length that is too long': async (m, at) => using(m, at, 'r', (handle) => handle.read(Buffer.alloc(4), 2, 4)),
  'an offset that is negative': async (m, at) => using(m, at, 'r', (handle) => handle.read(Buffer.alloc(4), -1, 4)),
  'a write to what is read only': async (m, at) => using(m, at, 'r', (handle) => handle.write('x')),
  'a string to be written that is none': async (m, at) => using(m, at, 'r', (handle) => handle.write(5 as never)),
  'truncate of what is read only': async (m, at) => using(m, at, 'r', (handle) => handle.truncate(1)),
  'views that are none': async (m, at) => using(m, at, 'r', (handle) => handle.readv(['x'] as never)),
  'a handle that is closed': async (m, at) => {
    const handle = await m.open(at('file'));
    await handle.close();
    return handle.stat();
  },
};

async function using(m: Module, at: (name: string) => string, flags: string, use: (handle: core.FileHandle) => Promise<unknown>) {
  const handle = await m.open(at('file'), flags);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

for (const [name, call] of Object.entries(failing)) {
  test(name, async (t) => {
    const place = directory(t);
    const at = (file: string) => path.join(place, file);
    writeFileSync(at('file'), 'content');
    mkdirSync(at('directory'));
    const describe = ({ name, message, code, errno, syscall, path, dest }: NodeJS.ErrnoException & { dest?: string }) => ({
      name,
      message,
      code,
      errno,
      syscall,
      path,
      dest,
    });
    const expected = await t.throwsAsync(call(core, at), { any: true });
    const actual = await t.throwsAsync(call(fs as unknown as Module, at), { any: true });
    t.deepEqual(describe(actual as never), describe(expected as never));
    t.is(readFileSync(at('file'), 'utf8'), 'content');
  });
}

/** What the system alone can refuse, by all ways on which results come back. */
const refused: Record<
  string,
  (module: Module, at: (name: string) => string, reader: core.FileHandle, writer: core.FileHandle) => Promise<unknown>
> = {
  open: (m, at) => m.open(at('missing')),
  readFile: (m, at) => m.readFile(at('missing')),
  'readFile of a directory': (m, at) => m.readFile(at('directory')),
  writeFile: (m, at) => m.writeFile(at('missing/file'), 'x'),
  appendFile: (m, at) => m.appendFile(at('missing/file'), 'x'),
  unlink: (m, at) => m.unlink(at('missing')),
  rename: (m, at) => m.rename(at('missing'), at('other')),
  link: (m, at) => m.link(at('missing'), at('other')),
  symlink: (m, at) => m.symlink('target', at('missing/link')),
  stat: (m, at) => m.stat(at('missing')),
  'handle.read': (_, _at, _reader, writer) => writer.read(Buffer.alloc(4), 0, 4, 0),
  'handle.readv': (_, _at, _reader, writer) => writer.readv([Buffer.alloc(4), Buffer.alloc(4)]),
  'handle.readFile': (_, _at, _reader, writer) => writer.readFile(),
  'handle.write': (_, _at, reader) => reader.write('x'),
  'handle.writev': (_, _at, reader) => reader.writev([Buffer.alloc(4), Buffer.alloc(4)]),
  'handle.writeFile': (_, _at, reader) => reader.writeFile('x'),
  'handle.appendFile': (_, _at, reader) => reader.appendFile('x'),
  'handle.truncate': (_, _at, reader) => reader.truncate(1),
};

for (const [name, call] of Object.entries(refused)) {
  // As core's do, except that Node 26 has forgotten it where whole files are read and written.
  test(`${name}: the stack of the error names who waits for it`, async (t) => {
    const place = directory(t);
    const at = (file: string) => path.join(place, file);
    mkdirSync(at('directory'));
    const module = fs as unknown as Module;
    await using(module, at, 'w', async (writer) =>
      using(module, at, 'r', async (reader) => {
        const loadConfig = async (): Promise<unknown> => {
          const result = await call(module, at, reader, writer);
          return result;
        };
        const error = (await t.throwsAsync(loadConfig(), { any: true })) as Error;
        t.regex(error.stack!, /^Error: E[A-Z]+: .*\n(.*\n)*\s+at async loadConfig /);
      }),
    );
  });
}

const writeUntilFull = (file: string) => `
  import fs from 'iouring-transport/fs';
  const handle = await fs.open(${JSON.stringify(file)}, 'w');
  const piece = Buffer.alloc(100_000, 1);
  let written = 0;
  try {
    for (;;) written += (await handle.write(piece)).bytesWritten;
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message, written, size: (await handle.stat()).size }));
  }
  await handle.close();`;

test('a disk that is full', (t) => {
  const place = directory(t);
  const inNamespace = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs -o size=1m none ${place} && exec "$0" "$@"`];
  if (spawnSync(inNamespace[0], [...inNamespace.slice(1), 'true']).status !== 0) {
    t.log('skipped: no file system can be mounted in a namespace of its own here');
    t.pass();
    return;
  }
  const { stdout, stderr } = child(writeUntilFull(path.join(place, 'file')), inNamespace);
  t.like(JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`), {
    code: 'ENOSPC',
    message: 'ENOSPC: no space left on device, write',
    written: 1 << 20,
    size: 1 << 20,
  });
});

test('a file that may not grow', (t) => {
  const file = path.join(directory(t), 'file');
  const { stdout, stderr } = child(writeUntilFull(file), ['prlimit', '--fsize=300000']);
  const told = JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`);
  t.like(told, { code: 'EFBIG', message: 'EFBIG: file too large, write', written: 300_000, size: 300_000 });
});

test.serial('a signal given on the way', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, Buffer.alloc(8 << 20));
  for (const module of [core, fs]) {
    const controller = new AbortController();
    const reading = module.readFile(file, { signal: controller.signal });
    setImmediate(() => controller.abort('enough'));
    await t.throwsAsync(reading, { name: 'AbortError', code: 'ABORT_ERR', message: 'The operation was aborted' });
  }
  nothingLeft(t);
});
