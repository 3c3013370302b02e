/** What `npm test` counts of a run of specs, whatever becomes of it. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const { runSpecs } = (await import(pathToFileURL(path.join(root, 'scripts', 'specs.mjs')).href)) as {
  runSpecs: (args: string[], options: { cwd: string; output: Writable }) => Promise<Counts>;
};

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs files of tests in a project of their own. */
async function run(t: ExecutionContext, files: Record<string, string>): Promise<{ counts: Counts; report: string }> {
  t.timeout(120_000);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-counts-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  for (const [name, source] of Object.entries(files))
    writeFileSync(path.join(folder, name), `import test from 'ava';\n${source}`);
  const output = new PassThrough();
  const report = text(output);
  const counts = await runSpecs(['--timeout=15s', ...Object.keys(files)], { cwd: folder, output });
  output.end();
  return { counts, report: await report };
}

const good = `test('good', (t) => t.pass()); test('better', (t) => t.pass());`;

test('tests of each kind', async (t) => {
  const mixed = `
    test('bad', (t) => t.fail());
    test.failing('known to fail', (t) => t.fail());
    test.skip('left out', (t) => t.pass());
    test.todo('to come');
  `;
  const { counts, report } = await run(t, { 'good.test.js': good, 'mixed.test.js': mixed });
  t.deepEqual(counts, { passed: 3, failed: 1, skipped: 2 });
  t.regex(report, /^Failed: mixed › bad$/m);
});

test('a test that ends the process', async (t) => {
  const { counts, report } = await run(t, { 'good.test.js': good, 'exits.test.js': `test('exits', () => process.exit(3));` });
  t.is(counts.passed, 2);
  t.true(counts.failed > 0);
  t.regex(report, /^Failed: exits › exits$/m);
});

test('a test that never ends', async (t) => {
  const hangs = `test('hangs', () => new Promise((resolve) => setTimeout(resolve, 60_000)));`;
  const { counts, report } = await run(t, { 'good.test.js': good, 'hangs.test.js': hangs });
  t.is(counts.passed, 2);
  t.true(counts.failed > 0);
  t.regex(report, /^Failed: hangs › hangs$/m);
});

for (const [what, source] of [
  ['something is thrown beside the tests', `queueMicrotask(() => { throw new Error('aside'); });`],
  ['a file cannot be read', 'this is no JavaScript'],
  ['a file has no tests', ''],
]) {
  test(what, async (t) => {
    const { counts } = await run(t, { 'good.test.js': good, 'other.test.js': source });
    t.is(counts.passed, 2);
    t.true(counts.failed > 0);
  });
}
