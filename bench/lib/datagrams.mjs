/** What the scenarios of datagrams share. */
import { percent, short } from './format.mjs';

/** Three digits even of a small share: one datagram lost in a hundred thousand is to be seen. */
const share = (value) => (Number.isFinite(value) ? `${value === 0 ? '0' : (value * 100).toPrecision(2)} %` : '–');

const columns = [
  { head: () => 'packets/s', of: (run) => run.messagesPerSecond, show: short },
  { head: () => 'server CPU µs/packet', of: (run) => run.serverCpuMicrosPerMessage, show: short },
  { head: () => 'lost', of: (run) => run.lossShare, show: share },
  { head: () => 'p50 µs', of: (run) => run.latencyMicros?.p50, show: short },
  { head: () => 'p99 µs', of: (run) => run.latencyMicros?.p99, show: short },
  { head: () => 'server CPU', of: (run) => run.serverCpuShare, show: percent },
  { head: () => 'load CPU', of: (run) => run.loadCpuShare, show: percent },
  { head: () => 'other CPU', of: (run) => run.othersCpuShare, show: percent },
];

/** A scenario of datagrams: what is given, and how it is shown. */
export const datagramScenario = (scenario) => ({
  unit: 'packet',
  datagrams: true,
  /** A socket of its own for each server. */
  address: () => 'udp:127.0.0.1:0',
  plotted: [
    ['CPU µs/packet', (run) => run.serverCpuMicrosPerMessage],
    ['packets/s', (run) => run.messagesPerSecond],
    ['lost %', (run) => run.lossShare * 100],
  ],
  ...scenario,
  columns: scenario.echoes ? columns : columns.filter(({ head }) => !/^p\d/.test(head())),
});
