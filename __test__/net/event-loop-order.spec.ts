// The order that Node promises within an I/O callback: setImmediate() comes before timers and before further I/O. And however much there is to do
// for sockets, timers get their turn.
import { once } from 'node:events';
import { stat } from 'node:fs';
import type core from 'node:net';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import net from 'iouring-transport/net';
import { listening, nothingLeft, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

const ROUNDS = 30;

/** What comes after a callback that takes longer than the timer that it sets. */
async function order(): Promise<string[]> {
  const seen: string[] = [];
  let resolve: (seen: string[]) => void = () => {};
  const promise = new Promise<string[]>((done) => (resolve = done));
  const note = (what: string): void => {
    if (seen.push(what) === 3) resolve(seen);
  };
  setTimeout(note, 1, 'timer');
  stat('.', () => note('io'));
  for (const end = performance.now() + 3; performance.now() < end;);
  setImmediate(note, 'immediate');
  return promise;
}

/** Runs `round` again and again, and checks that the immediate was always first. */
async function immediateFirst(round: () => Promise<string[]>): Promise<string[]> {
  const others: string[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const seen = await round();
    if (seen[0] !== 'immediate') others.push(seen.join());
  }
  return others;
}

/** What `order` is after the next event. */
function orderAfter(emitter: core.Socket | core.Server, event: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    emitter.once(event, () => {
      order().then(resolve, reject);
    });
  });
}

test.serial('after data', async (t) => {
  const server = await listening({}, (socket) => socket.pipe(socket));
  const client = track(net.connect(portOf(server), '127.0.0.1'));
  await once(client, 'connect');
  const others = await immediateFirst(() => {
    const found = orderAfter(client, 'data');
    client.write('x');
    return found;
  });
  t.deepEqual(others, []);
});

test.serial('after a connection was accepted', async (t) => {
  const server = await listening({}, () => {});
  const others = await immediateFirst(() => {
    const found = orderAfter(server, 'connection');
    track(net.connect(portOf(server), '127.0.0.1'));
    return found;
  });
  t.deepEqual(others, []);
});

test.serial('timers have their turn between two dispatches that take long', async (t) => {
  const server = await listening({}, (socket) => socket.resume());
  const port = portOf(server);
  // Connections made elsewhere, all at once: as many as a turn collects.
  const worker = new Worker(
    `const net = require('node:net'); for (let i = 0; i < 200; i++) net.connect(${port}, '127.0.0.1').on('error', () => {});`,
    { eval: true, execArgv: [] },
  );
  t.teardown(async () => worker.terminate());
  let connections = 0;
  let between = 0;
  let seen = 0;
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  server.on('connection', () => {
    for (const end = performance.now() + 0.5; performance.now() < end;);
    if (++connections === 200) resolve();
  });
  const timer = setInterval(() => {
    if (connections > seen && connections < 200) between++;
    seen = connections;
  }, 1);
  await promise;
  clearInterval(timer);
  t.true(between >= 3, `${between} timers within 100 ms of work`);
});
