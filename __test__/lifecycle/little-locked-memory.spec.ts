// An unprivileged user with little memory that may be locked, as many systems have it: each thread has a smaller ring, or, where there is no room for one
// (libuv's own, from Node 22 on, may have taken nearly all of it), core does the work there: of all facades, or of none.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { support } from 'iouring-transport';
import { needs } from '../_needs.ts';

const ROOT = new URL('../..', import.meta.url);
/** Locked memory is counted by user: one that no other run of these specs is. */
const USER = 60_000 + (process.pid % 5000);
const NOBODY = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];

/** Evaluates a module as another user, with so many KiB and what else `limits` says. */
function evaluate(script: string, kib: number, environment: Record<string, string> = {}, limits: string[] = []) {
  const { IOURING_TRANSPORT: _, ...inherited } = process.env;
  const command = [`--memlock=${kib * 1024}`, ...limits, ...NOBODY, process.execPath, '--input-type=module', '--eval', script];
  const options = { cwd: ROOT, env: { ...inherited, ...environment }, encoding: 'utf8', timeout: 60_000 } as const;
  const { status, stdout, stderr, error } = spawnSync('prlimit', command, options);
  if (error !== undefined) throw error;
  return { status, stdout: stdout.trim(), stderr };
}

const possible = support().backend === 'uring' && process.getuid?.() === 0 && evaluate('', 8192).status === 0;
const uring = needs('io_uring, root, prlimit and setpriv', possible);

/** Uses every facade, in each of so many workers and before that in the main thread, and prints how often which backend did it. */
const everything = (workers: number) => `
  import { isMainThread, parentPort, Worker } from 'node:worker_threads';
  const body = async () => {
    const { once } = await import('node:events');
    const [{ support }, net, dgram, http, fs] = await Promise.all(
      ['', '/net', '/dgram', '/http', '/fs'].map((name) => import('iouring-transport' + name)));
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await Promise.all(Array.from({ length: 8 }, async () => {
      const client = net.connect(server.address().port, '127.0.0.1');
      client.end(Buffer.alloc(300_000));
      let echoed = 0;
      for await (const bytes of client) echoed += bytes.length;
      if (echoed !== 300_000) throw new Error('lost');
    }));
    server.close();
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.send('datagram', socket.address().port, '127.0.0.1');
    await once(socket, 'message');
    socket.close();
    const web = http.createServer((request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    const [response] = await once(http.get({ port: web.address().port, agent: false }), 'response');
    response.resume();
    await once(response, 'end');
    web.close();
    await fs.readFile('package.json');
    return support().backend + ' ' + (support().reason ?? '-');
  };
  if (!isMainThread) parentPort.postMessage(await body());
  else {
    const said = [await body()];
    const { once } = await import('node:events');
    await Promise.all(Array.from({ length: ${workers} }, async () => {
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(process.env.SCRIPT)));
      worker.on('message', (answer) => said.push(answer));
      await once(worker, 'exit');
    }));
    console.log(JSON.stringify(said));
  }`;

for (const [kib, workers] of [
  [8, 0],
  [16, 2],
  [32, 0],
  [48, 3],
  [64, 1],
  [96, 4],
  [128, 12],
] as const) {
  uring(
    `${kib} KiB, ${workers} workers: everything works in each thread (needs root and a checkout that others can read)`,
    (t) => {
      const file = new URL('../../dist/', import.meta.url).href;
      // A module of a data URL finds packages by their URLs alone.
      const script = everything(workers).replace(
        "import('iouring-transport' + name)",
        `import('${file}' + (name || '/index') + '.mjs')`,
      );
      const { status, stdout, stderr } = evaluate(script, kib, { SCRIPT: script });
      t.is(status, 0, stderr);
      const said = JSON.parse(stdout) as string[];
      t.is(said.length, 1 + workers);
      for (const answer of said) t.true(['uring -', 'core ERR_IOURING_LOCK_LIMIT'].includes(answer), answer);
      const warnings = stderr.split('[IOURING_TRANSPORT_FALLBACK]').length - 1;
      t.is(warnings, said.some((answer) => answer.startsWith('core')) ? 1 : 0, stderr);
    },
  );
}

uring('a ring that is demanded and finds no room is refused with its code', (t) => {
  const { stdout } = evaluate(
    `const { support } = await import('iouring-transport');
     const failed = await import('iouring-transport/net').catch(({ code, reason, errno }) => ({ code, reason, errno }));
     console.log(JSON.stringify([failed, support()]));`,
    0,
    { IOURING_TRANSPORT: 'uring' },
  );
  const [failed, answer] = JSON.parse(stdout) as object[];
  t.deepEqual(failed, { code: 'ERR_IOURING_UNAVAILABLE', reason: 'ERR_IOURING_LOCK_LIMIT', errno: -12 });
  t.like(answer, { available: false, backend: 'uring', reason: 'ERR_IOURING_LOCK_LIMIT', errno: -12 });
});

uring('without a descriptor for a ring the thread runs on core, also when there are some later', (t) => {
  const { status, stdout, stderr } = evaluate(
    `import { closeSync, openSync } from 'node:fs';
     import { createRequire } from 'node:module';
     const require = createRequire(import.meta.url);
     // Loaded beforehand, since loading takes descriptors.
     const before = require('iouring-transport');
     const held = [];
     try { for (;;) held.push(openSync('/dev/null')); } catch {}
     closeSync(held.pop()); // For loading the binding.
     const { backend, reason } = before.support();
     for (const fd of held) closeSync(fd);
     const net = require('iouring-transport/net');
     console.log(backend, reason, net.Socket === require('node:net').Socket);`,
    8192,
    {},
    ['--nofile=64'],
  );
  t.is(status, 0, stderr);
  t.is(stdout, 'core ERR_IOURING_OUT_OF_DESCRIPTORS true');
  t.true(stderr.includes('IOURING_TRANSPORT_FALLBACK'), stderr);
});
