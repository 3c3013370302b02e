/** What the scenarios of files share. */
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { inRoot } from '../../scripts/lib.mjs';
import { bunCommand } from './bun-arm.mjs';
import { cpuShareOf, fioCommand, fioResult, readAllLines } from './fio.mjs';
import { short } from './format.mjs';
import { benchTool, Child, within } from './processes.mjs';

const MIB = 1024 * 1024;
const BLOCK = 4096;
const SMALL_FILES = 10_000;
const TMPFS = 0x0102_1994;

let made;

/** A folder of this run, on a disk rather than in memory, and removed at its end. */
function place() {
  if (made !== undefined) return made;
  const parent = statfsSync(tmpdir()).type === TMPFS ? inRoot('bench', 'results') : tmpdir();
  mkdirSync(parent, { recursive: true });
  made = mkdtempSync(path.join(parent, 'iouring-bench-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A file of so many MiB, in the page cache. Every block begins with its number. */
function largeFile(name, size) {
  const file = path.join(place(), name);
  const fd = openSync(file, 'w');
  const piece = Buffer.alloc(MIB, 1);
  for (let at = 0; at < size * MIB; at += MIB) {
    for (let block = 0; block < MIB; block += BLOCK) piece.writeUInt32LE((at + block) / BLOCK, block);
    writeSync(fd, piece);
  }
  closeSync(fd);
  readFileSync(file);
  return file;
}

/** 10,000 files of 1 to 4 KiB. */
function smallFiles() {
  const directory = path.join(place(), 'small');
  mkdirSync(directory);
  for (let i = 0; i < SMALL_FILES; i++) writeFileSync(path.join(directory, String(i)), Buffer.alloc(1024 + (i % 4) * 1000, 1));
  return directory;
}

/** What a scenario can need: each is made once. Random writes have a file of their own, so that the one to read stays as it is. */
const NEEDS = {
  read: () => ({ file: largeFile('read', 256), directory: place() }),
  write: () => ({ file: largeFile('write', 256), directory: place() }),
  sequential: () => ({ file: largeFile('sequential', 1024), directory: place() }),
  overwrite: () => ({ file: largeFile('overwrite', 1024), directory: place() }),
  small: () => ({ directory: smallFiles() }),
  place: () => ({ directory: place() }),
};
const there = new Map();

function needed(what) {
  if (!there.has(what)) there.set(what, NEEDS[what]());
  return there.get(what);
}

function nativeCommand({ file, operation, depth, size, direct, seconds, warmup }) {
  const args = {
    '--file': file,
    '--operation': operation,
    '--depth': depth,
    '--size': size,
    '--seconds': seconds,
    '--warmup': warmup,
  };
  return [benchTool, 'files', ...Object.entries(args).flat().map(String), ...(direct ? ['--direct'] : [])];
}

/** Measures an arm in one case of a scenario of files. */
async function measureFiles(scenario, one, arm, { seconds, warmup }) {
  const job = { scenario: scenario.name, arm: arm.name, ...needed(scenario.needs), ...one, seconds, warmup };
  const worker = [inRoot('bench', 'files', 'worker.mjs'), JSON.stringify(job)];
  const fio = arm.name === 'fio' ? { ...job, operation: scenario.fio, seconds: seconds + warmup } : undefined;
  const commands = {
    'native-floor': () => nativeCommand({ ...job, operation: scenario.operation }),
    fio: () => fioCommand(fio),
    bun: () => [bunCommand(), ...worker],
  };
  // On all processors: core's and Bun's files are pools of threads, which one processor would hold back.
  const child = new Child({ env: arm.env, command: commands[arm.name]?.() ?? [process.execPath, ...worker] });
  const what = `${scenario.name} with ${arm.name}`;
  const limit = (seconds + warmup + 60) * 1000;
  try {
    if (fio === undefined) return JSON.parse(await child.line(limit, what));
    const share = cpuShareOf(child.pid, fio.seconds).catch(() => undefined);
    const printed = await within(limit, readAllLines(child), `${what} took too long`);
    return fioResult(printed, scenario.fio, scenario.unit, await share);
  } finally {
    await child.stop();
  }
}

const columns = [
  { head: (unit) => `${unit}s/s`, of: (run) => run.messagesPerSecond, show: short },
  { head: (unit) => `CPU µs/${unit}`, of: (run) => run.serverCpuMicrosPerMessage, show: short },
  { head: () => 'p50 µs', of: (run) => run.latencyMicros?.p50, show: short },
  { head: () => 'p99 µs', of: (run) => run.latencyMicros?.p99, show: short },
];
const metrics = { throughput: (run) => run.messagesPerSecond, CPU: (run) => run.serverCpuMicrosPerMessage };

/** A scenario of files. `arms` are those that can take part; `cases` are given whether the run is a short one. */
export function fileScenario({ arms, cases, unit = 'operation', ...scenario }) {
  const complete = {
    unit,
    files: true,
    columns,
    metrics,
    plotted: [[`${unit}s/s`, metrics.throughput]],
    needs: 'place',
    ...scenario,
  };
  return {
    ...complete,
    cases: (_chosen, quick) => cases(quick),
    takes: (arm) => arms.includes(arm.name),
    measure: (one, arm, options) => measureFiles(complete, one, arm, options),
  };
}

/** Random transfers of 4 KiB: 1, 32 and 256 under way, cached and not. A short run has fewer. */
export const randomCases = (writing) => (quick) =>
  [false, true].flatMap((direct) =>
    (quick ? [32] : [1, 32, 256]).map((depth) => ({
      name: `4 KiB, ${depth} under way${direct ? ', O_DIRECT' : ''}`,
      ...{ depth, size: BLOCK, direct, writing },
    })),
  );

/** Sequential transfers, of pieces of 64 KiB and of 1 MiB. */
export const sequentialCases = (quick) =>
  (quick ? [64] : [64, 1024]).map((kib) => ({ name: `${kib} KiB at a time`, size: kib * 1024 }));
