// What core's versions do differently: ours is as the core that it runs beside.
import core from 'node:fs/promises';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import test from 'ava';
import fs from 'iouring-transport/fs';
import { needs } from '../_needs.ts';

const PATH = fileURLToPath(import.meta.url);
const stacks = [fs as unknown as typeof core, core];

const told = (error: unknown): unknown[] => {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return [name, code, message];
};

// Core of Node 20 fails an assertion where such a stream was cancelled and the handle is closed.
const streaming = needs('Node 22', !process.version.startsWith('v20.'));

streaming('options of readableWebStream()', async (t) => {
  const scenes: unknown[] = [undefined, {}, { type: undefined }, { type: 'bytes' }, { type: 'other' }, { type: 7 }];
  for (const options of [...scenes, { autoClose: 'yes' }, { autoClose: true }, 'text']) {
    const outcomes = [];
    for (const { open } of stacks) {
      const seen: unknown[] = [];
      const hear = (warning: Error): void => void seen.push(told(warning));
      process.on('warning', hear);
      const file = await open(PATH);
      try {
        await file.readableWebStream(options as object).cancel();
      } catch (error) {
        seen.push(told(error));
      }
      // Warnings come with a tick.
      await new Promise((resolve) => setImmediate(resolve));
      process.off('warning', hear);
      await file.close();
      outcomes.push(seen);
    }
    // That such streams are an experiment is said once.
    const [ours, cores] = outcomes.map((seen) => seen.filter((each) => !String(each).includes('feature')));
    t.deepEqual(ours, cores, JSON.stringify(options));
  }
});

test.serial('a handle that another thread has been given', async (t) => {
  const outcomes: unknown[] = [];
  for (const { open } of stacks) {
    const file = await open(PATH);
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(file, [file]);
    const attempts = [() => file.read(), () => file.stat(), () => file.sync()].map((act) => act().catch(told));
    outcomes.push([file.fd, ...(await Promise.all<unknown>(attempts))]);
    port1.close();
    port2.close();
  }
  t.deepEqual(outcomes[0], outcomes[1]);
});

test('options of FileHandle.stat()', async (t) => {
  const aborted = AbortSignal.abort(new Error('mine'));
  const scenes: unknown[] = [undefined, null, {}, 5, 'text', [], { bigint: true }, { bigint: 1 }, { signal: undefined }];
  for (const options of [...scenes, { signal: 5 }, { signal: aborted }, { signal: new AbortController().signal, bigint: true }]) {
    const outcomes = [];
    for (const { open } of stacks) {
      await using file = await open(PATH);
      outcomes.push(await file.stat(options as object).then(({ size }) => size, told));
    }
    t.deepEqual(outcomes[0], outcomes[1]);
  }
});

test('functions that are given a handle which is closed', async (t) => {
  for (const name of ['readFile', 'writeFile', 'appendFile'] as const) {
    const outcomes = [];
    for (const stack of stacks) {
      const file = await stack.open(PATH);
      await file.close();
      outcomes.push(await stack[name](file, 'utf8').then(String, told));
    }
    t.deepEqual(outcomes[0], outcomes[1], name);
  }
});
