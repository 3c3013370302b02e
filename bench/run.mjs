/**
 * `npm run bench -- [options]`: compares arms side by side. See bench/README.md for how to read what comes out.
 */
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { fail, has, inRoot, mustRun, say } from '../scripts/lib.mjs';
import { setup } from '../scripts/setup.mjs';

const HELP = `npm run bench -- [options]

  --scenario X,Y      scenarios (all of them)
  --arms a,b          arms (all that can run here)
  --quick             a short run: fewer cases, three rounds of one second
  --rounds N          times that every arm is measured in a case (5)
  --seconds S         seconds measured each time (2)
  --warmup S          seconds before, which count for nothing (0.7)
  --connections a,b   numbers of connections
  --size a,b          sizes of a message in bytes
  --pipeline a,b      messages that a connection keeps under way
  --idle a,b          seconds of the pause in idle-minute (60)
  --out DIR           where results go (bench/results)
  --no-build          measure what is built already
`;

const list = (text) => text?.split(',').filter((item) => item !== '');
const numbers = (name, text) => list(text)?.map((item) => number(name, item));

function number(name, text) {
  const value = Number(text);
  if (!(value > 0)) fail(`--${name} takes a number above 0, not '${text}'.`);
  return value;
}

function readOptions() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  try {
    const { values } = parseArgs({
      options: {
        ...{ scenario: text, arms: text, rounds: text, seconds: text, warmup: text, out: text },
        ...{ connections: text, size: text, pipeline: text, idle: text, quick: flag, help: flag, 'no-build': flag },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    return {
      scenarios: list(values.scenario),
      arms: list(values.arms),
      quick: values.quick,
      build: !values['no-build'],
      rounds: Math.round(number('rounds', values.rounds ?? (values.quick ? 3 : 5))),
      seconds: number('seconds', values.seconds ?? (values.quick ? 1 : 2)),
      warmup: number('warmup', values.warmup ?? (values.quick ? 0.5 : 0.7)),
      chosen: {
        connections: numbers('connections', values.connections),
        size: numbers('size', values.size),
        pipeline: numbers('pipeline', values.pipeline),
        idle: numbers('idle', values.idle),
      },
      out: path.resolve(values.out ?? inRoot('bench', 'results')),
    };
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`);
  }
}

const options = readOptions();
if (options.build) {
  await setup();
  if (!has('cargo')) fail('The load generator needs Rust (cargo): see https://rustup.rs');
  say('Building the load generator and the native servers (cargo, release)');
  mustRun('cargo', ['build', '--release', '--package', 'bench-tools']);
}
// Only now: what it imports may just have been installed.
const { bench } = await import('./lib/bench.mjs');
process.exitCode = await bench(options);
