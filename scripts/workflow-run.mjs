/**
 * Runs here what can be run of a workflow: the `run` lines of its jobs, in this checkout, with their environment and the first combination of each matrix. What cannot
 * (other systems, Docker without a daemon or an image, publishing, actions) is left out, with the reason.
 *
 *     node scripts/workflow-run.mjs                               lists every step of every workflow, and what would become of it
 *     node scripts/workflow-run.mjs ci.yml                        runs its jobs one after the other
 *     node scripts/workflow-run.mjs ci.yml test node=22           runs one, in the combinations with these values
 *
 * The status is 1 where a command failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fail, inRoot, root, say } from './lib.mjs';
import { fill, holds } from './workflow/expressions.mjs';
import { combinationsOf, missingImage, obstacle, otherMachine, readWorkflow } from './workflow/plan.mjs';

const [wanted, only, ...picks] = process.argv.slice(2);
const onlyListed = wanted === undefined;
const folder = inRoot('.github', 'workflows');
const names = readdirSync(folder).filter((name) => name.endsWith('.yml'));
// A file of another folder is taken too: the spec has one.
const files = onlyListed
  ? names.map((name) => path.join(folder, name))
  : [names.includes(wanted) ? path.join(folder, wanted) : wanted];
const picked = picks.map((pick) => pick.split('='));
const totals = { ran: 0, 'left out': 0, failed: 0 };

for (const file of files) {
  const workflow = readWorkflow(file);
  if (only !== undefined && !(only in workflow.jobs))
    fail(`${file} has no job '${only}': ${Object.keys(workflow.jobs).join(', ')}.`);
  for (const [name, job] of Object.entries(workflow.jobs)) {
    if (only !== undefined && name !== only) continue;
    for (const matrix of choose(combinationsOf(job))) runJob(`${path.basename(file)}: ${name}`, workflow, job, matrix);
  }
}
process.stdout.write(
  `\n${Object.entries(totals)
    .map(([what, count]) => `${count} ${what}`)
    .join(', ')}\n`,
);
process.exitCode = totals.failed > 0 ? 1 : 0;

/** The combinations with the values that were asked for; the first otherwise. */
function choose(combinations) {
  const fitting = combinations.filter((matrix) => picked.every(([key, value]) => String(matrix[key]) === value));
  return picked.length > 0 ? fitting : fitting.slice(0, 1);
}

function runJob(title, workflow, job, matrix) {
  const state = { failed: false };
  const contexts = {
    ...{ github: gitHub(), matrix, inputs: defaultInputs(workflow), env: {}, runner: { os: 'Linux' } },
    ...{ always: () => true, success: () => !state.failed, failure: () => state.failed, cancelled: () => false },
  };
  say(`${title}${Object.keys(matrix).length > 0 ? ` (${Object.values(matrix).join(', ')})` : ''}`);
  const isWanted = job.if === undefined || holds(job.if, contexts);
  const elsewhere = isWanted ? otherMachine(fill(job['runs-on'], contexts)) : 'the condition of the job does not hold';
  const given = mkdtempSync(path.join(os.tmpdir(), 'iouring-transport-workflow-'));
  const outside = onlyListed ? undefined : environment(given);
  try {
    for (const step of job.steps) {
      const commands = step.run === undefined ? undefined : fill(step.run, contexts);
      const what = step.name ?? step.uses?.replace(/@.*/, '') ?? commands.trim().split('\n')[0];
      const env = fillAll({ ...workflow.env, ...job.env, ...step.env }, contexts);
      const reason = elsewhere ?? reasonAgainst(step, commands, env, contexts);
      if (reason !== undefined || onlyListed) {
        totals['left out'] += reason === undefined ? 0 : 1;
        process.stdout.write(
          `  ${reason === undefined ? 'would run' : 'left out '}  ${what}${reason === undefined ? '' : `: ${reason}`}\n`,
        );
        continue;
      }
      process.stdout.write(`  running    ${what}\n`);
      const cwd = path.resolve(root, step['working-directory'] ?? '.');
      const options = { cwd, stdio: 'inherit', env: { ...process.env, ...outside.env, ...outside.kept(), ...env } };
      const { status } = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', commands], options);
      totals.ran++;
      if (status === 0) continue;
      totals.failed++;
      state.failed = true;
      process.stdout.write(`  FAILED     ${what}: status ${status}\n`);
    }
  } finally {
    rmSync(given, { recursive: true });
  }
}

function reasonAgainst(step, commands, env, contexts) {
  if (step.uses !== undefined) return 'an action';
  if (!holds(step.if, contexts)) return 'its condition does not hold';
  const reason = obstacle(commands);
  // Nothing is pulled for a list.
  if (reason !== undefined || onlyListed) return reason;
  const image = missingImage(commands, env);
  return image === undefined ? undefined : `no image ${image} here, and it cannot be pulled`;
}

function fillAll(env, contexts) {
  return Object.fromEntries(Object.entries(env).map(([key, value]) => [key, fill(value, contexts)]));
}

/** The files by which steps tell later ones of variables and folders of programs, and a place for the summary. */
function environment(given) {
  const inGiven = (name) => path.join(given, name);
  for (const name of ['env', 'path', 'output', 'summary']) writeFileSync(inGiven(name), '');
  const lines = (name) =>
    readFileSync(inGiven(name), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  return {
    env: {
      ...{ CI: 'true', GITHUB_ENV: inGiven('env'), GITHUB_PATH: inGiven('path') },
      ...{ GITHUB_OUTPUT: inGiven('output'), GITHUB_STEP_SUMMARY: inGiven('summary') },
    },
    kept: () => ({
      ...Object.fromEntries(lines('env').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
      PATH: [...lines('path').reverse(), process.env.PATH].join(path.delimiter),
    }),
  };
}

/** What GitHub would say of a push to the main branch. */
function gitHub() {
  return {
    ...{ event_name: 'push', ref: 'refs/heads/main', ref_name: 'main', ref_type: 'branch', run_number: 1, token: '' },
    ...{ repository: 'iouring-transport/iouring-transport', event: {} },
  };
}

/** Of a workflow that can be started by hand. */
function defaultInputs({ on }) {
  const inputs = on?.workflow_dispatch?.inputs ?? {};
  return Object.fromEntries(Object.entries(inputs).map(([name, { default: value }]) => [name, value]));
}
