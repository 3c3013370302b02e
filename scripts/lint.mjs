/**
 * `npm run lint`: every check that is not a test. All of them run, then the failed ones are named.
 *
 *     npm run lint                       all
 *     npm run lint -- clippy eslint      some
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { bin, fail, inRoot, root, run, say } from './lib.mjs';
import { installDependencies, setup } from './setup.mjs';

/** Columns of a comment in Rust, as of its code: rustfmt wraps no comments. */
const COMMENT_WIDTH = 120;

const node = (packageName, command, ...args) => run(process.execPath, [bin(packageName, command), ...args]);

const checks = {
  rustfmt: () => run('cargo', ['fmt', '--all', '--check']),
  clippy: () => run('cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']),
  tsc: () => node('typescript', 'tsc', '--project', '.'),
  eslint: () => node('eslint', 'eslint', '.'),
  prettier: () => node('prettier', 'prettier', '--check', '--log-level', 'warn', '.'),
  protocol: () => run(process.execPath, [inRoot('scripts', 'generate-protocol.mjs'), '--check']),
  workflows: () => run(process.execPath, [inRoot('scripts', 'lint-workflows.mjs')]),
  knip: () => node('knip', 'knip'),
  package: checkPackage,
  tree: checkTree,
};

const wanted = process.argv.slice(2);
for (const name of wanted) if (!(name in checks)) fail(`Unknown check '${name}': ${Object.keys(checks).join(', ')}.`);

// Someone who asks for single checks knows what is built.
if (wanted.length > 0) installDependencies();
else await setup();
const failed = [];
for (const [name, check] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  say(`Lint: ${name}`);
  if (check() !== 0) failed.push(name);
}
if (failed.length > 0) fail(`Lint failed: ${failed.join(', ')}.`);
process.stdout.write('\nLint: nothing to complain about.\n');

/** Packs the package as it would be published and lets publint and attw look at the tarball. */
function checkPackage() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-pack-'));
  try {
    const packed = run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
    if (packed !== 0) return packed;
    const tarball = path.join(folder, readdirSync(folder)[0]);
    const lint = node('publint', 'publint', 'run', tarball, '--strict');
    const types = node('@arethetypeswrong/cli', 'attw', tarball);
    return lint || types;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * What no tracked file may contain: paths of the machine it was written on, hosts of a package registry in the lock file, and in Rust comments that
 * are wider than the code.
 */
function checkTree() {
  const problems = [];
  const complain = (file, index, complaint, line) =>
    problems.push(`${file}:${index + 1}: ${complaint}: ${line.trim().slice(0, COMMENT_WIDTH)}`);
  const machinePaths = new RegExp(`(?<![\\w.~/-])/(?:home|root|work|Users)/[\\w.-]+|${root.replace(/[^\w]/g, '\\$&')}`);
  for (const file of trackedFiles()) {
    if (/\.(?:png|node)$/.test(file)) continue;
    readFileSync(inRoot(file), 'utf8')
      .split('\n')
      .forEach((line, index) => {
        if (machinePaths.test(line)) complain(file, index, 'a path of one machine', line);
        if (file.endsWith('.rs') && line.length > COMMENT_WIDTH && /^\s*\/\//.test(line)) {
          complain(file, index, `a comment beyond column ${COMMENT_WIDTH}`, line);
        }
      });
  }
  if (/"resolved": "https?:/.test(readFileSync(inRoot('package-lock.json'), 'utf8'))) {
    problems.push('package-lock.json names a registry host: run npm with omit-lockfile-registry-resolved');
  }
  process.stdout.write(problems.map((problem) => `${problem}\n`).join(''));
  return problems.length === 0 ? 0 : 1;
}

function trackedFiles() {
  const listing = spawnSync('git', ['ls-files', '-z', '--cached'], { cwd: root, encoding: 'utf8' });
  if (listing.status !== 0) return []; // An unpacked archive instead of a clone.
  return listing.stdout.split('\0').filter((file) => file !== '');
}
