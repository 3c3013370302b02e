/**
 * A large file from its beginning to its end.
 */
import fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { check, checkCount } from './tools.mjs';

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
