// Passed descriptors that are still under way: when the thread ends that sends or receives them, and when there are too many.
import { once } from 'node:events';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import type core from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { receiveDescriptors, sendDescriptors } from 'iouring-transport/net';
import { openSockets } from '../_descriptors.ts';
import { needs, needsAnotherUser } from '../_needs.ts';
import { run } from './_child.ts';
import { closeOf, listening, nothingLeft, onRing, pair } from './_sockets.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-under-way-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
test.afterEach.always(nothingLeft);

const onTheRing = needs('io_uring', onRing);
let places = 0;
const place = (): string => path.join(folder, `${places++}`);

/**
 * Two connections to the same server: over the first the thread passes its end of the second, with far more bytes than the first takes. The
 * second is at its end when every copy of the thread's is closed, those included that the kernel holds.
 */
const SENDER = `
const net = require('iouring-transport/net');
const { parentPort, workerData } = require('node:worker_threads');
const socket = net.connect(workerData, () => {
  const watched = net.connect(workerData, () => {
    for (let round = 0; round < 50; round++) net.sendDescriptors(socket, [watched, watched], Buffer.alloc(100_000));
    // By then the kernel has been offered all that fits.
    setTimeout(() => parentPort.postMessage('queued'), 20);
  });
});
parentPort.on('message', () => process.exit(0));`;

type End = 'terminate' | 'exit';

async function end(worker: Worker, how: End): Promise<void> {
  const ended = once(worker, 'exit');
  if (how === 'terminate') void worker.terminate();
  else worker.postMessage('exit');
  await ended;
}

function start(script: string, workerData: unknown): Worker {
  return new Worker(script, { eval: true, workerData, env: { ...process.env, IOURING_TRANSPORT: 'uring' } });
}

/** Ends a thread while it passes descriptors to a peer that does not read. None must be open then but those of the two connections. */
async function endSender(t: ExecutionContext, how: End, reads: boolean): Promise<void> {
  const accepted: core.Socket[] = [];
  const where = place();
  const server = await listening({ pauseOnConnect: true }, (socket) => accepted.push(socket), { path: where });
  const before = openSockets();
  const worker = start(SENDER, where);
  await once(worker, 'message');
  while (accepted.length < 2) await once(server, 'connection');
  await end(worker, how);
  t.is(openSockets(), before + 2);
  const [carrier, watched] = accepted;
  const ended = once(watched.resume(), 'end');
  carrier.on('error', () => {});
  if (reads) {
    // What the kernel has taken arrives whole, although its sender is gone.
    let received = 0;
    receiveDescriptors(carrier, (descriptors) => {
      received += descriptors.length;
      for (const fd of descriptors) closeSync(fd);
    });
    await closeOf(carrier.resume());
    t.true(received > 0 && received < 100 && received % 2 === 0);
  } else carrier.destroy();
  await ended;
  await nothingLeft(t);
}

for (const how of ['terminate', 'exit'] as const) {
  onTheRing(`${how} of the thread that passes them: none stays open, here or in the kernel`, async (t) => {
    for (const reads of [true, false, true]) await endSender(t, how, reads);
  });
}

/** Receives, and is stopped for ever: before it is given any, or while it is given the first of those that came together. */
const RECEIVER = `
const net = require('iouring-transport/net');
const { closeSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const stop = () => {
  parentPort.postMessage('stopped');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};
const socket = net.connect(workerData.where, () => parentPort.postMessage('connected'));
net.receiveDescriptors(socket, (descriptors) => {
  for (const fd of descriptors) closeSync(fd);
  stop();
});
socket.pause();
parentPort.on('message', () => {
  socket.resume();
  if (workerData.stopped === 'before') setImmediate(stop);
});`;

/** Passes one end of a connection many times to a thread that is then ended. Must end with no copy of it. */
async function endReceiver(t: ExecutionContext, stopped: 'before' | 'meanwhile'): Promise<void> {
  const where = place();
  let carrier: core.Socket | undefined;
  const server = await listening({}, (socket) => (carrier = socket), { path: where });
  const { client: watched, peer: passed } = await pair();
  const worker = start(RECEIVER, { where, stopped });
  await once(worker, 'message');
  if (carrier === undefined) await once(server, 'connection');
  const ended = once(watched.resume(), 'end');
  carrier!.on('error', () => {});
  const closed = closeOf(carrier!.resume());
  const sent = Array.from({ length: 20 }, () => {
    return new Promise((resolve) => sendDescriptors(carrier!, [passed, passed, passed], 'x', resolve));
  });
  t.true((await Promise.all(sent)).every((error) => !error));
  worker.postMessage('read');
  await once(worker, 'message');
  await worker.terminate();
  passed.destroy();
  await closed;
  await ended;
  await nothingLeft(t);
}

for (const stopped of ['before', 'meanwhile'] as const) {
  onTheRing(`terminate of a thread that is given some, stopped ${stopped}: none stays open`, async (t) => {
    const before = openSockets();
    for (let round = 0; round < 4; round++) {
      await endReceiver(t, stopped);
      t.is(openSockets(), before);
    }
  });
}

/**
 * A user may have as many descriptors under way as one of its processes may have open, unless it is privileged. The modules are loaded, and the ring
 * is there, before privileges go: another user may not be able to read them.
 */
const TOO_MANY = (where: string): string => `
import { sendDescriptors } from 'iouring-transport/net';
import { readdirSync } from 'node:fs';
const open = () => readdirSync('/proc/self/fd').length;
const accepted = [];
const server = net.createServer({ pauseOnConnect: true }, (socket) => { socket.on('error', () => {}); accepted.push(socket); });
server.listen(${JSON.stringify(where)});
await once(server, 'listening');
const connect = async () => {
  const client = net.connect(${JSON.stringify(where)});
  await once(client, 'connect');
  client.on('error', (error) => console.log('error', error.code, error.syscall));
  while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return [client, accepted.pop()];
};
const pass = (client, count) =>
  new Promise((resolve) => sendDescriptors(client, new Array(count).fill(0), 'x', (error) => resolve(error?.code ?? 'passed')));

const settled = async (count) => {
  for (let attempt = 0; attempt < 400 && open() > count; attempt++) await new Promise((resolve) => setTimeout(resolve, 5));
  return open() - count;
};
const [client, peer] = await connect();
const [next, other] = await connect();
process.setgroups([]);
process.setgid(${70_000 + (process.pid % 10_000)});
process.setuid(${70_000 + (process.pid % 10_000)});
console.log('as another user'); // Opens what libuv keeps open for its streams.
const before = open();
const outcomes = [];
for (let round = 0; round < 4; round++) outcomes.push(await pass(client, 100));
console.log(outcomes.join(' '));
if (!client.destroyed) await once(client, 'close');
console.log(client.destroyed, await settled(before - 1));
// The user has no room on other connections either, until those are gone that were taken before.
peer.destroy();
// Until the kernel has let go of it: of the handles, the server and the second connection are left.
while (stats().handles > 3) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(await pass(next, 100));
next.destroy();
other.destroy();
server.close();
await once(server, 'close');
console.log(await settled(before - 5));
const { turns, ...held } = stats();
console.log(Object.values(held).every((count) => count === 0));
`;

needsAnotherUser(onTheRing)('too many under way: ETOOMANYREFS, and nothing is left', async (t) => {
  const { code, stdout, stderr } = await run(TOO_MANY(place()), 'ulimit -n 200');
  t.is(code, 0, stderr + stdout);
  t.deepEqual(stdout.split('\n'), [
    'as another user',
    'error ETOOMANYREFS write',
    'passed passed passed ETOOMANYREFS',
    'true 0',
    'passed',
    '0',
    'true',
  ]);
});
