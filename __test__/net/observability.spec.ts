// What those who watch a process see: diagnostics channels and performance entries.
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks';
import test from 'ava';
import net from 'iouring-transport/net';
import { listening, nothingLeft, pair, portOf, track } from './_sockets.ts';

test.afterEach.always(nothingLeft);

test.serial('net.client.socket and net.server.socket', async (t) => {
  const seen: Record<string, unknown[]> = { client: [], server: [] };
  const onClient = (message: unknown) => seen['client'].push((message as { socket: unknown }).socket);
  const onServer = (message: unknown) => seen['server'].push((message as { socket: unknown }).socket);
  diagnostics.subscribe('net.client.socket', onClient);
  diagnostics.subscribe('net.server.socket', onServer);
  t.teardown(() => {
    diagnostics.unsubscribe('net.client.socket', onClient);
    diagnostics.unsubscribe('net.server.socket', onServer);
  });
  const { client, peer } = await pair();
  t.deepEqual(
    [seen['client'].indexOf(client), seen['server'].indexOf(peer)],
    [seen['client'].length - 1, seen['server'].length - 1],
  );
});

test.serial('tracing:net.server.listen', async (t) => {
  const seen: string[] = [];
  const channel = diagnostics.tracingChannel('net.server.listen');
  const subscribers = {
    start() {},
    end() {},
    asyncStart: () => void seen.push('start'),
    asyncEnd: () => void seen.push('end'),
    error: () => void seen.push('error'),
  };
  channel.subscribe(subscribers);
  t.teardown(() => channel.unsubscribe(subscribers));
  const server = await listening();
  t.deepEqual(seen, ['start', 'end']);
  const second = track(net.createServer());
  second.listen(portOf(server), '127.0.0.1');
  await once(second, 'error');
  t.deepEqual(seen, ['start', 'end', 'start', 'error']);
});

test.serial('performance entries of type net', async (t) => {
  // The first connect teaches ours how such an entry is made.
  await pair();
  const entries: Array<PerformanceEntry & { detail?: unknown }> = [];
  const observer = new PerformanceObserver((list) => void entries.push(...list.getEntries()));
  observer.observe({ type: 'net' as never });
  t.teardown(() => observer.disconnect());
  const { server } = await pair();
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(entries.length, 1);
  const { name, duration, detail } = entries[0];
  t.is(name, 'connect');
  t.true(duration > 0 && duration < 5000);
  t.deepEqual(detail, { host: '127.0.0.1', port: portOf(server) });
});
