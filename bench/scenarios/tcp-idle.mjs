/** Memory that the server's process needs for a connection that does nothing. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { digits } from '../lib/format.mjs';
import { Child, benchTool, startServer } from '../lib/processes.mjs';

const perConnection = (field) => (run) => (run.after[field] - run.before[field]) / run.connections;

const column = (head, of) => ({ head: () => head, of, show: (value) => digits(value, 2) });

export default {
  name: 'tcp-idle',
  title: 'Idle TCP connections: memory of the server per connection',
  mode: 'echo',
  unit: 'connection',
  columns: [
    column('RSS KiB/connection', perConnection('rssKib')),
    column('PSS KiB/connection', perConnection('pssKib')),
    column('kernel KiB/connection (both ends)', perConnection('slabKib')),
    column('RSS MiB before', (run) => run.before.rssKib / 1024),
    column('RSS MiB after', (run) => run.after.rssKib / 1024),
  ],
  metrics: { 'RSS per connection': perConnection('rssKib'), 'PSS per connection': perConnection('pssKib') },
  plotted: [['RSS KiB/connection', perConnection('rssKib')]],
  reach: () => [
    { metric: 'RSS per connection', over: 'ours', under: 'core', atMost: 1 },
    { metric: 'RSS per connection', over: 'transport', under: 'core', atMost: 0.6 },
  ],
  cases({ connections = [10_000] }) {
    return connections.map((c) => ({ name: `${c.toLocaleString('en-US')} connections`, connections: c }));
  },

  /** Opens the connections, lets server and kernel settle, and reads the memory before and after. */
  async measure(one, arm) {
    const server = await startServer(arm, 'echo');
    try {
      // So that what the first connections set up once is not counted as theirs.
      await hold(server, 10, async () => {});
      const before = await settled(server);
      return await hold(server, one.connections, async () => {
        return { before, after: await settled(server), connections: one.connections };
      });
    } finally {
      await server.stop();
    }
  },
};

/** Opens connections, runs `task` while they are held, and closes them. */
async function hold(server, connections, task) {
  const load = new Child({
    cpu: 1,
    command: [benchTool, 'load', 'tcp-idle', '--address', server.address, '--connections', String(connections)],
  });
  try {
    await load.line(60_000, 'opening the connections');
    return await task();
  } finally {
    await load.stop();
  }
}

/** Memory once garbage is collected (where the server collects any) and nothing moves any more. */
async function settled(server) {
  await sleep(500);
  if (server.collectsGarbage) {
    server.process.stdin.write('gc\n');
    await server.line(10_000, 'collecting garbage');
    await sleep(200);
  }
  const field = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]);
  const rollup = readFileSync(`/proc/${server.pid}/smaps_rollup`, 'utf8');
  const machine = readFileSync('/proc/meminfo', 'utf8');
  return { rssKib: field(rollup, 'Rss'), pssKib: field(rollup, 'Pss'), slabKib: field(machine, 'Slab') };
}
