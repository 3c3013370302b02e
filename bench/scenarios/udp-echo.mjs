/** Datagrams that come back: in a closed loop, and at a rate that is the same for all arms. */
import core from '../arms/core.mjs';
import { datagramScenario } from '../lib/datagrams.mjs';
import { runLoad, startServer } from '../lib/processes.mjs';

/** Offered at a given rate, as shares of what core echoes in a closed loop of 64. */
const OFFERED = [0.8, 1.5];

const closed = (sockets, size, inFlight) => ({ sockets, size, inFlight });
const paced = (size, offered) => ({ sockets: 1, size, offered });

/** The cases of a short run. */
const quick = [closed(1, 64, 64), closed(1, 64, 1), closed(8, 64, 64), ...OFFERED.map((offered) => paced(64, offered))];

function matrix({ connections = [1, 8], size = [64, 1200], pipeline = [1, 64, 512] }) {
  const loops = pipeline.flatMap((n) => connections.flatMap((c) => size.map((s) => closed(c, s, n))));
  return [...loops, ...size.flatMap((s) => OFFERED.map((offered) => paced(s, offered)))];
}

function named(one) {
  const sockets = `${one.sockets} ${one.sockets === 1 ? 'socket' : 'sockets'}`;
  if (one.offered !== undefined) {
    return {
      ...one,
      name: `${one.size} B, ${sockets}, offered ${one.offered} × core's rate`,
      args: ['--sockets', one.sockets, '--size', one.size],
    };
  }
  const args = ['--sockets', one.sockets, '--size', one.size, '--in-flight', one.inFlight];
  return { ...one, name: `${one.size} B, ${sockets}, ${one.inFlight} under way`, args };
}

/** What core echoes in a second, by size: measured once a run. */
const rates = new Map();

async function load(one, arm, { seconds, warmup }, more = []) {
  const server = await startServer(arm, 'echo', 'udp:127.0.0.1:0');
  try {
    const args = [...one.args, ...more, '--seconds', seconds, '--warmup', warmup];
    return await runLoad('udp-echo', server, args, seconds + warmup);
  } finally {
    await server.stop();
  }
}

async function coreRate(size, options) {
  if (!rates.has(size)) rates.set(size, (await load(named(closed(1, size, 64)), core, options)).messagesPerSecond);
  return rates.get(size);
}

export default datagramScenario({
  name: 'udp-echo',
  title: 'UDP echo',
  echoes: true,
  spins: true,
  metrics: {
    throughput: (run) => run.messagesPerSecond,
    CPU: (run) => run.serverCpuMicrosPerMessage,
    p99: (run) => run.latencyMicros?.p99,
    'arrived share': (run) => 1 - run.lossShare,
  },
  places: { 'arrived share': 4 },
  /** Figures to reach in a case. */
  reach({ size, offered, inFlight, sockets }) {
    const figure = (metric, over, bound, under = 'core') => ({ metric, over, under, ...bound });
    if (offered !== undefined) return ['ours', 'ours-batch'].map((over) => figure('arrived share', over, { atLeast: 1 }));
    if (size !== 64 || inFlight !== 64 || sockets !== 1) return [];
    return [
      figure('CPU', 'ours', { atMost: 0.6 }),
      figure('throughput', 'ours', { atLeast: 1.6 }),
      figure('CPU', 'ours-batch', { atMost: 0.45 }),
      figure('throughput', 'ours-batch', { atLeast: 2.2 }),
      figure('CPU', 'transport', { atMost: 0.35 }),
      figure('CPU', 'transport', { atMost: 1 }, 'bun-socket'),
      figure('throughput', 'ours-batch', { atLeast: 1 }, 'bun'),
      figure('throughput', 'ours-batch', { atLeast: 1 }, 'bun-socket'),
    ];
  },
  /** `chosen`: connections are sockets here, and the pipeline is what is under way over all of them. */
  cases(chosen, isQuick) {
    const given = Object.values(chosen).some((list) => list !== undefined);
    return (isQuick && !given ? quick : matrix(chosen)).map(named);
  },
  async measure(one, arm, options) {
    if (one.offered === undefined) return load(one, arm, options);
    return load(one, arm, options, ['--rate', Math.round(one.offered * (await coreRate(one.size, options)))]);
  },
});
