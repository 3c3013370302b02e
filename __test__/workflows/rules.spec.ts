// What every workflow keeps to, beside what actionlint and zizmor ask for (`npm run lint -- workflows`).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import YAML from 'yaml';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Job {
  readonly steps: readonly Step[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}
interface Workflow {
  readonly defaults: unknown;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const folder = path.join('.github', 'workflows');
const names = readdirSync(folder);
const texts = new Map(names.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));
const workflows = new Map([...texts].map(([name, text]) => [name, YAML.parse(text, { strict: true }) as Workflow]));
const tools = readFileSync('.github/actions/tools/action.yml', 'utf8');

/** Jobs that may do more than read. */
const MAY_WRITE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'bench.yml history': { contents: 'write' },
  'bench-comment.yml comment': { actions: 'read', 'pull-requests': 'write' },
  'release.yml publish': { 'id-token': 'write' },
};

test('actions are named by the hash of a commit, with the version beside it, the same everywhere', (t) => {
  const hashes = new Map<string, string>();
  for (const [name, text] of [...texts, ['action.yml', tools] as const]) {
    for (const [line, action] of text.matchAll(/uses: ([^\s@]+).*/g)) {
      if (action.startsWith('./')) continue;
      t.regex(line, /@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
      t.is(hashes.get(action) ?? line, line, 'one version of each');
      hashes.set(action, line);
    }
  }
});

for (const [name, workflow] of workflows) {
  test(`${name}: jobs end where a command fails, and may read the repository and no more, but those that are listed here`, (t) => {
    t.true(['{}', '{"contents":"read"}'].includes(JSON.stringify(workflow.permissions)));
    // As scripts/workflow-run.mjs has it; GitHub's own default lets a failure pass that is not at the end of a pipe.
    t.deepEqual(workflow.defaults, { run: { shell: 'bash' } });
    for (const [id, job] of Object.entries(workflow.jobs)) {
      t.is(typeof job['timeout-minutes'], 'number', id);
      t.deepEqual(job.permissions, MAY_WRITE[`${name} ${id}`], id);
    }
  });

  test(`${name}: a checkout leaves no credentials, and no command is put together from what others write`, (t) => {
    for (const { steps } of Object.values(workflow.jobs)) {
      for (const { uses, run, ...step } of steps) {
        if (uses?.startsWith('actions/checkout@')) t.is(step.with?.['persist-credentials'], false);
        // Values come in through the environment.
        t.notRegex(run ?? '', /\$\{\{/);
      }
    }
  });
}

test('nothing that is published comes from a cache, and without being asked for everything but that is done', (t) => {
  const text = texts.get('release.yml')!;
  for (const job of Object.values(workflows.get('release.yml')!.jobs)) {
    for (const { uses, with: given } of job.steps) {
      if (uses === './.github/actions/tools') t.true(given?.['rust'] === '' || given?.['cache'] === 'false');
    }
  }
  t.notRegex(text, /rust-cache|actions\/cache/);
  t.regex(text, /DRY_RUN: \$\{\{ inputs\.publish && 'false' \|\| 'true' \}\}/);
});

test('what may publish installs nothing, and runs nothing of ours', (t) => {
  const { steps } = workflows.get('release.yml')!.jobs['publish'];
  for (const { uses, run } of steps) {
    if (uses !== undefined) t.regex(uses, /^actions\/(?:setup-node|download-artifact)@/);
    else t.regex(run!, /^for tarball in [^;]*; do\n +npm publish [^\n]*--ignore-scripts[^\n]*\ndone\n$/);
  }
});

test('what a benchmark of a pull request leaves is text in the comment, whatever is in it', (t) => {
  const post = workflows.get('bench-comment.yml')!.jobs['comment'].steps.at(-1)!.run!;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-comment-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, 'results'));
  const table = path.join(folder, 'results', 'results.md');
  // GitHub's command line: one pull request, no comment yet.
  writeFileSync(path.join(folder, 'gh'), '#!/bin/sh\ncase "$*" in *pulls*) echo 7;; esac\n', { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: `${folder}:${process.env.PATH}`,
    GITHUB_REPOSITORY: 'a/b',
    HEAD_SHA: 'f'.repeat(40),
    RUN_URL: 'url',
  };
  const posted = () => {
    rmSync(path.join(folder, 'comment.md'), { force: true });
    const { status, stdout } = spawnSync('bash', ['-eo', 'pipefail', '-c', post], { cwd: folder, env, encoding: 'utf8' });
    t.is(status, 0, stdout);
    return existsSync(path.join(folder, 'comment.md')) ? readFileSync(path.join(folder, 'comment.md')) : undefined;
  };

  writeFileSync(table, 'a | b\n\n@everyone\r# a heading\r\n```\n<b>\u0000\n');
  const [, , , ...lines] = posted()!.toString().trimEnd().split('\n');
  t.deepEqual(lines, ['    a | b', '    ', '    @everyone# a heading', '    ```', '    <b>']);

  // Every line becomes longer, and the cut falls within a character.
  for (const text of ['é\n'.repeat(60_000), `a${'é'.repeat(60_000)}`]) {
    writeFileSync(table, text);
    const long = posted()!;
    t.true(long.length > 55_000 && long.length < 65_536, String(long.length));
    t.notThrows(() => new TextDecoder('utf-8', { fatal: true }).decode(long));
  }

  rmSync(table);
  symlinkSync('/proc/self/environ', table);
  t.is(posted(), undefined);
});

test('musl is tested under our profile, and one job is refused io_uring', (t) => {
  const text = texts.get('ci.yml')!;
  t.regex(text, /seccomp=\$PWD\/deploy\/seccomp\/docker\.json.*IOURING_TRANSPORT=uring/s);
  t.regex(text, /expect\.mjs core ERR_IOURING_REFUSED_SECCOMP/);
});
