/** The run: every case, in rounds, with the arms interleaved. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fail, inRoot, say } from '../../scripts/lib.mjs';
import { allArms, availableArms } from './arms.mjs';
import { describeMachine } from './machine.mjs';
import { runLoad, startServer } from './processes.mjs';
import { tryServer } from './native-arm.mjs';
import { page } from './page.mjs';
import { plots } from './plot.mjs';
import { caseTable, disturbance, markdown, verdicts } from './report.mjs';

/** Order of the scenarios. */
const ORDER = [
  'startup',
  'tcp-echo',
  'tcp-pipe',
  'tcp-connect',
  'tcp-idle',
  'idle-minute',
  'tcp-close',
  'tcp-stream',
  'fairness',
  'unix-echo',
  'proxy',
  'pool',
  'workers',
  'http-hello',
  'http-body',
  'https-hello',
  'https-body',
  'h2-hello',
  'tls-stream',
  'tls-connect',
  'udp-echo',
  'udp-send',
  'udp-receive',
  'file-read-random',
  'file-write-random',
  'file-read-sequential',
  'file-write-sequential',
  'file-small-files',
  'file-durable-append',
];

/** All scenarios. */
async function allScenarios() {
  const files = readdirSync(inRoot('bench', 'scenarios')).filter((file) => file.endsWith('.mjs'));
  const scenarios = await Promise.all(files.map(async (file) => (await import(`../scenarios/${file}`)).default));
  return scenarios.sort((one, other) => ORDER.indexOf(one.name) - ORDER.indexOf(other.name));
}

/** Those of `all` whose names were asked for; all of them where nothing was. */
function choose(all, names, what) {
  for (const name of names ?? []) {
    if (!all.some((one) => one.name === name)) fail(`No ${what} '${name}'. There are: ${all.map((one) => one.name).join(', ')}.`);
  }
  return names === undefined ? all : all.filter((one) => names.includes(one.name));
}

/** Measures one arm once, with a server of its own. */
async function measure(scenario, one, arm, options) {
  if (scenario.measure !== undefined) return scenario.measure(one, arm, options);
  const server = await startServer(arm, one.mode ?? scenario.mode, scenario.address?.());
  try {
    const args = [...one.args, '--seconds', options.seconds, '--warmup', options.warmup];
    return await runLoad(scenario.load, server, args, options.seconds + options.warmup);
  } finally {
    await server.stop();
  }
}

/** Measures one case: the arms one after the other in every round, in the opposite order every other round. */
async function runCase(scenario, one, arms, options) {
  const runs = [];
  const failures = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const arm of round % 2 === 0 ? arms : arms.toReversed()) {
      if (failures.some((failure) => failure.arm === arm.name)) continue;
      progress(`${scenario.name}: ${one.name}, round ${round + 1} of ${options.rounds}, ${arm.name}`);
      try {
        runs.push({ arm: arm.name, round, ...(await measure(scenario, one, arm, options)) });
      } catch (error) {
        failures.push({ arm: arm.name, round, message: error.message });
      }
    }
  }
  progress('');
  return { name: one.name, ...one, runs, failures };
}

/** One line that is overwritten by the next, where somebody is looking. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** Runs the benchmark. Resolves to the exit status: 1 where a measurement failed. */
export async function bench(options) {
  // The load generator drives its connections as the native server does.
  const obstacle = tryServer('native-floor');
  if (obstacle !== undefined) fail(`The load generator cannot run here: it needs io_uring (native-floor: ${obstacle}).`);
  const scenarios = choose(await allScenarios(), options.scenarios, 'scenario');
  const { available, skipped } = await availableArms(choose(await allArms(), options.arms, 'arm'));
  const result = {
    machine: describeMachine(),
    options: { quick: options.quick, rounds: options.rounds, seconds: options.seconds, warmup: options.warmup },
    arms: available.map(({ name, about }) => ({ name, about })),
    skipped,
    scenarios: [],
  };
  say(`Comparing ${available.map((arm) => arm.name).join(', ')}`);
  for (const { name, reason } of skipped) process.stdout.write(`Not measured: ${name}: ${reason}\n`);
  if (available.length === 0) fail('Nothing to measure.');

  for (const scenario of scenarios) {
    const unable = scenario.missing?.();
    if (unable !== undefined) {
      process.stdout.write(`Not measured: ${scenario.name}: ${unable}\n`);
      skipped.push({ name: scenario.name, reason: unable });
      continue;
    }
    const cases = [];
    const able = available.filter((arm) => arm.cannot?.(scenario) === undefined && scenario.takes?.(arm) !== false);
    for (const arm of available) {
      const reason = arm.cannot?.(scenario);
      if (reason !== undefined) process.stdout.write(`Not measured in ${scenario.name}: ${arm.name}: ${reason}\n`);
    }
    result.scenarios.push({ name: scenario.name, title: scenario.title, unit: scenario.unit, cases });
    for (const one of scenario.cases(options.chosen, options.quick)) {
      const measured = await runCase(scenario, one, able, options);
      cases.push(measured);
      say(`${scenario.title}: ${measured.name}`);
      process.stdout.write(`${caseTable(measured, scenario, result.arms)}\n`);
      for (const { arm, round, message } of measured.failures) {
        process.stdout.write(`Failed: ${arm}, round ${round + 1}: ${message}\n`);
      }
    }
  }

  mkdirSync(options.out, { recursive: true });
  writeFileSync(path.join(options.out, 'results.json'), `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(path.join(options.out, 'results.md'), markdown(result, scenarios));
  writeFileSync(path.join(options.out, 'results.html'), page(result, scenarios));
  for (const [name, svg] of await plots(result, scenarios)) writeFileSync(path.join(options.out, `${name}.svg`), svg);
  for (const verdict of verdicts(result, scenarios)) process.stdout.write(`${verdict}\n`);
  const disturbed = disturbance(result);
  if (disturbed !== undefined) process.stdout.write(`\n${disturbed}\n`);
  say(`Results: ${path.relative(process.cwd(), options.out) || '.'}`);
  return result.scenarios.some(({ cases }) => cases.some(({ failures }) => failures.length > 0)) ? 1 : 0;
}
