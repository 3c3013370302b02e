// Nothing that waits costs processor time: every state that a socket or file can wait in, held for a while in a process of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needs } from '../_needs.ts';
import { onRing } from './_sockets.ts';
import { run } from './_child.ts';

const ring = needs('io_uring', onRing);

/** Most processor time that a process may use which only waits. */
const MOST = 0.02;

/** Sets states up with `await state(name, set up)`, and prints those with which the process uses too much. */
const TOOLS = `
import dgram from 'iouring-transport/dgram'; import fs from 'iouring-transport/fs'; import http from 'iouring-transport/http';
import { execFileSync, spawn } from 'node:child_process'; import { Worker } from 'node:worker_threads'; import { closeSync, openSync } from 'node:fs';
const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const directory = process.env.IDLE_DIRECTORY;
const quiet = (emitter) => emitter.on('error', () => {});
const share = async (ms) => {
  const before = process.cpuUsage();
  await delay(ms);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / ms;
};
// The least of several, since what went before may leave work behind: garbage, closes, late answers.
const least = async () => {
  let found = 1;
  for (let i = 0; i < 8 && found > ${MOST}; i++) found = Math.min(found, await share(250));
  return found;
};
const state = async (name, setUp) => {
  await setUp();
  const used = await least();
  if (used > ${MOST}) {
    console.log(name, Math.round(used * 100) + ' %');
    process.exit(1);
  }
};
const pairs = async (where) => {
  const peers = [];
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => peers.push(quiet(socket))).listen(where);
  await once(server, 'listening');
  const target = where.path ? where : { port: server.address().port, host: '127.0.0.1' };
  return async () => {
    const client = quiet(net.connect({ ...target, allowHalfOpen: true }));
    await once(client, 'connect');
    while (peers.length === 0) await delay(1);
    return [client, peers.pop()];
  };
};
const BIG = Buffer.alloc(16 << 20);
`;

const SOCKETS = `
for (const where of [{ port: 0, host: '127.0.0.1' }, { path: directory + '/socket' }]) {
  const kind = where.path ? 'unix' : 'tcp';
  const open = await pairs(where);
  const each = (name, setUp) => state(kind + ': ' + name, async () => setUp(...(await open())));
  await each('idle', (a, b) => { a.resume(); b.resume(); });
  await each('paused, the peer has ended', (a, b) => { a.pause(); b.end('x'); });
  await each('paused, the peer is gone', (a, b) => { a.pause(); b.write('x'); b.destroy(); });
  await each('the peer has ended', (a, b) => { a.resume(); b.end(); });
  await each('we have ended', (a, b) => { a.end(); a.resume(); b.resume(); });
  await each('both have ended, paused', (a, b) => { a.end(); b.end(); a.pause(); });
  await each('full', (a) => { a.write(BIG); });
  await each('full both ways', (a, b) => { a.write(BIG); b.write(BIG); });
  await each('full, the peer has ended', (a, b) => { a.write(BIG); b.end(); });
  await each('full, the peer has ended, reading', (a, b) => { a.write(BIG); a.resume(); b.end(); });
  await each('full and ended, the peer has ended', (a, b) => { a.end(BIG); a.resume(); b.end('x'); });
  await each('full both ways, both have ended', (a, b) => { a.end(BIG); b.end(BIG); });
  await each('full of many small writes, the peer has ended', (a, b) => { for (let i = 0; i < 2000; i++) a.write(Buffer.alloc(4000)); b.end(); });
  await each('full, the peer ends and reads a little', async (a, b) => { a.write(BIG); b.end(); await delay(20); b.read(); b.read(); b.pause(); });
  await each('full, the peer has reset', (a, b) => { a.pause(); a.write(BIG); where.path ? b.destroy() : b.resetAndDestroy(); });
  await each('the peer has reset, paused', (a, b) => { a.pause(); b.write('x'); where.path ? b.destroy() : b.resetAndDestroy(); });
  await each('piles up behind a pause', (a, b) => { a.on('data', () => a.pause()); b.write(BIG); });
  await each('piles up behind a pause, the peer has ended', (a, b) => { a.on('data', () => a.pause()); b.end(BIG); });
}
`;

const OTHERS = `
{
  const server = http.createServer((request, response) => { response.write(BIG); }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await state('http: an answer that a client does not read which has ended', async () => {
    const client = quiet(net.connect({ port: server.address().port, host: '127.0.0.1', allowHalfOpen: true }));
    client.end('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
    client.pause();
  });
  await state('http: keep-alive', async () => {
    quiet(net.connect(server.address().port, '127.0.0.1')).write('GET');
  });
}
await state('a full backlog', async () => {
  const script = "require('net').createServer(() => {}).listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () { require('fs').writeSync(1, String(this.address().port)); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); })";
  const busy = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  process.on('exit', () => busy.kill('SIGKILL'));
  const [port] = await once(busy.stdout, 'data');
  for (let i = 0; i < 8; i++) quiet(net.connect(Number(port), '127.0.0.1'));
});
await state('connecting to where nothing answers', () => { quiet(net.connect(9, '192.0.2.1')); });
await state('an idle worker', async () => {
  const worker = new Worker("require('iouring-transport/net').createServer(() => {}).listen(0, function () { require('node:worker_threads').parentPort.postMessage(0); })", { eval: true, execArgv: [] });
  await once(worker, 'message');
});
await state('udp: idle, and connected to nobody', async () => {
  const socket = quiet(dgram.createSocket('udp4'));
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  const other = quiet(dgram.createSocket('udp4'));
  await new Promise((resolve) => other.connect(port, '127.0.0.1', resolve));
  socket.close();
  other.send('x');
});
await state('unix datagrams: the peer is full', async () => {
  const path = directory + '/datagrams';
  const receiver = quiet(dgram.createSocket({ type: 'unix_dgram' }));
  await new Promise((resolve) => { receiver.once('listening', resolve); receiver.bind(path); });
  const messages = receiver.messages({ highWaterMark: 1 });
  const sender = quiet(dgram.createSocket({ type: 'unix_dgram' }));
  await new Promise((resolve) => sender.connect(path, resolve));
  for (let i = 0; i < 3000; i++) sender.send('x'.repeat(500));
});
await state('udp: paused, and more than fits', async () => {
  const receiver = quiet(dgram.createSocket('udp4'));
  await new Promise((resolve) => receiver.bind(0, '127.0.0.1', resolve));
  receiver.messages({ highWaterMark: 1 });
  const sender = quiet(dgram.createSocket('udp4'));
  for (let i = 0; i < 3000; i++) sender.send('x'.repeat(1000), receiver.address().port, '127.0.0.1');
});
execFileSync('mkfifo', [directory + '/fifo']);
let waiting;
await state('a fifo is read', async () => {
  const both = await fs.open(directory + '/fifo', 'r+');
  waiting = both.read(Buffer.alloc(3), 0, 3, null).then(() => both.close());
  waiting.writer = both;
});
await waiting.writer.write('abc');
await waiting;
await state('a fifo is opened', () => { waiting = fs.open(directory + '/fifo', 'r'); });
await state('a fifo is at its end', async () => {
  closeSync(openSync(directory + '/fifo', 'w'));
  await waiting;
});
await state('a terminal: read', async () => {
  const terminal = await fs.open('/dev/ptmx', 'r+');
  terminal.read(Buffer.alloc(3), 0, 3, null).catch(() => {});
});
`;

const FEW_DESCRIPTORS = `
await state('out of descriptors', async () => {
  const server = quiet(net.createServer(() => {}).listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const held = [];
  try { for (;;) held.push(openSync('/dev/null')); } catch {}
  for (let i = 0; i < 4; i++) closeSync(held.pop());
  for (let i = 0; i < 4; i++) quiet(net.connect(server.address().port, '127.0.0.1'));
});
`;

for (const [name, script, before] of [
  ['sockets', SOCKETS, ''],
  ['others', OTHERS, ''],
  ['out of descriptors', FEW_DESCRIPTORS, 'ulimit -n 100'],
] as const) {
  ring(name, async (t) => {
    t.timeout(120_000);
    const directory = mkdtempSync(join(tmpdir(), 'iouring-idle-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const { code, stdout, stderr } = await run(
      `${TOOLS}${script}\nprocess.exit(0);`,
      `${before || ':'}; IDLE_DIRECTORY=${directory}; export IDLE_DIRECTORY`,
    );
    console.error(stderr);
    t.is(stdout, '');
    t.is(code, 0, stderr);
  });
}
