// Each thread has a reactor of its own, which ends with the thread whatever is in flight.
import net from 'node:net';
import { Worker } from 'node:worker_threads';
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import process from 'node:process';
import test from 'ava';
import { drivers, type Driver } from './_child.ts';

const SCRIPT = `
const net = require('iouring-transport/net');
const { parentPort, workerData } = require('node:worker_threads');
const server = net.createServer((socket) => { socket.on('error', () => {}); socket.on('data', (bytes) => socket.write(bytes)); });
let echoes = 0;
server.listen(0, '127.0.0.1', () => {
  const client = net.connect(server.address().port, '127.0.0.1', () => client.write(Buffer.alloc(workerData.size)));
  client.on('data', (bytes) => { if (echoes++ === 100) parentPort.postMessage('busy'); client.write(bytes); });
  // A peer that never reads: a write is waiting for room when the thread ends.
  const stuck = net.connect(server.address().port, '127.0.0.1', () => { stuck.pause(); for (let i = 0; i < 64; i++) stuck.write(Buffer.alloc(1 << 20)); });
});
parentPort.on('message', (how) => {
  if (how === 'exit') process.exit(0);
  if (how === 'throw') throw new Error('in a worker');
});`;

const descriptors = () => readdirSync('/proc/self/fd').length;

async function end(how: string, driver: Driver, size: number) {
  const worker = new Worker(SCRIPT, {
    eval: true,
    workerData: { size },
    env: { ...process.env, IOURING_TRANSPORT: 'uring', IOURING_TRANSPORT_DRIVER: driver },
  });
  worker.on('error', () => {});
  await once(worker, 'message');
  if (how === 'terminate') return worker.terminate();
  worker.postMessage(how);
  return new Promise<number>((resolve) => worker.once('exit', resolve)); // `once` would reject with the worker's error.
}

for (const driver of drivers) {
  for (const how of ['terminate', 'exit', 'throw']) {
    test.serial(`${driver}: ${how} with operations in flight leaves no descriptor open`, async (t) => {
      await end(how, driver, 1000); // What the process opens once and keeps is open after this.
      const before = descriptors();
      for (let i = 0; i < 10; i++) await end(how, driver, i % 2 === 0 ? 100 : 100_000);
      t.is(descriptors(), before);
    });
  }
}

test.serial('threads at work at the same time do not disturb each other', async (t) => {
  const codes = await Promise.all(Array.from({ length: 4 }, () => end('exit', 'uv', 5000)));
  t.deepEqual(codes, [0, 0, 0, 0]);
});

const LAST_WORDS = `
const net = require('iouring-transport/net');
const { parentPort, workerData } = require('node:worker_threads');
const client = net.connect(workerData.port, '127.0.0.1', () => {
  for (let i = 0; i < 200; i++) client.write('x'.repeat(100));
  parentPort.postMessage('written');
  // What was written stays in the queues.
  for (;;);
});`;

for (const driver of drivers) {
  test.serial(`${driver}: what a worker wrote last is sent as it was when the worker is terminated`, async (t) => {
    const server = net.createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as net.AddressInfo;
    const worker = new Worker(LAST_WORDS, {
      eval: true,
      workerData: { port },
      env: { ...process.env, IOURING_TRANSPORT: 'uring', IOURING_TRANSPORT_DRIVER: driver },
    });
    const [[socket]] = (await Promise.all([once(server, 'connection'), once(worker, 'message')])) as [[net.Socket], unknown];
    socket.on('error', () => {});
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => (text += part));
    const ended = once(socket, 'close');
    await worker.terminate();
    await ended;
    t.is(text, 'x'.repeat(20_000));
    server.close();
  });
}

const CROWD = `
const { parentPort, workerData } = require('node:worker_threads');
const { once } = require('node:events');
const net = require('iouring-transport/net');
const dgram = require('iouring-transport/dgram');
const fs = require('iouring-transport/fs');
(async () => {
  const server = net.createServer((socket) => {
    socket.on('error', () => {}).resume();
    if (++count === workerData.connections) parentPort.postMessage('all');
  });
  let count = 0;
  const sockets = Array.from({ length: workerData.others }, () => dgram.createSocket('udp4').bind(0, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'listening')));
  globalThis.kept = await Promise.all(Array.from({ length: workerData.others }, () => fs.open('/proc/self/status')));
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => parentPort.postMessage(server.address().port));
})();`;

/** Everything is being closed at the moment at which the thread ends. */
const DESTROYS = `
const sockets = [];
require('iouring-transport/net').Server.prototype.emit = ((emit) => function (event, socket) {
  if (event === 'connection') sockets.push(socket);
  return emit.apply(this, arguments);
})(require('node:events').prototype.emit);
parentPort.on('message', () => {
  for (const socket of sockets) socket.destroy();
  for (const file of globalThis.kept) file.close();
  process.exit();
});`;

for (const how of ['terminate', 'destroy']) {
  test.serial(`a thread with thousands of descriptors closes all of them: ${how}`, async (t) => {
    const before = descriptors();
    const workerData = { connections: 1500, others: 100 };
    const worker = new Worker(how === 'destroy' ? CROWD + DESTROYS : CROWD, {
      eval: true,
      workerData,
      env: { ...process.env, IOURING_TRANSPORT: 'uring' },
    });
    const [port] = (await once(worker, 'message')) as [number];
    let ended = 0;
    const clients: net.Socket[] = [];
    const ends: Promise<unknown>[] = [];
    const all = once(worker, 'message');
    while (clients.length < workerData.connections) {
      const some = Array.from({ length: 100 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
      ends.push(...some.map((client) => once(client.on('close', () => ended++).resume(), 'close')));
      await Promise.all(some.map((client) => once(client, 'connect')));
      clients.push(...some);
    }
    await all;
    if (how === 'destroy') worker.postMessage('destroy');
    else void worker.terminate();
    await new Promise((resolve) => worker.once('exit', resolve));
    await Promise.all(ends);
    t.is(ended, workerData.connections);
    t.is(descriptors(), before);
  });
}
