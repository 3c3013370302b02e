/** One event loop under bulk senders and a flood of connections: what becomes of its timers, and of a client that waits for short answers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { digits, percent, short } from '../lib/format.mjs';
import { runLoad, startServer } from '../lib/processes.mjs';

const BULK = ['tcp-stream', '--connections', 6];
const FLOOD = ['tcp-connect', '--connections', 200];
const ECHO = ['tcp-echo', '--connections', 1];

/** Clients that ask for so much a second, which any arm has time for: what is left for bulk can be compared. */
const atRate = (load, rate) => [...load, '--rate', rate];
const STEADY_ECHO = atRate(ECHO, 50);
const STEADY_FLOOD = atRate(FLOOD, 150);

const CASES = [
  { name: 'six bulk senders', echo: ECHO, bulk: BULK },
  { name: 'a flood of connections', echo: ECHO, flood: FLOOD },
  { name: 'six bulk senders and a flood of connections', echo: ECHO, bulk: BULK, flood: FLOOD },
  { name: 'six bulk senders, 50 messages a second', echo: STEADY_ECHO, bulk: BULK, steady: true },
  {
    name: 'six bulk senders, 50 messages and 150 connections a second',
    echo: STEADY_ECHO,
    bulk: BULK,
    flood: STEADY_FLOOD,
    steady: true,
  },
];

const column = (head, of, show) => ({ head: () => head, of, show });
const milliseconds = (value) => digits(value, 2);

export default {
  name: 'fairness',
  title: 'Timers, and one client that waits for echoes, beside load on the same event loop',
  mode: 'fairness',
  unit: 'message',
  takes: (arm) => ['core', 'core-again', 'ours', 'bun'].includes(arm.name),
  columns: [
    column('timers late by ms, p50', (run) => run.timerMilliseconds.p50, milliseconds),
    column('p99', (run) => run.timerMilliseconds.p99, milliseconds),
    column('setImmediate late by ms, p50', (run) => run.immediateMilliseconds.p50, milliseconds),
    column('p99', (run) => run.immediateMilliseconds.p99, milliseconds),
    column(
      'timers before setImmediate',
      (run) => run.overtaken,
      (value) => digits(value, 0),
    ),
    column('echoes/s', (run) => run.echo.messagesPerSecond, short),
    column('echo ms, p50', (run) => run.echo.latencyMicros.p50 / 1000, milliseconds),
    column('p99', (run) => run.echo.latencyMicros.p99 / 1000, milliseconds),
    column('bulk MB/s', (run) => run.bulk?.megabytesPerSecond, short),
    column('connections/s', (run) => run.flood?.messagesPerSecond, short),
    column('server CPU', (run) => run.echo.serverCpuShare, percent),
  ],
  metrics: {
    'timers late, p50': (run) => run.timerMilliseconds.p50,
    'timers late, p99': (run) => run.timerMilliseconds.p99,
    'echo p50': (run) => run.echo.latencyMicros.p50,
    'echo p99': (run) => run.echo.latencyMicros.p99,
    'echoes/s': (run) => run.echo.messagesPerSecond,
    'bulk MB/s': (run) => run.bulk?.megabytesPerSecond,
    'connections/s': (run) => run.flood?.messagesPerSecond,
  },
  plotted: [
    ['timers late by ms, p99', (run) => run.timerMilliseconds.p99],
    ['echo ms, p99', (run) => run.echo.latencyMicros.p99 / 1000],
  ],
  // Where every client takes what it can get, more for one is less for another: there bulk is shown beside the others, and is no figure to reach.
  reach({ flood, steady }) {
    const against = (metric, bound) => ({ metric, over: 'ours', under: 'core', ...bound });
    return [
      against('timers late, p50', { atMost: 1 }),
      against('timers late, p99', { atMost: 1 }),
      ...(steady ? [against('bulk MB/s', { atLeast: 1 })] : []),
      ...(flood && !steady ? [against('connections/s', { atLeast: 1 })] : []),
    ];
  },
  cases: () => CASES,

  /** All loads at once, and the server asked for its own view of the time that they measure. */
  async measure(one, arm, { seconds, warmup }) {
    const server = await startServer(arm, 'fairness');
    try {
      const [echoAt, sinkAt] = server.address.split(',');
      const load = async (address, [kind, ...args] = []) => {
        if (kind === undefined) return undefined;
        return runLoad(kind, { address, pid: server.pid }, [...args, '--seconds', seconds, '--warmup', warmup], seconds + warmup);
      };
      const loads = Promise.all([load(echoAt, one.echo), load(sinkAt, one.bulk), load(echoAt, one.flood)]);
      const seen = sleep(warmup * 1000).then(() => {
        server.process.stdin.write(`measure ${seconds}\n`);
        return server.line((seconds + 30) * 1000, 'measuring how late timers are');
      });
      const [[echo, bulk, flood], own] = await Promise.all([loads, seen]);
      return { ...JSON.parse(own), echo, bulk, flood };
    } finally {
      await server.stop();
    }
  },
};
