/**
 * Random reads or writes in a large file.
 */
import fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BLOCK, check, checkCount } from './tools.mjs';

/** Every so many transfers one is checked. */
const CHECK_EVERY = 64;

/** One piece of memory for all lanes. */
function wholeBuffer({ depth, size, direct }, api) {
  return direct ? api.alignedBuffer(depth * size) : Buffer.alloc(depth * size);
}

/** Memory for every lane. For O_DIRECT core needs it aligned, and JavaScript cannot see addresses: it is found by trying. */
function laneBuffers(options, api) {
  const { arm, file, depth, size, direct } = options;
  if (direct && arm.startsWith('ours')) {
    const whole = wholeBuffer(options, api);
    return Array.from({ length: depth }, (_, lane) => whole.subarray(lane * size, (lane + 1) * size));
  }
  return Array.from({ length: depth }, () => {
    if (!direct) return Buffer.alloc(size);
    const memory = Buffer.alloc(size + BLOCK);
    const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_DIRECT);
    try {
      for (let offset = 0; offset < BLOCK; offset += 8) {
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

/** Random reads or writes. */
export async function random(api, options, control) {
  const { arm, file, depth, size, direct, writing } = options;
  const flags = (writing ? fs.constants.O_RDWR : fs.constants.O_RDONLY) | (direct ? fs.constants.O_DIRECT : 0);
  const places = Math.floor(fs.statSync(file).size / size);
  const position = () => Math.floor(Math.random() * places) * size;
  let checks = 0;
  const before = (memory, at, offset = 0) => {
    if (writing) memory.writeUInt32LE(at / BLOCK, offset);
  };
  const after = (memory, at, moved, offset = 0) => {
    checkCount(moved, size);
    if (!writing && checks++ % CHECK_EVERY === 0) check(memory, at, offset);
  };
  const written = new Set();
  const note = (at) => {
    if (writing && written.size < CHECK_EVERY) written.add(at);
  };

  if (arm === 'core-sync') {
    const [memory] = laneBuffers({ ...options, depth: 1 });
    const fd = fs.openSync(file, flags);
    const call = writing ? fs.writeSync : fs.readSync;
    while (!control.stopped) {
      for (let i = 0; i < 256; i++) {
        const at = position();
        const since = control.begin();
        before(memory, at);
        after(memory, at, call(fd, memory, 0, size, at));
        note(at);
        control.did(1, since);
      }
      await nextTurn();
    }
    fs.closeSync(fd);
  } else if (arm === 'core-callbacks') {
    const fd = fs.openSync(file, flags);
    const call = writing ? fs.write : fs.read;
    const one = (memory, at) =>
      new Promise((resolve, reject) => {
        let since;
        const start = () => {
          at = position();
          since = control.begin();
          before(memory, at);
          call(fd, memory, 0, size, at, next);
        };
        const next = (error, moved) => {
          if (error) return reject(error);
          try {
            after(memory, at, moved);
          } catch (wrong) {
            return reject(wrong);
          }
          note(at);
          control.did(1, since);
          return control.stopped ? resolve() : start();
        };
        start();
      });
    await Promise.all(laneBuffers(options).map((memory) => one(memory, 0)));
    fs.closeSync(fd);
  } else if (arm === 'ours-batch') {
    const handle = await api.open(file, flags);
    const all = wholeBuffer(options, api);
    const positions = new Float64Array(depth);
    while (!control.stopped) {
      const since = control.begin();
      for (let i = 0; i < depth; i++) {
        positions[i] = position();
        before(all, positions[i], i * size);
      }
      const results = await (writing ? handle.writeMany(all, positions, size) : handle.readMany(all, positions, size));
      for (let i = 0; i < depth; i++) after(all, positions[i], results[i], i * size);
      note(positions[0]);
      control.did(depth, since);
    }
    await handle.close();
  } else {
    const handle = await api.open(file, flags);
    const memory = laneBuffers(options, api);
    // Not with `keep`: a second promise for each operation would cost as much as some of them.
    const one = async (buffer) => {
      while (!control.stopped) {
        const since = control.begin();
        const at = position();
        before(buffer, at);
        const result = await (writing ? handle.write(buffer, 0, size, at) : handle.read(buffer, 0, size, at));
        after(buffer, at, writing ? result.bytesWritten : result.bytesRead);
        note(at);
        control.did(1, since);
      }
    };
    await Promise.all(memory.map(one));
    await handle.close();
  }

  const fd = fs.openSync(file);
  const found = Buffer.alloc(BLOCK);
  for (const at of written) {
    fs.readSync(fd, found, 0, BLOCK, at);
    check(found, at);
  }
  fs.closeSync(fd);
}
