// The first file of a process is opened in a moment of need: it fails as core's would, and the next one does not.
import process from 'node:process';
import test from 'ava';
import { needs } from '../_needs.ts';
import { run } from '../net/_child.ts';

const linux = needs('Linux', process.platform === 'linux', test);

linux('with no descriptor left', async (t) => {
  const { code, stdout, stderr } = await run(
    `
    import fs from 'iouring-transport/fs';
    import { closeSync, openSync } from 'node:fs';
    import { fileURLToPath } from 'node:url';
    const held = [];
    try { for (;;) held.push(openSync('/dev/null')); } catch {}
    const failed = await fs.open('/dev/zero').catch((error) => error);
    console.log(failed.code, failed.syscall, failed.path);
    for (const fd of held) closeSync(fd);
    const handle = await fs.open('/dev/zero');
    console.log((await handle.read(Buffer.alloc(4))).bytesRead, handle.constructor.name);
    await handle.close();`,
    'ulimit -Sn 60',
  );
  t.is(code, 0, stderr);
  t.deepEqual(stdout.split('\n'), ['EMFILE open /dev/zero', '4 FileHandle']);
});

linux('nothing else is opened', async (t) => {
  const { code, stdout, stderr } = await run(
    `
    import { createHook } from 'node:async_hooks';
    import core from 'node:fs/promises';
    import fs from 'iouring-transport/fs';
    const made = [];
    const hook = createHook({ init(id, type) { made.push(type); } }).enable();
    const handle = await fs.open('/dev/zero');
    hook.disable();
    console.log(made.some((type) => type === 'FILEHANDLE' || type === 'FSREQPROMISE'));
    const theirs = await core.open('/dev/zero');
    console.log(handle instanceof theirs.constructor, Object.hasOwn(process.getBuiltinModule('node:events'), Symbol.hasInstance));
    await Promise.all([handle.close(), theirs.close()]);`,
  );
  t.is(code, 0, stderr);
  t.deepEqual(stdout.split('\n'), ['false', 'true false']);
});

linux('by a thread that is ended in the middle: no descriptor is left', async (t) => {
  const { code, stdout, stderr } = await run(
    `
    import { Worker } from 'node:worker_threads';
    import { readdirSync, readlinkSync } from 'node:fs';
    const target = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
    const count = () => readdirSync('/proc/self/fd').filter((fd) => target(fd).startsWith('/')).length;
    async function endInTheMiddle() {
      const worker = new Worker(
        'import("iouring-transport/fs").then(({ open }) => { open("/dev/zero").catch(() => {}); require("worker_threads").parentPort.postMessage(0); })',
        { eval: true, execArgv: [] },
      );
      await once(worker, 'message');
      await worker.terminate();
    }
    await endInTheMiddle();
    const before = count();
    for (let n = 0; n < 6; n++) await endInTheMiddle();
    for (let n = 0; n < 100 && count() > before; n++) await new Promise((resolve) => setTimeout(resolve, 20));
    console.log(count() - before);`,
  );
  t.is(code, 0, stderr);
  t.is(stdout, '0');
});
