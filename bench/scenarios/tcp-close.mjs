/** Many connections that are destroyed at once: what each of them costs must not depend on how many there are. */
import { spawnSync } from 'node:child_process';
import { digits } from '../lib/format.mjs';
import { Child, benchTool, startServer } from '../lib/processes.mjs';

const CASES = [100, 1000, 10_000, 50_000];

/** Descriptors that a process has for other things. */
const SPARE = 200;

const perConnection = (run) => run.cpuMicroseconds / run.connections;

const column = (head, of, places) => ({ head: () => head, of, show: (value) => digits(value, places) });

/** The most descriptors that a process may have. */
function mostDescriptors() {
  const limit = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  return limit === 'unlimited' ? Infinity : Number(limit);
}

export default {
  name: 'tcp-close',
  title: 'TCP connections destroyed at once',
  mode: 'close',
  unit: 'connection',
  takes: (arm) => ['core', 'core-again', 'ours'].includes(arm.name),
  columns: [
    column('CPU µs/connection', perConnection, 1),
    column('ms until the last has closed', (run) => run.milliseconds, 1),
    column('ms by which a timer was late', (run) => run.blockedMilliseconds, 1),
  ],
  metrics: { 'CPU per connection': perConnection },
  plotted: [['CPU µs/connection', perConnection]],
  reach: ({ connections }) =>
    connections < 1000 ? [] : [{ metric: 'CPU per connection', over: 'ours', under: 'core', atMost: 1.3 }],
  cases({ connections = CASES }, quick = false) {
    const most = Math.min(mostDescriptors() - SPARE, quick ? 10_000 : Infinity);
    const possible = new Set(connections.map((count) => Math.min(count, most)));
    return [...possible].map((count) => ({ name: `${count.toLocaleString('en-US')} connections`, connections: count }));
  },

  /** Opens the connections and has the server destroy them; each of them must be seen to end. */
  async measure(one, arm) {
    const server = await startServer(arm, 'close');
    try {
      // So that what the first of them set up once, and slow code, is not counted.
      for (let round = 0; round < 10; round++) await closed(server, 1000);
      return await closed(server, one.connections);
    } finally {
      await server.stop();
    }
  },
};

async function closed(server, connections) {
  const load = new Child({
    cpu: 1,
    command: [benchTool, 'load', 'tcp-close', '--address', server.address, '--connections', String(connections)],
  });
  try {
    await load.line(120_000, 'opening the connections');
    server.process.stdin.write('close\n');
    const took = JSON.parse(await server.line(120_000, 'closing the connections'));
    const { ended } = JSON.parse(await load.line(120_000, 'the ends of the connections'));
    if (ended !== connections || took.connections !== connections)
      throw new Error(`${ended} of ${connections} connections ended`);
    return took;
  } finally {
    await load.stop();
  }
}
