// Processes and workers that end while files are in use.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import fs from 'iouring-transport/fs';
import { child, directory, nothingLeft } from './_helpers.ts';

test.serial('closing with operations under way', async (t) => {
  const file = path.join(directory(t), 'file');
  const handle = await fs.open(file, 'w+');
  const writes = Array.from({ length: 500 }, (_, i) => handle.write(`${i}\n`));
  const closed = handle.close();
  t.is(handle.close(), closed);
  t.true((await Promise.all(writes)).every(({ bytesWritten }) => bytesWritten > 0));
  await closed;
  t.is(readFileSync(file, 'utf8').split('\n').length, 501);
  await t.throwsAsync(handle.write('x'), { code: 'EBADF', message: 'file closed' });
  nothingLeft(t);
});

test.serial('workers terminated with O_DIRECT reads in flight', (t) => {
  const file = path.join(directory(t), 'file');
  writeFileSync(file, Buffer.alloc(4 << 20, 1));
  const { status, signal, stderr } = child(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const body = \`
      import('iouring-transport/fs').then(async (fs) => {
        const { constants } = await import('node:fs');
        const handle = await fs.open(\${JSON.stringify(${JSON.stringify(file)})}, constants.O_RDONLY | constants.O_DIRECT);
        const { parentPort } = await import('node:worker_threads');
        const buffers = Array.from({ length: 256 }, () => Buffer.alloc(4096));
        for (const [i, buffer] of buffers.entries()) {
          const read = () => handle.read(buffer, 0, 4096, ((i * 7) % 1024) * 4096).then(read);
          read();
        }
        setTimeout(() => parentPort.postMessage('busy'), 5);
      });\`;
    for (let round = 0; round < 8; round++) {
      const worker = new Worker(body, { eval: true });
      await once(worker, 'message');
      await worker.terminate();
    }`);
  t.is(status, 0, `${signal} ${stderr}`);
});

test.serial('workers terminated while long writes are made from their memory', (t) => {
  const file = path.join(directory(t), 'file');
  const { status, signal, stderr } = child(`
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    import { readFileSync } from 'node:fs';
    const file = ${JSON.stringify(file)};
    const body = \`
      import('iouring-transport/fs').then(async (fs) => {
        const handle = await fs.open(\${JSON.stringify(file)}, 'w');
        const { parentPort, workerData } = await import('node:worker_threads');
        const buffers = Array.from({ length: 8 }, () => Buffer.alloc(8 << 20, workerData));
        for (const [i, buffer] of buffers.entries()) {
          const write = () => handle.write(buffer, 0, buffer.length, i * buffer.length).then(write);
          write();
        }
        setTimeout(() => parentPort.postMessage('busy'), 5);
      });\`;
    for (let round = 0; round < 8; round++) {
      const worker = new Worker(body, { eval: true, workerData: round + 1 });
      await once(worker, 'message');
      await worker.terminate();
      // What another use of that memory would have put there.
      const bytes = readFileSync(file);
      for (let i = 0; i < bytes.length; i++)
        if (bytes[i] !== round + 1 && bytes[i] !== 0) throw new Error('other bytes at ' + i);
    }`);
  t.is(status, 0, `${signal} ${stderr}`);
});

test.serial('a handle that is forgotten', (t) => {
  const { stdout, stderr, status } = child(
    `
    import { open } from 'iouring-transport/fs';
    import v8 from 'node:v8';
    import vm from 'node:vm';
    v8.setFlagsFromString('--expose-gc');
    const gc = vm.runInNewContext('gc');
    process.on('uncaughtException', ({ code, message }) => console.log(code, message));
    await (async () => { await open(Buffer.from('/dev/null')); })();
    for (let i = 0; i < 20; i++) { await new Promise((resolve) => setTimeout(resolve, 10)); gc(); }`,
  );
  t.is(status, 0, stderr);
  if (Number.parseInt(process.versions.node, 10) >= 25) {
    t.regex(stdout, /^ERR_INVALID_STATE A FileHandle object was closed during .* File descriptor: \d+ \(\/dev\/null\)\n$/);
    t.is(stderr, '');
    return;
  }
  t.regex(stderr, /Closing file descriptor \d+ on garbage collection/);
  t.regex(stderr, /DEP0137/);
});

/** Kills a writer again and again, and looks at what it left. */
async function killing(t: ExecutionContext, script: string, look: (acknowledged: string[]) => void) {
  const rounds = Number(process.env['IOURING_TEST_KILLS'] ?? 12);
  for (let round = 0; round < rounds; round++) {
    const writer = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let told = '';
    writer.stdout.setEncoding('utf8').on('data', (text: string) => (told += text));
    await once(writer.stdout, 'data');
    setTimeout(() => writer.kill('SIGKILL'), Math.random() * 40);
    await once(writer, 'close');
    look(told.split('\n').slice(0, -1));
  }
  t.pass();
}

test.serial('a writer killed in writeFileAtomic leaves the old file or the new one', async (t) => {
  const file = path.join(directory(t), 'file');
  await killing(
    t,
    `
    import { writeFileAtomic } from 'iouring-transport/fs';
    for (let i = 0; ; i++) {
      await writeFileAtomic(${JSON.stringify(file)}, (i + '\\n').padStart(8) .repeat(2000));
      console.log(i);
    }`,
    (acknowledged) => {
      const content = readFileSync(file, 'utf8');
      const found = content.slice(0, 8);
      t.is(content, found.repeat(2000));
      t.true(Number(found) >= Number(acknowledged.at(-1)), 'what was acknowledged is there');
    },
  );
});

test.serial('a durable append that was acknowledged is there', async (t) => {
  const file = path.join(directory(t), 'file');
  await killing(
    t,
    `
    import { open } from 'iouring-transport/fs';
    const handle = await open(${JSON.stringify(file)}, 'a');
    for (let i = 0; ; i++) {
      await handle.chain().write(process.pid + ':' + i + '\\n').datasync().submit();
      console.log(process.pid + ':' + i);
    }`,
    (acknowledged) => {
      const there = new Set(readFileSync(file, 'utf8').split('\n'));
      for (const line of acknowledged) if (!there.has(line)) t.fail(`${line} is missing`);
    },
  );
});

test.serial('durable appends of many at once that were acknowledged are there', async (t) => {
  const file = path.join(directory(t), 'file');
  await killing(
    t,
    `
    import { open } from 'iouring-transport/fs';
    const handle = await open(${JSON.stringify(file)}, 'a');
    const lane = async (name) => {
      for (let i = 0; ; i++) {
        const record = process.pid + ':' + name + ':' + i + ':' + 'x'.repeat((i * 37) % 3000);
        await handle.chain().write(record + '\\n').datasync().submit();
        console.log(record);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, name) => lane(name)));`,
    (acknowledged) => {
      const there = new Set(readFileSync(file, 'utf8').split('\n'));
      for (const line of acknowledged) if (!there.has(line)) t.fail(`${line.slice(0, 40)} is missing`);
      // Kept short, since it is read after each kill.
      writeFileSync(file, '');
    },
  );
});
