/**
 * What the service depends on, installed from npm into the user's folder of caches, and not into this checkout.
 *
 *     node examples/service/tools/dependencies.mjs        installs it, where it is not there
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../../scripts/cached.mjs';
import { fingerprint, inRoot } from '../../../scripts/lib.mjs';

const SOURCE = 'examples/service';
const MODULES = ['server', 'worker', 'application', 'settings', 'tracing'];
const folder = cacheFolder('service', fingerprint([`${SOURCE}/package.json`]).slice(0, 12));
/** Written last. */
const done = path.join(folder, 'installed');

export const isInstalled = () => existsSync(done);

/** @returns whether it is there then */
export function install() {
  if (isInstalled()) return true;
  const manifest = JSON.parse(readFileSync(inRoot(SOURCE, 'package.json'), 'utf8'));
  // That is this checkout: see prepare().
  delete manifest.dependencies['iouring-transport'];
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'], timeout: 300_000 });
  if (status === 0) writeFileSync(done, '');
  return status === 0;
}

/** A folder with the service as it is in this checkout, which is its `iouring-transport`; what it depends on is found above. Whoever asks removes it. */
export function prepare() {
  mkdirSync(path.join(folder, 'runs'), { recursive: true });
  const made = mkdtempSync(path.join(folder, 'runs', 'run-'));
  for (const name of MODULES) cpSync(inRoot(SOURCE, `${name}.mjs`), path.join(made, `${name}.mjs`));
  mkdirSync(path.join(made, 'node_modules'));
  symlinkSync(inRoot('.'), path.join(made, 'node_modules', 'iouring-transport'));
  return made;
}

/** Links to the service and to what it depends on, laid into a folder whose `node_modules` has `iouring-transport` already. */
export function linkInto(to) {
  for (const name of MODULES) symlinkSync(inRoot(SOURCE, `${name}.mjs`), path.join(to, `${name}.mjs`));
  const modules = path.join(folder, 'node_modules');
  for (const name of readdirSync(modules)) symlinkSync(path.join(modules, name), path.join(to, 'node_modules', name));
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !install()) {
  process.stdout.write('The dependencies of the sample service could not be installed.\n');
}
