/** Datagrams from the server, as many as it sends. */
import { datagramScenario } from '../lib/datagrams.mjs';

export default datagramScenario({
  name: 'udp-send',
  title: 'UDP send',
  load: 'udp-send',
  mode: 'source',
  metrics: { throughput: (run) => run.messagesPerSecond, CPU: (run) => run.serverCpuMicrosPerMessage },
  cases: ({ size = [64, 1200] }) => size.map((s) => ({ name: `${s} B`, size: s, args: ['--size', s] })),
});
