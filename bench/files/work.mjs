/**
 * What the arms of the scenarios of files do, each until `control.stopped`. `control.did(amount, since)` counts work, and
 * notes how long it took since `since`, which `control.begin()` gave.
 */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Every block of this size in the large file begins with its number, by which reads and writes are checked. */
const BLOCK = 4096;
/** So many small files are written over and over. */
const WRITTEN_FILES = 2000;
/** Every so many transfers one is checked. */
const CHECK_EVERY = 64;

function check(memory, position, offset = 0) {
  const found = memory.readUInt32LE(offset);
  if (found !== position / BLOCK) throw new Error(`block ${position / BLOCK} holds ${found}`);
}

function checkCount(moved, expected) {
  if (moved !== expected) throw new Error(`moved ${moved} bytes instead of ${expected}`);
}

/** Keeps `depth` of `step` under way until stopped. */
const keep = (control, depth, step) =>
  Promise.all(
    Array.from({ length: depth }, async (_, lane) => {
      while (!control.stopped) {
        const since = control.begin();
        await step(lane);
        control.did(1, since);
      }
    }),
  );

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

/** A file read from its beginning to its end, again and again. Counts megabytes. */
export async function readSequential(api, { arm, file, size }, control) {
  const { size: length } = fs.statSync(file);
  const memory = Buffer.alloc(size);
  while (!control.stopped) {
    let at = 0;
    const got = (chunk, since) => {
      check(chunk, at);
      at += chunk.length;
      control.did(chunk.length / 1e6, since);
    };
    if (arm.endsWith('-streams')) {
      const handle = await api.open(file);
      let since = control.begin();
      for await (const chunk of handle.createReadStream({ highWaterMark: size })) {
        got(chunk, since);
        if (control.stopped) break;
        since = control.begin();
      }
    } else if (arm === 'core-sync') {
      const fd = fs.openSync(file);
      for (; at < length && !control.stopped; await nextTurn()) {
        for (let i = 0; i < 16 && at < length; i++) {
          const since = control.begin();
          got(memory.subarray(0, fs.readSync(fd, memory, 0, size, at)), since);
        }
      }
      fs.closeSync(fd);
    } else {
      const handle = await api.open(file);
      while (at < length && !control.stopped) {
        const since = control.begin();
        const { bytesRead } = await handle.read(memory, 0, size, at);
        got(memory.subarray(0, bytesRead), since);
      }
      await handle.close();
    }
    if (!control.stopped) checkCount(at, length);
  }
}

/**
 * A file of 1 GiB written over from its beginning to its end, again and again. Counts megabytes. It is there and cached already:
 * otherwise the memory that the machine finds for new pages would be most of what is measured.
 */
export async function writeSequential(api, { arm, file, size }, control) {
  const { size: length } = fs.statSync(file);
  const memory = Buffer.alloc(size);
  const amount = size / 1e6;
  for (let lap = 1; !control.stopped; lap++) {
    memory.fill(lap % 256);
    let at = 0;
    if (arm.endsWith('-streams')) {
      const handle = await api.open(file, 'r+');
      const stream = handle.createWriteStream({ highWaterMark: size });
      const closed = new Promise((resolve, reject) => stream.on('close', resolve).on('error', reject));
      const put = () => new Promise((resolve, reject) => stream.write(memory, (error) => (error ? reject(error) : resolve())));
      for (; at < length && !control.stopped; at += size) {
        const since = control.begin();
        await put();
        control.did(amount, since);
      }
      stream.end();
      await closed;
    } else if (arm === 'core-sync') {
      const fd = fs.openSync(file, 'r+');
      for (; at < length && !control.stopped; await nextTurn()) {
        for (let i = 0; i < 16 && at < length; i++, at += size) {
          const since = control.begin();
          checkCount(fs.writeSync(fd, memory, 0, size, at), size);
          control.did(amount, since);
        }
      }
      fs.closeSync(fd);
    } else {
      const handle = await api.open(file, 'r+');
      for (; at < length && !control.stopped; at += size) {
        const since = control.begin();
        const { bytesWritten } = await handle.write(memory, 0, size, at);
        checkCount(bytesWritten, size);
        control.did(amount, since);
      }
      await handle.close();
    }
    // The last piece of the lap is where it belongs.
    const found = Buffer.alloc(size);
    const fd = fs.openSync(file);
    checkCount(fs.readSync(fd, found, 0, size, at - size), size);
    fs.closeSync(fd);
    if (!found.equals(memory)) throw new Error(`wrong contents before ${at}`);
  }
}

/** Small files, one after the other: open, stat, read and close, or `readFile`; or `writeFile`. */
export async function smallFiles(api, options, control) {
  return options.way === 'write' ? writeSmallFiles(api, options, control) : readSmallFiles(api, options, control);
}

async function readSmallFiles(api, { arm, directory, depth, way }, control) {
  const files = fs.readdirSync(directory).map((name) => path.join(directory, name));
  let next = 0;
  const good = (bytes) => {
    if (bytes.length < 1024 || bytes[0] !== 1 || bytes.at(-1) !== 1) throw new Error('wrong contents');
  };
  if (arm === 'core-sync') {
    for (; !control.stopped; await nextTurn()) {
      for (let i = 0; i < 64; i++) {
        const since = control.begin();
        const name = files[next++ % files.length];
        if (way === 'read') good(fs.readFileSync(name));
        else {
          const fd = fs.openSync(name);
          const memory = Buffer.allocUnsafe(fs.fstatSync(fd).size);
          checkCount(fs.readSync(fd, memory, 0, memory.length, 0), memory.length);
          good(memory);
          fs.closeSync(fd);
        }
        control.did(1, since);
      }
    }
    return;
  }
  await keep(control, depth, async () => {
    const name = files[next++ % files.length];
    if (way === 'read') return good(await api.readFile(name));
    const handle = await api.open(name);
    const { size } = await handle.stat();
    const memory = Buffer.allocUnsafe(size);
    const { bytesRead } = await handle.read(memory, 0, size, 0);
    checkCount(bytesRead, size);
    good(memory);
    return handle.close();
  });
}

/** Files of 2 KiB, made first and then written anew again and again, in a folder of their own. */
async function writeSmallFiles(api, { arm, directory, depth }, control) {
  const folder = `${directory}-${process.pid}`;
  fs.mkdirSync(folder);
  let next = 0;
  const name = () => path.join(folder, String(next++ % WRITTEN_FILES));
  const bytes = Buffer.alloc(2048, 65);
  if (arm === 'core-sync') {
    for (; !control.stopped; await nextTurn()) {
      for (let i = 0; i < 16; i++) {
        const since = control.begin();
        fs.writeFileSync(name(), bytes);
        control.did(1, since);
      }
    }
  } else await keep(control, depth, () => api.writeFile(name(), bytes));
  for (const file of fs.readdirSync(folder)) {
    if (!fs.readFileSync(path.join(folder, file)).equals(bytes)) throw new Error(`wrong contents of ${file}`);
  }
  fs.rmSync(folder, { recursive: true });
}

/** Records of 128 B that are on the disk when they are acknowledged. */
export async function durableAppend(api, { arm, directory, depth }, control) {
  const target = path.join(directory, `log-${process.pid}`);
  const record = Buffer.alloc(128, 65);
  let records = 0;
  if (arm === 'core-sync') {
    const fd = fs.openSync(target, 'a');
    for (; !control.stopped; await nextTurn()) {
      const since = control.begin();
      checkCount(fs.writeSync(fd, record), record.length);
      fs.fdatasyncSync(fd);
      records++;
      control.did(1, since);
    }
    fs.closeSync(fd);
  } else {
    const handle = await api.open(target, 'a');
    await keep(control, depth, async () => {
      if (arm.startsWith('ours')) await handle.chain().write(record).datasync().submit();
      else {
        await handle.write(record);
        await handle.datasync();
      }
      records++;
    });
    await handle.close();
  }
  checkCount(fs.statSync(target).size, records * record.length);
  fs.unlinkSync(target);
}
