// What unref() lets go of: reading and listening, as in libuv. Whatever else was asked for keeps the process alive until it is done.
import core from 'node:dgram';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import { run } from '../net/_child.ts';
import { drivers, type Driver } from './_child.ts';

const MANY = 12_000_000;

/** Where a peer is that counts bytes, and reads nothing at first, so that no socket's buffer is enough. */
interface Peer {
  readonly to: object;
  readonly received: Promise<number>;
}

async function peer(t: ExecutionContext, unix: boolean, talk: (socket: Socket) => void = () => {}): Promise<Peer> {
  let resolve!: (count: number) => void;
  const received = new Promise<number>((done) => (resolve = done));
  const server: Server = createServer((socket) => {
    let count = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes) => (count += bytes.length));
    socket.on('close', () => resolve(count));
    socket.pause();
    setTimeout(() => socket.resume(), 50);
    talk(socket);
  });
  const file = path.join(tmpdir(), `unreferenced-${process.pid}-${Math.random().toString(36).slice(2)}`);
  server.listen(unix ? { path: file } : { port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    rmSync(file, { force: true });
  });
  return { to: unix ? { path: file } : { port: (server.address() as { port: number }).port, host: '127.0.0.1' }, received };
}

async function child(t: ExecutionContext, driver: Driver, script: string): Promise<string> {
  const prelude = `import dgram from 'iouring-transport/dgram'; import http from 'iouring-transport/http';\n`;
  const { code, stdout, stderr } = await run(prelude + script, `export IOURING_TRANSPORT_DRIVER=${driver}`);
  t.is(code, 0, stderr);
  return stdout;
}

const streams: [name: string, bytes: number, script: (to: string) => string][] = [
  ['a connect', 0, (to) => `net.connect(${to}).unref().on('connect', () => console.log('connected'));`],
  ['a write that waits for the connect', 4, (to) => `const s = net.connect(${to}); s.unref(); s.write('line');`],
  ['an end that waits for the connect', 4, (to) => `const s = net.connect(${to}); s.unref(); s.end('line');`],
  ['a write', MANY, (to) => `const s = net.connect(${to}, () => { s.unref(); s.write(Buffer.alloc(${MANY})); });`],
  ['an end', MANY, (to) => `const s = net.connect(${to}, () => { s.end(Buffer.alloc(${MANY})); s.unref(); });`],
  [
    'writes that wait for each other',
    3_000_000,
    (to) => `const s = net.connect(${to}, () => { s.unref(); for (let i = 0; i < 3000; i++) s.write(Buffer.alloc(1000)); });`,
  ],
  [
    'corked writes',
    3_000_000,
    (to) =>
      `const s = net.connect(${to}, () => { s.unref(); s.cork(); for (let i = 0; i < 30; i++) s.write(Buffer.alloc(100_000)); s.uncork(); });`,
  ],
];

for (const driver of drivers) {
  for (const unix of [false, true]) {
    for (const [name, bytes, script] of streams) {
      test(`${name} on an unreferenced ${unix ? 'UNIX' : 'TCP'} socket holds the process (${driver})`, async (t) => {
        const { to, received } = await peer(t, unix);
        const output = await child(t, driver, script(JSON.stringify(to)));
        t.is(await received, bytes);
        t.is(output, bytes === 0 ? 'connected' : '');
      });
    }
  }

  test(`so does the callback of a shutdown (${driver})`, async (t) => {
    const { to } = await peer(t, false);
    const output = await child(
      t,
      driver,
      `const s = net.connect(${JSON.stringify(to)}, () => { s.unref(); s.end(() => console.log('ended')); });`,
    );
    t.is(output, 'ended');
  });

  test(`so does looking a name up (${driver})`, async (t) => {
    const { to, received } = await peer(t, false);
    await child(t, driver, `const s = net.connect({ ...${JSON.stringify(to)}, host: 'localhost' }); s.unref(); s.write('line');`);
    t.is(await received, 4);
  });

  test(`so does a connect that fails (${driver})`, async (t) => {
    const output = await child(t, driver, `net.connect(1, '127.0.0.1').unref().on('error', (e) => console.log(e.code));`);
    t.is(output, 'ECONNREFUSED');
  });

  test(`so does an HTTP request until it is written (${driver})`, async (t) => {
    const { to, received } = await peer(t, false);
    const request = `{ ...${JSON.stringify(to)}, method: 'POST', headers: { 'content-length': ${MANY} } }`;
    await child(
      t,
      driver,
      `const r = http.request(${request}); r.on('socket', (s) => s.unref()); r.on('error', () => {}); r.end(Buffer.alloc(${MANY}));`,
    );
    t.true((await received) > MANY);
  });

  test(`so do a datagram, binding for it and looking its address up (${driver})`, async (t) => {
    const socket = core.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.teardown(() => void socket.close());
    const got: string[] = [];
    const all = new Promise<void>((resolve) =>
      socket.on('message', (message) => {
        if (got.push(String(message)) === 4) resolve();
      }),
    );
    const { port } = socket.address();
    const output = await child(
      t,
      driver,
      `const s = dgram.createSocket('udp4').unref();
      for (const host of ['127.0.0.1', 'localhost', undefined]) s.send('x', ${port}, host, (e) => console.log(e ?? 'sent'));
      const c = dgram.createSocket('udp4').unref();
      c.connect(${port}, 'localhost', () => c.send('x', (e) => console.log(e ?? 'sent')));`,
    );
    t.is(output, 'sent\nsent\nsent\nsent');
    await all;
    t.deepEqual(got, ['x', 'x', 'x', 'x']);
  });

  test(`so do datagrams that wait for room (${driver})`, async (t) => {
    const output = await child(
      t,
      driver,
      `const name = '\\0unreferenced-' + process.pid;
      const far = dgram.createSocket({ type: 'unix_dgram' }), near = dgram.createSocket({ type: 'unix_dgram' });
      let got = 0;
      far.on('message', () => { if (++got === 500) far.close(); });
      far.bind(name, () => near.connect(name, () => {
        near.unref();
        far.unref();
        let sent = 0;
        for (let i = 0; i < 500; i++) near.send(Buffer.alloc(1000), () => { if (++sent === 500) console.log('all sent'); });
      }));`,
    );
    t.is(output, 'all sent');
  });

  test(`reading, listening and receiving do not (${driver})`, async (t) => {
    const { to } = await peer(t, false);
    const output = await child(
      t,
      driver,
      `net.createServer().listen(0).unref(); dgram.createSocket('udp4').bind(0).unref();
      const s = net.connect(${JSON.stringify(to)}, () => { s.resume(); s.unref(); s.write('x', () => console.log('written')); });`,
    );
    t.is(output, 'written');
  });
}
