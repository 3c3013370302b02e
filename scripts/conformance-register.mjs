/**
 * The part of `npm run conformance` that `--register` asks for: Node's own tests as they are, with `--import iouring-transport/register`.
 *
 * What is run are the tests of the modules below that want no internals of core's and pass over core, on that Node and this machine. One that fails over ours
 * has two further chances, and core one more, since tests of core's may depend on time as well.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { inRoot } from './lib.mjs';

/** What the tests' names begin with, the longer names first: `test-http2-` is not of `http`. */
const GROUPS = ['net', 'http', 'https', 'tls', 'http2', 'dgram', 'fs-promises', 'fs'];
const GROUP = new RegExp(`^test-(${GROUPS.join('|')})-.*\\.m?js$`);
const INTERNALS = /expose[-_]internals|internalBinding|internal\//;
const AGAIN = 2;
/** Milliseconds that a test may take. */
const LIMIT = 30_000;

const OURS = ['--import', pathToFileURL(inRoot('dist', 'register.mjs')).href];

/**
 * @param folder where the suite has been laid out
 * @param tree whose tests: `v20`, `v22`
 * @param args of the command line: `--node PATH`, `--filter PATTERN` of the tests' names
 * @returns how each group did: `{ group, tests, passed, failed }`, the last a list of names
 */
export async function conformWithRegister(folder, tree, args) {
  const text = { type: 'string' };
  const { values } = parseArgs({ args, options: { tree: text, node: { ...text, default: process.execPath }, filter: text } });
  const run = runner(folder, tree, values.node);
  const pattern = new RegExp(values.filter ?? '');
  const tests = ['parallel', 'sequential'].flatMap((kind) => find(path.join(folder, tree, 'test', kind), pattern));
  const groups = new Map(GROUPS.map((group) => [group, { group, tests: 0, passed: 0, failed: [] }]));
  // Those of `sequential` want their ports for themselves, which each has in a network namespace of its own.
  const judgeNext = async (slot) => {
    for (let test = tests.shift(); test !== undefined; test = tests.shift()) {
      const passed = await judge(test, (node) => run(test, node, slot));
      if (passed === null) continue;
      const counts = groups.get(test.group);
      counts.tests++;
      if (passed) counts.passed++;
      else counts.failed.push(path.relative(path.join(folder, tree, 'test'), test.file));
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, (_, slot) => judgeNext(slot)));
  return [...groups.values()].filter(({ tests }) => tests > 0);
}

/** @returns whether a test passes over ours; null where it does not over core, or is skipped there */
async function judge(test, run) {
  if ((await run([])) !== 'pass') return null;
  for (let chance = 0; chance <= AGAIN; chance++) if ((await run(OURS)) === 'pass') return true;
  return (await run([])) === 'pass' ? false : null;
}

function find(folder, pattern) {
  const names = readdirSync(folder).filter((name) => GROUP.test(name) && pattern.test(name));
  const tests = names.map((name) => ({ group: groupOf(name), file: path.join(folder, name) }));
  return tests.filter(({ file }) => !INTERNALS.test(readFileSync(file, 'utf8')));
}

const groupOf = (name) => GROUPS.find((group) => name.startsWith(`test-${group}-`));

/** @returns what runs a test once: `pass`, `skip` or `fail`. */
function runner(folder, tree, node) {
  const apart = networkNamespace(folder);
  return (test, options, slot) =>
    new Promise((resolve, reject) => {
      const flags = /^\/\/ Flags: (.*)$/m.exec(readFileSync(test.file, 'utf8'))?.[1].split(/\s+/).filter(Boolean) ?? [];
      const command = [...apart, node, ...options, ...flags, test.file];
      // Where the ring is refused it is to fail, not to be core's.
      const env = {
        ...process.env,
        IOURING_TRANSPORT: 'uring',
        TEST_THREAD_ID: `${process.pid}_${slot}`,
        CONF_MNT: path.join(folder, 'hosts'),
      };
      delete env.NODE_OPTIONS;
      const child = spawn(command[0], command.slice(1), {
        cwd: path.join(folder, tree),
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
        detached: true,
      });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (chunk) => (output = (output + chunk).slice(0, 10_000)));
      const end = () => {
        try {
          // The whole group: what a test has started would go on without it.
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // None is left.
        }
      };
      const timer = setTimeout(end, LIMIT);
      child.on('error', reject);
      child.on('exit', end);
      child.on('close', (status) => {
        clearTimeout(timer);
        if (status !== 0) resolve('fail');
        else resolve(/^1\.\.0 # Skipped/m.test(output) ? 'skip' : 'pass');
      });
    });
}

/** Words before a command that give it a network of its own, as the suite does; none where the machine does not allow it. */
function networkNamespace(folder) {
  const helper = path.join(folder, 'netns-exec.sh');
  const words = ['unshare', '-n', '-m', helper];
  return existsSync(helper) && spawnSync(words[0], [...words.slice(1), 'true']).status === 0 ? words : [];
}
