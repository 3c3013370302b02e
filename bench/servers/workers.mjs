/**
 * The server of the scenario `workers`: `node workers.mjs MODULE MODE ADDRESS`, as stream.mjs, by as many processes of a cluster as BENCH_WORKERS says. Each works for a
 * while before it sends a message back.
 */
import cluster from 'node:cluster';
import { once } from 'node:events';
import process from 'node:process';
import { work } from './work.mjs';

const [name, , address] = process.argv.slice(2);
const module = await import(name);
const net = module.default ?? module;
const [, host, port] = /^(.*):(\d+)$/.exec(address);

if (cluster.isPrimary) {
  const workers = Array.from({ length: Number(process.env.BENCH_WORKERS) }, () => cluster.fork());
  const [[bound]] = await Promise.all(workers.map((worker) => once(worker, 'listening')));
  process.stdout.write(`${host}:${bound.port} ${workers.map((worker) => worker.process.pid).join(' ')}\n`);
  process.stdin.on('data', () => {}).on('end', () => process.exit(0));
} else {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      work();
      socket.write(bytes);
    });
  });
  server.listen({ host, port: Number(port), backlog: 4096 });
}
