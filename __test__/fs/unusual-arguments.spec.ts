// Arguments that are right in an unusual way, or wrong: core's methods and ours give the same answers, in every version.
import { readFileSync, writeFileSync } from 'node:fs';
import core from 'node:fs/promises';
import path from 'node:path';
import ours from 'iouring-transport/fs';
import { needs } from '../_needs.ts';
import { directory, nothingLeft, onRing } from './_helpers.ts';

const ring = needs('io_uring', onRing);

const detached = (): Uint8Array => {
  const view = new Uint8Array(4);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
};
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const HANDLE: Record<string, (handle: any) => Promise<unknown>> = {
  'a detached view among those written': (handle) => handle.writev([Buffer.from('AB'), detached(), Buffer.from('CD')]),
  'a detached view among those read': (handle) => handle.readv([Buffer.alloc(2), detached(), Buffer.alloc(2)]),
  'a detached view as the content': (handle) => handle.writeFile(detached()),
  'a detached view behind the end': (handle) => handle.appendFile(detached()),
  'a detached view as a piece': (handle) => handle.writeFile(['A', detached(), 'B']),
  'nothing to read into': (handle) => handle.read(new Uint8Array(0), 0, 2 ** 40),
  'a position that is no integer': (handle) => handle.read(Buffer.alloc(2), 0, 2, 0.5),
  'a position that is negative': (handle) => handle.read(Buffer.alloc(2), 0, 2, -5),
  'a position to write at that is no integer': (handle) => handle.write(Buffer.from('x'), 0, 1, 0.5),
  'an offset that is no integer': (handle) => handle.read(Buffer.alloc(2), 0.5),
  'an encoding of names': (handle) => handle.readFile('buffer'),
  'memory of the caller’s, where core has that': (handle) => handle.readFile({ buffer: Buffer.alloc(20) }),
  'options of another kind': (handle) => handle.readFile(5),
  'data of another kind and an encoding that is not one': (handle) => handle.writeFile(revoked(), { encoding: 'nonsense' }),
  'a length that is no number': (handle) => handle.truncate('5'),
};

const FUNCTIONS: Record<string, (fs: any, file: string) => Promise<unknown>> = {
  'an encoding of names': (fs, file) => fs.readFile(file, 'buffer'),
  'a detached path': (fs) => fs.readFile(detached()),
  'a detached path, and no data': (fs) => fs.writeFile(detached(), undefined),
  'a path that cannot be looked at': (fs) => fs.unlink(revoked()),
  'one path missing, one that cannot be looked at': (fs) => fs.link(undefined, revoked()),
  'a handle that cannot be looked at, and no data': (fs) => fs.appendFile(revoked()),
};

async function outcome(work: Promise<any>): Promise<unknown> {
  try {
    const { buffer, buffers = [buffer], ...result } = (await work) ?? {};
    return [result, (buffers as unknown[]).map((view) => Buffer.from((view ?? []) as Uint8Array).toString())];
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    return code === undefined ? name : { name, code, message };
  }
}

// Core's `writeFile` of a path writes nothing from Node 26 on, and says nothing.
ring('functions: a detached view as the content', async (t) => {
  const file = path.join(directory(t), 'file');
  await t.throwsAsync(ours.writeFile(file, detached()), { instanceOf: TypeError });
  await t.throwsAsync(ours.appendFile(file, detached()), { instanceOf: TypeError });
  nothingLeft(t);
});

for (const [name, call] of Object.entries(HANDLE)) {
  ring(`handles: ${name}`, async (t) => {
    const results = [];
    for (const fs of [core, ours]) {
      const file = path.join(directory(t), 'file');
      writeFileSync(file, '0123456789');
      const handle = await fs.open(file, 'r+');
      results.push([await outcome(call(handle)), readFileSync(file, 'utf8')]);
      await handle.close();
    }
    t.deepEqual(results[1], results[0]);
    nothingLeft(t);
  });
}

for (const [name, call] of Object.entries(FUNCTIONS)) {
  ring(`functions: ${name}`, async (t) => {
    const file = path.join(directory(t), 'file');
    writeFileSync(file, '0123456789');
    t.deepEqual(await outcome(call(ours, file)), await outcome(call(core, file)));
    nothingLeft(t);
  });
}

/** Core lets such lengths pass before Node 26, and ends the process. */
ring('handles: lengths that are no integers', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, '0123456789');
  const handle: any = await ours.open(file, 'r');
  for (const [length, read] of [
    ['3', 3],
    [2.5, 2],
    [Number.NaN, 0],
    [[1], 1],
    [true, 1],
    ['text', 0],
  ] as const)
    t.is((await handle.read(Buffer.alloc(5), 0, length, 0)).bytesRead, read);
  await t.throwsAsync(handle.read(Buffer.alloc(5), 0, 5n, 0), { instanceOf: TypeError });
  await handle.close();
  nothingLeft(t);
});

/** With a length of -0 core's own `write` ends the process. */
ring('handles: writes of a length of -0, wherever', async (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, '0123456789');
  const handle = await ours.open(file, 'r+');
  for (const position of [0, -0, -5, 0.5, 2 ** 60, null])
    t.is((await handle.write(Buffer.from('abc'), -0, -0, position)).bytesWritten, 0, String(position));
  t.is(readFileSync(file, 'utf8'), '0123456789');
  await handle.close();
  nothingLeft(t);
});
