// A thread that misuses the native class: random words in its queues, random calls of all methods, with arguments of all kinds. Told by
// `workerData` with which seed and for how long; it is ended in the middle of what it does.
import process from 'node:process';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { NativeBinding, NativeReactor } from '../../ts/native-binding.ts';
import {
  COMMAND_CAPACITY,
  Command,
  Completion,
  HEADER_WORDS,
  Header,
  KIND_BITS,
  RECORD_WORDS,
} from '../../ts/reactor/protocol.ts';
import { numbers, others, texts, views } from './_values.ts';
import { Random } from './_random.ts';

const { seed, milliseconds } = workerData as { seed: number; milliseconds: number };
const random = new Random(seed);
const root = new URL('../../', import.meta.url);
const file = readdirSync(root).find((name) => name.startsWith('iouring-transport.') && name.endsWith('.node'))!;
const binding = createRequire(import.meta.url)(`../../${file}`) as NativeBinding;

/** Handles and files that there are or were: what is stale is of interest too. */
const handles: number[] = [];
const files: number[] = [];
/** More than there are. */
const KINDS = 20;
const PLACES = 64;

const oddWords = [-1, 0, 1, 2, 3, 64, 255, 256, 4096, 65_535, 65_536, 2 ** 20, 2 ** 24, 2 ** 29, 2 ** 31 - 1, -(2 ** 31)];
const word = () => random.pick([() => random.pick(oddWords), () => random.below(70_000), () => random.below(2 ** 32) | 0])();
const oneOf = (known: readonly number[]) => (known.length > 0 && random.chance(0.9) ? random.pick(known) : word());
const odd = () => random.pick([...numbers, ...texts, ...others, ...views]).make();
const addresses = ['127.0.0.1', '::1', '', '\0abstract', 'socket', 'x'.repeat(120), '0.0.0.0', 'no address'];
const paths = ['f', 'g', 'directory', 'missing/f', 'h'];

const dispatch = (): void => {
  const count = words[Header.Completions];
  for (let record = words[Header.Cursor]; record < count; record++) {
    words[Header.Cursor] = record + 1;
    const at = HEADER_WORDS + (COMMAND_CAPACITY + record) * RECORD_WORDS;
    if (words[at] === Number(Completion.Accepted)) handles.push(words[at + 2]);
    if (words[at] === Number(Completion.FileOpened)) files.push(words[at + 1]);
    // In the middle of a dispatch: commands, calls, closes, exceptions.
    if (random.chance(0.05)) act();
    if (random.chance(0.001)) throw new Error('thrown by a handler');
  }
  if (random.chance(0.01)) {
    words[Header.Completions] = random.below(3000) - 10;
    words[Header.Cursor] = Math.max(0, random.below(3000) - 10);
    if (words[Header.Cursor] < words[Header.Completions]) words[Header.Cursor] = words[Header.Completions];
  }
};

/** Reactors that have ended: their methods are still called now and then. */
const ended: NativeReactor[] = [];
const begin = (): NativeReactor => new binding.NativeReactor(dispatch, random.chance(0.3));
let native = begin();
let words = new Int32Array(native.queues);
let places: unknown[] = native.makePlaces(PLACES);

/** Goes on with another reactor. */
function end(): void {
  native.end();
  ended.push(native);
  native = begin();
  words = new Int32Array(native.queues);
  places = native.makePlaces(PLACES);
}

function command(kind = random.chance(0.97) ? random.below(KINDS) : word()): void {
  let count = words[Header.Commands];
  if (count < 0 || count >= COMMAND_CAPACITY) count = 0;
  const upper = random.chance(0.9) ? 0 : word() << KIND_BITS;
  const subject = random.chance(0.5) ? oneOf(handles) : oneOf(files);
  const record = [kind + upper, subject, random.chance(0.8) ? random.below(PLACES + 2) : word()];
  while (record.length < RECORD_WORDS) record.push(random.chance(0.7) ? random.below(100_000) : word());
  words.set(record, HEADER_WORDS + count * RECORD_WORDS);
  words[Header.Commands] = random.chance(0.999) ? count + 1 : word();
}

function close(): void {
  command(random.chance(0.5) ? Command.Close : Command.FileClose);
}

function put(): void {
  const at = random.below(PLACES);
  const held = places[at];
  if (held instanceof Uint8Array && random.chance(0.3)) structuredClone(held.buffer, { transfer: [held.buffer as ArrayBuffer] });
  places[at] = random.pick([
    () => undefined,
    () => new Uint8Array(random.below(200_000)),
    () => new Uint8Array(binding.alignedMemory(4096 * (1 + random.below(20))) ?? new ArrayBuffer(0)),
    odd,
  ])();
}

const keep = (found: number, where: number[]) => {
  if (found >= 0) where.push(found);
};
const port = () => (random.chance(0.5) ? 0 : random.chance(0.5) ? -1 : word());

/** Calls with arguments of the right types. */
const CALLS: (() => void)[] = [
  () => keep(native.open(random.below(3), random.chance(0.3)), handles),
  () => keep(native.openDatagram(random.below(3)), handles),
  () => native.bind(oneOf(handles), random.pick(addresses), port()),
  () => native.listen(oneOf(handles), word()),
  () => {
    const end = native.endpoint(oneOf(handles), false);
    if (typeof end === 'object') native.connect(oneOf(handles), end.address, end.family === 0 ? -1 : end.port);
  },
  () => native.connect(oneOf(handles), random.pick(addresses), port()),
  () => native.connectDatagram(oneOf(handles), random.pick(addresses), port()),
  () =>
    native.fileCall(0, word(), -1, random.pick(paths), null, random.pick([2, 0, 0o1102, 0o40002]), 0o644, 0, random.chance(0.1)),
  () =>
    native.fileCall(
      random.below(20),
      word(),
      oneOf(files),
      random.pick(paths),
      random.pick(paths),
      word(),
      random.below(66),
      word(),
      random.chance(0.2),
    ),
  () => native.stageDescriptors(oneOf(handles), [0, 1, word()].slice(0, random.below(4))),
  () => native.receiveDescriptors(oneOf(handles), word()),
  () => native.takeDescriptors(oneOf(handles)).forEach((fd) => closeSync(fd)),
  () => native.setOption(oneOf(handles), random.below(50), word()),
  () => native.getOption(oneOf(handles), random.below(50)),
  () => native.readNowait(oneOf(files), odd() as Uint8Array, word(), word(), word()),
  () =>
    native.readNowait(
      oneOf(files),
      places[random.below(PLACES)] as Uint8Array,
      random.below(1000),
      random.below(100_000),
      random.below(100_000),
    ),
  () =>
    native.readManyNowait(
      oneOf(files),
      places[random.below(PLACES)] as Uint8Array,
      Float64Array.of(word(), 0, 5),
      word(),
      new Int32Array(3),
      word(),
    ),
  () => native.flush(),
  () => native.closeNow(oneOf(handles)),
  () => native.datagramQueue(oneOf(handles)),
  () => {
    const fd = native.releaseFile(oneOf(files));
    if (fd >= 0) closeSync(fd);
  },
  () => {
    const fd = native.release(oneOf(handles));
    if (fd >= 0) closeSync(fd);
  },
  () => native.prioritizeFile(oneOf(files), word() >>> 0),
  () => native.describeAddress(Uint8Array.from({ length: random.below(200) }, () => random.below(256))),
  () => {
    places = native.makePlaces(PLACES + random.below(PLACES));
  },
  () => {
    const fd = openSync('f', 'r+');
    const adopted = native.adoptFile(fd);
    if (adopted < 0) closeSync(fd);
    else files.push(adopted);
  },
  () => native.discard(new ArrayBuffer(8)),
  () => native.hold(random.chance(0.5)),
  () => native.holdUntilOffered(),
  put,
  close,
];

/** Methods that do no harm to others of this process whatever they are given: none that takes a descriptor over. */
const METHODS = Object.getOwnPropertyNames(Object.getPrototypeOf(native)).filter(
  (name) => !/^(?:constructor|adopt.*|reportException|discard|end)$/.test(name),
);

/** Calls with arguments of any type, in any number. */
function misuse(): void {
  const name = random.pick(METHODS) as keyof NativeReactor;
  const member = native[name] as unknown;
  // Sixteen million places take a while.
  if (typeof member !== 'function' || (name === 'makePlaces' && random.chance(0.98))) return;
  const given = Array.from({ length: random.below(10) }, () => (random.chance(0.5) ? oneOf(handles) : odd()));
  const receiver = random.chance(0.95) ? native : random.chance(0.5) ? odd() : random.pick([native, ...ended]);
  const result = Reflect.apply(member, receiver, given) as unknown;
  if (name === 'takeDescriptors' && Array.isArray(result)) result.forEach((fd: number) => closeSync(fd));
  if (/^(?:release|releaseFile|duplicate)$/.test(name) && (result as number) > 2) closeSync(result as number);
}

function act(): void {
  try {
    if (random.chance(0.0005)) end();
    random.pick([() => random.pick(CALLS)(), misuse, command, command])();
  } catch {
    // Whatever it is: the process lives.
  }
}

process.on('uncaughtException', () => {});
const until = Date.now() + milliseconds;
let calls = 0;
(function go() {
  for (let i = 0; i < 50; i++, calls++) act();
  if (handles.length > 300) handles.splice(0, 100);
  if (files.length > 100) files.splice(0, 50);
  // Where its memory has been moved away, it is looked for anew.
  if (words.length === 0) words = new Int32Array(native.queues);
  if (Date.now() < until) setImmediate(go);
  else parentPort?.postMessage(calls);
})();
