// A script that gets hold of the memory that Rust shares, and moves it, takes nothing away: traffic goes on, with the right bytes.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { support } from 'iouring-transport';
import { needs } from '../_needs.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BINDING = `${ROOT}${readdirSync(ROOT).find((name) => /^iouring-transport\..*\.node$/.test(name))!}`;
const { resolve } = createRequire(import.meta.url);
const ring = needs('io_uring', support().backend === 'uring', test);

/** Listens in on what the package is given by Rust; `move(name)` takes it away as it stands. */
const PRELUDE = `
  const { parentPort } = require('node:worker_threads');
  const { once } = require('node:events');
  const { NativeReactor } = require(${JSON.stringify(BINDING)});
  const given = {};
  let moved = 0;
  let native;
  for (const name of ['queues', 'arena', 'pool', 'datagramPool']) {
    const { get } = Object.getOwnPropertyDescriptor(NativeReactor.prototype, name);
    Object.defineProperty(NativeReactor.prototype, name, {
      get() { native = this; return (given[name] = get.call(this)); },
    });
  }
  function move(name) {
    const buffer = given[name];
    if (!(buffer?.byteLength > 0)) return;
    moved++;
    if (buffer.transfer) buffer.transfer();
    else native.discard(buffer);
    if (buffer.byteLength > 0) throw new Error('still there');
  }
  const net = require(${JSON.stringify(resolve('iouring-transport/net'))});
  const dgram = require(${JSON.stringify(resolve('iouring-transport/dgram'))});
`;

async function outcome(script: string): Promise<any> {
  const worker = new Worker(`${PRELUDE} (async () => {${script}})();`, { eval: true });
  // Both from the start: they may come in one turn.
  const [[message]] = await Promise.all([once(worker, 'message') as Promise<[unknown]>, once(worker, 'exit')]);
  return message;
}

for (const name of ['queues', 'arena', 'pool']) {
  ring(`streams, with the ${name} moved all the time`, async (t) => {
    const [right, moved] = await outcome(`
      const server = net.createServer((socket) => {
        socket.on('data', (bytes) => {
          move(${JSON.stringify(name)});
          socket.write(bytes);
        });
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const results = await Promise.all([1, 2, 3].map(async (n) => {
        const client = net.connect(server.address().port, '127.0.0.1');
        const chunks = [];
        client.on('data', (bytes) => { chunks.push(bytes); client.emit('more'); });
        let right = 0;
        for (const size of [10, 1000, 50000, 200000, 20]) {
          for (const what of [String.fromCharCode(96 + n).repeat(size), Buffer.alloc(size, 96 + n)]) {
            client.write(what);
            while (Buffer.concat(chunks).length < size) await once(client, 'more');
            if (Buffer.concat(chunks.splice(0)).equals(Buffer.from(what))) right++;
          }
        }
        client.destroy();
        return right;
      }));
      server.close();
      parentPort.postMessage([results, moved]);`);
    t.deepEqual(right, [10, 10, 10]);
    t.true(moved > 20);
  });
}

for (const name of ['queues', 'arena', 'datagramPool']) {
  ring(`datagrams, with the ${name} moved all the time`, async (t) => {
    const [right, moved] = await outcome(`
      const [a, b] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
      for (const socket of [a, b]) await new Promise((done) => socket.bind(0, '127.0.0.1', done));
      b.on('message', (bytes, { port }) => b.send(bytes, port));
      let right = 0;
      for (let i = 0; i < 40; i++) {
        const what = Buffer.alloc([5, 100, 3000, 40000][i % 4], i + 1);
        const answer = once(a, 'message');
        a.send(what, b.address().port);
        move(${JSON.stringify(name)});
        const [bytes] = await answer;
        if (bytes.equals(what)) right++;
      }
      a.close();
      b.close();
      parentPort.postMessage([right, moved]);`);
    t.is(right, 40);
    t.true(moved > 20);
  });
}
