/** fio with its io_uring engine, where it is installed (Debian's package `fio`): what the machine gives. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** Why fio cannot run; `undefined` where it can. */
export function tryFio() {
  return spawnSync('fio', ['--version'], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'fio is not installed (apt-get install fio)';
}

/** The command for one case. `operation` is fio's name of the pattern: randread, randwrite, read, write. */
export function fioCommand({ file, operation, depth = 1, size, direct = false, seconds }) {
  const job = {
    name: 'bench',
    filename: file,
    rw: operation,
    ioengine: 'io_uring',
    bs: size,
    iodepth: depth,
    direct: Number(direct),
    runtime: `${Math.round(seconds * 1000)}ms`,
    // What is cached stays so, and positions are drawn freely, as by the other arms.
    invalidate: 0,
    norandommap: 1,
    time_based: 1,
    fallocate: 'none',
    'output-format': 'json',
  };
  return ['fio', ...Object.entries(job).map(([name, value]) => `--${name}=${value}`), '--thread'];
}

/** What a run printed, as a measurement. `counted` is the unit: megabytes, or operations. */
export function fioResult(text, operation, counted, cpuShare) {
  const [job] = JSON.parse(text.slice(text.indexOf('{'))).jobs;
  if (job.error !== 0) throw new Error(`fio failed: error ${job.error}`);
  const side = job[operation.endsWith('read') ? 'read' : 'write'];
  const done = counted === 'megabyte' ? side.io_bytes / 1e6 : side.total_ios;
  const seconds = side.runtime / 1000;
  const percentile = (name) => side.clat_ns.percentile?.[name] / 1000;
  return {
    messagesPerSecond: done / seconds,
    serverCpuMicrosPerMessage: (cpuShare * seconds * 1e6) / done,
    latencyMicros: { p50: percentile('50.000000'), p99: percentile('99.000000') },
  };
}

/** Everything that a child prints, as one text. */
export async function readAllLines(child) {
  const lines = [];
  for (let line = await child.readLine(); line !== undefined; line = await child.readLine()) lines.push(line);
  const { status, error } = await child.ended;
  if (error !== undefined || status !== 0) throw new Error(`fio ended: ${error?.message ?? status}\n${child.complaints}`.trim());
  return lines.join('\n');
}

/** Clock ticks of a process in user and system mode: all threads, those of the kernel's io_uring workers and the ended ones too. */
function ticks(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/**
 * CPUs that fio keeps busy in the middle of its run, 0 to their number. Its own figure leaves out the kernel's workers, which do
 * much of what is written through the page cache. Clock ticks are a hundredth of a second on Linux.
 */
export async function cpuShareOf(pid, seconds) {
  await pause(seconds * 500);
  const from = { ticks: ticks(pid), time: performance.now() };
  await pause(seconds * 400);
  return ((ticks(pid) - from.ticks) * 10) / (performance.now() - from.time);
}
