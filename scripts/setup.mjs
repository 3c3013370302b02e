/**
 * Makes a fresh clone usable: installs what package-lock.json names, builds the native binding and the TypeScript.
 * Does only what is missing or stale, so that running it again costs nothing.
 */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { fingerprint, inRoot, isStamped, mustRun, say, stamp } from './lib.mjs';

/** Installs and builds whatever is missing or stale; of the two parts, one alone where that is named. */
export async function setup(part) {
  installDependencies();
  // Not before: building needs what was just installed.
  const { buildNative, buildTypeScript } = await import('./build.mjs');
  if (part !== 'ts') buildNative({ ifStale: true });
  if (part !== 'native') await buildTypeScript({ ifStale: true });
}

/** Installs what package-lock.json names, unless that is what is installed. */
export function installDependencies() {
  const print = fingerprint(['package-lock.json']);
  if (existsSync(inRoot('node_modules', '.package-lock.json')) && isStamped('dependencies', print)) return;
  say('Installing dependencies (npm ci)');
  mustRun('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  stamp('dependencies', print);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setup(process.argv[2]);
