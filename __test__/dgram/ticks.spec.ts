/**
 * What runs between two datagrams and between two callbacks of `send`, and what becomes of the rest when something is thrown there: as with core.
 */
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import test from 'ava';

/** As many as one look at the kernel's queue always brings together: what comes with the next is a callback of another turn, also in core. */
const COUNT = 12;

/** Prints what ran, in order. */
const program = (sends: string, body: string): string => `
const log = [];
const dgram = require(process.argv[1]);
const trace = (what) => {
  log.push(what);
  process.nextTick(() => log.push(what + ' tick'));
  Promise.resolve().then(() => log.push(what + ' microtask'));
};
process.on('uncaughtException', (error) => log.push('uncaught ' + error.message));
const receiver = dgram.createSocket('udp4');
const sender = ${sends}.createSocket('udp4');
const end = () => {
  process.stdout.write(JSON.stringify(log));
  receiver.close();
  sender.close();
};
receiver.bind(0, '127.0.0.1', () => sender.bind(0, '127.0.0.1', () => {
  const send = (i, callback) => sender.send(String(i), receiver.address().port, '127.0.0.1', callback);
  ${body}
}));`;

/** Core sends at once, and so all before anything is received. */
const received = (onmessage: string): string =>
  program(
    "require('dgram')",
    `
  receiver.on('message', (message) => {
    const i = Number(message.toString());
    if (i === ${COUNT - 1}) setTimeout(end, 20);
    ${onmessage}
  });
  for (let i = 0; i < ${COUNT}; i++) send(i);`,
  );

const programs = {
  'ticks and microtasks run between two messages': received('trace("message " + i);'),
  'a listener that throws keeps no message back': received('trace("message " + i); if (i % 3 === 0) throw new Error(i);'),
  'a tick that throws keeps no message back': received(
    'trace("message " + i); if (i % 3 === 0) process.nextTick(() => { throw new Error(i); });',
  ),
  'callbacks of one tick follow each other, then what they have queued': program(
    'dgram',
    `
  for (let i = 0; i < ${COUNT}; i++) send(i, () => {
    trace('sent ' + i);
    if (i === ${COUNT - 1}) setTimeout(end, 20);
  });`,
  ),
};

const run = promisify(execFile);

for (const [title, source] of Object.entries(programs)) {
  test(title, async (t) => {
    const printed = async (module: string, ...options: string[]): Promise<unknown> => {
      const { stdout } = await run(process.execPath, [...options, '-e', source, module]);
      return JSON.parse(stdout);
    };
    const expected = await printed('node:dgram');
    t.true(Array.isArray(expected) && expected.length >= 3 * COUNT, JSON.stringify(expected));
    t.deepEqual(await printed('iouring-transport/dgram'), expected);
    // The other way to the same: see ts/reactor/ticks.ts.
    t.deepEqual(await printed('iouring-transport/dgram', '--pending-deprecation'), expected);
  });
}
