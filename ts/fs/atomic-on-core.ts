/**
 * `writeFileAtomic` with core's functions, for where there is no ring.
 */
import type { PathLike } from 'node:fs';
import core from 'node:fs/promises';
import { plainMode, plainPath, refused } from './arguments.ts';
import { cannotFlush, firstMode, inherit, modelOf, placesFor } from './atomic.ts';

export async function replaceWithCore(
  target: PathLike,
  data: Parameters<typeof core.writeFile>[1],
  options?: Parameters<typeof core.writeFile>[2],
): Promise<void> {
  const file = plainPath(target);
  if (file === undefined) return refused('path', target, core.access(target));
  const given = typeof options === 'object' && options !== null ? options : undefined;
  const mode = given?.mode ?? undefined;
  const plain = mode === undefined ? undefined : plainMode(mode, 0);
  if (mode !== undefined && plain === undefined) return refused('mode', mode, core.open('/dev/null', 'r', mode));
  const { directory, temporary } = placesFor(file);
  const model = await modelOf(file, plain);
  const handle = await core.open(temporary, 'wx', firstMode(model, plain));
  try {
    try {
      if (model !== undefined) await inherit(handle.fd, model);
      await handle.writeFile(data as string, options);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await core.rename(temporary, file as Buffer);
  } catch (error) {
    await core.rm(temporary as never, { force: true }).catch(() => {});
    throw error;
  }
  try {
    const folder = await core.open(directory, 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    if (!cannotFlush(error)) throw error;
  }
}
