/**
 * A log whose records are on the disk when they are acknowledged.
 */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkCount, keep } from './tools.mjs';

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
