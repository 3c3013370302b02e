/**
 * Runs specs with ava and counts what becomes of them, from its report in the Test Anything Protocol: the one for people says how many passed only where none failed.
 */
import { spawn } from 'node:child_process';
import process from 'node:process';
import { Parser } from 'tap-parser';
import { inRoot, root } from './lib.mjs';

/**
 * What ava tells goes to our output as it comes, and what failed is named again behind it.
 *
 * @param {string[]} args for ava: files, `--match`, …
 * @param {{ cwd?: string, output?: import('node:stream').Writable }} options
 * @returns the numbers of tests that passed, failed and were skipped. What makes a file fail, or the run, counts as a test.
 */
export async function runSpecs(args, { cwd = root, output = process.stdout } = {}) {
  const child = spawn(process.execPath, [inRoot('scripts', 'ava.mjs'), '--tap', ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const reported = new Promise((resolve) => {
    child.stdout.pipe(new Parser(resolve));
  });
  child.stdout.pipe(output, { end: false });
  const [status, { pass, skips, todos, failures }] = await Promise.all([ended, reported]);
  for (const { fullname, tapError } of failures) output.write(`Failed: ${fullname ?? tapError}\n`);
  return {
    passed: pass - skips.length,
    failed: failures.length || (status === 0 ? 0 : 1),
    skipped: skips.length + todos.length,
  };
}
