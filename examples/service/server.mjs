/**
 * The service: workers that share a port, and a primary that starts them, replaces one that has crashed, and passes SIGTERM on.
 *
 *     node --import iouring-transport/register server.mjs
 *
 * What runs on io_uring is decided outside of it: by `--import iouring-transport/register`, and IOURING_TRANSPORT=uring|core. README.md has the
 * variables.
 */
import cluster from 'node:cluster';
import { once } from 'node:events';
import http from 'node:http';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry } from 'prom-client';
import { settings } from './settings.mjs';

if (cluster.isPrimary) await primary();
else await (await import('./worker.mjs')).work();

async function primary() {
  let isEnding = false;
  cluster.on('exit', (worker, code, signal) => {
    if (isEnding) return;
    console.error(JSON.stringify({ event: 'worker died', pid: worker.process.pid, code, signal }));
    // Not at once: one that dies at its start would be started for ever, as fast as the machine can.
    setTimeout(() => isEnding || cluster.fork(), 500);
  });
  const ready = Array.from({ length: settings.workers }, () => once(cluster.fork(), 'message'));
  const states = (await Promise.all(ready)).map(([state]) => state);

  const metrics = startMetrics();
  await once(metrics, 'listening');
  const { port, backend } = states[0];
  console.log(JSON.stringify({ event: 'ready', port, metrics: metrics.address().port, backend, workers: settings.workers }));

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  isEnding = true;
  const workers = Object.values(cluster.workers);
  const exits = workers.map((worker) => once(worker, 'exit'));
  for (const worker of workers) worker.process.kill('SIGTERM');
  const late = sleep(settings.endWithin, 'late', { ref: false });
  const codes = await Promise.race([Promise.all(exits), late]);
  if (codes === 'late') for (const worker of workers) worker.process.kill('SIGKILL');
  metrics.close();
  const isClean = codes !== 'late' && codes.every(([code]) => code === 0);
  console.log(JSON.stringify({ event: 'ended', clean: isClean }));
  process.exit(isClean ? 0 : 1);
}

/** Of all workers together; apart from the service's port, where only the inside of a network should reach it. */
function startMetrics() {
  const registry = new AggregatorRegistry();
  const server = http.createServer((request, response) => {
    registry.clusterMetrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error) => response.writeHead(500).end(error.message),
    );
  });
  return server.listen(settings.metricsPort, settings.host);
}
