/** Measuring a server under a load generator that is a program of its own, which knows nothing of the server's process. */
import { spawnSync } from 'node:child_process';
import { inRoot } from '../../scripts/lib.mjs';
import { benchTool, Child, startServer } from './processes.mjs';

/** The arms that serve HTTP: their server is JavaScript. */
export const HTTP_ARMS = ['core', 'ours', 'core-again', 'bun', 'bun-socket'];

/** Why a program cannot be run; `undefined` where it can. */
export const missingProgram = (program, pack) =>
  spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
    ? undefined
    : `${program} is not installed (Debian's package ${pack})`;

/** Runs a load generator that ends with one line of JSON, and resolves to that. */
export async function runProgram(command, seconds) {
  const child = new Child({ cpu: 1, command });
  try {
    for (;;) {
      const line = await child.line((seconds + 30) * 1000, command[0]);
      if (line.startsWith('{')) return JSON.parse(line);
    }
  } finally {
    await child.stop();
  }
}

/** Runs wrk; resolves to what bench/wrk/report.lua prints at its end. */
export function wrk(server, { scheme = 'http', connections, pipeline = 1, headers = [] }, seconds) {
  const script = inRoot('bench', 'wrk', 'report.lua');
  return runProgram(
    ['wrk', '-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', script].concat(
      headers.flatMap((header) => ['-H', header]),
      [`${scheme}://${server.address}/`, '--', String(pipeline)],
    ),
    seconds,
  );
}

/** Looks at what processes have cost so far, all together. */
export function watchProcesses(pids) {
  const watch = new Child({ cpu: 1, command: [benchTool, 'watch', ...pids.flatMap((pid) => ['--pid', String(pid)])] });
  return {
    async look() {
      watch.process.stdin.write('\n');
      return JSON.parse(await watch.line(5000, 'looking at the server'));
    },
    stop: () => watch.stop(),
  };
}

/**
 * Options for a server that needs four times as long as others until V8 has compiled it: two processes that share a processor, or core's http2, of which
 * much more is JavaScript. A request costs two to five times as much before, whatever is below it.
 */
export const longerWarm = (options) => ({ ...options, warmup: 4 * options.warmup });

/**
 * Measures one case of one arm: the server's CPU time between the beginning and the end of a run.
 *
 * @param mode what the server does
 * @param drive runs the load generator for so many seconds: `(server, seconds) => { requests, bytes, seconds, loadCpuSeconds, errors }`
 * @param address where the server listens; any port where it is left out
 */
export async function measureRequests(arm, mode, options, drive, address) {
  const whole = (seconds) => Math.max(1, Math.ceil(seconds));
  const server = await startServer(arm, mode, address);
  const watch = watchProcesses(server.pids);
  try {
    await drive(server, whole(options.warmup));
    const before = await watch.look();
    const run = await drive(server, whole(options.seconds));
    const after = await watch.look();
    const failed = Object.entries(run.errors).filter(([, count]) => count > 0);
    if (failed.length > 0) throw new Error(`the load generator counted errors: ${JSON.stringify(Object.fromEntries(failed))}`);
    const used = after.cpuSeconds - before.cpuSeconds;
    const others = after.machineCpuSeconds - before.machineCpuSeconds - used - run.loadCpuSeconds;
    return {
      ...run,
      messages: run.requests,
      messagesPerSecond: run.requests / run.seconds,
      megabytesPerSecond: run.bytes / run.seconds / 1e6,
      serverCpuSeconds: used,
      serverCpuMicrosPerMessage: (used * 1e6) / run.requests,
      serverCpuShare: used / run.seconds,
      loadCpuShare: run.loadCpuSeconds / run.seconds,
      othersCpuShare: Math.max(0, others) / run.seconds,
      serverMemory: after.memory,
    };
  } finally {
    await watch.stop();
    await server.stop();
  }
}
