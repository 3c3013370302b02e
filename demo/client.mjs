/** The clients: `client.mjs MODULE`. */
import process from 'node:process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createHistogram } from 'node:perf_hooks';
import { cpuMicros, importNet, report, serve } from './role.mjs';

const net = await importNet(process.argv[2]);
const DIGEST_LENGTH = 32;

/** Tells how far it is, ten times a second. */
function reporting(progress) {
  const timer = setInterval(() => report(progress()), 100);
  return { stop: () => clearInterval(timer) };
}

/** Sends a file. Resolves to its SHA-256 here and the one that the server found. */
async function send({ port, file }) {
  const hash = createHash('sha256');
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const progress = reporting(() => ({ bytes: socket.bytesWritten }));
  const from = createReadStream(file, { highWaterMark: 1024 * 1024 });
  from.on('data', (bytes) => hash.update(bytes));
  from.pipe(socket);
  try {
    let there = '';
    for await (const bytes of socket.setEncoding('latin1')) there += bytes;
    return { here: hash.digest('hex'), there };
  } finally {
    progress.stop();
    socket.destroy();
  }
}

/** Fetches the file. Resolves to its SHA-256 here and the one that came behind it. */
async function fetch({ port }) {
  const hash = createHash('sha256');
  const socket = net.connect({ host: '127.0.0.1', port });
  const progress = reporting(() => ({ bytes: socket.bytesRead }));
  try {
    // The digest may arrive in pieces: the last bytes are kept back until more are there.
    let held = Buffer.alloc(0);
    for await (const bytes of socket) {
      const both = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const certain = Math.max(0, both.length - DIGEST_LENGTH);
      hash.update(both.subarray(0, certain));
      held = Buffer.from(both.subarray(certain));
    }
    return { here: hash.digest('hex'), there: held.toString('hex') };
  } finally {
    progress.stop();
    socket.destroy();
  }
}

/** Keeps one message under way on each of many connections. Resolves to counts and latencies of the measured time. */
async function echo({ port, connections, size, warmup, seconds }) {
  const latencies = createHistogram({ lowest: 1000, highest: 60_000_000_000, figures: 3 });
  let measuring = false;
  let over = false;
  let messages = 0;
  let failed;
  const failure = new Promise((_, reject) => (failed = reject));

  const sockets = Array.from({ length: connections }, (_, index) => {
    const message = Buffer.alloc(size, `connection ${index}; `);
    const received = Buffer.alloc(size);
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    let length = 0;
    let started;
    const next = () => {
      started = process.hrtime.bigint();
      socket.write(message);
    };
    socket.on('data', (bytes) => {
      length += bytes.copy(received, length);
      if (length < size) return;
      if (!message.equals(received)) failed(new Error(`connection ${index} got what it had not sent`));
      length = 0;
      if (measuring) {
        messages++;
        latencies.record(process.hrtime.bigint() - started);
      }
      if (!over) next();
    });
    socket.on('error', failed);
    socket.on('close', () => {
      if (!over) failed(new Error(`connection ${index} was closed`));
    });
    return { socket, next, connected: once(socket, 'connect') };
  });

  const wait = (time) => Promise.race([new Promise((resolve) => setTimeout(resolve, time * 1000)), failure]);
  try {
    await Promise.race([Promise.all(sockets.map(({ connected }) => connected)), failure]);
    for (const { next } of sockets) next();
    await wait(warmup);

    report({ mark: 'begin' });
    const began = performance.now();
    const cpuBefore = cpuMicros();
    measuring = true;
    const progress = reporting(() => ({ elapsed: (performance.now() - began) / 1000 }));
    await wait(seconds).finally(() => progress.stop());
    measuring = false;
    const cpu = cpuMicros() - cpuBefore;
    const elapsed = (performance.now() - began) / 1000;
    report({ mark: 'end' });
    const at = (percentile) => latencies.percentile(percentile) / 1000;
    return { messages, seconds: elapsed, clientCpu: cpu / messages, p50: at(50), p99: at(99) };
  } finally {
    over = true;
    for (const { socket } of sockets) socket.destroy();
  }
}

serve({}, { send, fetch, echo });
