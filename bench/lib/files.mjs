/** What the scenarios of files share. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { benchTool, Child } from './processes.mjs';

const SIZE = 256 * 1024 * 1024;
const SMALL_FILES = 10_000;

const place = path.join(tmpdir(), 'iouring-bench-files');

/** A file of 256 MiB, in the page cache. */
function largeFile() {
  mkdirSync(place, { recursive: true });
  const file = path.join(place, 'large');
  if (!existsSync(file) || statSync(file).size !== SIZE) writeFileSync(file, Buffer.alloc(SIZE, 1));
  readFileSync(file);
  return file;
}

/** 10,000 files of 1 to 4 KiB. */
function smallFiles() {
  const directory = path.join(place, 'small');
  if (!existsSync(path.join(directory, String(SMALL_FILES - 1)))) {
    mkdirSync(directory, { recursive: true });
    for (let i = 0; i < SMALL_FILES; i++) writeFileSync(path.join(directory, String(i)), Buffer.alloc(1024 + (i % 4) * 1000, 1));
  }
  return directory;
}

let large;
let small;

/** Measures an arm in one case of a scenario of files. */
export function measureFiles(scenario, options) {
  return async (one, arm) => {
    const file = scenario.needs === 'large' ? (large ??= largeFile()) : undefined;
    mkdirSync(place, { recursive: true });
    const directory = scenario.needs === 'small' ? (small ??= smallFiles()) : place;
    const { seconds = 1, warmup = 0.5 } = options;
    const child = new Child({
      cpu: 0,
      env: arm.env,
      command:
        arm.name === 'native-floor'
          ? [benchTool, 'files', '--file', file, '--operation', scenario.operation, '--depth', String(one.depth)].concat(
              ['--size', String(one.size), '--seconds', String(seconds), '--warmup', String(warmup)],
              one.direct ? ['--direct'] : [],
            )
          : [
              process.execPath,
              inRoot('bench', 'files', 'worker.mjs'),
              arm.name,
              JSON.stringify({ scenario: scenario.name, directory, file, seconds, warmup, ...one }),
            ],
    });
    try {
      return JSON.parse(await child.line((seconds + warmup + 20) * 1000, `${scenario.name} with ${arm.name}`));
    } finally {
      await child.stop();
    }
  };
}

const columns = [
  {
    head: (unit) => `${unit}s/s`,
    of: (run) => run.messagesPerSecond,
    show: (value) => Math.round(value).toLocaleString('en-US'),
  },
  { head: (unit) => `CPU µs/${unit}`, of: (run) => run.serverCpuMicrosPerMessage, show: (value) => value?.toFixed(2) ?? '–' },
];
const metrics = { throughput: (run) => run.messagesPerSecond, CPU: (run) => run.serverCpuMicrosPerMessage };

/** A scenario of files. `arms` are those that can take part. */
export function fileScenario({ arms, ...scenario }) {
  const made = { unit: 'operation', files: true, columns, metrics, plotted: [['operations/s', metrics.throughput]], ...scenario };
  return { ...made, takes: (arm) => arms.includes(arm.name), measure: measureFiles(made, {}) };
}

/** Random transfers of 4 KiB: 1, 32 and 256 under way, cached and not. */
export const randomCases = () =>
  [false, true].flatMap((direct) =>
    [1, 32, 256].map((depth) => ({ name: `4 KiB, ${depth} under way${direct ? ', O_DIRECT' : ''}`, depth, size: 4096, direct })),
  );
