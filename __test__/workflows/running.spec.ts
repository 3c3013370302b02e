// scripts/workflow-run.mjs: what it reads of a workflow, and what it does with its commands.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import { needs } from '../_needs.ts';

/** The scripts are JavaScript: they run before anything is built. */
const script = (name: string): Promise<unknown> => import(`../../scripts/${name}.mjs`);
const { evaluate, fill, holds } = (await script('workflow/expressions')) as {
  evaluate(text: string, contexts: object): unknown;
  fill(text: string, contexts: object): string;
  holds(condition: unknown, contexts: object): boolean;
};
const { combinationsOf, missingImage } = (await script('workflow/plan')) as {
  combinationsOf(job: object): object[];
  missingImage(commands: string, env: Readonly<Record<string, string>>): string | undefined;
};

const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-workflows-'));
test.after.always(() => rmSync(folder, { recursive: true }));

function run(...args: string[]) {
  return spawnSync(process.execPath, ['scripts/workflow-run.mjs', ...args], { encoding: 'utf8', timeout: 60_000 });
}

const contexts = {
  ...{ github: { event_name: 'push', event: {} }, matrix: { os: 'ubuntu-24.04', node: 20 }, inputs: {} },
  ...{ always: () => true, success: () => true, failure: () => false },
};

test('expressions', (t) => {
  for (const [text, value] of [
    ["github.event_name == 'push'", true],
    ["github.event_name != 'PUSH'", false],
    ["github.event.pull_request.base.sha == ''", true],
    ["(matrix.node == 20 && 'old') || 'new'", 'old'],
    ["inputs.publish && 'false' || 'true'", 'true'],
    ['!failure() && success()', true],
    ["'it''s'", "it's"],
  ] as const) {
    t.is(evaluate(text, contexts), value, text);
  }
  t.is(fill('node:${{ matrix.node }}-${{matrix.os}}', contexts), 'node:20-ubuntu-24.04');
  for (const wrong of ['secrets.TOKEN', 'hashFiles()', 'matrix.os ==', '(matrix.os', "'open", 'matrix.os matrix.node']) {
    t.throws(() => evaluate(wrong, contexts), undefined, wrong);
  }
});

test('a condition asks for success unless it says something else', (t) => {
  const failed = { ...contexts, success: () => false, failure: () => true };
  t.true(holds(undefined, contexts));
  t.false(holds(undefined, failed));
  t.false(holds("github.event_name == 'push'", failed));
  t.true(holds('${{ always() }}', failed));
  t.true(holds("failure() && github.event_name == 'push'", failed));
});

test('combinations of a matrix', (t) => {
  t.deepEqual(combinationsOf({}), [{}]);
  t.deepEqual(combinationsOf({ strategy: { matrix: { a: [1, 2], b: [3] } } }), [
    { a: 1, b: 3 },
    { a: 2, b: 3 },
  ]);
  t.deepEqual(combinationsOf({ strategy: { matrix: { include: [{ a: 1 }, { a: 2 }] } } }), [{ a: 1 }, { a: 2 }]);
});

test('the image that a step needs and that cannot be had is named', (t) => {
  t.is(missingImage('echo nothing:here', {}), undefined);
  // Of a domain that nobody can have (RFC 6761).
  const image = 'registry.invalid/nobody/has:this-1.0';
  t.is(missingImage('docker run --rm --volume "$PWD:/src" --workdir /src "$IMAGE" sh -c \'a:b c\'', { IMAGE: image }), image);
});

test('every step of every workflow can be read, and is run here or left out for a reason', (t) => {
  const { stdout, status } = run();
  t.is(status, 0);
  t.regex(stdout, /would run {2}npm test/);
  t.regex(stdout, /left out {3}actions\/checkout: an action/);
  t.regex(stdout, /left out .*npm publish|left out .*Publish, or all but that: publishes/);
});

const onLinux = needs('Linux', process.platform === 'linux', test);

onLinux('commands run with their environment; what a failure leaves is told', (t) => {
  const file = path.join(folder, 'fixture.yml');
  writeFileSync(
    file,
    `
on: push
env: { OUTER: outer }
jobs:
  first:
    runs-on: ubuntu-24.04${process.arch === 'arm64' ? '-arm' : ''}
    strategy:
      matrix:
        word: [one, two]
    steps:
      - uses: actions/checkout@v0
      - run: echo "LATER=said before" >> "$GITHUB_ENV"
      - env: { WORD: '\${{ matrix.word }}' }
        run: echo "seen $OUTER, $WORD, $LATER, $CI"
      - if: matrix.word == 'three'
        run: echo never
      - name: fails
        run: false | true
      - run: echo never
      - if: failure()
        run: echo afterwards
  elsewhere:
    runs-on: macos-latest
    steps:
      - run: echo never
`,
  );
  const { stdout, status } = run(file);
  t.is(status, 1);
  t.regex(stdout, /seen outer, one, said before, true/);
  t.regex(stdout, /FAILED {5}fails: status 1/);
  t.regex(stdout, /^afterwards$/m);
  t.notRegex(stdout, /^never$/m);
  t.regex(stdout, /echo never: runs on macos-latest/);
  t.regex(stdout, /4 ran, 4 left out, 1 failed/);
  t.regex(run(file, 'first', 'word=two').stdout, /seen outer, two/);
});
