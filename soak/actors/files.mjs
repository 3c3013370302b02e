/** Files written and read in every manner: what is read is what was written there last. */
import path from 'node:path';
import { bytes, firstWrong } from '../pattern.mjs';

let named = 0;

export async function files(world, random) {
  const wasShort = world.watchForShortage();
  const count = random.from(1, 8);
  await Promise.all(
    Array.from({ length: count }, () => one(world, random.fork()).catch((error) => excuse(world.ledger, wasShort, error))),
  );
}

function excuse(ledger, wasShort, error) {
  ledger.check(error.code === 'EMFILE' && wasShort(), 'a file is used without an error', error);
}

async function one(world, random) {
  const { fs, ledger } = world;
  const file = path.join(world.folder, `f${named++}`);
  const key = 1_000_000 + named;
  const size = random.size(1 << 20);
  const correct = (buffer, position, what) => {
    const wrong = firstWrong(buffer, key, position);
    ledger.check(wrong < 0, `${what} reads what was written`, { file: key, position, length: buffer.length, wrong });
    ledger.count('bytes of files', buffer.length);
  };
  try {
    await (random.chance(0.5) ? fs.writeFile : fs.writeFileAtomic)(file, bytes(key, 0, size));
    correct(await whole(fs.readFile(file), size, ledger), 0, 'readFile');

    const handle = await fs.open(file, 'r+');
    try {
      // Many at once, over each other's bytes, which are the same.
      await Promise.all(
        Array.from({ length: random.from(1, 40) }, async () => {
          const position = random.from(0, size);
          const length = random.size(random.pick([100, 10_000, 300_000]));
          if (random.chance(0.4)) {
            const { bytesWritten } = await handle.write(bytes(key, position, length), 0, length, position);
            ledger.check(bytesWritten === length, 'a write is whole', bytesWritten, length);
          } else {
            const buffer = Buffer.alloc(length);
            const { bytesRead } = await handle.read(buffer, 0, length, position);
            correct(buffer.subarray(0, bytesRead), position, 'read');
          }
        }),
      );
      if (random.chance(0.3)) await handle.datasync();
      const { size: end } = await handle.stat();
      const parts = [];
      if (random.chance(0.5)) for await (const part of handle.createReadStream({ start: 0, autoClose: false })) parts.push(part);
      else parts.push(await handle.readFile());
      correct(await whole(Promise.resolve(Buffer.concat(parts)), end, ledger), 0, 'a stream');
    } finally {
      await handle.close();
    }
    if (random.chance(0.2)) await aborted(fs, file);
  } finally {
    await fs.unlink(file).catch((error) => ledger.check(error.code === 'ENOENT', 'a file is removed', error));
  }
}

async function whole(reading, size, ledger) {
  const content = await reading;
  ledger.check(content.length === size, 'a file is read to its end', content.length, size);
  return content;
}

async function aborted(fs, file) {
  const stop = new AbortController();
  const reading = fs.readFile(file, { signal: stop.signal });
  queueMicrotask(() => stop.abort());
  await reading.catch((error) => {
    if (error.name !== 'AbortError') throw error;
  });
}
