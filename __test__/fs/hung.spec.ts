// A file system whose server has stopped answering: whoever asks it waits, and nobody else.
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import type { ExecutionContext } from 'ava';
import { needs } from '../_needs.ts';
import { child, onRing } from './_helpers.ts';
import { fileOfServer } from './_server.ts';

const root = needs('io_uring and root', onRing && process.getuid!() === 0);

/** A test that has such a file, and the server behind it. */
function served(title: string, body: (t: ExecutionContext, file: string, server: ChildProcess) => void): void {
  root(title, async (t) => {
    const there = await fileOfServer(t);
    if (there === undefined) t.pass('no file systems can be mounted here');
    else body(t, there.file, there.server);
  });
}

served('nothing but what asks it waits for a server that does not answer', (t, file, server) => {
  const { status, stdout, stderr } = child(`
    import { constants, open, readFile } from 'iouring-transport/fs';
    const file = ${JSON.stringify(file)};
    console.log(await readFile(file, 'utf8'));
    const handle = await open(file, 'r');
    console.log((await handle.stat()).size);
    process.kill(${server.pid}, 'SIGUSR1');
    await new Promise((done) => setTimeout(done, 100));
    // Each would wait for ever; a timer and another file show that the loop does not.
    const asked = {
      open: () => open(file),
      nonblocking: () => open(file, constants.O_RDONLY | constants.O_NONBLOCK),
      readFile: () => readFile(file),
      stat: () => handle.stat(),
      read: () => handle.read(Buffer.alloc(5), 0, 5, 0),
      readMany: () => handle.readMany(Buffer.alloc(20), [0, 1, 2, 3], 5),
      contents: () => handle.readFile(),
    };
    const answers = [];
    for (const [name, ask] of Object.entries(asked)) {
      answers.push(ask());
      await new Promise((done) => setTimeout(done, 10));
      await readFile('/proc/self/stat');
      console.log(name);
    }
    // With the server all that waits for it ends.
    process.kill(${server.pid}, 'SIGKILL');
    await Promise.allSettled(answers);
    console.log('over');
    process.exit();
  `);
  t.is(status, 0, stderr);
  t.is(stdout, 'hello\n5\nopen\nnonblocking\nreadFile\nstat\nread\nreadMany\ncontents\nover\n', stderr);
});

served('a thread that ends while the server is slow leaves no file open', (t, file, server) => {
  const { status, stdout, stderr } = child(`
    import { readdirSync, readlinkSync } from 'node:fs';
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const file = ${JSON.stringify(file)};
    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
    const open = () => readdirSync('/proc/self/fd').filter((fd) => {
      try { return readlinkSync('/proc/self/fd/' + fd) === file; } catch { return false; }
    }).length;
    const worker = new Worker(\`
      import { parentPort } from 'node:worker_threads';
      import { open } from 'iouring-transport/fs';
      const handle = await open(\${JSON.stringify(file)}, 'r');
      process.kill(${server.pid}, 'SIGUSR1');
      await new Promise((done) => setTimeout(done, 100));
      handle.read(Buffer.alloc(5), 0, 5, 0).catch(() => {});
      setTimeout(() => parentPort.postMessage('reads'), 100);
      setInterval(() => {}, 1000);\`, { eval: true });
    await once(worker, 'message');
    console.log(open());
    const ended = worker.terminate();
    // Longer than sockets are waited for.
    await sleep(600);
    process.kill(${server.pid}, 'SIGUSR2');
    await ended;
    for (let patience = 0; open() > 0 && patience < 1000; patience++) await sleep(10);
    console.log(open());
    process.exit();
  `);
  t.is(status, 0, stderr);
  t.is(stdout, '1\n0\n', stderr);
});
