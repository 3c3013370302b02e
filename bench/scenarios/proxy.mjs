/** A proxy between a load generator and a server that sends back what it gets: every byte goes through it twice. */
import nativeFloor from '../arms/native-floor.mjs';
import { runLoad, startServer } from '../lib/processes.mjs';

const KIB = 1024;
const ARMS = ['core', 'core-again', 'ours', 'transport', 'base', 'bun', 'native-floor', 'native-splice'];

export default {
  name: 'proxy',
  title: 'TCP proxy',
  mode: 'proxy',
  unit: 'message',
  takes: (arm) => ARMS.includes(arm.name),
  /** Figures to reach in a case. */
  reach: ({ size }) => (size === 64 * KIB ? [{ metric: 'CPU', over: 'transport', under: 'core', atMost: 0.6 }] : []),
  cases({ connections = [1, 50], size = [64 * KIB], pipeline = [1] }) {
    return connections.flatMap((c) =>
      size.flatMap((s) =>
        pipeline.map((p) => ({
          name: `${c} × ${s / KIB} KiB${p > 1 ? `, pipelined ${p}` : ''}`,
          size: s,
          args: ['--connections', c, '--size', s, '--pipeline', p],
        })),
      ),
    );
  },

  /** The server behind the proxy shares the load generator's CPU. */
  async measure(one, arm, { seconds, warmup }) {
    const origin = await startServer(nativeFloor, 'echo', undefined, { cpu: 1 });
    try {
      const proxy = await startServer(arm, 'proxy', undefined, { env: { BENCH_UPSTREAM: origin.address } });
      try {
        const args = [...one.args, '--seconds', seconds, '--warmup', warmup];
        return await runLoad('tcp-echo', proxy, args, seconds + warmup);
      } finally {
        await proxy.stop();
      }
    } finally {
      await origin.stop();
    }
  },
};
