// What every workflow keeps to, beside what actionlint and zizmor ask for (`npm run lint -- workflows`).
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
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
  'release.yml publish': { contents: 'read', 'id-token': 'write' },
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
  test(`${name}: jobs end, and may read the repository and no more, but those that are listed here`, (t) => {
    t.true(['{}', '{"contents":"read"}'].includes(JSON.stringify(workflow.permissions)));
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

test('musl is tested under our profile, and one job is refused io_uring', (t) => {
  const text = texts.get('ci.yml')!;
  t.regex(text, /seccomp=\$PWD\/deploy\/seccomp\/docker\.json.*IOURING_TRANSPORT=uring/s);
  t.regex(text, /expect\.mjs core ERR_IOURING_REFUSED_SECCOMP/);
});
