// What the specs of files share.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { ExecutionContext } from 'ava';
import { stats, support } from 'iouring-transport';

export const onRing = support().backend === 'uring';

/** A directory that goes away with the test. */
export function directory(t: ExecutionContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'iouring-fs-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Bytes that tell where they come from. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + seed) & 0xff;
  return bytes;
}

/** Nothing of what files need is left. */
export function nothingLeft(t: ExecutionContext): void {
  const { handles, operations, waiting, bounces, views } = stats();
  t.deepEqual({ handles, operations, waiting, bounces, views }, { handles: 0, operations: 0, waiting: 0, bounces: 0, views: 0 });
}

/** Runs a module in a process of its own, behind a command where one is given. */
export function child(script: string, wrap: string[] = []): SpawnSyncReturns<string> {
  const [command, ...rest] = [...wrap, process.execPath, '--input-type=module', '--eval', script];
  return spawnSync(command, rest, { encoding: 'utf8', timeout: 50_000 });
}
