/**
 * A log that survives a crash: a record is written and flushed in one submission, `append` resolves when it is on the disk. How far the log
 * has been processed is kept in a file of its own, which is replaced as a whole.
 *
 *     node examples/durable-log.mjs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { open, readFile, writeFileAtomic } from 'iouring-transport/fs';

class Log {
  #file;
  #end;

  static async open(name) {
    const log = new Log();
    log.#file = await open(name, 'a+');
    log.#end = (await log.#file.stat()).size;
    return log;
  }

  /** Resolves to where the record ends, once it is on the disk. */
  async append(record) {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    if (typeof this.#file.chain === 'function') {
      // The flush starts only when all of the line was written.
      await this.#file.chain().write(line).datasync().submit();
    } else {
      // The handles of core, where io_uring is not in use, have no chains.
      await this.#file.appendFile(line);
      await this.#file.datasync();
    }
    return (this.#end += line.length);
  }

  close() {
    return this.#file.close();
  }
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'example-'));
try {
  const logName = path.join(folder, 'orders.log');
  const markName = path.join(folder, 'processed.json');

  const log = await Log.open(logName);
  for (const [index, item] of ['tea', 'bread', 'salt'].entries()) {
    const end = await log.append({ order: index + 1, item });
    console.log(`order ${index + 1} is on the disk; the log has ${end} bytes`);
    // A crash before this line repeats an order, and never loses one; one within it leaves the old mark.
    await writeFileAtomic(markName, JSON.stringify({ processed: end }));
  }
  await log.close();

  const lines = (await readFile(logName, 'utf8')).trimEnd().split('\n');
  const { processed } = JSON.parse(await readFile(markName, 'utf8'));
  console.log(`read back ${lines.length} orders, processed up to byte ${processed}`);
  console.log(`the last one: ${lines.at(-1)}`);
} finally {
  rmSync(folder, { recursive: true });
}
