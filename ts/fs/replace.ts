/**
 * `writeFileAtomic` with core's functions, for where there is no ring.
 */
import type { PathLike } from 'node:fs';
import core from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryName } from './atomic.ts';

export async function replaceWithCore(
  target: PathLike,
  data: Parameters<typeof core.writeFile>[1],
  options?: Parameters<typeof core.writeFile>[2],
): Promise<void> {
  const file = target instanceof URL ? fileURLToPath(target) : String(target);
  const temporary = temporaryName(file);
  const given = typeof options === 'string' ? { encoding: options } : options;
  try {
    const handle = await core.open(temporary, 'wx', given?.mode);
    try {
      await handle.writeFile(data as string, given);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await core.rename(temporary, file);
  } catch (error) {
    await core.rm(temporary, { force: true });
    throw error;
  }
  const directory = await core.open(path.dirname(file), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
