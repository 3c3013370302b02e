/**
 * `npm run lint`: every check that is not a test. All of them run, then the failed ones are named.
 *
 *     npm run lint                       all
 *     npm run lint -- clippy eslint      some
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { bin, fail, inRoot, root, say } from './lib.mjs';
import { installDependencies } from './setup.mjs';

/** Columns of a comment in Rust, as of its code: rustfmt wraps no comments. */
const COMMENT_WIDTH = 120;

const script = (name, ...args) => run(process.execPath, [inRoot('scripts', name), ...args]);
const node = (packageName, command, ...args) => run(process.execPath, [bin(packageName, command), ...args]);

/** Two rows, which go on beside each other: cargo's last step of a release build has one processor, as has each of what looks at TypeScript. */
const rows = [
  {
    native: () => script('setup.mjs', 'native'),
    rustfmt: () => run('cargo', ['fmt', '--all', '--check']),
    clippy: () => run('cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']),
    protocol: checkProtocol,
    workflows: () => script('lint-workflows.mjs'),
    knip: () => node('knip', 'knip'),
  },
  {
    bundle: () => script('setup.mjs', 'ts'),
    tsc: () => node('typescript', 'tsc', '--project', '.'),
    eslint: () => node('eslint', 'eslint', '.'),
    prettier: () => node('prettier', 'prettier', '--check', '--log-level', 'warn', '.'),
    package: checkPackage,
    tree: checkTree,
  },
];

const names = rows.flatMap((row) => Object.keys(row));
const wanted = process.argv.slice(2);
for (const name of wanted) if (!names.includes(name)) fail(`Unknown check '${name}': ${names.join(', ')}.`);

installDependencies();
// Someone who asks for single checks knows what is built.
const isWanted = (name) => wanted.length === 0 || wanted.includes(name);
const failed = (await Promise.all(rows.map(checkRow))).flat();
if (failed.length > 0) fail(`Lint failed: ${failed.join(', ')}.`);
process.stdout.write('\nLint: nothing to complain about.\n');

/** Makes the wanted checks of a row, one after the other. @returns the names of those that failed */
async function checkRow(row) {
  const failures = [];
  for (const [name, check] of Object.entries(row)) {
    if (!isWanted(name)) continue;
    const { status, output } = await check();
    say(`Lint: ${name}`);
    process.stdout.write(output);
    if (status !== 0) failures.push(name);
  }
  return failures;
}

/** Runs a command. What it prints is kept: that of two at a time would be mixed up. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) =>
      error.code === 'ENOENT' ? resolve({ status: 127, output: `${error.message}\n` }) : reject(error),
    );
    child.on('close', (status) => resolve({ status: status ?? 1, output }));
  });
}

/** What is generated has just been, where the binding was built for this: where nobody works on the files, they are as committed then. */
async function checkProtocol() {
  const generated = await script('generate-protocol.mjs', '--check');
  if (generated.status !== 0 || !process.env.CI) return generated;
  return run('git', ['diff', '--exit-code', '--', 'ts/reactor/protocol.ts', 'ts/native-binding.ts']);
}

/** Packs the package as it would be published and lets publint and attw look at the tarball. */
async function checkPackage() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-pack-'));
  try {
    const packed = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
    if (packed.status !== 0) return packed;
    const tarball = path.join(folder, readdirSync(folder)[0]);
    const lint = await node('publint', 'publint', 'run', tarball, '--strict');
    const types = await node('@arethetypeswrong/cli', 'attw', tarball);
    return { status: lint.status || types.status, output: lint.output + types.output };
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
  return { status: problems.length === 0 ? 0 : 1, output: problems.map((problem) => `${problem}\n`).join('') };
}

function trackedFiles() {
  const listing = spawnSync('git', ['ls-files', '-z', '--cached'], { cwd: root, encoding: 'utf8' });
  if (listing.status !== 0) return []; // An unpacked archive instead of a clone.
  return listing.stdout.split('\0').filter((file) => file !== '');
}
