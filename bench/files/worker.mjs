/**
 * One measurement of files in a process of its own: `worker.mjs ARM '{"scenario": …}'`. Prints one line of JSON.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import core from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';

const [, , arm, text] = process.argv;
const options = JSON.parse(text);
const { scenario, directory, file, depth = 1, size = 4096, direct = false, seconds, warmup } = options;
const api = arm.startsWith('ours') ? createRequire(import.meta.url)('iouring-transport/fs') : core;

const length = file ? fs.statSync(file).size : 0;
const position = () => Math.floor(Math.random() * Math.floor(length / size)) * size;
const flags =
  (scenario === 'file-write-random' ? fs.constants.O_RDWR : fs.constants.O_RDONLY) | (direct ? fs.constants.O_DIRECT : 0);

let count = 0;
let stopped = false;

/** Keeps `depth` of `step` under way until stopped. */
const keep = (step) =>
  Promise.all(
    Array.from({ length: depth }, async (_, lane) => {
      while (!stopped) {
        const done = await step(lane);
        count += done ?? 1;
      }
    }),
  );

/** Memory for every lane. For O_DIRECT core needs it aligned, and JavaScript cannot see addresses: it is found by trying. */
function buffers() {
  return Array.from({ length: depth }, () => {
    if (!direct || arm.startsWith('ours')) return Buffer.alloc(size);
    const memory = Buffer.alloc(size + 4096);
    const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_DIRECT);
    try {
      for (let offset = 0; offset < 4096; offset += 8) {
        try {
          fs.readSync(fd, memory, offset, size, 0);
          return memory.subarray(offset, offset + size);
        } catch {
          // Not here.
        }
      }
    } finally {
      fs.closeSync(fd);
    }
    throw new Error('no aligned memory');
  });
}

async function random() {
  const writing = scenario === 'file-write-random';
  const memory = buffers();
  if (arm === 'core-sync') {
    const fd = fs.openSync(file, flags);
    const call = writing ? fs.writeSync : fs.readSync;
    while (!stopped) {
      for (let i = 0; i < 256; i++, count++) call(fd, memory[0], 0, size, position());
      await new Promise(setImmediate);
    }
    return fs.closeSync(fd);
  }
  if (arm === 'core-callbacks') {
    const fd = fs.openSync(file, flags);
    const call = writing ? fs.write : fs.read;
    await new Promise((resolve, reject) => {
      let left = depth;
      for (const buffer of memory) {
        const next = (error) => {
          if (error) return reject(error);
          count++;
          if (!stopped) call(fd, buffer, 0, size, position(), next);
          else if (--left === 0) resolve();
        };
        call(fd, buffer, 0, size, position(), next);
      }
    });
    return fs.closeSync(fd);
  }
  const handle = await api.open(file, flags);
  if (arm === 'ours-batch') {
    const all = Buffer.alloc(depth * size);
    const positions = new Float64Array(depth);
    while (!stopped) {
      for (let i = 0; i < depth; i++) positions[i] = position();
      const results = await (writing ? handle.writeMany(all, positions, size) : handle.readMany(all, positions, size));
      if (results[0] !== size) throw new Error(`moved ${results[0]} bytes`);
      count += depth;
    }
  } else {
    const call = (writing ? handle.write : handle.read).bind(handle);
    await keep(async (lane) => void (await call(memory[lane], 0, size, position())));
  }
  await handle.close();
}

async function sequential() {
  const buffer = Buffer.alloc(size);
  while (!stopped) {
    const handle = await api.open(file);
    if (arm === 'core-streams') {
      for await (const chunk of handle.createReadStream({ highWaterMark: size })) count += chunk.length / 1e6;
    } else {
      for (let at = 0; at < length && !stopped; at += size) {
        const { bytesRead } = await handle.read(buffer, 0, size, at);
        count += bytesRead / 1e6;
      }
      await handle.close();
    }
  }
}

async function small() {
  const files = fs.readdirSync(directory).map((name) => path.join(directory, name));
  let next = 0;
  await keep(async () => {
    const handle = await api.open(files[next++ % files.length]);
    const { size: bytes } = await handle.stat();
    await handle.read(Buffer.allocUnsafe(bytes), 0, bytes, 0);
    await handle.close();
  });
}

async function append() {
  const target = path.join(directory, `log-${process.pid}`);
  const handle = await api.open(target, 'a');
  const record = Buffer.alloc(128, 65);
  await keep(async () => {
    if (arm.startsWith('ours')) return void (await handle.chain().write(record).datasync().submit());
    await handle.write(record);
    await handle.datasync();
    return undefined;
  });
  await handle.close();
  fs.unlinkSync(target);
}

const run = { 'file-read-sequential': sequential, 'file-small-files': small, 'file-durable-append': append }[scenario] ?? random;
const running = run();
await new Promise((resolve) => setTimeout(resolve, warmup * 1000));
const from = { count, time: performance.now(), cpu: process.cpuUsage() };
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const done = count - from.count;
const elapsed = (performance.now() - from.time) / 1000;
const { user, system } = process.cpuUsage(from.cpu);
stopped = true;
await running;
process.stdout.write(
  `${JSON.stringify({ messagesPerSecond: done / elapsed, serverCpuMicrosPerMessage: (user + system) / done })}\n`,
);
