/** Datagrams to the server, which counts them: at a rate that all can bear, at one that few can, and handed over many at a time (GSO). */
import { datagramScenario } from '../lib/datagrams.mjs';

const FLOODS = [
  { words: '50,000 a second', more: ['--rate', 50_000] },
  { words: 'as many as can be sent', more: [] },
  { words: 'as many as can be sent, 32 in a segmented buffer', more: ['--segments', 32] },
];

export default datagramScenario({
  name: 'udp-receive',
  title: 'UDP receive',
  load: 'udp-receive',
  mode: 'sink',
  metrics: {
    throughput: (run) => run.messagesPerSecond,
    CPU: (run) => run.serverCpuMicrosPerMessage,
    'arrived share': (run) => 1 - run.lossShare,
  },
  places: { 'arrived share': 4 },
  cases: ({ size = [64, 1200] }) =>
    size.flatMap((s) => FLOODS.map(({ words, more }) => ({ name: `${s} B, ${words}`, size: s, args: ['--size', s, ...more] }))),
});
