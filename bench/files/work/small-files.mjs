/**
 * Many small files.
 */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkCount, keep } from './tools.mjs';

/** So many are written over and over. */
const WRITTEN_FILES = 2000;

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
