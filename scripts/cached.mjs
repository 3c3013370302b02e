/**
 * What is fetched from npm for a check, beside what this package depends on: kept in the user's folder of caches.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

export const MINUTE = 60_000;

/** What a check needs cannot be had here: it is skipped, and not failed. */
export class Missing extends Error {}

/** The folder of that name among the user's caches. */
export function cacheFolder(...names) {
  const caches = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  return path.join(caches, 'iouring-transport', ...names);
}

/** Installs a package or several (with further arguments for npm) into a folder, unless `isThere`. @returns whether it is there then */
export function install(folder, wanted, isThere) {
  if (isThere()) return true;
  try {
    mkdirSync(folder, { recursive: true });
  } catch {
    return false;
  }
  const args = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--loglevel=error'].concat(wanted);
  spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'], timeout: 3 * MINUTE });
  return isThere();
}
