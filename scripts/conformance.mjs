/**
 * `npm run conformance`: Node core's own tests, run against our modules by the suite in CONFORMANCE_DIR (../shared/conformance).
 *
 *     npm run conformance                                   what continuous integration runs
 *     npm run conformance -- --suite net --filter connect   further arguments go to the suite's runner
 *
 * Failures that are known, each with its reason, are listed in __test__/conformance/known-failures.json; any other one fails the run.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fingerprint, inRoot, mustRun, root, run, say } from './lib.mjs';
import { setup } from './setup.mjs';

const suite = path.resolve(root, process.env.CONFORMANCE_DIR ?? '../shared/conformance');
if (existsSync(path.join(suite, 'run.mjs'))) await conform();
else say('Conformance: SKIPPED, the suite is not here (set CONFORMANCE_DIR)');

async function conform() {
  await setup();
  const runner = path.join(prepare(), 'run.mjs');
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-conformance-'));
  try {
    const list = path.join(scratch, 'results.json');
    const args = [
      '--retries',
      '1',
      '--tags-exclude',
      'bound,whitebox',
      ...moduleArguments(),
      '--list',
      list,
      ...suiteArguments(),
    ];
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

/** Lays the suite out where it may write, outside of this package: its tests are CommonJS. Kept for the next time. */
function prepare() {
  const key = fingerprint([path.relative(root, suite)]).slice(0, 12);
  const folder = path.join(os.tmpdir(), `iouring-transport-conformance-${os.userInfo().uid}-${key}`);
  if (!existsSync(path.join(folder, 'v20', 'test', 'parallel'))) {
    say('Conformance: fetching the tests');
    cpSync(suite, folder, { recursive: true, force: true, mode: 0 });
    mustRun('chmod', ['-R', 'u+w', folder]);
    mustRun('sh', [path.join(folder, 'prepare.sh'), folder]);
  }
  return folder;
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
  const given = process.argv.slice(2);
  return given.includes('--suite') ? given : ['--suite', 'net,http,tls,httpbridge', ...given];
}

function judge(results) {
  const file = inRoot('__test__', 'conformance', 'known-failures.json');
  const known = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const keyOf = (result) => `${result.suite}:${result.id}`;
  const broken = results.filter(({ status }) => status === 'fail' || status === 'timeout');
  const unexpected = broken.filter((result) => !(keyOf(result) in known));
  const passed = results.filter(({ status }) => status === 'pass');
  for (const result of unexpected) process.stdout.write(`not known to fail: ${keyOf(result)} (${result.status})\n`);
  for (const result of passed.filter((result) => keyOf(result) in known)) {
    process.stdout.write(`listed as a known failure, but passes: ${keyOf(result)}\n`);
  }
  const others = results.length - passed.length - unexpected.length;
  process.stdout.write(`\n${passed.length} passed, ${unexpected.length} failed, ${others} skipped\n`);
  process.exitCode = unexpected.length > 0 || passed.length === 0 ? 1 : 0;
}
