/**
 * A server in each of several threads, all on one port: the kernel shares out the connections (`SO_REUSEPORT`). Each thread has a ring
 * and an event loop of its own; no thread hands connections to another.
 *
 *     node examples/workers.mjs
 */
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads';
import { support } from 'iouring-transport';
import net from 'iouring-transport/net';

const THREADS = 2;
const CONNECTIONS = 64;

if (!isMainThread) await serve(workerData.port);
else if (support().backend === 'uring') await main();
else console.log(`Sharing a port takes io_uring here, or a newer Node.js (${support().reason}).`);

async function serve(port) {
  const server = net.createServer((socket) => socket.end(String(threadId)));
  server.listen({ port, host: '127.0.0.1', reusePort: true });
  await once(server, 'listening');
  parentPort.postMessage({ port: server.address().port });
  // Told to stop: no more connections; the thread ends when the last one has.
  await once(parentPort, 'message');
  server.close();
  parentPort.close();
}

async function main() {
  const workers = [];
  let port = 0;
  for (let count = 0; count < THREADS; count++) {
    // The first takes any free port, the others share it.
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { port } });
    [{ port }] = await once(worker, 'message');
    workers.push(worker);
  }

  const served = new Map();
  const answers = await Promise.all(Array.from({ length: CONNECTIONS }, () => ask(port)));
  for (const thread of answers) served.set(thread, (served.get(thread) ?? 0) + 1);
  console.log(`${answers.length} connections served by ${served.size} of ${THREADS} threads`);

  const ends = workers.map((worker) => once(worker, 'exit'));
  for (const worker of workers) worker.postMessage('stop');
  const codes = (await Promise.all(ends)).map(([code]) => code);
  console.log(`threads ended with ${codes.join(' and ')}`);
  process.exitCode = Math.max(...codes);
}

async function ask(port) {
  const socket = net.connect(port, '127.0.0.1');
  return Buffer.concat(await socket.toArray()).toString();
}
