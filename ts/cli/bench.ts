/**
 * A look at speed, in ten seconds: an echo server on core and the same on the ring, in turns, each in a process of its own. For figures to rely on there is
 * `npm run bench` in the repository.
 */
import { Buffer } from 'node:buffer';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { setTimeout } from 'node:timers';

const require = createRequire(import.meta.url);

const CONNECTIONS = 50;
const SIZE = 64;
const ROUNDS = 4;
const WARM_UP = 200;
const MEASURED = 1000;

/** One server's medians. */
export interface BenchFigures {
  readonly messagesPerSecond: number;
  /** CPU time of the server for one message, user and system, in microseconds. */
  readonly cpuMicroseconds: number;
}

export interface BenchResult {
  readonly scenario: string;
  readonly core: BenchFigures;
  readonly uring: BenchFigures;
  /** The ring's figures divided by core's. */
  readonly throughputRatio: number;
  readonly cpuRatio: number;
}

/** Tells its port, and then, for each message, the CPU time that it has used. */
const SERVER = `
  const net = require(process.argv[1]);
  const server = net.createServer({ noDelay: true }, (socket) => socket.on('error', () => {}).on('data', (bytes) => socket.write(bytes)));
  server.listen(0, '127.0.0.1', () => process.send(server.address().port));
  process.on('message', () => { const { user, system } = process.cpuUsage(); process.send(user + system); });
  process.on('disconnect', () => process.exit());`;

const MODULES = { core: 'node:net', uring: require.resolve('iouring-transport/net') };
type Arm = keyof typeof MODULES;

/** @throws where a server does not start */
export async function bench(): Promise<BenchResult> {
  const measured: Record<Arm, BenchFigures[]> = { core: [], uring: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const order: Arm[] = round % 2 === 0 ? ['core', 'uring'] : ['uring', 'core'];
    for (const arm of order) measured[arm].push(await measure(arm));
  }
  const core = medians(measured.core);
  const uring = medians(measured.uring);
  return {
    scenario: `TCP echo, ${CONNECTIONS} connections, ${SIZE} B`,
    core,
    uring,
    throughputRatio: uring.messagesPerSecond / core.messagesPerSecond,
    cpuRatio: uring.cpuMicroseconds / core.cpuMicroseconds,
  };
}

async function measure(arm: Arm): Promise<BenchFigures> {
  const server = spawn(process.execPath, ['--eval', SERVER, MODULES[arm]], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Falling back to core without a word would compare core with itself.
    env: { ...process.env, IOURING_TRANSPORT: arm === 'uring' ? 'uring' : 'core' },
  });
  let echoed = 0;
  const sockets: net.Socket[] = [];
  try {
    const port = await answer(server);
    const message = Buffer.alloc(SIZE, 'x');
    for (let index = 0; index < CONNECTIONS; index++) {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(message));
      let missing = SIZE;
      socket.on('error', () => {});
      socket.on('data', ({ length }) => {
        if ((missing -= length) > 0) return;
        missing = SIZE;
        echoed++;
        socket.write(message);
      });
      sockets.push(socket);
    }
    await sleep(WARM_UP);
    const [cpuBefore, echoedBefore, start] = [await ask(server), echoed, performance.now()];
    await sleep(MEASURED);
    const [cpu, count, time] = [(await ask(server)) - cpuBefore, echoed - echoedBefore, performance.now() - start];
    return { messagesPerSecond: (count / time) * 1000, cpuMicroseconds: cpu / count };
  } finally {
    for (const socket of sockets) socket.destroy();
    if (server.connected) server.disconnect();
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  }
}

/** The next number that a server sends. */
async function answer(server: ChildProcess): Promise<number> {
  const gone = once(server, 'exit').then(() => {
    throw new Error('The server of the benchmark has ended');
  });
  gone.catch(() => {});
  const [number] = (await Promise.race([once(server, 'message'), gone])) as [number];
  return number;
}

function ask(server: ChildProcess): Promise<number> {
  const answered = answer(server);
  server.send('');
  return answered;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

function medians(figures: readonly BenchFigures[]): BenchFigures {
  const median = (of: (one: BenchFigures) => number): number => {
    const sorted = figures.map(of).sort((one, other) => one - other);
    const middle = sorted.length / 2;
    return (sorted[Math.floor(middle - 0.5)] + sorted[Math.ceil(middle - 0.5)]) / 2;
  };
  return { messagesPerSecond: median((one) => one.messagesPerSecond), cpuMicroseconds: median((one) => one.cpuMicroseconds) };
}
