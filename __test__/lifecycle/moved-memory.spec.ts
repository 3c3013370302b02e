// Whatever a script does to an ArrayBuffer of ours, what is in it stays: also on another thread, when the one that made it has ended.
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { support } from 'iouring-transport';
import { alignedBuffer } from 'iouring-transport/fs';
import { needs } from '../_needs.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BINDING = `${ROOT}${readdirSync(ROOT).find((name) => /^iouring-transport\..*\.node$/.test(name))!}`;
const FS = createRequire(import.meta.url).resolve('iouring-transport/fs');

const ring = needs('io_uring', support().backend === 'uring');
/** `structuredClone` and `postMessage` refuse memory that is not JavaScript's own; `transfer` (Node 22) does not. */
const moves = needs('ArrayBuffer.prototype.transfer, of Node 22', 'transfer' in ArrayBuffer.prototype, ring);

/** Makes memory of ours, as an expression of a worker's. */
const MAKERS = {
  'aligned memory': `require(${JSON.stringify(FS)}).alignedBuffer(65536).buffer`,
  ...Object.fromEntries(
    ['queues', 'arena', 'pool', 'datagramPool'].map((name) => [`the reactor's ${name}`, `reactor(${JSON.stringify(name)})`]),
  ),
};

const PAGE = 4096;

const PRELUDE = `
  const PAGE = ${PAGE};
  const { parentPort } = require('node:worker_threads');
  require('node:v8').setFlagsFromString('--expose-gc');
  const collect = require('node:vm').runInNewContext('gc');
  function reactor(memory) {
    const native = new (require(${JSON.stringify(BINDING)}).NativeReactor)(() => {}, false);
    if (memory === 'datagramPool') native.openDatagram(0);
    return native[memory];
  }
`;

const MOVES = {
  'transfer()': 'memory.transfer()',
  'transferToFixedLength()': 'memory.transferToFixedLength()',
  'transfer() to another length': 'memory.transfer(length + 4096).transfer(length)',
  'transfer() there and back': 'memory.transfer().transfer().transferToFixedLength()',
};

const ENDS = {
  'process.exit()': `parentPort.once('message', () => process.exit());`,
  'the end of its script': '',
  'terminate()': `parentPort.once('message', () => { for (;;); });`,
};

interface Arrival {
  readonly worker: Worker;
  readonly view: Uint8Array;
}

/** Has a worker make memory, fill it, move it and send it here. Garbage has been collected there: nothing but the memory is left. */
async function arrival(make: string, move: string, end: string): Promise<Arrival> {
  const script = `${PRELUDE}
    (() => {
      const memory = ${make};
      const length = memory.byteLength;
      new Uint8Array(memory).fill(7, -PAGE);
      const moved = ${move};
      if (memory.byteLength !== 0 || moved.byteLength !== length) throw new Error('not moved');
      parentPort.postMessage(new Uint8Array(moved), [moved]);
    })();
    collect();
    setImmediate(() => { collect(); parentPort.postMessage('collected'); });
    ${end}`;
  const worker = new Worker(script, { eval: true });
  const [view] = (await once(worker, 'message')) as [Uint8Array];
  const exited = end === '' ? once(worker, 'exit') : undefined;
  await once(worker, 'message');
  await exited;
  return { worker, view };
}

/** Whether the last page, which is filled with sevens, is there; the reactor may be using what comes before. */
function isWhole(view: Uint8Array): boolean {
  return Buffer.from(view.subarray(-PAGE)).equals(Buffer.alloc(PAGE, 7));
}

/** How much memory the process has mapped, in MiB. */
function mapped(): number {
  return Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
}

for (const [memory, make] of Object.entries(MAKERS)) {
  for (const [way, move] of Object.entries(MOVES)) {
    for (const [ending, end] of Object.entries(ENDS)) {
      // Every way, every end, and every memory, but not all with all.
      const usual = Number(memory === 'aligned memory') + Number(way === 'transfer()') + Number(ending === 'process.exit()');
      if (usual < 2) continue;
      moves(`${memory}, moved by ${way}, survives ${ending}`, async (t) => {
        const { worker, view } = await arrival(make, move, end);
        t.true(isWhole(view));
        if (end !== '') {
          worker.postMessage('end');
          if (ending === 'terminate()') await worker.terminate();
          else await once(worker, 'exit');
        }
        t.true(isWhole(view));
        view.fill(1);
        t.is(view.at(-1), 1);
      });
    }
  }
}

for (const [memory, make] of Object.entries(MAKERS)) {
  ring(`${memory} is not moved by messages`, async (t) => {
    const script = `${PRELUDE}
      const memory = ${make};
      new Uint8Array(memory).fill(7, -PAGE);
      const { port1, port2 } = new MessageChannel();
      const outcomes = [];
      for (const move of [() => structuredClone(memory, { transfer: [memory] }), () => port1.postMessage(memory, [memory])]) {
        try {
          move();
          outcomes.push('copied');
        } catch (error) {
          outcomes.push(error.name);
        }
      }
      port1.close();
      parentPort.postMessage({ outcomes, whole: memory.byteLength, copy: structuredClone(memory) });`;
    const [{ outcomes, whole, copy }] = (await once(new Worker(script, { eval: true }), 'message')) as [any];
    // What becomes of it is Node's to say, and has changed.
    for (const outcome of outcomes) t.true(['copied', 'DataCloneError'].includes(outcome), outcome);
    t.is(copy.byteLength, whole);
    t.true(isWhole(new Uint8Array(copy)));
  });
}

/** Has four workers, one after the other, do something with 512 MiB of memory each: the growth of what is mapped, in MiB. */
async function growth(body: string): Promise<number> {
  const make = MAKERS['aligned memory'].replace('65536', String(2 ** 29));
  const before = mapped();
  for (let round = 0; round < 4; round++) {
    const worker = new Worker(`${PRELUDE} let memory = ${make}; ${body}`, { eval: true });
    const exited = once(worker, 'exit');
    const [arrived] = (await once(worker, 'message')) as [unknown];
    if (arrived === 'terminate') await worker.terminate();
    await exited;
  }
  return mapped() - before;
}

ring('memory that stayed is given back with its thread', async (t) => {
  t.true((await growth(`parentPort.postMessage('made');`)) < 1024);
  t.true((await growth(`parentPort.postMessage('terminate'); for (;;);`)) < 1024);
});

moves('and so is what was moved, when nobody has it any more', async (t) => {
  const body = `
    memory = memory.transfer().transfer();
    parentPort.postMessage('made');
    memory = undefined;
    setTimeout(() => { collect(); setTimeout(() => {}, 50); }, 1);`;
  t.true((await growth(body)) < 1024);
});

moves('memory that the main thread has moved to another', async (t) => {
  const script = `${PRELUDE}
    parentPort.on('message', (memory) => {
      if (memory === null) return process.exit();
      const view = new Uint8Array(memory);
      parentPort.postMessage([view.byteLength, view[0], view.at(-1)]);
      view.fill(1, 0, PAGE);
    });`;
  const worker = new Worker(script, { eval: true });
  const before = mapped();
  for (let round = 0; round < 8; round++) {
    const memory = alignedBuffer(2 ** 28);
    memory[0] = memory[memory.length - 1] = 7;
    const moved = (memory.buffer as any).transfer();
    worker.postMessage(moved, [moved]);
    t.deepEqual((await once(worker, 'message'))[0], [2 ** 28, 7, 7]);
  }
  const exited = once(worker, 'exit');
  worker.postMessage(null);
  await exited;
  // The last ones to have it are gone; what Node knows of that, it says in turns of the event loop to come.
  while (mapped() - before > 1024) await new Promise((resolve) => setTimeout(resolve, 10));
  t.pass();
});

ring('a dispatch that passes nothing leaves the event loop going', async (t) => {
  const script = `${PRELUDE}
    let calls = 0;
    const native = new (require(${JSON.stringify(BINDING)}).NativeReactor)(() => void calls++, false);
    native.hold(true);
    const listener = native.open(0, true);
    native.bind(listener, '127.0.0.1', 0);
    native.listen(listener, 1);
    const { address, port } = native.endpoint(listener, false);
    native.connect(native.open(0, false), address, port);
    setTimeout(() => setImmediate(() => parentPort.postMessage(calls)), 10);`;
  const worker = new Worker(script, { eval: true });
  const [calls] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  t.true(calls > 0);
});
