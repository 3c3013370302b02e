// The native class itself, misused: whatever a script does with it, the process lives and memory stays whole.
import { createRequire } from 'node:module';
import { constants } from 'node:buffer';
import { openSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import os from 'node:os';
import process from 'node:process';
import test from 'ava';
import { needs } from '../_needs.ts';
import type { NativeBinding } from '../../ts/native-binding.ts';
import {
  BORROWED_WORD,
  COMMAND_CAPACITY,
  Command,
  Completion,
  HEADER_WORDS,
  Header,
  KIND_BITS,
  RECORD_WORDS,
} from '../../ts/reactor/protocol.ts';

const root = new URL('../../', import.meta.url);
const file = readdirSync(root).find((name) => name.startsWith('iouring-transport.') && name.endsWith('.node'))!;
const binding = createRequire(import.meta.url)(`../../${file}`) as NativeBinding;
// Not `support()` of the package: a thread has one reactor, and that would make it.
const uring = needs('io_uring', binding.support().available);

function makeReactor() {
  const native = new binding.NativeReactor(() => {
    const [cursor, count] = [words[Header.Cursor], words[Header.Completions]];
    words[Header.Cursor] = count;
    for (let record = cursor; record < count; record++) {
      const at = HEADER_WORDS + (COMMAND_CAPACITY + record) * RECORD_WORDS;
      heard(words[at], words[at + 1], words[at + 2], words[at + 3], words[at + 4], at);
    }
  }, false);
  const words = new Int32Array(native.queues);
  const command = (...record: number[]) => {
    words.set(record, HEADER_WORDS + words[Header.Commands] * RECORD_WORDS);
    words[Header.Commands]++;
  };
  return { native, words, command };
}

/** Told of each completion: its first words, and where its record is. */
let heard: (kind: Completion, handle: number, result: number, word: number, next: number, record: number) => void = () => {};

let made: ReturnType<typeof makeReactor> | undefined;
const raw = () => (made ??= makeReactor());

async function until(holds: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 200 && !holds(); attempt++) await new Promise((resolve) => setTimeout(resolve, 10));
  return holds();
}

test('of the numbers that come in kinds nothing is made when the binary is loaded: they are compiled in', (t) => {
  t.deepEqual(
    Object.entries(binding).flatMap(([name, value]) => (typeof value === 'object' ? [name] : [])),
    [],
  );
});

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

uring('a place beyond the last is none: no getter of the prototype runs', async (t) => {
  const { native, command } = raw();
  const { length } = native.makePlaces(8);
  const asked = [length, length + 1, 500, 2 ** 24];
  const results: number[] = [];
  let ran = 0;
  heard = (kind, _handle, result, token) => {
    if (kind === Completion.FileDone && token < asked.length) results.push(result);
  };
  const handle = native.adoptFile(openSync('/dev/null', 'r'));
  for (const [index, place] of asked.entries()) command(Command.FileRead, handle, place + 1, 0, 16, index, 0, 0);
  for (const place of asked) Object.defineProperty(Array.prototype, place, { get: () => ran++, configurable: true });
  native.flush();
  for (const place of asked) Reflect.deleteProperty(Array.prototype, place);
  t.true(await until(() => results.length === asked.length));
  t.true(results.every((result) => result < 0));
  t.is(ran, 0);
  command(Command.FileClose, handle, 99);
  native.flush();
});

uring('memory that is too long for an ArrayBuffer is refused', (t) => {
  for (const length of [constants.MAX_LENGTH + 4096, 2 ** 33, 2 ** 34]) {
    try {
      t.true((binding.alignedMemory(length)?.byteLength ?? 0) >= 0);
    } catch (error) {
      t.true(error instanceof Error);
    }
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

uring('offsets beyond 2^31 and 2^32 reach the bytes that they name', async (t) => {
  const { native, command } = raw();
  // Pages that nobody touches cost nothing. Node 20 has no longer ones.
  const most = Math.min(constants.MAX_LENGTH, 2 ** 32 + 2 ** 20);
  const view = new Uint8Array(most);
  const right = Buffer.from('RIGHT');
  native.makePlaces(8)[5] = view;
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const offsets = [0, 2 ** 31 - 5, 2 ** 31, 2 ** 31 + 100, 2 ** 32 - 5, 2 ** 32, 2 ** 32 + 100, most - 5].filter(
    (at) => at + 5 <= most,
  );
  for (const offset of offsets) {
    view.set(right, offset);
    const handle = native.open(0, false);
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    native.connect(handle, '127.0.0.1', port);
    native.flush();
    const [peer] = await accepted;
    const upper = Math.floor(offset / 2 ** 32) << KIND_BITS;
    command(Command.Write + upper, handle, 6, offset, 5, 1);
    command(Command.Close, handle);
    native.flush();
    const chunks = (await peer.toArray()) as Buffer[];
    t.is(Buffer.concat(chunks).toString(), 'RIGHT', `${offset}`);
    view.fill(0, offset, offset + 5);
  }
  server.close();
});

uring('no number makes the reactor forget a command that somebody waits for', async (t) => {
  const { native, words, command } = raw();
  const answers: number[] = [];
  heard = (kind, _handle, _result, token) => {
    if (kind === Completion.FileDone) answers.push(token);
  };
  const odd = [-1, -(2 ** 31), 2 ** 31 - 1, 2 ** 24, 0x7fff];
  let token = 0;
  for (const region of odd)
    for (const offset of odd)
      for (const length of odd) {
        command(Command.FileRead, 0, region, offset, length, token++, offset, length);
        command(Command.FileWriteLinked | (offset << KIND_BITS), 0, region, offset, length, token++, -1, -1);
        command(Command.FileWrite, 0, region, offset, length, token++, -1, -1);
      }
  t.true(words[Header.Commands] < 2048);
  native.flush();
  while (answers.length < token) await new Promise((resolve) => setTimeout(resolve, 5));
  t.deepEqual(
    answers.sort((a, b) => a - b),
    Array.from({ length: token }, (_, i) => i),
  );
});

uring('a descriptor has one handle, whatever it is and was taken over as', async (t) => {
  const { native, command } = raw();
  const adoptions: [string, (fd: number) => number][] = [
    ['stream', (fd) => native.adopt(fd, false, false)],
    ['listener', (fd) => native.adopt(fd, true, false)],
    ['datagram', (fd) => native.adoptDatagram(fd, false)],
    ['file', (fd) => native.adoptFile(fd)],
  ];
  const { EEXIST, EINVAL, ENOTSOCK } = os.constants.errno;
  const refusals = [EEXIST, EINVAL, ENOTSOCK];
  const files = openSync('/dev/null', 'r');
  const handles = [native.open(0, false), native.open(0, true), native.openDatagram(0), native.adoptFile(files)];
  for (const handle of handles) {
    const fd = native.fd(handle);
    const attempts = adoptions.map(([, adopt]) => adopt(fd));
    command(Command.Close, handle);
    // Until it is closed.
    attempts.push(...adoptions.map(([, adopt]) => adopt(fd)));
    t.true(attempts.includes(-os.constants.errno.EEXIST));
    for (const outcome of attempts) t.true(refusals.includes(-outcome), String(outcome));
  }
  native.flush();
  t.true(await until(() => native.stats().handles === 0));
  for (const [name, adopt] of adoptions) t.is(adopt(files), -os.constants.errno.EBADF, name);

  // What nobody has can be taken over, also under a number that a handle had.
  const again = openSync('/dev/null', 'r');
  t.is(native.adopt(again, false, false), -os.constants.errno.ENOTSOCK);
  t.is(native.adoptDatagram(again, false), -os.constants.errno.ENOTSOCK);
  const handle = native.adoptFile(again);
  t.true(handle >= 0);
  command(Command.Close, handle);
  native.flush();
  t.true(await until(() => native.stats().handles === 0));
});

uring('a stream that waits for a receive buffer, all of which are held, costs no processor time', async (t) => {
  const { native, words, command } = raw();
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const handle = native.open(0, false);
  native.connect(handle, '127.0.0.1', (server.address() as net.AddressInfo).port);
  command(Command.ReadStart, handle);
  native.flush();
  const [peer] = await accepted;

  const held: number[] = [];
  let bytes = 0;
  heard = (kind, _handle, length, _offset, buffer, record) => {
    if (kind !== Completion.Received) return;
    bytes += length;
    held.push(buffer);
    words[record + BORROWED_WORD] = 1;
  };
  const sent = 32 << 20;
  peer.end(Buffer.alloc(sent));
  t.true(await until(() => native.stats().starved === 1));

  // The least of several, since what went before may leave work behind: also a buffer that came back when the stream had been told that there was none.
  let used = 1;
  for (let attempt = 0; attempt < 8 && used > 0.02; attempt++) {
    const before = bytes;
    const start = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 250));
    const { user, system } = process.cpuUsage(start);
    if (bytes === before) used = Math.min(used, (user + system) / 250_000);
  }
  t.true(used <= 0.02, `${used}`);
  t.is(native.stats().starved, 1);
  t.true(bytes < sent);

  // It goes on with the first that comes back.
  heard = (kind, _handle, length) => {
    if (kind === Completion.Received) bytes += length;
  };
  for (const buffer of held) command(Command.Release, buffer, 1);
  native.flush();
  t.true(await until(() => bytes === sent));
  command(Command.Close, handle);
  native.flush();
  t.true(await until(() => native.stats().handles === 0));
  server.close();
});
