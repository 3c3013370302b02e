/**
 * Metrics for Prometheus with `prom-client`: what the ring holds are gauges, what it has done are counters, how long dispatches keep the event loop is a summary.
 * All are of this thread: each worker has a ring of its own, and gives its metrics a label.
 *
 *     node examples/metrics-prometheus.mjs
 */
import { once } from 'node:events';
import { measureLatencies, stats, totals } from 'iouring-transport';
import http from 'iouring-transport/http';
import { Counter, Gauge, register } from 'prom-client';

/** A name as Prometheus has them: `bytesReceived` is `bytes_received`. */
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

for (const name of ['handles', 'operations', 'buffersLent', 'starved', 'backlog']) {
  new Gauge({
    name: `iouring_${snake(name)}`,
    help: `What stats() calls ${name}`,
    collect() {
      this.set(stats()[name]);
    },
  });
}
for (const name of ['enters', 'submissions', 'completions', 'overflows', 'exhaustions', 'bytesReceived', 'bytesSent']) {
  new Counter({
    name: `iouring_${snake(name)}_total`,
    help: `What totals() calls ${name}`,
    collect() {
      // Counted elsewhere, and never goes down.
      this.reset();
      this.inc(totals()[name]);
    },
  });
}
const latencies = measureLatencies();
new Gauge({
  name: 'iouring_dispatch_seconds',
  help: 'How long dispatches took since the last scrape',
  labelNames: ['quantile'],
  collect() {
    for (const quantile of [50, 99]) {
      this.set({ quantile: quantile / 100 }, latencies.dispatches.percentile(quantile) / 1e9);
    }
    latencies.dispatches.reset();
  },
});

const server = http.createServer(async (request, response) => {
  response.writeHead(200, { 'content-type': register.contentType });
  response.end(await register.metrics());
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

for (let scrapes = 0; scrapes < 2; scrapes++) {
  const request = http.get({ host: '127.0.0.1', port: server.address().port, path: '/metrics', agent: false });
  const [response] = await once(request, 'response');
  const metrics = Buffer.concat(await response.toArray()).toString();
  const values = metrics.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  console.log(`scrape ${scrapes}:\n${values.join('\n')}`);
}
latencies.stop();
server.close();
