/**
 * Metrics for OpenTelemetry: observable instruments that read `stats()` and `totals()` when they are collected. Here they go to the console once; a service has an
 * exporter in its place, and its SDK set up before this.
 *
 *     node examples/metrics-opentelemetry.mjs
 */
import { once } from 'node:events';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { stats, totals } from 'iouring-transport';
import net from 'iouring-transport/net';

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
metrics.setGlobalMeterProvider(provider);

const meter = metrics.getMeter('iouring-transport');
const gauges = ['handles', 'operations', 'buffersLent', 'starved'].map((name) => [
  name,
  meter.createObservableGauge(`iouring.${name}`),
]);
const counters = ['submissions', 'completions', 'enters', 'exhaustions'].map((name) => [
  name,
  meter.createObservableCounter(`iouring.${name}`),
]);
const bytes = meter.createObservableCounter('iouring.io', { unit: 'By' });
meter.addBatchObservableCallback(
  (result) => {
    const [held, done] = [stats(), totals()];
    for (const [name, gauge] of gauges) result.observe(gauge, held[name]);
    for (const [name, counter] of counters) result.observe(counter, done[name]);
    result.observe(bytes, done.bytesReceived, { 'network.io.direction': 'receive' });
    result.observe(bytes, done.bytesSent, { 'network.io.direction': 'transmit' });
  },
  [...gauges, ...counters].map(([, instrument]) => instrument).concat(bytes),
);

const server = net.createServer((socket) => socket.end('a greeting')).listen(0, '127.0.0.1');
await once(server, 'listening');
const client = net.connect(server.address().port, '127.0.0.1');
for await (const chunk of client) console.log(`received ${chunk.length} bytes`);
server.close();
await once(server, 'close');

await provider.forceFlush();
for (const { descriptor, dataPoints } of exporter.getMetrics()[0].scopeMetrics[0].metrics) {
  for (const { value, attributes } of dataPoints) console.log(descriptor.name, value, attributes['network.io.direction'] ?? '');
}
await provider.shutdown();
