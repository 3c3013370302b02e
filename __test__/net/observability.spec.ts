// What those who watch a process see: diagnostics channels and performance entries.
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import core from 'node:net';
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
  t.is(seen['client'].length, 1);
  t.is(seen['client'][0], client);
  t.is(seen['server'].length, 1);
  t.is(seen['server'][0], peer);
});

test.serial('net.client.socket for a socket that connects by itself, as often as core says so', async (t) => {
  const seen: unknown[] = [];
  const note = (message: unknown) => seen.push((message as { socket: unknown }).socket);
  diagnostics.subscribe('net.client.socket', note);
  t.teardown(() => diagnostics.unsubscribe('net.client.socket', note));
  const server = await listening();
  const counts = [];
  for (const { Socket } of [net, core]) {
    const socket = track(new Socket());
    socket.connect(portOf(server), '127.0.0.1');
    await once(socket, 'connect');
    counts.push(seen.filter((it) => it === socket).length);
  }
  t.is(counts[0], counts[1]);
  t.is(seen.length, counts[0] + counts[1]);
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
