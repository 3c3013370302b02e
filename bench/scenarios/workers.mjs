/** Two workers on two processors against one, whose handler keeps a processor busy. */
import os from 'node:os';
import { digits, short } from '../lib/format.mjs';
import { runLoad, startServer } from '../lib/processes.mjs';

const ARMS = ['core', 'core-again', 'ours', 'transport', 'base'];

const column = (head, of, show) => ({ head: () => head, of, show });
const gain = (run) => run.two.messagesPerSecond / run.one.messagesPerSecond;

export default {
  name: 'workers',
  title: 'Two workers against one',
  mode: 'workers',
  unit: 'message',
  takes: (arm) => ARMS.includes(arm.name),
  missing: () => (os.availableParallelism() < 2 ? 'there is one processor' : undefined),
  columns: [
    column('messages/s, one', (run) => run.one.messagesPerSecond, short),
    column('two', (run) => run.two.messagesPerSecond, short),
    column('two ÷ one', gain, (value) => digits(value, 2)),
    column('p99 µs, one', (run) => run.one.latencyMicros?.p99, short),
    column('two', (run) => run.two.latencyMicros?.p99, short),
  ],
  metrics: { 'two ÷ one': gain, 'throughput of two': (run) => run.two.messagesPerSecond },
  plotted: [
    ['messages/s, one', (run) => run.one.messagesPerSecond],
    ['messages/s, two', (run) => run.two.messagesPerSecond],
  ],
  reach: () => [{ metric: 'two ÷ one', over: 'transport', atLeast: 1.7 }],
  cases: ({ connections = [32] }) =>
    connections.map((c) => ({ name: `${c} connections`, args: ['--connections', c, '--size', 64] })),

  /** Neither the servers nor the load generator, which has little to do, are bound to a processor. */
  async measure({ args }, arm, { seconds, warmup }) {
    const run = async (workers) => {
      const server = await startServer(arm, 'workers', undefined, { cpu: undefined, env: { BENCH_WORKERS: String(workers) } });
      try {
        const load = [...args, '--seconds', seconds, '--warmup', warmup];
        return await runLoad('tcp-echo', server, load, seconds + warmup, { cpu: undefined });
      } finally {
        await server.stop();
      }
    };
    return { one: await run(1), two: await run(2) };
  },
};
