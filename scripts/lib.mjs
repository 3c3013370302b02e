/**
 * What the scripts share. Node's own modules only: they have to run before anything is installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** Root folder of the checkout. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Path of a file given relative to the root. */
export const inRoot = (...parts) => path.join(root, ...parts);

/** Prints a heading, so that a reader of a long log finds the steps. */
export function say(text) {
  process.stdout.write(`\n\u2500\u2500 ${text}\n`);
}

/** Ends the process with a message instead of a stack trace. */
export function fail(text) {
  process.stderr.write(`\n${text}\n`);
  process.exit(1);
}

/**
 * Runs a command with its output going straight to ours.
 * @returns the exit status; 127 where the command does not exist.
 */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error?.code === 'ENOENT') return 127;
  if (result.error !== undefined) throw result.error;
  return result.status ?? 1;
}

/** Runs a command and ends this process where it fails. */
export function mustRun(command, args, options) {
  const status = run(command, args, options);
  if (status !== 0) fail(`${[path.basename(command), ...args].join(' ')} failed with status ${status}.`);
}

/** Runs a command, passing its output through while keeping it. */
export function runCapturing(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.setEncoding('utf8');
      from.on('data', (text) => {
        output += text;
        to.write(text);
      });
    }
    child.on('error', reject);
    // The escape character is what colours start with.
    // eslint-disable-next-line no-control-regex
    child.on('close', (status) => resolve({ status: status ?? 1, output: output.replace(/\u001b\[[\d;]*m/g, '') }));
  });
}

/** Path of the script behind an installed command, to be run by this very Node. */
export function bin(packageName, command = packageName) {
  const folder = inRoot('node_modules', packageName);
  const { bin: bins } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return path.join(folder, typeof bins === 'string' ? bins : bins[command]);
}

/** Whether a program of that name answers to `--version`. */
export function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** A hash over the contents and names of files and folders, given relative to the root. */
export function fingerprint(inputs, salt = '') {
  const hash = createHash('sha256').update(salt);
  const visit = (relative) => {
    const file = inRoot(relative);
    if (!existsSync(file)) return;
    if (statSync(file).isDirectory()) {
      for (const name of readdirSync(file).sort()) visit(path.join(relative, name));
    } else {
      hash.update(`\0${relative}\0`).update(readFileSync(file));
    }
  };
  inputs.forEach(visit);
  return hash.digest('hex');
}

const stampFile = (name) => inRoot('node_modules', '.cache', 'iouring-transport', name);

/** Whether the stamp of that name says that the step was last done for this very fingerprint. */
export function isStamped(name, print) {
  return existsSync(stampFile(name)) && readFileSync(stampFile(name), 'utf8') === print;
}

/** Remembers what a step was done for. */
export function stamp(name, print) {
  mkdirSync(path.dirname(stampFile(name)), { recursive: true });
  writeFileSync(stampFile(name), print);
}
