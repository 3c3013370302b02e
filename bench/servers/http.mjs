/**
 * The server of the scenarios with HTTP: `node http.mjs MODULE MODE ADDRESS`, as stream.mjs with these:
 *
 * MODULE   what to import: `node:http`, `iouring-transport/http`, and the same of https and http2
 * MODE     `hello` answers every request with the same few bytes, `body` with 64 KiB; `secure-` before says over TLS, `h2-` HTTP/2; `cluster-` by two
 *          workers of a cluster, whose primary deals the connections out, `shared-cluster-` by two that accept them themselves
 */
import cluster from 'node:cluster';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import process from 'node:process';

const [name, mode, address] = process.argv.slice(2);
const imported = await import(name);
const module = imported.default ?? imported;

const isSecure = mode.includes('secure-');
const body = mode.endsWith('body') ? Buffer.alloc(65_536, 'x') : Buffer.from('hello\n');

function serve(request, response) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
}

const certificate = () => {
  const folder = process.env.BENCH_CERTIFICATE;
  return { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/cert.pem`) };
};

const create = isSecure && mode.startsWith('h2-') ? 'createSecureServer' : 'createServer';
const [, host, port] = /^(.*):(\d+)$/.exec(address);
const server = isSecure ? module[create](certificate(), serve) : module[create](serve);

/** Starts both and says where they listen, and their numbers. */
async function startWorkers() {
  cluster.schedulingPolicy = mode.startsWith('shared-') ? cluster.SCHED_NONE : cluster.SCHED_RR;
  const workers = [cluster.fork(), cluster.fork()];
  const told = await Promise.all(workers.map((worker) => once(worker, 'listening')));
  process.stdout.write(`${host}:${told[0][0].port} ${workers.map((worker) => worker.process.pid).join(' ')}\n`);
}

if (mode.includes('cluster-') && cluster.isPrimary) {
  await startWorkers();
} else {
  server.listen({ host, port: Number(port), backlog: 4096 }, () => {
    const got = server.address();
    if (cluster.isPrimary) process.stdout.write(`${got.address}:${got.port}\n`);
  });
}

if (cluster.isPrimary) process.stdin.on('data', () => {}).on('end', () => process.exit(0));
