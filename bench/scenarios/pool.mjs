/** Requests and answers over a pool of 64 connections: here the client is what is measured, and the server is the native one. */
import nativeFloor from '../arms/native-floor.mjs';
import { startServer } from '../lib/processes.mjs';
import { measureRequests, watchProcesses } from '../lib/requests.mjs';

const ARMS = ['core', 'core-again', 'ours', 'transport', 'base', 'bun'];

export default {
  name: 'pool',
  title: 'Requests over a pool of 64 connections',
  mode: 'pool',
  unit: 'request',
  takes: (arm) => ARMS.includes(arm.name),
  /** Figures to reach in a case. */
  reach: ({ inFlight, size }) =>
    inFlight === 64 && size === 64 ? [{ metric: 'throughput', over: 'transport', under: 'core', atLeast: 1.6 }] : [],
  /** `chosen`: the pipeline is what is under way over all connections, of which there are 64. */
  cases({ pipeline = [64, 8], size = [64] }) {
    return pipeline.flatMap((inFlight) => size.map((s) => ({ name: `${s} B, ${inFlight} under way`, inFlight, size: s })));
  },

  async measure({ inFlight, size }, arm, options) {
    const origin = await startServer(nativeFloor, 'echo', undefined, { cpu: 1 });
    const watch = watchProcesses(origin.pids);
    const ask = async (client, seconds) => {
      const before = await watch.look();
      client.process.stdin.write(`measure ${inFlight} ${size} ${seconds}\n`);
      const run = JSON.parse(await client.line((seconds + 10) * 1000, 'the requests'));
      const after = await watch.look();
      return { ...run, loadCpuSeconds: after.cpuSeconds - before.cpuSeconds };
    };
    try {
      return await measureRequests(arm, 'pool', options, ask, origin.address);
    } finally {
      await watch.stop();
      await origin.stop();
    }
  },
};
