/**
 * `npm run conformance`: Node core's own tests, run against our modules by the suite in ../shared/conformance.
 *
 *     npm run conformance                                   what continuous integration runs
 *     npm run conformance -- FOLDER                         the suite is there (or set CONFORMANCE_DIR)
 *     npm run conformance -- --suite net --filter connect   further arguments go to the suite's runner
 *     npm run conformance -- --tree v22 --node PATH         Node 22's tests, on a Node of that version
 *     npm run conformance -- --update                       notes down what passes now
 *     npm run conformance -- --register                     the tests as they are, with --import iouring-transport/register
 *
 * A ratchet: what the tree's list of __test__/conformance (passing-v20.json, …) names must go on passing. Failures that are known, each with its reason, are
 * in known-failures.json beside it; any other one fails the run too. Where the suite, or the mirror that it takes Node's tests from, is
 * not to be had, the run is skipped and says so.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { conformWithRegister } from './conformance-register.mjs';
import { fail, fingerprint, inRoot, root, run, say } from './lib.mjs';
import { setup } from './setup.mjs';

const { folder: given, tree, update, register, rest } = readArguments(process.argv.slice(2));
const passingFile = `passing-${tree}.json`;
const suite = path.resolve(root, given ?? process.env.CONFORMANCE_DIR ?? '../shared/conformance');
if (existsSync(path.join(suite, 'run.mjs'))) await conform();
else if (given !== undefined) fail(`There is no suite in ${given}.`);
else skip('the suite is not here (name its folder, or set CONFORMANCE_DIR)');

function readArguments(args) {
  const folder = args[0]?.startsWith('--') ? undefined : args.shift();
  const at = args.indexOf('--tree');
  const named = at < 0 ? 'v20' : args[at + 1];
  const [update, register] = ['--update', '--register'].map((option) => args.includes(option));
  return {
    folder,
    tree: named,
    update,
    register,
    rest: args.filter((argument) => !['--update', '--register'].includes(argument)),
  };
}

function skip(reason) {
  say(`Conformance: SKIPPED, ${reason}`);
}

async function conform() {
  await setup();
  const prepared = prepare();
  if (prepared === null) return skip("Node's tests could not be fetched");
  if (register) return judgeRegister(await conformWithRegister(prepared, tree, rest));
  const runner = path.join(prepared, 'run.mjs');
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-conformance-'));
  try {
    const list = path.join(scratch, 'results.json');
    const args = ['--retries', '2', ...moduleArguments(), '--list', list, ...suiteArguments()];
    say(`Conformance: ${args.join(' ')}`);
    // Whoever wants to see the suite run on core says so; a silent fallback must not pass for us.
    const env = { ...process.env, IOURING_TRANSPORT: process.env.IOURING_TRANSPORT || 'uring' };
    const status = run(process.execPath, [runner, ...args], { env });
    if (status === 0) judge(JSON.parse(readFileSync(list, 'utf8')).tests);
    else process.exitCode = status;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Lays the suite out where it may write, outside of this package: its tests are CommonJS. Kept for the next time.
 *
 * @returns the folder; null where Node's tests cannot be had
 */
function prepare() {
  if (isPrepared(suite)) return suite;
  const key = fingerprint([path.relative(root, suite)]).slice(0, 12);
  const folder = path.join(os.tmpdir(), `iouring-transport-conformance-${os.userInfo().uid}-${key}`);
  if (isPrepared(folder)) return folder;
  say('Conformance: fetching the tests');
  cpSync(suite, folder, { recursive: true, force: true, mode: 0 });
  run('chmod', ['-R', 'u+w', folder]);
  const status = run('timeout', ['120', 'sh', path.join(folder, 'prepare.sh'), folder, tree]);
  return status === 0 && isPrepared(folder) ? folder : null;
}

function isPrepared(folder) {
  return existsSync(path.join(folder, tree, 'test', 'parallel'));
}

/** Our modules that stand in for core's, as far as they have been built. */
function moduleArguments() {
  const modules = { '--net-module': 'net.cjs', '--dgram-module': 'dgram.cjs', '--fsp-module': 'fs.cjs' };
  return Object.entries(modules).flatMap(([option, file]) => {
    const built = inRoot('dist', file);
    return existsSync(built) ? [option, built] : [];
  });
}

function suiteArguments() {
  return rest.includes('--suite') ? rest : ['--suite', 'net,http,tls,httpbridge,dgram,fsp,misc', ...rest];
}

function judge(results) {
  const known = readList('known-failures.json', {});
  const passing = new Set(readList(passingFile, []));
  const withStatus = (...wanted) => results.filter(({ status }) => wanted.includes(status)).map(keyOf);
  const passed = withStatus('pass');
  const broken = withStatus('fail', 'timeout').filter((key) => !(key in known));
  for (const key of broken) process.stdout.write(`${passing.has(key) ? 'has passed before' : 'not known to fail'}: ${key}\n`);
  for (const key of withStatus('skip')) process.stdout.write(`skipped: ${key}\n`);
  for (const key of passed) {
    if (key in known) process.stdout.write(`listed as a known failure, but passes: ${key}\n`);
    else if (!passing.has(key) && !update) process.stdout.write(`passes, but is not listed (--update): ${key}\n`);
  }
  if (update) writeList(passingFile, [...new Set([...passing, ...passed])].filter((key) => !(key in known)).sort());
  const others = results.length - passed.length - broken.length;
  process.stdout.write(`\n${passed.length} passed, ${broken.length} failed, ${others} skipped\n`);
  process.exitCode = broken.length > 0 || passed.length === 0 ? 1 : 0;
}

/** As `judge`, of what `--register` has run: all of it passes over core. */
function judgeRegister(groups) {
  const known = readList('known-failures.json', {});
  let unknown = 0;
  for (const { group, tests, passed, failed } of groups) {
    process.stdout.write(`${group.padEnd(12)} ${passed} of ${tests}\n`);
    for (const name of failed) {
      const reason = known[`register:${name}`];
      if (reason === undefined) unknown++;
      process.stdout.write(`  ${name}${reason === undefined ? '' : ': known'}\n`);
    }
  }
  process.exitCode = unknown > 0 || groups.length === 0 ? 1 : 0;
}

function keyOf(result) {
  return `${result.suite}:${result.id}`;
}

function readList(name, empty) {
  const file = inRoot('__test__', 'conformance', name);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : empty;
}

function writeList(name, list) {
  writeFileSync(inRoot('__test__', 'conformance', name), `${JSON.stringify(list, null, 2)}\n`);
}
