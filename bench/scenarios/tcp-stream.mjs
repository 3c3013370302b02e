/** Bytes in one direction over one connection or several. */
import { digits, percent, short } from '../lib/format.mjs';

const cpuPerMib = (run) => (run.serverCpuSeconds * 1e6) / (run.bytes / 2 ** 20);

export default {
  name: 'tcp-stream',
  title: 'TCP stream',
  load: 'tcp-stream',
  unit: 'MiB',
  columns: [
    { head: () => 'MB/s', of: (run) => run.megabytesPerSecond, show: short },
    { head: () => 'server CPU µs/MiB', of: cpuPerMib, show: (value) => digits(value, 1) },
    { head: () => 'RSS MiB', of: (run) => run.serverMemory?.rssKib / 1024, show: short },
    { head: () => 'server CPU', of: (run) => run.serverCpuShare, show: percent },
    { head: () => 'load CPU', of: (run) => run.loadCpuShare, show: percent },
    { head: () => 'other CPU', of: (run) => run.othersCpuShare, show: percent },
  ],
  metrics: { throughput: (run) => run.megabytesPerSecond, CPU: cpuPerMib },
  plotted: [
    ['MB/s', (run) => run.megabytesPerSecond],
    ['CPU µs/MiB', cpuPerMib],
  ],
  cases({ connections = [1] }) {
    return connections.flatMap((c) =>
      [
        ['to the server', 'upload', 'sink'],
        ['from the server', 'download', 'source'],
      ].map(([words, direction, mode]) => ({
        name: `${c} ${c === 1 ? 'connection' : 'connections'} ${words}`,
        connections: c,
        direction,
        mode,
        args: ['--connections', c, '--direction', direction],
      })),
    );
  },
};
