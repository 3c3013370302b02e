/** HTTP requests that are answered with a few bytes: core's `http` over either's sockets, under wrk. */
import { spawnSync } from 'node:child_process';
import { inRoot } from '../../scripts/lib.mjs';
import { benchTool, Child, startServer } from '../lib/processes.mjs';

const ARMS = ['core', 'ours', 'core-again', 'bun', 'bun-socket'];

/** Starts wrk against a server and resolves to what bench/wrk/report.lua prints at its end. */
async function wrk(server, { connections, pipeline, headers }, seconds) {
  const child = new Child({
    cpu: 1,
    command: [
      'wrk',
      '-t',
      '1',
      '-c',
      String(connections),
      '-d',
      `${seconds}s`,
      '-s',
      inRoot('bench', 'wrk', 'report.lua'),
    ].concat(
      headers.flatMap((header) => ['-H', header]),
      [`http://${server.address}/`, '--', String(pipeline)],
    ),
  });
  try {
    for (;;) {
      const line = await child.line((seconds + 30) * 1000, 'wrk');
      if (line.startsWith('{')) return JSON.parse(line);
    }
  } finally {
    await child.stop();
  }
}

export default {
  name: 'http-hello',
  title: 'HTTP hello',
  unit: 'request',
  takes: (arm) => ARMS.includes(arm.name),
  missing: () =>
    spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error === undefined
      ? undefined
      : "wrk is not installed (Debian's package wrk)",
  /** Figures to reach in a case. */
  reach({ pipeline, headers }) {
    if (pipeline > 1 || headers.length > 0) return [];
    const against = (metric, atMost) => ({ metric, over: 'ours', under: 'core', atMost });
    return [against('CPU', 0.92), against('p99', 1)];
  },
  cases({ connections = [50], pipeline = [1, 16] }) {
    return connections.flatMap((c) => [
      ...pipeline.map((p) => ({
        name: `${c} connections, kept alive${p > 1 ? `, pipelined ${p}` : ''}`,
        ...{ connections: c, pipeline: p, headers: [] },
      })),
      { name: `${c} connections, one request each`, connections: c, pipeline: 1, headers: ['Connection: close'] },
    ]);
  },

  async measure(one, arm, options) {
    const whole = (seconds) => Math.max(1, Math.ceil(seconds));
    const server = await startServer(arm, 'hello');
    const watch = new Child({ cpu: 1, command: [benchTool, 'watch', '--pid', String(server.pid)] });
    const look = async () => {
      watch.process.stdin.write('\n');
      return JSON.parse(await watch.line(5000, 'looking at the server'));
    };
    try {
      await wrk(server, one, whole(options.warmup));
      const before = await look();
      const run = await wrk(server, one, whole(options.seconds));
      const after = await look();
      const failed = Object.entries(run.errors).filter(([, count]) => count > 0);
      if (failed.length > 0) throw new Error(`wrk counted errors: ${JSON.stringify(Object.fromEntries(failed))}`);
      const used = after.cpuSeconds - before.cpuSeconds;
      const others = after.machineCpuSeconds - before.machineCpuSeconds - used - run.loadCpuSeconds;
      return {
        ...run,
        // wrk's correction of latencies takes one request under way for granted: pipelined, its percentiles mean nothing (some are 0).
        latencyMicros: one.pipeline > 1 ? undefined : run.latencyMicros,
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
  },
};
