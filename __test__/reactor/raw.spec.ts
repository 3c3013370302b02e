// The native class itself, misused: whatever a script does with it, the process lives and memory stays whole.
import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import os from 'node:os';
import test from 'ava';
import type { NativeBinding } from '../../ts/native.ts';
import { Command, HEADER_WORDS, Header, RECORD_WORDS } from '../../ts/reactor/protocol.ts';

const root = new URL('../../', import.meta.url);
const file = readdirSync(root).find((name) => name.startsWith('iouring-transport.') && name.endsWith('.node'))!;
const binding = createRequire(import.meta.url)(`../../${file}`) as NativeBinding;
// Not `support()` of the package: a thread has one reactor, and that would make it.
const uring = binding.support().available ? test.serial : test.serial.skip;

function makeReactor() {
  const native = new binding.NativeReactor(() => (words[Header.Cursor] = words[Header.Completions]!), false);
  const words = new Int32Array(native.queues);
  const command = (...record: number[]) => {
    words.set(record, HEADER_WORDS + words[Header.Commands] * RECORD_WORDS);
    words[Header.Commands]++;
  };
  return { native, words, command };
}

let made: ReturnType<typeof makeReactor> | undefined;
const raw = () => (made ??= makeReactor());

uring('places for lent views cannot be made to run code', (t) => {
  const { native } = raw();
  const setter = { set: () => t.fail(), get: () => t.fail(), configurable: true };
  Object.defineProperty(Array.prototype, 3, setter);
  try {
    const places = native.makePlaces(8);
    t.is(places.length, 8);
    t.throws(() => Object.defineProperty(places, 3, { get: () => t.fail() }), { instanceOf: TypeError });
    t.throws(() => (places.length = 0), { instanceOf: TypeError });
    t.false(Reflect.deleteProperty(places, 3));
    const view = new Uint8Array(1);
    places[3] = view;
    t.is(native.makePlaces(16)[3], view);
  } finally {
    Reflect.deleteProperty(Array.prototype, 3);
  }
});

uring('more places than there can be are refused', (t) => {
  t.throws(() => raw().native.makePlaces(2 ** 32 - 1));
});

uring('a write from a place that holds no view fails, and the process lives', async (t) => {
  const { native, command } = raw();
  const places = native.makePlaces(8);
  (places as unknown[])[0] = 'no view';
  const handle = native.open(0, false);
  for (const region of [1, 2, 9, 0x7fffffff]) command(Command.Write, handle, region, 0, 100, 1);
  command(Command.Close, handle);
  native.flush();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.is(native.stats().handles, 0);
});

uring('a descriptor that belongs to the reactor is not taken over again', async (t) => {
  const { native } = raw();
  const server = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const handle = native.open(0, false);
  t.is(native.adopt(native.fd(handle), false), -os.constants.errno.EEXIST);
  t.is(native.adopt(native.fd(handle), true), -os.constants.errno.EEXIST);
  raw().command(Command.Close, handle);
  server.close();
});
