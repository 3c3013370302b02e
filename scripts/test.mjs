/**
 * `npm test`: sets up what is missing, then runs the Rust tests, the specs and the type tests. The last line sums them up.
 *
 *     npm test                             everything
 *     npm test -- rust|ava|types           one part
 *     npm test -- ava __test__/net/*.ts    some specs (further arguments go to ava)
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { getSystemErrorName } from 'node:util';
import { bin, fail, inRoot, mustRun, runCapturing, say } from './lib.mjs';
import { setup } from './setup.mjs';

const suites = { rust: testRust, ava: testSpecs, types: testTypes };
const [only, ...rest] = process.argv.slice(2);
if (only !== undefined && !(only in suites)) fail(`Unknown part '${only}': ${Object.keys(suites).join(', ')}.`);

await setup();
const total = { passed: 0, failed: 0, skipped: 0 };
await announceBackend();
for (const [name, suite] of Object.entries(suites)) {
  if (only !== undefined && only !== name) continue;
  const { passed, failed, skipped = 0 } = await suite(rest);
  say(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}
process.stdout.write(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`,
);
// For who runs this on other versions of Node.
process.send?.(total);
// Not process.exit(): what is still on its way into a pipe would be lost.
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** Says what the specs run on. On CI, specs that silently ran on core would prove nothing: that counts as a failure there. */
async function announceBackend() {
  const { support } = await import('../dist/index.mjs');
  const { available, backend, reason, errno, kernel } = support();
  if (available) return say(`io_uring is available (Linux ${kernel}); backend: ${backend}`);
  say(
    `io_uring is NOT available here (${[reason, errno && getSystemErrorName(errno)].filter(Boolean).join(', ')}): specs run on Node's own modules`,
  );
  if (process.env.CI && process.env.IOURING_TRANSPORT !== 'core') total.failed++;
}

/**
 * The tests' own harness has no other stable report than this line for each binary: its JSON is for nightly compilers, and another runner (cargo-nextest)
 * would have to be installed before `npm test` could run.
 */
async function testRust(args) {
  say('Rust tests (cargo test)');
  const { status, output } = await runCapturing('cargo', ['test', '--workspace', ...args]);
  const results = [...output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)];
  const count = (column) => results.reduce((sum, match) => sum + Number(match[column]), 0);
  // A build that breaks or a test that takes the process down leaves no line of results.
  return { passed: count(1), failed: count(2) || (status === 0 ? 0 : 1), skipped: count(3) };
}

async function testSpecs(args) {
  say('Specs (ava)');
  const filters = ['--example', 'refuse', '--example', 'confine'];
  if (process.platform === 'linux' && mayFilter(args))
    mustRun('cargo', ['build', '--quiet', '--package', 'iouring-reactor', ...filters]);
  const { runSpecs } = await import('./specs.mjs');
  return runSpecs(args);
}

/**
 * Whether one of these runs children under a seccomp filter, which refuses io_uring or is a container's. To build them takes most of a minute the first time: who wants
 * to see one spec pass waits for them only where it needs them.
 */
function mayFilter(args) {
  const named = args.filter((argument) => !argument.startsWith('-'));
  const areFiles = named.length > 0 && named.every((name) => statSync(name, { throwIfNoEntry: false })?.isFile());
  return !areFiles || named.some((name) => /refuse|confine/i.test(readFileSync(name, 'utf8')));
}

/** A file in __test__/types passes where the compiler has nothing to say about it. */
async function testTypes() {
  say('Type tests (tsc over __test__/types)');
  const files = readdirSync(inRoot('__test__', 'types')).filter((name) => /\.[cm]?ts$/.test(name));
  const args = [bin('typescript', 'tsc'), '--project', '__test__/types', '--pretty', 'false'];
  const { status, output } = await runCapturing(process.execPath, args);
  const broken = files.filter((name) => output.includes(`__test__/types/${name}(`));
  for (const name of files) process.stdout.write(`  ${broken.includes(name) ? '\u2718' : '\u2714'} ${name}\n`);
  // An error outside of the folder is one too.
  const failed = broken.length || (status === 0 ? 0 : 1);
  return { passed: files.length - broken.length, failed };
}
